#include "core/remove.h"

#include "base/cleanup.h"
#include "core/project.h"

static enum err_code check_enabled(struct registry *r, struct err *e)
{
    if (!conf_bool(&r->options->delete_enabled))
        return err_tell(e, ERR_UNSUPPORTED, "deleting is turned off here (delete.enabled)");
    return ERR_OK;
}

/* Meta first, then the store: what can be found can be read. The file is gone already when
 * someone took it away by hand. */
static enum err_code remove_digest(struct registry *r, const struct repo_name *repo,
                                   const struct digest *d, meta_tag_fn may_untag, void *ctx,
                                   struct err *e)
{
    AUTO(held) pthread_mutex_t *held = locks_hold(&r->content_locks, STR_NONE, digest_str(d));
    struct meta_op op = meta_op_manifest_delete(repo, d, may_untag, ctx);
    enum err_code code;

    TRY(meta_commit(r->meta, &op, 1, 0, NULL, e));
    registry_wake(r); /* its tags are pending projections now */
    code = store_manifest_delete(r->store, repo, d, e);
    return code == ERR_MANIFEST_UNKNOWN ? ERR_OK : code;
}

static enum err_code remove_tag(struct registry *r, const struct repo_name *repo,
                                const struct tag_name *tag, struct err *e)
{
    struct meta_op op = meta_op_tag_delete(repo, tag, META_ANY);

    TRY(meta_commit(r->meta, &op, 1, 0, NULL, e));
    project_tag(r, repo, tag);
    return ERR_OK;
}

enum err_code remove_manifest_if(struct registry *r, const struct repo_name *repo,
                                 const struct reference *ref, meta_tag_fn may_untag, void *ctx,
                                 struct err *e)
{
    TRY(check_enabled(r, e));
    return ref->is_digest ? remove_digest(r, repo, &ref->digest, may_untag, ctx, e)
                          : remove_tag(r, repo, &ref->tag, e);
}

enum err_code remove_manifest(struct registry *r, const struct repo_name *repo,
                              const struct reference *ref, struct err *e)
{
    return remove_manifest_if(r, repo, ref, NULL, NULL, e);
}

enum err_code remove_blob(struct registry *r, const struct repo_name *repo, const struct digest *d,
                          struct err *e)
{
    struct meta_op op = meta_op_blob_unlink(repo, d);
    AUTO(held) pthread_mutex_t *held = NULL;
    enum err_code code;

    TRY(check_enabled(r, e));
    held = locks_hold(&r->content_locks, STR_NONE, digest_str(d));
    TRY(meta_commit(r->meta, &op, 1, 0, NULL, e));
    code = store_blob_delete(r->store, repo, d, e);
    return code == ERR_BLOB_UNKNOWN ? ERR_OK : code;
}
