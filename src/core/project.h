/*
 * Projection: carrying the tags that meta holds into the store, so that meta could be rebuilt from
 * it. Every change of a tag leaves a pending projection in its transaction; it is carried at once
 * by the request, and made durable and crossed out by the maintenance thread, also after a crash.
 */
#pragma once

#include "core/registry.h"

/* Makes the store say of the tag what meta says now. A failure is no failure of the request: the
 * pending projection stays, and the maintenance thread tries again and reports. */
void project_tag(struct registry *r, const struct repo_name *repo, const struct tag_name *tag);

/* Carries pending projections, durably, at most max_batches batches; *ret_more when there may be
 * others then. One that fails stays pending and does not keep the others: its error is returned. */
ERR_CHECKED enum err_code project_pending(struct registry *r, unsigned max_batches, bool *ret_more,
                                          struct err *e);
