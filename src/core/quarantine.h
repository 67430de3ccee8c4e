/*
 * Blobs whose bytes are not what their digest says, or are gone. Such a blob is made to be not
 * there: clients are told 404, push it again, and all is well. Until then an image that needs it
 * can't be pulled, and none that needs it can be pushed.
 *
 * In files, what is damaged is moved to the store's quarantine, then the rows go. A kill in between
 * leaves rows of a blob that is missing, which the next check finds. In a store that processes
 * share, the rows go first, and it is moved as content is deleted (core/removal.h), so that a push
 * of the same that ends on another process is without its link for a moment at most: what is whole
 * after all gets its links back. A kill in that moment leaves a blob that is nobody's, and clients
 * are told 404.
 */
#pragma once

#include "core/registry.h"

struct rehash {
    /* After each piece of so many bytes; false: it is to end. NULL: it never is. */
    bool (*goes_on)(void *ctx, uint64_t bytes);
    void *ctx;
    /* Another name of a file that was read before is not read again: 0, or which file that was, and
     * what came of it; then of this one. */
    uint64_t file;
    bool was_whole;
};

/* Reads a blob of the store itself, whatever a cache has of it. Errors: BLOB_UNKNOWN; LATER, it was
 * to end. */
ERR_CHECKED enum err_code quarantine_rehash(struct registry *r, const struct repo_name *repo,
                                            const struct digest *d, struct rehash *how,
                                            bool *ret_whole, struct err *e);

/* If it is damaged: reads it again, with the lock on it. Of a store that keeps it once for all, all
 * repositories lose it. */
ERR_CHECKED enum err_code quarantine_blob(struct registry *r, const struct repo_name *repo,
                                          const struct digest *d, uint64_t row_bytes,
                                          bool *ret_moved, struct err *e);

/* If meta has the blob and the store lacks it: it is linked again from another repository that has
 * it (*ret_back), or its row goes. */
ERR_CHECKED enum err_code quarantine_missing(struct registry *r, const struct repo_name *repo,
                                             const struct digest *d, bool *ret_back, struct err *e);
