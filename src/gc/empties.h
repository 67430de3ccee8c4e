/*
 * Repositories that have been empty for long enough: nothing is in them, nothing is being pushed
 * into them, and the history of their tags is forgotten. Since when one is empty is known by the
 * runs that found it so, one after the other, which write that down (gc.empty); one that was in use
 * and empty again between two of them counts as empty all the time.
 */
#pragma once

#include "core/registry.h"
#include "gc/journal.h"

#define GC_EMPTY STR("gc.empty") /* by the name; {"since": wall clock} */

struct gc_empties {
    struct meta *meta;
    int64_t age_ms; /* 0: none goes */
    bool dry_run;
    const struct meta_op *check; /* a precondition of each transaction; NULL: none */
    void (*gone)(void *ctx, const struct repo_name *repo); /* or would be */
    enum err_code (*go_on)(void *ctx, struct err *e);      /* asked now and then */
    void *ctx;
};

/* Errors: those of meta, and of go_on. */
ERR_CHECKED enum err_code gc_empties(const struct gc_empties *o, struct err *e);
