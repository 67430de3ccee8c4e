/*
 * The wrappers: the one place where arguments are checked, so that no driver has to, and where a
 * call finds, past the hooks of decorators, the driver that answers it.
 */
#include "meta/meta.h"

#include "base/cleanup.h"
#include "base/mem.h"

#include <stdlib.h>

#define PAGE 256

static inline enum err_code before(struct meta *m, const char *call, struct err *e)
{
    if (!m)
        return err_set(e, ERR_INTERNAL, "no driver of meta answers %s", call);
    return m->driver->before ? m->driver->before(m, call, e) : ERR_OK;
}

/* Asks the first from m inwards that has the callback, unless a hook on the way there says no; m is
 * that one then. `e` is the function's own. */
#define ASK(m, callback, ...)                                                                      \
    ({                                                                                             \
        enum err_code code_;                                                                       \
        while ((code_ = before((m), #callback, e)) == ERR_OK && !(m)->driver->callback)            \
            (m) = (m)->inner;                                                                      \
        code_ == ERR_OK ? (m)->driver->callback((m), __VA_ARGS__) : code_;                         \
    })

struct meta_manifest *meta_manifest_new(const struct digest *d, struct str media_type,
                                        struct str bytes)
{
    struct meta_manifest *m = mem_alloc(sizeof(*m) + media_type.n + bytes.n);
    char *text = (char *)(m + 1);

    atomic_init(&m->refs, 1);
    m->digest = *d;
    if (media_type.n > 0)
        memcpy(text, media_type.p, media_type.n);
    if (bytes.n > 0)
        memcpy(text + media_type.n, bytes.p, bytes.n);
    m->media_type = (struct str){text, media_type.n};
    m->bytes = (struct str){text + media_type.n, bytes.n};
    return m;
}

struct meta_manifest *meta_manifest_ref(struct meta_manifest *m)
{
    atomic_fetch_add_explicit(&m->refs, 1, memory_order_relaxed);
    return m;
}

void meta_manifest_unref(struct meta_manifest *m)
{
    if (m && atomic_fetch_sub_explicit(&m->refs, 1, memory_order_acq_rel) == 1)
        free(m);
}

void meta_name_list_done(struct meta_name_list *l)
{
    for (size_t i = 0; i < l->n; i++)
        free(l->names[i]);
    free(l->names);
    *l = (struct meta_name_list){0};
}

void meta_referrer_list_done(struct meta_referrer_list *l)
{
    for (size_t i = 0; i < l->n; i++) {
        free(l->rows[i].media_type);
        free(l->rows[i].artifact_type);
        free(l->rows[i].annotations_json);
    }
    free(l->rows);
    *l = (struct meta_referrer_list){0};
}

void meta_use_list_done(struct meta_use_list *l)
{
    free(l->rows);
    free(l->users);
    *l = (struct meta_use_list){0};
}

void meta_tag_list_done(struct meta_tag_list *l)
{
    free(l->rows);
    *l = (struct meta_tag_list){0};
}

void meta_repo_tag_list_done(struct meta_repo_tag_list *l)
{
    free(l->rows);
    *l = (struct meta_repo_tag_list){0};
}

void meta_repo_manifest_list_done(struct meta_repo_manifest_list *l)
{
    free(l->rows);
    free(l->next);
    *l = (struct meta_repo_manifest_list){0};
}

void meta_repo_blob_list_done(struct meta_repo_blob_list *l)
{
    free(l->rows);
    free(l->next);
    *l = (struct meta_repo_blob_list){0};
}

void meta_move_list_done(struct meta_move_list *l)
{
    for (size_t i = 0; i < l->n; i++)
        free(l->rows[i].actor);
    free(l->rows);
    *l = (struct meta_move_list){0};
}

void meta_record_done(struct meta_record *r)
{
    free(r->key);
    free(r->value);
    *r = (struct meta_record){0};
}

void meta_record_list_done(struct meta_record_list *l)
{
    for (size_t i = 0; i < l->n; i++)
        meta_record_done(&l->rows[i]);
    free(l->rows);
    *l = (struct meta_record_list){0};
}

void meta_audit_list_done(struct meta_audit_list *l)
{
    for (size_t i = 0; i < l->n; i++) {
        const struct meta_audit *x = &l->rows[i];
        const char *texts[] = {x->actor,  x->action, x->target,    x->address,
                               x->result, x->detail, x->repository};

        for (size_t j = 0; j < sizeof(texts) / sizeof(texts[0]); j++)
            free((char *)texts[j]);
    }
    free(l->rows);
    *l = (struct meta_audit_list){0};
}

void meta_job_done(struct meta_job *j)
{
    free(j->kind);
    free(j->key);
    free(j->holder);
    free(j->note);
    *j = (struct meta_job){0};
}

void meta_job_list_done(struct meta_job_list *l)
{
    for (size_t i = 0; i < l->n; i++)
        meta_job_done(&l->rows[i]);
    free(l->rows);
    *l = (struct meta_job_list){0};
}

void meta_removed_list_done(struct meta_removed_list *l)
{
    free(l->rows);
    free(l->next);
    *l = (struct meta_removed_list){0};
}

void meta_row_list_done(struct meta_row_list *l)
{
    for (size_t i = 0; i < l->n; i++)
        free(l->owned[i]);
    free(l->owned);
    free(l->rows);
    free(l->next);
    *l = (struct meta_row_list){0};
}

const char *meta_row_kind_name(enum meta_row_kind kind)
{
    static const char *const names[META_ROW_KINDS] = {
        [META_ROW_REPO] = "repositories",
        [META_ROW_BLOB] = "blobs",
        [META_ROW_MANIFEST] = "manifests",
        [META_ROW_EDGE] = "links",
        [META_ROW_TAG] = "tags",
        [META_ROW_REFERRER] = "referrers",
        [META_ROW_PROJECTION] = "projections",
        [META_ROW_UPLOAD] = "uploads",
        [META_ROW_RECORD] = "records",
        [META_ROW_AUDIT] = "audit",
        [META_ROW_JOB] = "jobs",
        [META_ROW_REMOVED] = "removed",
        [META_ROW_MOVE] = "history",
    };

    return names[kind];
}

static enum err_code check_key(struct str collection, struct str key, struct err *e)
{
    if (collection.n == 0 || key.n == 0)
        return err_set(e, ERR_INTERNAL, "a record without a collection or a key");
    return ERR_OK;
}

static enum err_code check_job(struct str kind, struct str key, struct err *e)
{
    if (kind.n == 0 || key.n == 0)
        return err_set(e, ERR_INTERNAL, "a job without a kind or a key");
    return ERR_OK;
}

static enum err_code check_row_kind(enum meta_row_kind kind, struct err *e)
{
    if ((unsigned)kind >= META_ROW_KINDS)
        return err_set(e, ERR_INTERNAL, "unknown kind of row %d", (int)kind);
    return ERR_OK;
}

static enum err_code check_removal(const struct meta_removal *c, struct err *e)
{
    if (c->reason.n > META_REASON_MAX || c->size_bytes > INT64_MAX)
        return err_set(e, ERR_INTERNAL, "content is condemned with too long a reason or size");
    return ERR_OK;
}

/* What the functions that make operations can't see to. */
static enum err_code check_op(const struct meta_op *op, struct err *e)
{
    const struct meta_manifest_put *put = &op->manifest_put;

    switch (op->kind) {
    case META_BLOB_LINK:
        if (op->blob_link.size_bytes > INT64_MAX)
            return err_set(e, ERR_INTERNAL, "no blob is so large");
        return ERR_OK;
    case META_MANIFEST_PUT:
    case META_MANIFEST_MEND:
        if (!put->repo || !put->manifest || (!put->edges && put->n_edges > 0))
            return err_set(e, ERR_INTERNAL, "a manifest to put lacks a field");
        return ERR_OK;
    case META_RECORD_PUT:
        return check_key(op->record_put.collection, op->record_put.key, e);
    case META_RECORD_DELETE:
        return check_key(op->record_delete.collection, op->record_delete.key, e);
    case META_RECORD_CHECK:
        return check_key(op->record_check.collection, op->record_check.key, e);
    case META_ROW_ADD:
        return check_row_kind(op->row_add.row->kind, e);
    case META_JOB_ADD:
        return check_job(op->job_add.kind, op->job_add.key, e);
    case META_JOB_END:
        return check_job(op->job_end.kind, op->job_end.key, e);
    case META_JOB_TAKE:
    case META_JOB_CHECK:
    case META_JOB_NOTE:
    case META_JOB_RETRY:
    case META_JOB_CANCEL:
        return check_job(op->job.kind, op->job.key, e);
    case META_BLOB_UNLINK:
        return check_removal(&op->blob_unlink.removal, e);
    case META_CONTENT_CONDEMN:
        return check_removal(&op->content.removal, e);
    case META_BLOB_LOSE:
    case META_BLOB_CHECK:
    case META_MANIFEST_DELETE:
    case META_TAG_SET:
    case META_TAG_DELETE:
    case META_UPLOAD_TAKE:
    case META_UPLOAD_FINISH:
    case META_FINISHED_PRUNE:
    case META_PROJECTION_DONE:
    case META_AUDIT_ADD:
    case META_AUDIT_PRUNE:
    case META_MOVES_PRUNE:
    case META_QUOTA_CHECK:
    case META_CONDEMN:
    case META_REVIVE:
    case META_CONDEMNED_CHECK:
    case META_CONTENT_GONE:
    case META_CONTENT_BACK:
    case META_CONTENT_DELETED:
    case META_CONTENT_PRUNE:
    case META_REPO_RECOUNT:
    case META_REPO_DELETE:
        return ERR_OK;
    }
    return err_set(e, ERR_INTERNAL, "unknown operation %d", (int)op->kind);
}

enum err_code meta_commit(struct meta *m, const struct meta_op *ops, size_t n_ops, unsigned flags,
                          size_t *ret_failed, struct err *e)
{
    size_t unused;
    size_t *failed = ret_failed ? ret_failed : &unused;

    for (size_t i = 0; i < n_ops; i++) {
        if (check_op(&ops[i], e) != ERR_OK) {
            *failed = i;
            return ERR_INTERNAL;
        }
    }
    if (n_ops == 0)
        return ERR_OK;
    *failed = n_ops; /* when a hook ends it */
    return ASK(m, commit, ops, n_ops, flags, failed, e);
}

enum err_code meta_manifest_by_tag(struct meta *m, const struct repo_name *repo,
                                   const struct tag_name *tag, struct meta_manifest **ret_manifest,
                                   int64_t *ret_version, struct err *e)
{
    int64_t unused;

    return ASK(m, manifest_by_tag, repo, tag, ret_manifest, ret_version ? ret_version : &unused, e);
}

enum err_code meta_manifest_by_digest(struct meta *m, const struct repo_name *repo,
                                      const struct digest *d, struct meta_manifest **ret_manifest,
                                      struct err *e)
{
    return ASK(m, manifest_by_digest, repo, d, ret_manifest, e);
}

struct meta_manifest *meta_manifest_peek(struct meta *m, const struct repo_name *repo,
                                         struct str reference)
{
    while (m && !m->driver->manifest_peek)
        m = m->inner;
    return m ? m->driver->manifest_peek(m, repo, reference) : NULL;
}

enum err_code meta_blob_stat(struct meta *m, const struct repo_name *repo, const struct digest *d,
                             uint64_t *ret_size_bytes, struct err *e)
{
    return ASK(m, blob_stat, repo, d, ret_size_bytes, e);
}

enum err_code meta_blob_look(struct meta *m, const struct repo_name *repo, const struct digest *d,
                             uint64_t *ret_size_bytes, struct meta_blob_sight *ret_sight,
                             struct err *e)
{
    *ret_sight = (struct meta_blob_sight){.nowhere = false};
    return ASK(m, blob_look, repo, d, ret_size_bytes, ret_sight, e);
}

enum err_code meta_find_links(struct meta *m, const struct repo_name *repo, struct meta_link *links,
                              size_t n, struct err *e)
{
    for (size_t i = 0; i < n; i++)
        links[i].found = links[i].is_manifest = false;
    return n > 0 ? ASK(m, find_links, repo, links, n, e) : ERR_OK;
}

enum err_code meta_blob_find(struct meta *m, const struct digest *d, struct repo_name *ret_repo,
                             uint64_t *ret_size_bytes, struct err *e)
{
    return ASK(m, blob_find, d, ret_repo, ret_size_bytes, e);
}

enum err_code meta_repo_exists(struct meta *m, const struct repo_name *repo, bool *ret_exists,
                               struct err *e)
{
    return ASK(m, repo_exists, repo, ret_exists, e);
}

/* A page of nothing could not say whether there is more. */
static enum err_code check_limit(size_t limit, struct err *e)
{
    return limit > 0 ? ERR_OK : err_set(e, ERR_INTERNAL, "a page of no rows was asked for");
}

enum err_code meta_repos(struct meta *m, struct str after, size_t limit,
                         struct meta_name_list *ret_list, struct err *e)
{
    TRY(check_limit(limit, e));
    return ASK(m, repos, after, limit, ret_list, e);
}

enum err_code meta_tags(struct meta *m, const struct repo_name *repo, struct str after,
                        size_t limit, struct meta_name_list *ret_list, struct err *e)
{
    TRY(check_limit(limit, e));
    return ASK(m, tags, repo, after, limit, ret_list, e);
}

enum err_code meta_uses(struct meta *m, const struct repo_name *repo, enum meta_item_kind kind,
                        struct str after, size_t limit, struct meta_use_list *ret_list,
                        struct err *e)
{
    TRY(check_limit(limit, e));
    return ASK(m, uses, repo, kind, after, limit, ret_list, e);
}

enum err_code meta_tag_targets(struct meta *m, const struct repo_name *repo, struct str after,
                               size_t limit, struct meta_tag_list *ret_list, int64_t *ret_version,
                               struct err *e)
{
    TRY(check_limit(limit, e));
    return ASK(m, tag_targets, repo, after, limit, ret_list, ret_version, e);
}

enum err_code meta_manifest_tags(struct meta *m, const struct repo_name *repo,
                                 const struct digest *d, struct str after, size_t limit,
                                 struct meta_name_list *ret_list, int64_t *ret_version,
                                 struct err *e)
{
    int64_t unused;

    TRY(check_limit(limit, e));
    return ASK(m, manifest_tags, repo, d, after, limit, ret_list,
               ret_version ? ret_version : &unused, e);
}

/* ---- lists for people */

void meta_place_list_done(struct meta_place_list *l)
{
    for (size_t i = 0; i < l->n; i++)
        free((char *)l->rows[i].name);
    free(l->rows);
    *l = (struct meta_place_list){0};
}

static void shown_done(struct meta_shown *s)
{
    free(s->media_type);
    free((char *)s->bytes.p);
}

static void tag_shown_done(struct meta_tag_shown *s)
{
    free(s->actor);
    shown_done(&s->manifest);
}

void meta_shown_free(struct meta_shown *rows, size_t n)
{
    for (size_t i = 0; rows && i < n; i++)
        shown_done(&rows[i]);
    free(rows);
}

void meta_tags_shown_free(struct meta_tag_shown *rows, size_t n)
{
    for (size_t i = 0; rows && i < n; i++)
        tag_shown_done(&rows[i]);
    free(rows);
}

void meta_repos_shown_free(struct meta_repo_shown *rows, size_t n)
{
    for (size_t i = 0; rows && i < n; i++)
        tag_shown_done(&rows[i].latest);
    free(rows);
}

void meta_records_free(struct meta_record *rows, size_t n)
{
    for (size_t i = 0; rows && i < n; i++)
        meta_record_done(&rows[i]);
    free(rows);
}

enum err_code meta_repo_places(struct meta *m, const struct meta_ask *ask, size_t limit,
                               struct meta_place_list *ret_list, struct err *e)
{
    return ASK(m, repo_places, ask, limit, ret_list, e);
}

enum err_code meta_tag_places(struct meta *m, const struct repo_name *repo,
                              const struct meta_ask *ask, size_t limit,
                              struct meta_place_list *ret_list, struct err *e)
{
    if (ask->order == META_BY_SIZE)
        return err_set(e, ERR_INTERNAL, "tags have no order by size");
    return ASK(m, tag_places, repo, ask, limit, ret_list, e);
}

/* Drivers fill rows that are all zero; what they have filled when they fail is freed here. */
enum err_code meta_repos_shown(struct meta *m, const char *const *names, size_t n,
                               struct meta_repo_shown **ret_rows, struct err *e)
{
    struct meta_repo_shown *rows = mem_zero((n + 1) * sizeof(*rows));
    enum err_code code = n > 0 ? ASK(m, repos_shown, names, n, rows, e) : ERR_OK;

    if (code == ERR_OK)
        *ret_rows = rows;
    else
        meta_repos_shown_free(rows, n);
    return code;
}

enum err_code meta_tags_shown(struct meta *m, const struct repo_name *repo,
                              const char *const *names, size_t n, struct meta_tag_shown **ret_rows,
                              struct err *e)
{
    struct meta_tag_shown *rows = mem_zero((n + 1) * sizeof(*rows));
    enum err_code code = n > 0 ? ASK(m, tags_shown, repo, names, n, rows, e) : ERR_OK;

    if (code == ERR_OK)
        *ret_rows = rows;
    else
        meta_tags_shown_free(rows, n);
    return code;
}

enum err_code meta_manifests_shown(struct meta *m, const struct repo_name *repo,
                                   const char *const *digests, size_t n,
                                   struct meta_shown **ret_rows, struct err *e)
{
    struct meta_shown *rows = mem_zero((n + 1) * sizeof(*rows));
    enum err_code code = n > 0 ? ASK(m, manifests_shown, repo, digests, n, rows, e) : ERR_OK;

    if (code == ERR_OK)
        *ret_rows = rows;
    else
        meta_shown_free(rows, n);
    return code;
}

enum err_code meta_signed_among(struct meta *m, const struct repo_name *repo,
                                const char *const *digests, size_t n, bool *ret_rows, struct err *e)
{
    for (size_t i = 0; i < n; i++)
        ret_rows[i] = false;
    return n > 0 ? ASK(m, signed_among, repo, digests, n, ret_rows, e) : ERR_OK;
}

enum err_code meta_records_among(struct meta *m, struct str collection, const char *const *keys,
                                 size_t n, struct meta_record **ret_rows, struct err *e)
{
    struct meta_record *rows = mem_zero((n + 1) * sizeof(*rows));
    enum err_code code = n > 0 ? ASK(m, records_among, collection, keys, n, rows, e) : ERR_OK;

    if (code == ERR_OK)
        *ret_rows = rows;
    else
        meta_records_free(rows, n);
    return code;
}

enum err_code meta_repo_tags(struct meta *m, const struct repo_name *repo, struct str after,
                             size_t limit, struct meta_repo_tag_list *ret_list, struct err *e)
{
    return ASK(m, repo_tags, repo, after, limit, ret_list, e);
}

enum err_code meta_repo_manifests(struct meta *m, const struct repo_name *repo, struct str after,
                                  size_t limit, struct meta_repo_manifest_list *ret_list,
                                  struct err *e)
{
    return ASK(m, repo_manifests, repo, after, limit, ret_list, e);
}

enum err_code meta_repo_blobs(struct meta *m, const struct repo_name *repo, struct str after,
                              size_t limit, struct meta_repo_blob_list *ret_list, struct err *e)
{
    return ASK(m, repo_blobs, repo, after, limit, ret_list, e);
}

enum err_code meta_moves(struct meta *m, const struct repo_name *repo, const struct tag_name *tag,
                         int64_t below, size_t limit, struct meta_move_list *ret_list,
                         struct err *e)
{
    return ASK(m, moves, repo, tag, below, limit, ret_list, e);
}

enum err_code meta_referrers(struct meta *m, const struct repo_name *repo,
                             const struct digest *subject, struct str artifact_type,
                             struct str after, size_t limit, struct meta_referrer_list *ret_list,
                             struct err *e)
{
    TRY(check_limit(limit, e));
    return ASK(m, referrers, repo, subject, artifact_type, after, limit, ret_list, e);
}

enum err_code meta_upload_get(struct meta *m, const struct uuid *id, struct meta_upload *ret_upload,
                              struct err *e)
{
    return ASK(m, upload_get, id, ret_upload, e);
}

enum err_code meta_upload_finished(struct meta *m, const struct uuid *id,
                                   struct meta_finished *ret_finished, struct err *e)
{
    return ASK(m, upload_finished, id, ret_finished, e);
}

enum err_code meta_uploads_each(struct meta *m, int64_t started_before_ms, meta_upload_fn fn,
                                void *ctx, struct err *e)
{
    return ASK(m, uploads_each, started_before_ms, fn, ctx, e);
}

enum err_code meta_projections(struct meta *m, struct str holder, struct meta_projection *ret_rows,
                               size_t cap, size_t *ret_n, struct err *e)
{
    return ASK(m, projections, holder, ret_rows, cap, ret_n, e);
}

enum err_code meta_projection_holders(struct meta *m, size_t limit, struct meta_name_list *ret_list,
                                      struct err *e)
{
    TRY(check_limit(limit, e));
    return ASK(m, projection_holders, limit, ret_list, e);
}

enum err_code meta_record_get(struct meta *m, struct str collection, struct str key,
                              struct meta_record *ret_record, struct err *e)
{
    return ASK(m, record_get, collection, key, ret_record, e);
}

enum err_code meta_records(struct meta *m, struct str collection, struct str after, size_t limit,
                           struct meta_record_list *ret_list, struct err *e)
{
    TRY(check_limit(limit, e));
    return ASK(m, records, collection, after, limit, ret_list, e);
}

enum err_code meta_records_each(struct meta *m, struct str collection, meta_record_fn fn, void *ctx,
                                struct err *e)
{
    AUTO(mem) char *after = mem_strdup("");
    bool more = true;

    while (more) {
        AUTO(records) struct meta_record_list page = {0};

        TRY(meta_records(m, collection, str_of(after), PAGE, &page, e));
        for (size_t i = 0; i < page.n; i++)
            TRY(fn(ctx, &page.rows[i], e));
        more = page.more && page.n > 0;
        if (more) {
            free(after);
            after = STEAL(page.rows[page.n - 1].key);
        }
    }
    return ERR_OK;
}

void meta_record_note(struct meta *m, struct str collection, const struct meta_record *r)
{
    struct meta_op op =
        meta_op_record_put(collection, str_of(r->key), str_of(r->value), r->version);

    (void)!meta_commit(m, &op, 1, META_LAZY, NULL, ERR_IGNORED);
}

enum err_code meta_audit(struct meta *m, const struct meta_audit_filter *filter, size_t limit,
                         struct meta_audit_list *ret_list, struct err *e)
{
    TRY(check_limit(limit, e));
    return ASK(m, audit, filter, limit, ret_list, e);
}

enum err_code meta_usage(struct meta *m, struct str space, struct meta_usage *ret_usage,
                         struct err *e)
{
    return ASK(m, usage, space, ret_usage, e);
}

enum err_code meta_rows(struct meta *m, enum meta_row_kind kind, struct str after, size_t limit,
                        struct meta_row_list *ret_list, struct err *e)
{
    TRY(check_limit(limit, e));
    TRY(check_row_kind(kind, e));
    return ASK(m, rows, kind, after, limit, ret_list, e);
}

enum err_code meta_rows_each(struct meta *m, enum meta_row_kind kind, meta_row_fn fn, void *ctx,
                             struct err *e)
{
    AUTO(row_list) struct meta_row_list page = {0};

    do {
        AUTO(row_list) struct meta_row_list last = page;

        page = (struct meta_row_list){0};
        TRY(meta_rows(m, kind, str_of(last.next ? last.next : ""), PAGE, &page, e));
        for (size_t i = 0; i < page.n; i++)
            TRY(fn(ctx, &page.rows[i], e));
    } while (page.more);
    return ERR_OK;
}

bool meta_is_shared(const struct meta *m)
{
    while (!m->driver->shared && m->inner)
        m = m->inner;
    return m->driver->shared;
}

enum err_code meta_jobs(struct meta *m, struct str after_kind, struct str after_key, size_t limit,
                        struct meta_job_list *ret_list, struct err *e)
{
    TRY(check_limit(limit, e));
    return ASK(m, jobs, after_kind, after_key, limit, ret_list, e);
}

enum err_code meta_jobs_due(struct meta *m, int64_t now_ms, size_t limit,
                            struct meta_job_list *ret_list, struct err *e)
{
    TRY(check_limit(limit, e));
    return ASK(m, jobs_due, now_ms, limit, ret_list, e);
}

enum err_code meta_job_get(struct meta *m, struct str kind, struct str key,
                           struct meta_job *ret_job, struct err *e)
{
    return ASK(m, job_get, kind, key, ret_job, e);
}

enum err_code meta_snapshot(struct meta *m, struct meta **ret_snapshot, struct err *e)
{
    return ASK(m, snapshot, ret_snapshot, e);
}

enum err_code meta_removed_get(struct meta *m, struct meta_content c, struct meta_removed *ret_row,
                               struct err *e)
{
    return ASK(m, removed_get, c, ret_row, e);
}

enum err_code meta_removed(struct meta *m, enum meta_removed_state state, int64_t before_ms,
                           struct str after, size_t limit, struct meta_removed_list *ret_list,
                           struct err *e)
{
    TRY(check_limit(limit, e));
    return ASK(m, removed, state, before_ms, after, limit, ret_list, e);
}

enum err_code meta_health(struct meta *m, struct err *e)
{
    return ASK(m, health, e);
}

void meta_free(struct meta *m)
{
    while (m) {
        struct meta *inner = m->inner;

        m->driver->free(m);
        m = inner;
    }
}
