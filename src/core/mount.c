#include "core/mount.h"

#include "base/cleanup.h"
#include "core/blob.h"
#include "core/quota.h"
#include "core/removal.h"

enum err_code mount_source(struct registry *r, const struct digest *d, struct repo_name *ret_from,
                           struct err *e)
{
    uint64_t size_bytes;

    return meta_blob_find(r->meta, d, ret_from, &size_bytes, e);
}

enum err_code mount_blob(struct registry *r, const struct repo_name *repo,
                         const struct repo_name *from, const struct digest *d, struct err *e)
{
    struct meta_op ops[2 + QUOTAS_MAX];
    size_t n = 2 + quota_checks(r, repo, ops + 2);
    uint64_t size_bytes;
    /* From the look at the source on, nobody of this process deletes it; others may until the
     * transaction, whose precondition it is. */
    AUTO(held) pthread_mutex_t *held = locks_hold(&r->blob_locks, STR_NONE, digest_str(d));
    enum err_code code;

    TRY(meta_blob_stat(r->meta, from, d, &size_bytes, e));
    if (str_eq(repo_name_str(from), repo_name_str(repo)))
        return ERR_OK;
    TRY(registry_has_room(r, e));
    TRY(store_blob_link(r->store, from, repo, d, e));
    ops[0] = meta_op_blob_check(from, d);
    ops[1] = removal_link(r, repo, d, size_bytes);
    code = removal_commit(r, ops, n, 1, NULL, e);
    blob_is_linked(r, d);
    if (registry_refused(code))
        (void)!removal_discard(r, repo, d, ERR_IGNORED);
    return code == ERR_GONE ? err_set(e, ERR_BLOB_UNKNOWN, "%s went meanwhile", d->text) : code;
}
