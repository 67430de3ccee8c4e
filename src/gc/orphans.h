/*
 * Orphans: content of the store that the database does not know (core/stray.h), found and taken
 * away by a run. It is written into the journal before it goes: blobs are condemned, so that a push
 * which is at them after all keeps them, manifests are removed. A stop between the two leaves a
 * record that says too much; the next run finds them again.
 */
#pragma once

#include "gc/journal.h"

struct gc_orphans {
    struct registry *registry;
    const struct repo_name *repo; /* of this one alone; NULL: all, and what is of none */
    int64_t age_ms; /* greater than 0; as old at least: upload.timeout and gc.grace where longer */
    bool dry_run;
    bool at_once;                /* the bytes of blobs go without a grace */
    const struct meta_op *check; /* a precondition of each transaction; NULL: none */

    /* The key of the next record of the journal. */
    void (*next_key)(void *ctx, char dst[static GC_KEY_SIZE]);
    void (*gone)(void *ctx, const struct store_item *item); /* or would be */
    enum err_code (*go_on)(void *ctx, struct err *e);       /* asked now and then */
    void *ctx;
};

/* Errors: those of the store, of meta, and of go_on. */
ERR_CHECKED enum err_code gc_orphans(const struct gc_orphans *o, struct err *e);
