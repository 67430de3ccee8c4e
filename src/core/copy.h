/*
 * Moving content from one store to another: every blob, manifest and tag. It adds what the other
 * does not have (by name and length; a blob of another length is damaged, and is replaced),
 * verifies digests on the way, and removes nothing, so that the same once more does the rest.
 * Nobody else may write to either store meanwhile.
 *
 * Where both stores have files a blob becomes one more link to the same file, or a copy that the
 * kernel makes; where both lie on one server, that copies it, after it was read to verify it; else
 * it is read and uploaded. A blob in several repositories is carried once.
 *
 * One call at a time; it blocks for long.
 */
#pragma once

#include "store/store.h"

struct copy_counts {
    uint64_t listed;                 /* blobs, manifests and tags of `from` */
    uint64_t blobs, manifests, tags; /* of them */
    uint64_t done;                   /* looked at so far */
    uint64_t done_bytes;             /* of blobs, read and linked */
    uint64_t new_blobs, new_manifests, new_tags;
    uint64_t moved_tags, kept_tags; /* that `to` had, pointing elsewhere: moved, or left so */
    uint64_t problems;
};

struct copy {
    struct store *from, *to;
    bool trust;     /* do not read blobs only to verify them */
    bool move_tags; /* a tag that is elsewhere in `to` goes to where `from` says */

    /* NULL, or: what of `from` is to be copied, asked before anything is. repo is NULL for a blob
     * that is kept once for all repositories; d is the content's, or where the tag leads (n is 0:
     * nowhere). */
    bool (*wanted)(void *ctx, enum store_kind kind, const struct repo_name *repo,
                   const struct digest *d);

    /* Called from any thread, one call at a time. */
    void (*problem)(void *ctx, const char *text);
    void (*progress)(void *ctx, const struct copy_counts *c);
    void *ctx;
};

/* One blob, also one that the store does not list. *ret_source: an error is that of `from`. Not
 * durable before store_sync(). */
ERR_CHECKED enum err_code copy_blob(const struct copy *c, const struct repo_name *repo,
                                    const struct digest *d, uint64_t size_bytes, bool *ret_source,
                                    struct err *e);

/* What can't be read from `from` is a problem, and the rest goes on. What `to` can't take is an
 * error, and ends it. On ERR_OK all is durable. */
ERR_CHECKED enum err_code copy_run(const struct copy *c, struct copy_counts *ret_counts,
                                   struct err *e);
