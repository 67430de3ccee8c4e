/*
 * All rows of all tables, a page at a time, and back: one table here says what the statements of a
 * kind give and take.
 *
 * A page is a range of the table's own key, whose columns come last in each row; the place to go on
 * at is the key of the last row, each part as "LENGTH:TEXT". Pages are bounded by what PostgreSQL
 * sends at once: a manifest may be megabytes.
 */
#include "base/cleanup.h"
#include "base/mem.h"
#include "meta/sql.h"

#include <stdlib.h>

#define PAGE_MANIFESTS 16 /* at most; other rows are small */
#define KEY_PARTS      3
#define PLACE_MAX      (64 << 10)

static const struct row_kind {
    enum sql_id list, add;
    size_t n_texts, n_ints;
    const char *key; /* of the columns behind them: 'i' a number, 't' a text */
    bool bytes;      /* the last text is bytes */
    size_t page;     /* at most that many rows; 0: as many as are asked for */
} kinds[META_ROW_KINDS] = {
    [META_ROW_REPO] = {SQL_ROWS_REPO, SQL_ROW_ADD_REPO, 1, 4, "i"},
    [META_ROW_BLOB] = {SQL_ROWS_BLOB, SQL_ROW_ADD_BLOB, 2, 1, "ti"},
    [META_ROW_MANIFEST] = {SQL_ROWS_MANIFEST, SQL_ROW_ADD_MANIFEST, 5, 1, "i", .bytes = true,
                           .page = PAGE_MANIFESTS},
    [META_ROW_EDGE] = {SQL_ROWS_EDGE, SQL_ROW_ADD_EDGE, 3, 2, "ii"},
    [META_ROW_TAG] = {SQL_ROWS_TAG, SQL_ROW_ADD_TAG, 3, 2, "it"},
    [META_ROW_REFERRER] = {SQL_ROWS_REFERRER, SQL_ROW_ADD_REFERRER, 6, 1, "itt",
                           .page = PAGE_MANIFESTS}, /* annotations */
    [META_ROW_PROJECTION] = {SQL_ROWS_PROJECTION, SQL_ROW_ADD_PROJECTION, 3, 1, "i"},
    [META_ROW_UPLOAD] = {SQL_ROWS_UPLOAD, SQL_ROW_ADD_UPLOAD, 5, 3, "t"},
    [META_ROW_RECORD] = {SQL_ROWS_RECORD, SQL_ROW_ADD_RECORD, 3, 1, "tt"},
    [META_ROW_AUDIT] = {SQL_ROWS_AUDIT, SQL_ROW_ADD_AUDIT, 7, 1, "i"},
    [META_ROW_JOB] = {SQL_ROWS_JOB, SQL_ROW_ADD_JOB, 3, 4, "tt"},
    [META_ROW_REMOVED] = {SQL_ROWS_REMOVED, SQL_ROW_ADD_REMOVED, 3, 4, "tt"},
    [META_ROW_MOVE] = {SQL_ROWS_MOVE, SQL_ROW_ADD_MOVE, 5, 2, "iti"},
};

/* The next part of a place; what is no text "LENGTH:TEXT..." is refused. */
static bool cut_part(struct str *place, struct str *ret_part)
{
    struct str length;
    uint64_t n;

    if (!memchr(place->p, ':', place->n) || !str_cut(place, ':', &length) ||
        !str_to_u64(length, place->n, &n))
        return false;
    *ret_part = (struct str){place->p, (size_t)n};
    place->p += n;
    place->n -= n;
    return true;
}

/* The arguments of a list but for its limit: the key behind which it begins. */
static enum err_code key_of(const struct row_kind *k, struct str after, struct sql_value *ret_args,
                            struct err *e)
{
    bool first = after.n == 0;

    for (size_t i = 0; k->key[i]; i++) {
        struct str part = STR("");
        uint64_t number = 0;

        if (!first && !cut_part(&after, &part))
            return err_set(e, ERR_INTERNAL, "a place between rows that is none");
        if (k->key[i] == 'i' && !first && !str_to_u64(part, INT64_MAX, &number))
            return err_set(e, ERR_INTERNAL, "a place between rows that has no number");
        ret_args[i] = k->key[i] == 'i' ? SQL_INT((int64_t)number) : SQL_TEXT(part);
    }
    return after.n == 0 ? ERR_OK : err_set(e, ERR_INTERNAL, "a place between rows of another kind");
}

static char *place_of(const struct row_kind *k, struct sql_rows *rows)
{
    int column = (int)(k->n_texts + k->n_ints);
    AUTO(buf) struct buf b = {0};

    buf_init(&b, PLACE_MAX);
    for (size_t i = 0; k->key[i]; i++, column++) {
        char digits[STR_DECIMAL_MAX];
        struct str part;

        if (k->key[i] == 'i')
            part = str_decimal((uint64_t)rows->adapter->column_int(rows, column), digits);
        else
            part = rows->adapter->column_str(rows, column);
        buf_addf(&b, "%zu:", part.n);
        buf_add_str(&b, part);
    }
    return mem_strdup(buf_text(&b));
}

static void add_row(struct meta_row_list *l, enum meta_row_kind kind, struct sql_rows *rows)
{
    const struct row_kind *k = &kinds[kind];
    struct meta_row *row = &l->rows[l->n];
    size_t n = 0;
    char *text;

    *row = (struct meta_row){.kind = kind};
    for (size_t i = 0; i < k->n_texts; i++)
        n += rows->adapter->column_str(rows, (int)i).n;
    text = l->owned[l->n++] = mem_alloc(n + 1);
    for (size_t i = 0; i < META_ROW_TEXTS; i++) {
        struct str s = i < k->n_texts ? rows->adapter->column_str(rows, (int)i) : STR("");

        if (s.n > 0)
            memcpy(text, s.p, s.n);
        row->texts[i] = (struct str){text, s.n};
        text += s.n;
    }
    for (size_t i = 0; i < k->n_ints; i++)
        row->ints[i] = rows->adapter->column_int(rows, (int)(k->n_texts + i));
}

static enum err_code read_rows(struct sql_rows *rows, enum meta_row_kind kind, size_t limit,
                               struct meta_row_list *l, struct err *e)
{
    bool row;

    for (;;) {
        TRY(sql_next(rows, &row, e));
        if (!row)
            return ERR_OK;
        add_row(l, kind, rows);
        if (l->n < limit)
            continue;
        l->next = place_of(&kinds[kind], rows);
        return sql_next(rows, &l->more, e);
    }
}

static enum err_code rows(struct meta *m, enum meta_row_kind kind, struct str after, size_t limit,
                          struct meta_row_list *ret_list, struct err *e)
{
    const struct row_kind *k = &kinds[kind];
    size_t n_key = strlen(k->key), most = k->page > 0 && k->page < limit ? k->page : limit;
    struct sql_value args[KEY_PARTS + 1];
    AUTO(row_list) struct meta_row_list l = {0};
    AUTO(sql_conn) struct sql_conn *c = NULL;
    AUTO(sql_rows) struct sql_rows *r = NULL;

    TRY(key_of(k, after, args, e));
    args[n_key] = SQL_INT((int64_t)most + 1); /* one more says whether there are more */
    TRY(sql_begin(m, &c, e));
    TRY(sql_query(c, k->list, args, n_key + 1, &r, e));
    l.rows = mem_alloc(most * sizeof(*l.rows));
    l.owned = mem_alloc(most * sizeof(*l.owned));
    TRY(read_rows(r, kind, most, &l, e));
    *ret_list = l;
    l = (struct meta_row_list){0};
    return ERR_OK;
}

/* The one number of a manifest lies in a table of its own. */
static enum err_code add_age(struct sql_conn *c, const struct meta_row *row, struct err *e)
{
    if (row->ints[0] == 0)
        return ERR_OK;
    return sql_run(
        c, SQL_ROW_ADD_AGE,
        SQL_ARGS(SQL_TEXT(row->texts[0]), SQL_TEXT(row->texts[1]), SQL_INT(row->ints[0])), e);
}

enum err_code sql_row_add(struct sql_conn *c, const struct meta_row *row, struct err *e)
{
    const struct row_kind *k = &kinds[row->kind];
    bool manifest = row->kind == META_ROW_MANIFEST;
    size_t n_ints = manifest ? 0 : k->n_ints;
    struct sql_value args[META_ROW_TEXTS + META_ROW_INTS];

    for (size_t i = 0; i < k->n_texts; i++) {
        bool bytes = k->bytes && i + 1 == k->n_texts;

        args[i] = bytes ? SQL_BYTES(row->texts[i]) : SQL_TEXT(row->texts[i]);
    }
    for (size_t i = 0; i < n_ints; i++)
        args[k->n_texts + i] = SQL_INT(row->ints[i]);
    TRY(sql_run(c, k->add, args, k->n_texts + n_ints, e));
    if (row->kind == META_ROW_TAG)
        TRY(sql_run(c, SQL_ROW_ADD_TAG_PUSH,
                    SQL_ARGS(SQL_TEXT(row->texts[0]), SQL_INT(row->ints[1])), e));
    return manifest ? add_age(c, row, e) : ERR_OK;
}

void sql_row_fill(struct meta_driver *d)
{
    d->rows = rows;
}
