#include "core/blob.h"

/* Whenever it can't be known the blob stays: it costs space, and nothing else. */
static bool is_elsewhere(struct registry *r, const struct digest *d)
{
    struct repo_name other;
    uint64_t size_bytes;

    return store_shared(r->store) &&
           meta_blob_find(r->meta, d, &other, &size_bytes, ERR_IGNORED) != ERR_BLOB_UNKNOWN;
}

enum err_code blob_drop(struct registry *r, const struct repo_name *repo, const struct digest *d,
                        struct err *e)
{
    enum err_code code = store_blob_delete(r->store, repo, d, is_elsewhere(r, d), e);

    return code == ERR_BLOB_UNKNOWN ? ERR_OK : code;
}

void blob_discard(struct registry *r, const struct repo_name *repo, const struct digest *d)
{
    uint64_t size_bytes;

    if (meta_blob_stat(r->meta, repo, d, &size_bytes, ERR_IGNORED) == ERR_BLOB_UNKNOWN)
        (void)!blob_drop(r, repo, d, ERR_IGNORED);
}
