/* The life of a registry. */
#pragma once

#include "core/registry.h"

/* Takes ownership of store and meta. c must outlive the registry. */
struct registry *registry_new(struct store *store, struct meta *meta, const struct conf *c);

/* Finishes what a crash left undone (pending projections, abandoned uploads), then starts what
 * is done in the background. What a full or read-only disk does not let it finish is reported, and
 * tried again later. Time does not grow with the content. */
ERR_CHECKED enum err_code registry_start(struct registry *r, registry_report_fn report,
                                         struct err *e);

/* Ends what is done in the background: what others have added to r->jobs may go then. */
void registry_stop(struct registry *r);
void registry_free(struct registry *r); /* stops first; accepts NULL */
