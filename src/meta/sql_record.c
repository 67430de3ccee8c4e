/* Records, the audit trail, and what a namespace holds: reads only; the writes are in sql_commit.c.
 */
#include "base/cleanup.h"
#include "base/mem.h"
#include "meta/sql.h"

#include <stdlib.h>

static char *copy_at(struct sql_rows *r, int column)
{
    return str_dup(r->adapter->column_str(r, column));
}

static struct meta_record record_from(struct sql_rows *rows)
{
    return (struct meta_record){
        .key = copy_at(rows, 0),
        .value = copy_at(rows, 1),
        .version = rows->adapter->column_int(rows, 2),
    };
}

static enum err_code record_get(struct meta *m, struct str collection, struct str key,
                                struct meta_record *ret_record, struct err *e)
{
    AUTO(sql_conn) struct sql_conn *c = NULL;
    AUTO(sql_rows) struct sql_rows *rows = NULL;
    bool row;

    TRY(sql_begin(m, &c, e));
    TRY(sql_query(c, SQL_RECORD_GET, SQL_ARGS(SQL_TEXT(collection), SQL_TEXT(key)), &rows, e));
    TRY(sql_next(rows, &row, e));
    if (!row)
        return err_set(e, ERR_NOT_FOUND, "no " STR_FMT " '" STR_FMT "'", STR_ARG(collection),
                       STR_ARG(key));
    *ret_record = record_from(rows);
    return ERR_OK;
}

static enum err_code records(struct meta *m, struct str collection, struct str after, size_t limit,
                             struct meta_record_list *ret_list, struct err *e)
{
    AUTO(sql_conn) struct sql_conn *c = NULL;
    AUTO(sql_rows) struct sql_rows *rows = NULL;
    AUTO(records) struct meta_record_list l = {0};
    bool row;

    TRY(sql_begin(m, &c, e));
    TRY(sql_query(c, SQL_RECORD_LIST,
                  SQL_ARGS(SQL_TEXT(collection), SQL_TEXT(after), SQL_INT(sql_one_more(limit))),
                  &rows, e));
    for (;;) {
        TRY(sql_next(rows, &row, e));
        if (!row || l.n == limit)
            break;
        l.rows = mem_resize(l.rows, (l.n + 1) * sizeof(*l.rows));
        l.rows[l.n++] = record_from(rows);
    }
    l.more = row;
    *ret_list = l;
    l = (struct meta_record_list){0};
    return ERR_OK;
}

static struct meta_audit audit_from(struct sql_rows *rows)
{
    return (struct meta_audit){
        .id = rows->adapter->column_int(rows, 0),
        .time_ms = rows->adapter->column_int(rows, 1),
        .actor = copy_at(rows, 2),
        .action = copy_at(rows, 3),
        .target = copy_at(rows, 4),
        .address = copy_at(rows, 5),
        .result = copy_at(rows, 6),
        .detail = copy_at(rows, 7),
        .repository = copy_at(rows, 8),
    };
}

static void auto_audit_(struct meta_audit_list *l)
{
    meta_audit_list_done(l);
}

/* The rows that a page may look at: more are left to the next one. */
#define AUDIT_LOOK 20000

/* The statement whose index finds the fewest rows, and what it is given. The rest of the filter is
 * applied to these, one by one. */
static enum sql_id audit_statement(const struct meta_audit_filter *f, struct str *ret_value)
{
    const struct {
        struct str value;
        enum sql_id id;
    } ways[] = {
        {f->repository, SQL_AUDIT_BY_REPOSITORY},
        {f->address, SQL_AUDIT_BY_ADDRESS},
        {f->actor, SQL_AUDIT_BY_ACTOR},
        {str_eq(f->result, STR("ok")) ? STR_NONE : f->result, SQL_AUDIT_BY_FAILURE},
        {f->action, SQL_AUDIT_BY_ACTION},
    };

    for (size_t i = 0; i < sizeof(ways) / sizeof(ways[0]); i++) {
        *ret_value = ways[i].value;
        if (ways[i].value.n)
            return ways[i].id;
    }
    return SQL_AUDIT_LIST;
}

/* value outlives the rows, as f does. */
static enum err_code audit_query(struct sql_conn *c, const struct meta_audit_filter *f,
                                 struct sql_rows **ret_rows, struct err *e)
{
    struct meta_audit_place before = f->before;
    struct sql_value args[5];
    struct str value;
    enum sql_id id = audit_statement(f, &value);

    if (before.time_ms == 0)
        before = (struct meta_audit_place){INT64_MAX, 0};
    if (f->until_ms && f->until_ms <= before.time_ms)
        before = (struct meta_audit_place){f->until_ms, 0};
    args[0] = SQL_INT(f->from_ms);
    args[1] = SQL_INT(before.time_ms);
    args[2] = SQL_INT(before.id);
    args[3] = SQL_INT(AUDIT_LOOK + 1);
    args[4] = SQL_TEXT(value);
    return sql_query(c, id, args, id == SQL_AUDIT_LIST ? 4 : 5, ret_rows, e);
}

static bool audit_matches(struct sql_rows *rows, const struct meta_audit_filter *f)
{
    const struct {
        struct str want;
        int column;
    } texts[] = {
        {f->actor, 2}, {f->action, 3}, {f->address, 5}, {f->result, 6}, {f->repository, 8}};

    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        if (texts[i].want.n &&
            !str_eq(texts[i].want, rows->adapter->column_str(rows, texts[i].column)))
            return false;
    }
    return !f->repository_matches ||
           f->repository_matches(f->ctx, rows->adapter->column_str(rows, 8));
}

static enum err_code audit(struct meta *m, const struct meta_audit_filter *f, size_t limit,
                           struct meta_audit_list *ret_list, struct err *e)
{
    AUTO(sql_conn) struct sql_conn *c = NULL;
    AUTO(sql_rows) struct sql_rows *rows = NULL;
    AUTO(audit) struct meta_audit_list l = {0};
    bool row, match;

    TRY(sql_begin(m, &c, e));
    TRY(audit_query(c, f, &rows, e));
    for (size_t looked = 0;; looked++) {
        TRY(sql_next(rows, &row, e));
        if (!row)
            break;
        match = audit_matches(rows, f);
        l.more = looked == AUDIT_LOOK || (match && l.n == limit);
        if (l.more)
            break;
        l.next.id = rows->adapter->column_int(rows, 0);
        l.next.time_ms = rows->adapter->column_int(rows, 1);
        if (!match)
            continue;
        l.rows = mem_resize(l.rows, (l.n + 1) * sizeof(*l.rows));
        l.rows[l.n++] = audit_from(rows);
    }
    *ret_list = l;
    l = (struct meta_audit_list){0};
    return ERR_OK;
}

enum err_code sql_space_of(struct str space, struct sql_space *ret, struct err *e)
{
    if (space.n + 1 >= sizeof(ret->first))
        return err_set(e, ERR_INTERNAL, "no namespace has so long a name");
    *ret = (struct sql_space){0};
    if (space.n > 0) {
        memcpy(ret->first, space.p, space.n);
        memcpy(ret->past, space.p, space.n);
    }
    ret->first[space.n] = '/';
    ret->past[space.n] = '0';
    return ERR_OK;
}

/* range outlives the rows: their parameters point into it. */
static enum err_code query_usage(struct sql_conn *c, struct str space,
                                 const struct sql_space *range, struct sql_rows **ret_rows,
                                 struct err *e)
{
    struct str first = str_of(range->first), past = str_of(range->past);

    if (space.n == 0)
        return sql_query(c, SQL_USAGE_ALL, NULL, 0, ret_rows, e);
    return sql_query(c, SQL_USAGE, SQL_ARGS(SQL_TEXT(space), SQL_TEXT(first), SQL_TEXT(past)),
                     ret_rows, e);
}

enum err_code sql_usage(struct sql_conn *c, struct str space, struct meta_usage *ret_usage,
                        struct err *e)
{
    struct sql_space range;
    AUTO(sql_rows) struct sql_rows *rows = NULL;
    bool row;

    TRY(sql_space_of(space, &range, e));
    TRY(query_usage(c, space, &range, &rows, e));
    TRY(sql_next(rows, &row, e));
    if (!row)
        return err_set(e, ERR_INTERNAL, "a sum gave no row");
    ret_usage->bytes = (uint64_t)rows->adapter->column_int(rows, 0);
    ret_usage->tags = (uint64_t)rows->adapter->column_int(rows, 1);
    ret_usage->repositories = (uint64_t)rows->adapter->column_int(rows, 2);
    return ERR_OK;
}

static enum err_code usage(struct meta *m, struct str space, struct meta_usage *ret_usage,
                           struct err *e)
{
    AUTO(sql_conn) struct sql_conn *c = NULL;

    TRY(sql_begin(m, &c, e));
    return sql_usage(c, space, ret_usage, e);
}

void sql_record_fill(struct meta_driver *d)
{
    d->record_get = record_get;
    d->records = records;
    d->audit = audit;
    d->usage = usage;
}
