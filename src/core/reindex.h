/*
 * Rebuilding meta from what the store holds: manifests with all that follows from them, blobs and
 * tags. Users, tokens, rules, the audit trail and open uploads are in no store.
 *
 * What is missing in meta is added, and nothing is removed: content that meta has stays as it is.
 * What can't be taken (a manifest whose bytes have another digest, a tag that points nowhere) is a
 * problem, which is told, and the rest goes on. It may be run again at any time.
 *
 * Nobody else may write to the registry meanwhile. One call at a time; it blocks for long.
 */
#pragma once

#include "core/registry.h"

struct reindex_counts {
    uint64_t listed;                               /* blobs, manifests and tags of the store */
    uint64_t repositories, blobs, manifests, tags; /* of them; a blob in each of its own */
    uint64_t done;                                 /* of `listed`: looked at so far */
    uint64_t new_blobs, new_manifests, new_tags;   /* that meta had not */
    uint64_t moved_tags,
        kept_tags; /* that meta has elsewhere, or has just deleted: moved, or left so */
    uint64_t problems;
};

struct reindex {
    struct registry *registry;
    bool move_tags;    /* a tag that is elsewhere in meta goes to where the store says */
    const char *actor; /* whom the audit trail names: "shell:root" */
    const char *action;

    /* Called from the thread of reindex_run(). */
    void (*problem)(void *ctx, const char *text);
    void (*progress)(void *ctx, const struct reindex_counts *c);
    void *ctx;
};

/* On ERR_OK everything is durable, and an entry of the audit trail says how much it was. */
ERR_CHECKED enum err_code reindex_run(const struct reindex *r, struct reindex_counts *ret_counts,
                                      struct err *e);
