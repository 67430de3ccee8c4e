#include "core/bring_back.h"

#include "base/cleanup.h"
#include "core/blob.h"
#include "core/mount.h"
#include "core/quota.h"
#include "core/removal.h"

/* Bytes that may be deleted the next moment are none. */
static enum err_code look_at_own(struct registry *r, const struct repo_name *repo,
                                 const struct digest *d, uint64_t *ret_size_bytes, struct err *e)
{
    const struct meta_content c = {store_shared(r->store) ? NULL : repo, d};
    struct meta_removed row;
    enum err_code code = meta_removed_get(r->meta, c, &row, e);

    if (code != ERR_OK && code != ERR_NOT_FOUND)
        return code;
    if (code == ERR_OK && row.state == META_REMOVED_GONE)
        return err_set(e, ERR_BLOB_UNKNOWN, "%s is being deleted", d->text);
    return store_blob_stat(r->store, repo, d, ret_size_bytes, e);
}

enum err_code bring_back_look(struct registry *r, const struct repo_name *repo,
                              const struct digest *d, uint64_t *ret_size_bytes, struct err *e)
{
    struct repo_name other;
    enum err_code code = look_at_own(r, repo, d, ret_size_bytes, e);

    return code == ERR_BLOB_UNKNOWN ? meta_blob_find(r->meta, d, &other, ret_size_bytes, e) : code;
}

static enum err_code link_own(struct registry *r, const struct repo_name *repo,
                              const struct digest *d, struct err *e)
{
    struct meta_op ops[1 + QUOTAS_MAX];
    size_t n = 1 + quota_checks(r, repo, ops + 1);
    AUTO(held) pthread_mutex_t *held = locks_hold(&r->blob_locks, STR_NONE, digest_str(d));
    uint64_t size_bytes;
    enum err_code code = meta_blob_stat(r->meta, repo, d, &size_bytes, e);

    if (code != ERR_BLOB_UNKNOWN)
        return code;
    TRY(look_at_own(r, repo, d, &size_bytes, e));
    ops[0] = removal_link(r, repo, d, size_bytes);
    code = removal_commit(r, ops, n, 0, NULL, e);
    blob_is_linked(r, d);
    return code;
}

enum err_code bring_back_blob(struct registry *r, const struct repo_name *repo,
                              const struct digest *d, struct err *e)
{
    struct repo_name other;
    enum err_code code = link_own(r, repo, d, e);

    if (code != ERR_BLOB_UNKNOWN)
        return code;
    TRY(mount_source(r, d, &other, e));
    return mount_blob(r, repo, &other, d, e);
}
