/* Lists for people: names in an order, and all about many entries with one statement. */
#include "base/cleanup.h"
#include "base/mem.h"
#include "meta/sql.h"

#include <stdlib.h>

/* ---- names in an order */

static enum err_code take_places(struct sql_rows *rows, size_t limit,
                                 struct meta_place_list *ret_list, struct err *e)
{
    AUTO(meta_places) struct meta_place_list l = {0};
    size_t cap = 0;
    bool row;

    for (;;) {
        TRY(sql_next(rows, &row, e));
        if (!row || l.n == limit)
            break;
        if (l.n == cap) {
            cap = cap ? 2 * cap : 64;
            l.rows = mem_resize(l.rows, cap * sizeof(*l.rows));
        }
        l.rows[l.n++] =
            (struct meta_place){.name = str_dup(sql_text_at(rows, 0)), .key = sql_int_at(rows, 1)};
    }
    l.more = row;
    *ret_list = l;
    l = (struct meta_place_list){0};
    return ERR_OK;
}

/* The arguments behind `first` ones: by name there is no key in the place. */
static size_t ask_args(const struct meta_ask *ask, size_t limit, struct sql_value *args, size_t n)
{
    if (ask->order != META_BY_NAME)
        args[n++] = SQL_INT(ask->after.name[0] ? ask->after.key : INT64_MAX);
    args[n++] = SQL_TEXT(str_of(ask->after.name));
    args[n++] = SQL_TEXT(ask->search.n > 0 ? ask->search : STR(""));
    args[n++] = SQL_INT(sql_one_more(limit));
    return n;
}

static enum err_code repo_places(struct meta *m, const struct meta_ask *ask, size_t limit,
                                 struct meta_place_list *ret_list, struct err *e)
{
    static const enum sql_id ids[META_ORDERS] = {[META_BY_NAME] = SQL_REPO_PLACES_BY_NAME,
                                                 [META_BY_PUSH] = SQL_REPO_PLACES_BY_PUSH,
                                                 [META_BY_SIZE] = SQL_REPO_PLACES_BY_SIZE};
    AUTO(sql_conn) struct sql_conn *c = NULL;
    AUTO(sql_rows) struct sql_rows *rows = NULL;
    struct sql_value args[4];
    size_t n = ask_args(ask, limit, args, 0);

    TRY(sql_begin(m, &c, e));
    TRY(sql_query(c, ids[ask->order], args, n, &rows, e));
    return take_places(rows, limit, ret_list, e);
}

static enum err_code tag_places(struct meta *m, const struct repo_name *repo,
                                const struct meta_ask *ask, size_t limit,
                                struct meta_place_list *ret_list, struct err *e)
{
    enum sql_id id = ask->order == META_BY_NAME ? SQL_TAG_PLACES_BY_NAME : SQL_TAG_PLACES_BY_PUSH;
    AUTO(sql_conn) struct sql_conn *c = NULL;
    AUTO(sql_rows) struct sql_rows *rows = NULL;
    struct sql_value args[5] = {SQL_TEXT(repo_name_str(repo))};
    size_t n = ask_args(ask, limit, args, 1);

    TRY(sql_begin(m, &c, e));
    TRY(sql_query(c, id, args, n, &rows, e));
    return take_places(rows, limit, ret_list, e);
}

/* ---- all about many */

#define ITEM_BYTES (2 * REPO_NAME_MAX + 2 * DIGEST_TEXT_MAX + 16)

static void list_json(const char *const *texts, size_t n, struct buf *ret_json)
{
    buf_init(ret_json, (n + 1) * ITEM_BYTES);
    buf_add_char(ret_json, '[');
    for (size_t i = 0; i < n; i++) {
        buf_add_text(ret_json, i > 0 ? "," : "");
        buf_add_json(ret_json, str_of(texts[i]));
    }
    buf_add_char(ret_json, ']');
}

/* A statement of a list, $2, in something, $1 (empty: the list is $1), and its rows. */
struct among {
    struct sql_conn *c;
    struct sql_rows *rows;
    struct buf json;
    size_t n;
};

static void auto_among_(struct among *a)
{
    auto_sql_rows_(&a->rows);
    auto_sql_conn_(&a->c);
    buf_done(&a->json);
}

static enum err_code among_begin(struct meta *m, enum sql_id id, const char *const *texts, size_t n,
                                 struct sql_value *args, size_t n_args, size_t list,
                                 struct among *a, struct err *e)
{
    a->n = n;
    list_json(texts, n, &a->json);
    if (a->json.full)
        return err_set(e, ERR_INTERNAL, "a list of %zu names is too long", n);
    args[list] = SQL_TEXT(buf_str(&a->json));
    TRY(sql_begin(m, &a->c, e));
    return sql_query(a->c, id, args, n_args, &a->rows, e);
}

/* The place of the next row, which is in that column; n: there are no more. */
static enum err_code among_next(struct among *a, int column, size_t *ret_i, struct err *e)
{
    bool row;

    TRY(sql_next(a->rows, &row, e));
    *ret_i = row ? (size_t)sql_int_at(a->rows, column) % a->n : a->n;
    return ERR_OK;
}

/* Columns 1 to 4. */
static enum err_code shown_from(struct meta *m, struct sql_rows *rows, struct meta_shown *ret,
                                struct err *e)
{
    struct str bytes;

    if (ret->digest.n > 0 || sql_text_at(rows, 1).n == 0) /* twice in the list; not there */
        return ERR_OK;
    if (digest_parse(sql_text_at(rows, 1), &ret->digest, ERR_IGNORED) != ERR_OK)
        return sql_damaged(m, "digest of a manifest", e);
    ret->media_type = str_dup(sql_text_at(rows, 2));
    ret->size_bytes = (uint64_t)sql_int_at(rows, 3);
    bytes = sql_text_at(rows, 4);
    if (bytes.n > 0)
        ret->bytes = (struct str){str_dup(bytes), bytes.n};
    return ERR_OK;
}

/* Columns 1 to 7. */
static enum err_code tag_from(struct meta *m, struct sql_rows *rows, struct meta_tag_shown *ret,
                              struct err *e)
{
    TRY(shown_from(m, rows, &ret->manifest, e));
    ret->tag.digest = ret->manifest.digest;
    if (ret->manifest.digest.n == 0)
        return ERR_OK;
    if (tag_name_parse(sql_text_at(rows, 5), &ret->tag.name, ERR_IGNORED) != ERR_OK)
        return sql_damaged(m, "tag", e);
    ret->tag.version = sql_int_at(rows, 6);
    ret->tag.pushed_ms = sql_int_at(rows, 7);
    return ERR_OK;
}

static enum err_code repos_shown(struct meta *m, const char *const *names, size_t n,
                                 struct meta_repo_shown *rows, struct err *e)
{
    struct sql_value args[1];
    AUTO(among) struct among a = {0};
    size_t i;

    TRY(among_begin(m, SQL_REPOS_SHOWN, names, n, args, 1, 0, &a, e));
    for (;;) {
        TRY(among_next(&a, 0, &i, e));
        if (i == n)
            return ERR_OK;
        TRY(tag_from(m, a.rows, &rows[i].latest, e));
        rows[i].there = true;
        rows[i].manifests = (uint64_t)sql_int_at(a.rows, 8);
        rows[i].bytes = (uint64_t)sql_int_at(a.rows, 9);
        rows[i].tags = (uint64_t)sql_int_at(a.rows, 10);
        rows[i].pushed_ms = sql_int_at(a.rows, 11);
    }
}

static enum err_code tags_shown(struct meta *m, const struct repo_name *repo,
                                const char *const *names, size_t n, struct meta_tag_shown *rows,
                                struct err *e)
{
    struct sql_value args[2] = {SQL_TEXT(repo_name_str(repo))};
    AUTO(among) struct among a = {0};
    size_t i;

    TRY(among_begin(m, SQL_TAGS_SHOWN, names, n, args, 2, 1, &a, e));
    for (;;) {
        TRY(among_next(&a, 0, &i, e));
        if (i == n)
            return ERR_OK;
        TRY(tag_from(m, a.rows, &rows[i], e));
        free(rows[i].actor);
        rows[i].actor = str_dup(sql_text_at(a.rows, 8));
    }
}

static enum err_code manifests_shown(struct meta *m, const struct repo_name *repo,
                                     const char *const *digests, size_t n, struct meta_shown *rows,
                                     struct err *e)
{
    struct sql_value args[2] = {SQL_TEXT(repo_name_str(repo))};
    AUTO(among) struct among a = {0};
    size_t i;

    TRY(among_begin(m, SQL_MANIFESTS_SHOWN, digests, n, args, 2, 1, &a, e));
    for (;;) {
        TRY(among_next(&a, 0, &i, e));
        if (i == n)
            return ERR_OK;
        TRY(shown_from(m, a.rows, &rows[i], e));
    }
}

static enum err_code signed_among(struct meta *m, const struct repo_name *repo,
                                  const char *const *digests, size_t n, bool *rows, struct err *e)
{
    struct sql_value args[7] = {SQL_TEXT(repo_name_str(repo))};
    AUTO(among) struct among a = {0};
    size_t i;

    args[2] = SQL_TEXT(META_SIGNATURE_SIMPLE);
    args[3] = SQL_TEXT(META_SIGNATURE_NOTATION);
    args[4] = SQL_TEXT(META_SIGNATURE_BUNDLE);
    args[5] = SQL_TEXT(META_SIGNATURE_PREDICATE);
    args[6] = SQL_TEXT(META_SIGNATURE_CONTENT);
    TRY(among_begin(m, SQL_SIGNED_AMONG, digests, n, args, 7, 1, &a, e));
    for (;;) {
        TRY(among_next(&a, 0, &i, e));
        if (i == n)
            return ERR_OK;
        rows[i] = true;
    }
}

static enum err_code records_among(struct meta *m, struct str collection, const char *const *keys,
                                   size_t n, struct meta_record *rows, struct err *e)
{
    struct sql_value args[2] = {SQL_TEXT(collection)};
    AUTO(among) struct among a = {0};
    size_t i;

    TRY(among_begin(m, SQL_RECORDS_AMONG, keys, n, args, 2, 1, &a, e));
    for (;;) {
        TRY(among_next(&a, 3, &i, e));
        if (i == n)
            return ERR_OK;
        meta_record_done(&rows[i]);
        rows[i] = (struct meta_record){.key = str_dup(sql_text_at(a.rows, 0)),
                                       .value = str_dup(sql_text_at(a.rows, 1)),
                                       .version = sql_int_at(a.rows, 2)};
    }
}

void sql_shown_fill(struct meta_driver *d)
{
    d->repo_places = repo_places;
    d->tag_places = tag_places;
    d->repos_shown = repos_shown;
    d->tags_shown = tags_shown;
    d->manifests_shown = manifests_shown;
    d->signed_among = signed_among;
    d->records_among = records_among;
}
