/* What a repository holds, and what happened to its tags: one statement each. */
#include "base/cleanup.h"
#include "base/mem.h"
#include "meta/sql.h"

#include <stdlib.h>

static enum err_code tag_from(struct meta *m, struct sql_rows *rows, struct meta_repo_tag *ret,
                              struct err *e)
{
    if (tag_name_parse(sql_text_at(rows, 0), &ret->name, ERR_IGNORED) != ERR_OK ||
        digest_parse(sql_text_at(rows, 1), &ret->digest, ERR_IGNORED) != ERR_OK)
        return sql_damaged(m, "tag", e);
    ret->version = sql_int_at(rows, 2);
    ret->pushed_ms = sql_int_at(rows, 3);
    return ERR_OK;
}

static enum err_code repo_tags(struct meta *m, const struct repo_name *repo, struct str after,
                               size_t limit, struct meta_repo_tag_list *ret_list, struct err *e)
{
    AUTO(meta_repo_tags) struct meta_repo_tag_list l = {0};
    AUTO(sql_conn) struct sql_conn *c = NULL;
    AUTO(sql_rows) struct sql_rows *rows = NULL;
    bool row;

    TRY(sql_begin(m, &c, e));
    TRY(sql_query(
        c, SQL_REPO_TAGS,
        SQL_ARGS(SQL_TEXT(repo_name_str(repo)), SQL_TEXT(after), SQL_INT(sql_one_more(limit))),
        &rows, e));
    for (;;) {
        TRY(sql_next(rows, &row, e));
        if (!row || l.n == limit)
            break;
        l.rows = mem_resize(l.rows, (l.n + 1) * sizeof(*l.rows));
        TRY(tag_from(m, rows, &l.rows[l.n], e));
        l.n++;
    }
    l.more = row;
    *ret_list = l;
    l = (struct meta_repo_tag_list){0};
    return ERR_OK;
}

static enum err_code manifest_from(struct meta *m, struct sql_rows *rows,
                                   struct meta_repo_manifest *ret, struct err *e)
{
    struct str subject = sql_text_at(rows, 1);

    *ret = (struct meta_repo_manifest){.size_bytes = (uint64_t)sql_int_at(rows, 2),
                                       .since_ms = sql_int_at(rows, 3),
                                       .named = sql_int_at(rows, 4) != 0};
    if (digest_parse(sql_text_at(rows, 0), &ret->digest, ERR_IGNORED) != ERR_OK ||
        (subject.n > 0 && digest_parse(subject, &ret->subject, ERR_IGNORED) != ERR_OK))
        return sql_damaged(m, "manifest", e);
    return ERR_OK;
}

static enum err_code repo_manifests(struct meta *m, const struct repo_name *repo, struct str after,
                                    size_t limit, struct meta_repo_manifest_list *ret_list,
                                    struct err *e)
{
    AUTO(meta_repo_manifests) struct meta_repo_manifest_list l = {0};
    AUTO(sql_conn) struct sql_conn *c = NULL;
    AUTO(sql_rows) struct sql_rows *rows = NULL;
    bool row;

    TRY(sql_begin(m, &c, e));
    TRY(sql_query(c, SQL_REPO_MANIFESTS,
                  SQL_ARGS(SQL_TEXT(repo_name_str(repo)), SQL_TEXT(after),
                           SQL_INT(sql_one_more(limit)), SQL_INT(META_EDGE_MANIFEST),
                           SQL_INT(META_EDGE_LOOSE_MANIFEST)),
                  &rows, e));
    for (;;) {
        TRY(sql_next(rows, &row, e));
        if (!row || l.n == limit)
            break;
        l.rows = mem_resize(l.rows, (l.n + 1) * sizeof(*l.rows));
        TRY(manifest_from(m, rows, &l.rows[l.n], e));
        l.n++;
    }
    if (row && l.n > 0)
        l.next = str_dup(digest_str(&l.rows[l.n - 1].digest));
    *ret_list = l;
    l = (struct meta_repo_manifest_list){0};
    return ERR_OK;
}

static enum err_code blob_from(struct meta *m, struct sql_rows *rows, struct meta_repo_blob *ret,
                               struct err *e)
{
    *ret = (struct meta_repo_blob){.size_bytes = (uint64_t)sql_int_at(rows, 1),
                                   .named = sql_int_at(rows, 2) != 0,
                                   .shared = sql_int_at(rows, 3) != 0};
    if (digest_parse(sql_text_at(rows, 0), &ret->digest, ERR_IGNORED) != ERR_OK)
        return sql_damaged(m, "digest of a blob", e);
    return ERR_OK;
}

static enum err_code repo_blobs(struct meta *m, const struct repo_name *repo, struct str after,
                                size_t limit, struct meta_repo_blob_list *ret_list, struct err *e)
{
    AUTO(meta_repo_blobs) struct meta_repo_blob_list l = {0};
    AUTO(sql_conn) struct sql_conn *c = NULL;
    AUTO(sql_rows) struct sql_rows *rows = NULL;
    bool row;

    TRY(sql_begin(m, &c, e));
    TRY(sql_query(c, SQL_REPO_BLOBS,
                  SQL_ARGS(SQL_TEXT(repo_name_str(repo)), SQL_TEXT(after),
                           SQL_INT(sql_one_more(limit)), SQL_INT(META_EDGE_BLOB),
                           SQL_INT(META_EDGE_LOOSE_BLOB)),
                  &rows, e));
    for (;;) {
        TRY(sql_next(rows, &row, e));
        if (!row || l.n == limit)
            break;
        l.rows = mem_resize(l.rows, (l.n + 1) * sizeof(*l.rows));
        TRY(blob_from(m, rows, &l.rows[l.n], e));
        l.n++;
    }
    if (row && l.n > 0)
        l.next = str_dup(digest_str(&l.rows[l.n - 1].digest));
    *ret_list = l;
    l = (struct meta_repo_blob_list){0};
    return ERR_OK;
}

static enum err_code move_from(struct meta *m, struct sql_rows *rows, struct meta_move *ret,
                               struct err *e)
{
    struct meta_move v = {.version = sql_int_at(rows, 0), .time_ms = sql_int_at(rows, 3)};
    struct str digest = sql_text_at(rows, 1), previous = sql_text_at(rows, 2);

    if ((digest.n > 0 && digest_parse(digest, &v.digest, ERR_IGNORED) != ERR_OK) ||
        (previous.n > 0 && digest_parse(previous, &v.previous, ERR_IGNORED) != ERR_OK))
        return sql_damaged(m, "history of a tag", e);
    v.actor = str_dup(sql_text_at(rows, 4));
    *ret = v;
    return ERR_OK;
}

static enum err_code moves(struct meta *m, const struct repo_name *repo, const struct tag_name *tag,
                           int64_t before, size_t limit, struct meta_move_list *ret_list,
                           struct err *e)
{
    AUTO(moves) struct meta_move_list l = {0};
    AUTO(sql_conn) struct sql_conn *c = NULL;
    AUTO(sql_rows) struct sql_rows *rows = NULL;
    bool row;

    TRY(sql_begin(m, &c, e));
    TRY(sql_query(c, SQL_MOVE_LIST,
                  SQL_ARGS(SQL_TEXT(repo_name_str(repo)), SQL_TEXT(tag_name_str(tag)),
                           SQL_INT(before), SQL_INT(sql_one_more(limit))),
                  &rows, e));
    for (;;) {
        TRY(sql_next(rows, &row, e));
        if (!row || l.n == limit)
            break;
        l.rows = mem_resize(l.rows, (l.n + 1) * sizeof(*l.rows));
        TRY(move_from(m, rows, &l.rows[l.n], e));
        l.n++;
    }
    l.more = row;
    *ret_list = l;
    l = (struct meta_move_list){0};
    return ERR_OK;
}

void sql_repo_fill(struct meta_driver *d)
{
    d->repo_tags = repo_tags;
    d->repo_manifests = repo_manifests;
    d->repo_blobs = repo_blobs;
    d->moves = moves;
}
