#include "meta/sql.h"

#include "base/cleanup.h"
#include "base/mem.h"

#include <stdlib.h>

const char *sql_statement(enum sql_id id)
{
    static const char *const table[] = {
#define SQL_ROW(name, text) [SQL_##name] = text,
        SQL_TABLE(SQL_ROW)
#undef SQL_ROW
    };

    return table[id];
}

static const char *word_of(const struct sql_dialect *d, struct str name)
{
    const struct {
        struct str name;
        const char *word;
    } words[] = {
        {STR("id"), d->id},
        {STR("text"), d->text},
        {STR("bytes"), d->bytes},
        {STR("clustered"), d->clustered},
        {STR("lock"), d->lock},
        {STR("change"), d->change},
        {STR("hold"), d->hold},
        {STR("must"), d->must},
        {STR("must_end"), d->must_end},
        {STR("list"), d->list},
        {STR("list_end"), d->list_end},
        {STR("find"), d->find},
        {STR("must_not"), d->must_not},
        {STR("must_not_end"), d->must_not_end},
        {STR("stamp"), d->stamp},
        {STR("stamp_end"), d->stamp_end},
    };

    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        if (str_eq(name, words[i].name))
            return words[i].word;
    }
    abort(); /* a word that no dialect has: a mistake in this folder */
}

void sql_expand(const struct sql_dialect *d, const char *text, struct buf *ret)
{
    for (const char *p = text; *p; p++) {
        if (*p == '$') {
            buf_add_char(ret, d->placeholder);
        } else if (*p == '@') {
            const char *end = strchr(p + 1, '@');

            if (!end)
                abort();
            buf_add_text(ret, word_of(d, (struct str){p + 1, (size_t)(end - p - 1)}));
            p = end;
        } else {
            buf_add_char(ret, *p);
        }
    }
}

enum err_code sql_query(struct sql_conn *c, enum sql_id id, const struct sql_value *args, size_t n,
                        struct sql_rows **ret_rows, struct err *e)
{
    return c->adapter->query(c, id, args, n, ret_rows, e);
}

enum err_code sql_next(struct sql_rows *r, bool *ret_row, struct err *e)
{
    return r->adapter->next(r, ret_row, e);
}

enum err_code sql_run(struct sql_conn *c, enum sql_id id, const struct sql_value *args, size_t n,
                      struct err *e)
{
    bool found;
    int64_t value;

    if (c->adapter->run)
        return c->adapter->run(c, id, args, n, e);
    return sql_run_int(c, id, args, n, &found, &value, e);
}

enum err_code sql_lock(struct sql_conn *c, struct str name, struct err *e)
{
    return c->adapter->lock ? c->adapter->lock(c, name, e) : ERR_OK;
}

void sql_ends(struct sql_conn *c)
{
    if (c->adapter->ends)
        c->adapter->ends(c);
}

enum err_code sql_run_int(struct sql_conn *c, enum sql_id id, const struct sql_value *args,
                          size_t n, bool *ret_found, int64_t *ret_value, struct err *e)
{
    AUTO(sql_rows) struct sql_rows *rows = NULL;
    bool row, found = false;
    int64_t value = 0;

    TRY(sql_query(c, id, args, n, &rows, e));
    for (;;) {
        TRY(sql_next(rows, &row, e));
        if (!row)
            break;
        if (!found)
            value = rows->adapter->column_int(rows, 0);
        found = true;
    }
    if (found)
        *ret_value = value;
    *ret_found = found;
    return ERR_OK;
}

static enum err_code health(struct meta *m, struct err *e)
{
    struct sql_meta *s = (struct sql_meta *)m;
    AUTO(sql_conn) struct sql_conn *c = NULL;

    TRY(s->db->adapter->read_begin(s->db, &c, e));
    TRY(sql_run(c, SQL_SCHEMA_VERSION, NULL, 0, e));
    return s->db->adapter->health(s->db, e);
}

enum err_code sql_damaged(struct meta *m, const char *what, struct err *e)
{
    return err_set(e, ERR_CORRUPT, "database '%s': damaged %s",
                   sql_db_of(m)->adapter->where(sql_db_of(m)), what);
}

static void sql_free(struct meta *m)
{
    struct sql_meta *s = (struct sql_meta *)m;

    s->db->adapter->free(s->db);
    free(s);
}

struct meta *sql_meta_over(struct sql *db)
{
    struct sql_meta *s = NEW(struct sql_meta);

    s->db = db;
    s->driver = (struct meta_driver){.name = db->adapter->name,
                                     .shared = db->adapter->shared,
                                     .commit = sql_commit,
                                     .health = health,
                                     .snapshot = sql_snapshot,
                                     .free = sql_free};
    sql_record_fill(&s->driver);
    sql_repo_fill(&s->driver);
    sql_read_fill(&s->driver);
    sql_shown_fill(&s->driver);
    sql_row_fill(&s->driver);
    sql_job_fill(&s->driver);
    sql_condemned_fill(&s->driver);
    sql_removed_fill(&s->driver);
    s->meta.driver = &s->driver;
    return &s->meta;
}

enum err_code sql_meta_new(struct sql *db, struct meta **ret_meta, struct err *e)
{
    TRY(sql_migrate(db, sql_schema, sql_schema_n, e));
    *ret_meta = sql_meta_over(db);
    return ERR_OK;
}
