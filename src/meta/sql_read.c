/*
 * The reads: one statement each, but for the lists that must tell an empty repository from one
 * that does not exist. A repository is never deleted, so these two look-ups agree.
 */
#include "base/cleanup.h"
#include "base/mem.h"
#include "meta/sql.h"

#include <stdlib.h>

/* A page of referrers ends early, with `more` set, when its rows hold this much: their annotations
 * are sized by clients. dist-spec "Listing Referrers" pages what would pass 4 MiB. */
#define REFERRER_PAGE_BYTES (4 << 20)

#define UPLOAD_PAGE 64

/* Columns digest, media_type, bytes. The bytes are hashed: 1 us a KiB, and damage to the database
 * never leaves as an image. */
static enum err_code manifest_from(struct meta *m, struct sql_rows *rows,
                                   struct meta_manifest **ret_manifest, struct err *e)
{
    struct digest d, actual;
    struct str bytes = sql_text_at(rows, 2);

    if (digest_parse(sql_text_at(rows, 0), &d, ERR_IGNORED) != ERR_OK)
        return sql_damaged(m, "digest of a manifest", e);
    digest_of(d.algorithm, bytes.p, bytes.n, &actual);
    if (!digest_eq(&d, &actual))
        return err_set(e, ERR_CORRUPT, "database '%s': bytes of manifest %s do not match it",
                       sql_db_of(m)->adapter->where(sql_db_of(m)), d.text);
    *ret_manifest = meta_manifest_new(&d, sql_text_at(rows, 1), bytes);
    return ERR_OK;
}

static enum err_code manifest_by_tag(struct meta *m, const struct repo_name *repo,
                                     const struct tag_name *tag,
                                     struct meta_manifest **ret_manifest, int64_t *ret_version,
                                     struct err *e)
{
    AUTO(sql_conn) struct sql_conn *c = NULL;
    AUTO(sql_rows) struct sql_rows *rows = NULL;
    bool row;

    TRY(sql_begin(m, &c, e));
    TRY(sql_query(c, SQL_MANIFEST_BY_TAG,
                  SQL_ARGS(SQL_TEXT(repo_name_str(repo)), SQL_TEXT(tag_name_str(tag))), &rows, e));
    TRY(sql_next(rows, &row, e));
    if (!row)
        return err_tell(e, ERR_MANIFEST_UNKNOWN, "no tag %s in %s", tag->text, repo->text);
    TRY(manifest_from(m, rows, ret_manifest, e));
    *ret_version = sql_int_at(rows, 3);
    return ERR_OK;
}

static enum err_code manifest_by_digest(struct meta *m, const struct repo_name *repo,
                                        const struct digest *d, struct meta_manifest **ret_manifest,
                                        struct err *e)
{
    AUTO(sql_conn) struct sql_conn *c = NULL;
    AUTO(sql_rows) struct sql_rows *rows = NULL;
    bool row;

    TRY(sql_begin(m, &c, e));
    TRY(sql_query(c, SQL_MANIFEST_BY_DIGEST,
                  SQL_ARGS(SQL_TEXT(repo_name_str(repo)), SQL_TEXT(digest_str(d))), &rows, e));
    TRY(sql_next(rows, &row, e));
    if (!row)
        return err_tell(e, ERR_MANIFEST_UNKNOWN, "no manifest %s in %s", d->text, repo->text);
    return manifest_from(m, rows, ret_manifest, e);
}

static enum err_code blob_stat(struct meta *m, const struct repo_name *repo, const struct digest *d,
                               uint64_t *ret_size_bytes, struct err *e)
{
    AUTO(sql_conn) struct sql_conn *c = NULL;
    bool found;
    int64_t size;

    TRY(sql_begin(m, &c, e));
    TRY(sql_run_int(c, SQL_BLOB_STAT,
                    SQL_ARGS(SQL_TEXT(repo_name_str(repo)), SQL_TEXT(digest_str(d))), &found, &size,
                    e));
    if (!found)
        return err_tell(e, ERR_BLOB_UNKNOWN, "no blob %s in %s", d->text, repo->text);
    *ret_size_bytes = (uint64_t)size;
    return ERR_OK;
}

static enum err_code blob_look(struct meta *m, const struct repo_name *repo, const struct digest *d,
                               uint64_t *ret_size_bytes, struct meta_blob_sight *ret_sight,
                               struct err *e)
{
    AUTO(sql_conn) struct sql_conn *c = NULL;
    AUTO(sql_rows) struct sql_rows *rows = NULL;
    int64_t size;
    bool row;

    TRY(sql_begin(m, &c, e));
    TRY(sql_query(c, SQL_BLOB_LOOK,
                  SQL_ARGS(SQL_TEXT(repo_name_str(repo)), SQL_TEXT(digest_str(d))), &rows, e));
    TRY(sql_next(rows, &row, e));
    size = row ? sql_int_at(rows, 0) : -1;
    ret_sight->nowhere = row && sql_int_at(rows, 1) == 0;
    ret_sight->condemned = row && sql_int_at(rows, 2) != 0;
    if (size < 0)
        return err_tell(e, ERR_BLOB_UNKNOWN, "no blob %s in %s", d->text, repo->text);
    *ret_size_bytes = (uint64_t)size;
    return ERR_OK;
}

/* As JSON, each at its position; "" where a link can't be of the kind. */
static void links_json(const struct meta_link *links, size_t n, bool manifests,
                       struct buf *ret_json)
{
    bool any = false;

    buf_init(ret_json, (n + 1) * (DIGEST_TEXT_MAX + 4));
    for (size_t i = 0; i < n; i++) {
        bool may_be = manifests ? links[i].may_be_manifest : links[i].may_be_blob;

        buf_addf(ret_json, "%s\"%s\"", i > 0 ? "," : "[", may_be ? links[i].digest->text : "");
        any |= may_be;
    }
    buf_add_char(ret_json, ']');
    if (any)
        return;
    buf_clear(ret_json);
    buf_add_text(ret_json, "[]");
}

static enum err_code find_links(struct meta *m, const struct repo_name *repo,
                                struct meta_link *links, size_t n, struct err *e)
{
    AUTO(buf) struct buf blobs = {0}, manifests = {0};
    AUTO(sql_conn) struct sql_conn *c = NULL;
    AUTO(sql_rows) struct sql_rows *rows = NULL;
    bool row;

    links_json(links, n, false, &blobs);
    links_json(links, n, true, &manifests);
    TRY(sql_begin(m, &c, e));
    TRY(sql_query(c, SQL_FIND_LINKS,
                  SQL_ARGS(SQL_TEXT(repo_name_str(repo)), SQL_TEXT(buf_str(&blobs)),
                           SQL_TEXT(buf_str(&manifests))),
                  &rows, e));
    for (;;) {
        struct meta_link *l;
        bool is_manifest;

        TRY(sql_next(rows, &row, e));
        if (!row)
            return ERR_OK;
        l = &links[(size_t)sql_int_at(rows, 0) % n];
        is_manifest = sql_int_at(rows, 1) == 1;
        if (l->found && is_manifest)
            continue;
        l->found = true;
        l->is_manifest = is_manifest;
        l->size_bytes = (uint64_t)sql_int_at(rows, 2);
    }
}

static enum err_code blob_find(struct meta *m, const struct digest *d, struct repo_name *ret_repo,
                               uint64_t *ret_size_bytes, struct err *e)
{
    AUTO(sql_conn) struct sql_conn *c = NULL;
    AUTO(sql_rows) struct sql_rows *rows = NULL;
    bool row;

    TRY(sql_begin(m, &c, e));
    TRY(sql_query(c, SQL_BLOB_FIND, SQL_ARGS(SQL_TEXT(digest_str(d))), &rows, e));
    TRY(sql_next(rows, &row, e));
    if (!row)
        return err_tell(e, ERR_BLOB_UNKNOWN, "no blob %s in any repository", d->text);
    if (repo_name_parse(sql_text_at(rows, 0), ret_repo, ERR_IGNORED) != ERR_OK)
        return sql_damaged(m, "name of a repository", e);
    *ret_size_bytes = (uint64_t)sql_int_at(rows, 1);
    return ERR_OK;
}

static enum err_code find_repo(struct sql_conn *c, const struct repo_name *repo, bool *ret_found,
                               int64_t *ret_id, struct err *e)
{
    return sql_run_int(c, SQL_REPO_ID, SQL_ARGS(SQL_TEXT(repo_name_str(repo))), ret_found, ret_id,
                       e);
}

static enum err_code repo_exists(struct meta *m, const struct repo_name *repo, bool *ret_exists,
                                 struct err *e)
{
    AUTO(sql_conn) struct sql_conn *c = NULL;
    int64_t id;

    TRY(sql_begin(m, &c, e));
    return find_repo(c, repo, ret_exists, &id, e);
}

/* Rows of one column, up to limit of them. */
static enum err_code collect_names(struct sql_rows *rows, size_t limit,
                                   struct meta_name_list *ret_list, struct err *e)
{
    AUTO(name_list) struct meta_name_list list = {0};
    size_t cap = 0;

    for (;;) {
        bool row;

        TRY(sql_next(rows, &row, e));
        if (!row)
            break;
        if (list.n == limit) {
            list.more = true;
            break;
        }
        if (list.n == cap) {
            cap = cap ? 2 * cap : 64;
            list.names = mem_resize(list.names, cap * sizeof(list.names[0]));
        }
        list.names[list.n++] = str_dup(sql_text_at(rows, 0));
    }
    *ret_list = list;
    list = (struct meta_name_list){0};
    return ERR_OK;
}

static enum err_code repos(struct meta *m, struct str after, size_t limit,
                           struct meta_name_list *ret_list, struct err *e)
{
    AUTO(sql_conn) struct sql_conn *c = NULL;
    AUTO(sql_rows) struct sql_rows *rows = NULL;

    TRY(sql_begin(m, &c, e));
    TRY(sql_query(c, SQL_REPO_LIST, SQL_ARGS(SQL_TEXT(after), SQL_INT(sql_one_more(limit))), &rows,
                  e));
    return collect_names(rows, limit, ret_list, e);
}

static enum err_code tags(struct meta *m, const struct repo_name *repo, struct str after,
                          size_t limit, struct meta_name_list *ret_list, struct err *e)
{
    AUTO(sql_conn) struct sql_conn *c = NULL;
    AUTO(sql_rows) struct sql_rows *rows = NULL;
    bool found;
    int64_t id;

    TRY(sql_begin(m, &c, e));
    TRY(find_repo(c, repo, &found, &id, e));
    if (!found)
        return err_tell(e, ERR_NAME_UNKNOWN, "no repository %s", repo->text);
    TRY(sql_query(c, SQL_TAG_LIST,
                  SQL_ARGS(SQL_INT(id), SQL_TEXT(after), SQL_INT(sql_one_more(limit))), &rows, e));
    return collect_names(rows, limit, ret_list, e);
}

/* The version is read first: what comes between the two is in the list and later than it. */
static enum err_code manifest_tags(struct meta *m, const struct repo_name *repo,
                                   const struct digest *d, struct str after, size_t limit,
                                   struct meta_name_list *ret_list, int64_t *ret_version,
                                   struct err *e)
{
    AUTO(sql_conn) struct sql_conn *c = NULL;
    AUTO(sql_rows) struct sql_rows *rows = NULL;
    int64_t id = 0, version = META_ABSENT;
    bool found;

    TRY(sql_begin(m, &c, e));
    TRY(find_repo(c, repo, &found, &id, e));
    if (found)
        TRY(sql_run_int(c, SQL_REPO_VERSION, SQL_ARGS(SQL_INT(id)), &found, &version, e));
    TRY(sql_query(c, SQL_TAGS_OF_MANIFEST,
                  SQL_ARGS(SQL_INT(id), SQL_TEXT(digest_str(d)), SQL_TEXT(after),
                           SQL_INT(sql_one_more(limit))),
                  &rows, e));
    TRY(collect_names(rows, limit, ret_list, e));
    *ret_version = version;
    return ERR_OK;
}

static void auto_referrer_list_(struct meta_referrer_list *l)
{
    meta_referrer_list_done(l);
}

static enum err_code referrer_from(struct meta *m, struct sql_rows *rows, struct meta_referrer *ret,
                                   size_t *ret_bytes, struct err *e)
{
    if (digest_parse(sql_text_at(rows, 0), &ret->digest, ERR_IGNORED) != ERR_OK)
        return sql_damaged(m, "digest of a referrer", e);
    ret->size_bytes = (uint64_t)sql_int_at(rows, 1);
    ret->media_type = str_dup(sql_text_at(rows, 2));
    ret->artifact_type = str_dup(sql_text_at(rows, 3));
    ret->annotations_json = str_dup(sql_text_at(rows, 4));
    *ret_bytes += sizeof(*ret) + strlen(ret->media_type) + strlen(ret->artifact_type) +
                  strlen(ret->annotations_json);
    return ERR_OK;
}

static enum err_code collect_referrers(struct meta *m, struct sql_rows *rows, size_t limit,
                                       struct meta_referrer_list *ret_list, struct err *e)
{
    AUTO(referrer_list) struct meta_referrer_list list = {0};
    size_t cap = 0, bytes = 0;

    for (;;) {
        bool row;

        TRY(sql_next(rows, &row, e));
        if (!row)
            break;
        if (list.n == limit || bytes > REFERRER_PAGE_BYTES) {
            list.more = true;
            break;
        }
        if (list.n == cap) {
            cap = cap ? 2 * cap : 16;
            list.rows = mem_resize(list.rows, cap * sizeof(list.rows[0]));
        }
        TRY(referrer_from(m, rows, &list.rows[list.n], &bytes, e));
        list.n++;
    }
    *ret_list = list;
    list = (struct meta_referrer_list){0};
    return ERR_OK;
}

static enum err_code referrers(struct meta *m, const struct repo_name *repo,
                               const struct digest *subject, struct str artifact_type,
                               struct str after, size_t limit, struct meta_referrer_list *ret_list,
                               struct err *e)
{
    const struct sql_value args[] = {SQL_TEXT(repo_name_str(repo)), SQL_TEXT(digest_str(subject)),
                                     SQL_TEXT(after), SQL_INT(sql_one_more(limit)),
                                     SQL_TEXT(artifact_type)};
    AUTO(sql_conn) struct sql_conn *c = NULL;
    AUTO(sql_rows) struct sql_rows *rows = NULL;

    TRY(sql_begin(m, &c, e));
    if (artifact_type.n > 0)
        TRY(sql_query(c, SQL_REFERRER_LIST_TYPED, args, 5, &rows, e));
    else
        TRY(sql_query(c, SQL_REFERRER_LIST, args, 4, &rows, e));
    return collect_referrers(m, rows, limit, ret_list, e);
}

static enum err_code upload_from(struct meta *m, struct sql_rows *rows, struct meta_upload *ret,
                                 struct err *e)
{
    struct meta_upload u = {.started_ms = sql_int_at(rows, 4),
                            .turn = sql_int_at(rows, 6),
                            .over = sql_text_at(rows, 7).n > 0};

    if (!uuid_parse(sql_text_at(rows, 0), &u.id) ||
        repo_name_parse(sql_text_at(rows, 1), &u.repo, ERR_IGNORED) != ERR_OK ||
        !str_copy(sql_text_at(rows, 2), u.owner, sizeof(u.owner)) ||
        !digest_algorithm_parse(sql_text_at(rows, 3), &u.algorithm) ||
        !str_copy(sql_text_at(rows, 5), u.holder.text, sizeof(u.holder.text)))
        return sql_damaged(m, "upload", e);
    *ret = u;
    return ERR_OK;
}

static enum err_code upload_get(struct meta *m, const struct uuid *id,
                                struct meta_upload *ret_upload, struct err *e)
{
    AUTO(sql_conn) struct sql_conn *c = NULL;
    AUTO(sql_rows) struct sql_rows *rows = NULL;
    bool row;

    TRY(sql_begin(m, &c, e));
    TRY(sql_query(c, SQL_UPLOAD_GET, SQL_ARGS(SQL_TEXT(str_of(id->text))), &rows, e));
    TRY(sql_next(rows, &row, e));
    if (!row)
        return err_tell(e, ERR_BLOB_UPLOAD_UNKNOWN, "no upload %s", id->text);
    return upload_from(m, rows, ret_upload, e);
}

static enum err_code upload_finished(struct meta *m, const struct uuid *id,
                                     struct meta_finished *ret_finished, struct err *e)
{
    AUTO(sql_conn) struct sql_conn *c = NULL;
    AUTO(sql_rows) struct sql_rows *rows = NULL;
    struct meta_finished f;
    bool row;

    TRY(sql_begin(m, &c, e));
    TRY(sql_query(c, SQL_FINISHED_GET, SQL_ARGS(SQL_TEXT(str_of(id->text))), &rows, e));
    TRY(sql_next(rows, &row, e));
    if (!row)
        return err_tell(e, ERR_BLOB_UPLOAD_UNKNOWN, "no upload %s", id->text);
    if (repo_name_parse(sql_text_at(rows, 0), &f.repo, ERR_IGNORED) != ERR_OK ||
        !str_copy(sql_text_at(rows, 1), f.owner, sizeof(f.owner)) ||
        digest_parse(sql_text_at(rows, 2), &f.digest, ERR_IGNORED) != ERR_OK)
        return sql_damaged(m, "finished upload", e);
    f.finished_ms = sql_int_at(rows, 3);
    *ret_finished = f;
    return ERR_OK;
}

/* Uploads after (*last_ms, *last_id), UPLOAD_PAGE at most. */
static enum err_code upload_page(struct meta *m, int64_t before_ms, const struct meta_upload *last,
                                 struct meta_upload *ret_page, size_t *ret_n, struct err *e)
{
    AUTO(sql_conn) struct sql_conn *c = NULL;
    AUTO(sql_rows) struct sql_rows *rows = NULL;
    size_t n = 0;

    TRY(sql_begin(m, &c, e));
    TRY(sql_query(c, SQL_UPLOAD_LIST,
                  SQL_ARGS(SQL_INT(before_ms), SQL_INT(last->started_ms),
                           SQL_TEXT(str_of(last->id.text)), SQL_INT(UPLOAD_PAGE)),
                  &rows, e));
    for (;;) {
        bool row;

        TRY(sql_next(rows, &row, e));
        if (!row || n == UPLOAD_PAGE)
            break;
        TRY(upload_from(m, rows, &ret_page[n++], e));
    }
    *ret_n = n;
    return ERR_OK;
}

/* In pages, so that no connection is held while fn runs: it may commit. */
static enum err_code uploads_each(struct meta *m, int64_t started_before_ms, meta_upload_fn fn,
                                  void *ctx, struct err *e)
{
    AUTO(mem) struct meta_upload *page = mem_alloc(UPLOAD_PAGE * sizeof(*page));
    struct meta_upload last = {.started_ms = INT64_MIN};
    size_t n;

    do {
        TRY(upload_page(m, started_before_ms, &last, page, &n, e));
        for (size_t i = 0; i < n; i++)
            TRY(fn(ctx, &page[i], e));
        if (n > 0)
            last = page[n - 1];
    } while (n == UPLOAD_PAGE);
    return ERR_OK;
}

static enum err_code projection_from(struct meta *m, struct sql_rows *rows,
                                     struct meta_projection *ret, struct err *e)
{
    struct meta_projection p = {.version = sql_int_at(rows, 2)};
    struct str digest = sql_text_at(rows, 3);

    p.deleted = digest.n == 0;
    if (!p.deleted && digest_parse(digest, &p.digest, ERR_IGNORED) != ERR_OK)
        return sql_damaged(m, "digest of a projection", e);
    if (repo_name_parse(sql_text_at(rows, 0), &p.repo, ERR_IGNORED) != ERR_OK ||
        tag_name_parse(sql_text_at(rows, 1), &p.tag, ERR_IGNORED) != ERR_OK)
        return sql_damaged(m, "projection", e);
    *ret = p;
    return ERR_OK;
}

/* Those of nobody, of which there are many where one process is alone, have no index. */
static enum err_code projections(struct meta *m, struct str holder,
                                 struct meta_projection *ret_rows, size_t cap, size_t *ret_n,
                                 struct err *e)
{
    const struct sql_value args[] = {SQL_INT((int64_t)cap), SQL_TEXT(holder)};

    AUTO(sql_conn) struct sql_conn *c = NULL;
    AUTO(sql_rows) struct sql_rows *rows = NULL;
    size_t n = 0;

    TRY(sql_begin(m, &c, e));
    if (holder.n > 0)
        TRY(sql_query(c, SQL_PROJECTION_LIST_HELD, args, 2, &rows, e));
    else
        TRY(sql_query(c, SQL_PROJECTION_LIST, args, 1, &rows, e));
    while (n < cap) {
        bool row;

        TRY(sql_next(rows, &row, e));
        if (!row)
            break;
        TRY(projection_from(m, rows, &ret_rows[n++], e));
    }
    *ret_n = n;
    return ERR_OK;
}

static enum err_code projection_holders(struct meta *m, size_t limit,
                                        struct meta_name_list *ret_list, struct err *e)
{
    AUTO(name_list) struct meta_name_list l = {0};
    struct meta_projection unused;
    size_t n = 0;

    TRY(projections(m, STR(""), &unused, 1, &n, e));
    {
        AUTO(sql_conn) struct sql_conn *c = NULL;
        AUTO(sql_rows) struct sql_rows *rows = NULL;

        TRY(sql_begin(m, &c, e));
        TRY(sql_query(c, SQL_PROJECTION_HOLDERS, SQL_ARGS(SQL_INT(sql_one_more(limit))), &rows, e));
        TRY(collect_names(rows, limit, &l, e));
    }
    if (n > 0 && l.n < limit) {
        l.names = mem_resize(l.names, (l.n + 1) * sizeof(l.names[0]));
        l.names[l.n++] = mem_strdup("");
    }
    *ret_list = l;
    l = (struct meta_name_list){0};
    return ERR_OK;
}

void sql_read_fill(struct meta_driver *d)
{
    d->manifest_by_tag = manifest_by_tag;
    d->manifest_by_digest = manifest_by_digest;
    d->blob_stat = blob_stat;
    d->blob_look = blob_look;
    d->find_links = find_links;
    d->blob_find = blob_find;
    d->repo_exists = repo_exists;
    d->repos = repos;
    d->tags = tags;
    d->manifest_tags = manifest_tags;
    d->referrers = referrers;
    d->upload_get = upload_get;
    d->upload_finished = upload_finished;
    d->uploads_each = uploads_each;
    d->projections = projections;
    d->projection_holders = projection_holders;
}
