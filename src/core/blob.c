#include "core/blob.h"

#include "base/clock.h"
#include "base/recent.h"

static enum err_code revive(struct registry *r, const struct repo_name *repo,
                            const struct digest *d, struct err *e)
{
    struct meta_op op = meta_op_revive(repo, META_ITEM_BLOB, d);

    return meta_commit(r->meta, &op, 1, 0, NULL, e);
}

enum err_code blob_look(struct registry *r, const struct repo_name *repo, const struct digest *d,
                        uint64_t *ret_size_bytes, struct err *e)
{
    uint64_t since = recent_since(r->absent, d);
    struct meta_blob_sight sight;
    enum err_code code = meta_blob_look(r->meta, repo, d, ret_size_bytes, &sight, e);

    if (code == ERR_BLOB_UNKNOWN && sight.nowhere)
        recent_add(r->absent, d, since, clock_mono_ms());
    if (code != ERR_OK || !sight.condemned)
        return code;
    TRY(revive(r, repo, d, e));
    return meta_blob_stat(r->meta, repo, d, ret_size_bytes, e); /* it may have gone before that */
}

/* Error: BLOB_UNKNOWN. */
static enum err_code find_condemned(struct registry *r, const struct digest *d, struct err *e)
{
    struct meta_removed row;
    enum err_code code = meta_removed_get(r->meta, (struct meta_content){NULL, d}, &row, e);

    if (code == ERR_NOT_FOUND || (code == ERR_OK && row.state != META_REMOVED_CONDEMNED))
        return err_set(e, ERR_BLOB_UNKNOWN, "nothing of %s is condemned", d->text);
    return code;
}

enum err_code blob_find_twin(struct registry *r, const struct repo_name *repo,
                             const struct digest *d, struct repo_name *ret_repo, struct err *e)
{
    uint64_t since = recent_since(r->absent, d), size_bytes;
    enum err_code code = ERR_BLOB_UNKNOWN;

    if (recent_has(r->absent, d, clock_mono_ms()))
        return err_set(e, code, "no repository had %s", d->text);
    code = meta_blob_find(r->meta, d, ret_repo, &size_bytes, e);
    if (code == ERR_BLOB_UNKNOWN && store_shared(r->store)) {
        code = find_condemned(r, d, e);
        if (code == ERR_OK)
            *ret_repo = *repo;
    }
    if (code == ERR_BLOB_UNKNOWN)
        recent_add(r->absent, d, since, clock_mono_ms());
    return code;
}

void blob_is_linked(struct registry *r, const struct digest *d)
{
    recent_forget(r->absent, d);
}
