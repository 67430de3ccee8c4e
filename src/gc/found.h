/* What a run that only looks found, for who asks later: records of gc.found (gc/journal.h). */
#pragma once

#include "gc/collector.h"
#include "gc/journal.h"

struct gc_found {
    struct meta *meta;
    const char *run;
    struct repo_name repo; /* of the items that are not written yet */
    struct gc_entry entry;
    unsigned records;
    struct err error; /* the first; nothing is added from then on */
};

/* What an item's action is called: "delete", "condemn", "revive", "keep". */
const char *gc_action_name(enum gc_action action);

void gc_found_add(struct gc_found *f, const struct gc_item *item);

/* Writes what is left. Releases; returns the first error there was. */
ERR_CHECKED enum err_code gc_found_end(struct gc_found *f, struct err *e);
