#include "core/remove.h"

#include "base/cleanup.h"
#include "base/mem.h"
#include "core/event_log.h"
#include "core/project.h"
#include "core/removal.h"

#define TRIES     8 /* looks at the tags of a manifest until no other came meanwhile */
#define TAGS_PAGE 256

#define WHY_DELETED "deleted"

enum err_code remove_check_enabled(const struct registry *r, struct err *e)
{
    if (!conf_bool(&r->options->delete_enabled))
        return err_tell(e, ERR_UNSUPPORTED, "deleting is turned off here (delete.enabled)");
    return ERR_OK;
}

/* Asks for each tag that points to the manifest. The version is that of the first page: what comes
 * to point there while the others are read is later. */
static enum err_code ask_for_tags(struct registry *r, const struct repo_name *repo,
                                  const struct digest *d, remove_tag_fn may_untag, void *ctx,
                                  int64_t *ret_version, struct err *e)
{
    AUTO(mem) char *after = mem_strdup("");
    int64_t first = META_ABSENT;
    bool more = true;

    for (bool is_first = true; more; is_first = false) {
        AUTO(name_list) struct meta_name_list page = {0};
        struct tag_name tag;

        TRY(meta_manifest_tags(r->meta, repo, d, str_of(after), TAGS_PAGE, &page,
                               is_first ? &first : NULL, e));
        for (size_t i = 0; i < page.n; i++) {
            TRY(tag_name_parse(str_of(page.names[i]), &tag, e));
            TRY(may_untag(ctx, &tag, e));
        }
        more = page.more && page.n > 0;
        if (more) {
            free(after);
            after = STEAL(page.names[page.n - 1]);
        }
    }
    *ret_version = first;
    return ERR_OK;
}

/* The operation, and the event of it where there are to be any; in one transaction. */
static enum err_code commit_told(struct registry *r, struct meta_op op, const struct meta_op *event,
                                 struct err *e)
{
    struct meta_op ops[2] = {op};

    if (event)
        ops[1] = *event;
    TRY(meta_commit(r->meta, ops, event ? 2 : 1, 0, NULL, e));
    if (event)
        event_log_wake(r);
    return ERR_OK;
}

/* First as if it had no tags, which is what most deletes by digest find. */
static enum err_code commit_removal(struct registry *r, const struct repo_name *repo,
                                    const struct digest *d, const struct event_origin *by,
                                    remove_tag_fn may_untag, void *ctx, struct err *e)
{
    int64_t seen = may_untag ? META_ABSENT : META_ANY;
    AUTO(outbox) struct outbox_event ev = {0};
    bool told = events_of_pushes(r, repo);
    struct meta_op event;

    if (told)
        event = event_manifest_deleted(&ev, repo, d, by);
    for (int i = 0; i < TRIES; i++) {
        struct meta_op op = meta_op_manifest_delete(repo, d, seen);
        struct uuid holder;
        enum err_code code;

        op.actor = by->actor;
        project_hold(r, &op, &holder);
        code = commit_told(r, op, told ? &event : NULL, e);
        if (code != ERR_CONFLICT || !may_untag)
            return code;
        TRY(ask_for_tags(r, repo, d, may_untag, ctx, &seen, e));
    }
    return err_tell(e, ERR_CONFLICT, "other tags come to point to it all the time");
}

/* The file is gone already when someone took it away by hand. Of a store that processes share
 * another one may have pushed the same meanwhile: then its bytes, which meta has, are put back. */
static enum err_code drop_stored(struct registry *r, const struct repo_name *repo,
                                 const struct digest *d, struct err *e)
{
    AUTO(meta_manifest) struct meta_manifest *m = NULL;
    enum err_code code = store_drop(r->store, STORE_MANIFEST, repo, d, e);

    if (code != ERR_OK && code != ERR_MANIFEST_UNKNOWN)
        return code;
    if (!store_shared(r->store))
        return ERR_OK;
    code = meta_manifest_by_digest(r->meta, repo, d, &m, e);
    if (code == ERR_OK)
        code = store_manifest_put(r->store, repo, d, m->bytes, e);
    return code == ERR_MANIFEST_UNKNOWN ? ERR_OK : code;
}

/* Meta first, then the store: what can be found can be read. */
static enum err_code remove_digest(struct registry *r, const struct repo_name *repo,
                                   const struct digest *d, const struct event_origin *by,
                                   remove_tag_fn may_untag, void *ctx, struct err *e)
{
    AUTO(held) pthread_mutex_t *held = locks_hold(&r->manifest_locks, STR_NONE, digest_str(d));

    TRY(commit_removal(r, repo, d, by, may_untag, ctx, e));
    registry_wake(r); /* its tags are pending projections now */
    TRY(drop_stored(r, repo, d, e));
    return store_dropped(r->store, STORE_MANIFEST, repo, e);
}

enum err_code remove_digest_by(struct registry *r, const struct repo_name *repo,
                               const struct digest *d, const char *actor, remove_tag_fn may_untag,
                               void *ctx, struct err *e)
{
    return remove_digest(r, repo, d, &(struct event_origin){.actor = actor}, may_untag, ctx, e);
}

static enum err_code keep_tagged(void *ctx, const struct tag_name *tag, struct err *e)
{
    (void)ctx;
    return err_set(e, ERR_DENIED, "tag '%s' points to it", tag->text);
}

enum err_code remove_untagged(struct registry *r, const struct repo_name *repo,
                              const struct digest *d, const char *actor, struct err *e)
{
    return remove_digest_by(r, repo, d, actor, keep_tagged, NULL, e);
}

enum err_code remove_manifest_content(struct registry *r, const struct repo_name *repo,
                                      const struct digest *d, struct err *e)
{
    AUTO(meta_manifest) struct meta_manifest *m = NULL;
    AUTO(held) pthread_mutex_t *held = locks_hold(&r->manifest_locks, STR_NONE, digest_str(d));
    enum err_code code = meta_manifest_by_digest(r->meta, repo, d, &m, e);

    return code == ERR_MANIFEST_UNKNOWN ? drop_stored(r, repo, d, e) : code;
}

static enum err_code remove_tag(struct registry *r, const struct repo_name *repo,
                                const struct tag_name *tag, int64_t version,
                                const struct event_origin *by, struct err *e)
{
    struct meta_op op = meta_op_tag_delete(repo, tag, version), event;
    AUTO(outbox) struct outbox_event ev = {0};
    bool told = events_of_pushes(r, repo);
    struct uuid holder;

    if (told)
        event = event_tag_deleted(&ev, repo, tag, by);
    op.actor = by->actor;
    project_hold(r, &op, &holder);
    TRY(commit_told(r, op, told ? &event : NULL, e));
    project_tag(r, repo, tag);
    return ERR_OK;
}

enum err_code remove_tag_at(struct registry *r, const struct repo_name *repo,
                            const struct tag_name *tag, int64_t version, const char *actor,
                            struct err *e)
{
    return remove_tag(r, repo, tag, version, &(struct event_origin){.actor = actor}, e);
}

enum err_code remove_manifest_if(struct registry *r, const struct repo_name *repo,
                                 const struct reference *ref, const struct event_origin *by,
                                 remove_tag_fn may_untag, void *ctx, struct err *e)
{
    static const struct event_origin nobody = {.actor = NULL};

    if (!by)
        by = &nobody;
    TRY(remove_check_enabled(r, e));
    return ref->is_digest ? remove_digest(r, repo, &ref->digest, by, may_untag, ctx, e)
                          : remove_tag(r, repo, &ref->tag, META_ANY, by, e);
}

enum err_code remove_manifest(struct registry *r, const struct repo_name *repo,
                              const struct reference *ref, struct err *e)
{
    return remove_manifest_if(r, repo, ref, NULL, NULL, NULL, e);
}

/* Its bytes go later: core/removal.h. */
static enum err_code unlink_blob(struct registry *r, const struct repo_name *repo,
                                 const struct digest *d, bool waited, struct err *e)
{
    struct meta_op op = meta_op_blob_unlink(repo, d, removal_of(r, WHY_DELETED, waited));

    TRY(meta_commit(r->meta, &op, 1, 0, NULL, e));
    removal_wake(r);
    return ERR_OK;
}

enum err_code remove_link(struct registry *r, const struct repo_name *repo, const struct digest *d,
                          struct err *e)
{
    return unlink_blob(r, repo, d, false, e);
}

enum err_code remove_link_soon(struct registry *r, const struct repo_name *repo,
                               const struct digest *d, struct err *e)
{
    return unlink_blob(r, repo, d, true, e);
}

enum err_code remove_blob(struct registry *r, const struct repo_name *repo, const struct digest *d,
                          struct err *e)
{
    TRY(remove_check_enabled(r, e));
    return remove_link(r, repo, d, e);
}
