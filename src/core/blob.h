/* Which repositories have a blob. */
#pragma once

#include "core/registry.h"

/* Is it the repository's? As meta_blob_stat(), for a client that is about to push it: that it is
 * nowhere is remembered for a while, and so the end of the push needs no look-up. One that
 * collection has condemned is revived. */
ERR_CHECKED enum err_code blob_look(struct registry *r, const struct repo_name *repo,
                                    const struct digest *d, uint64_t *ret_size_bytes,
                                    struct err *e);

/* Any repository that has it, so that its bytes need not be written again; or repo itself, when a
 * store that keeps it once for all has bytes that are condemned: they are taken over. Under the
 * lock on the blob no link of this process is missed; of another one that can be. Whether the bytes
 * are there the store sees. Error: BLOB_UNKNOWN. */
ERR_CHECKED enum err_code blob_find_twin(struct registry *r, const struct repo_name *repo,
                                         const struct digest *d, struct repo_name *ret_repo,
                                         struct err *e);

/* A transaction that links it was tried. Under the lock on the blob (core/registry.h). */
void blob_is_linked(struct registry *r, const struct digest *d);
