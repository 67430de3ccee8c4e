/*
 * Jobs: what their operations are in SQL, and reading them. An operation that depends on the state
 * of a job finds it with a lock on its row, but for taking one, which is a single statement: many
 * try that at once.
 */
#include "base/cleanup.h"
#include "base/mem.h"
#include "meta/sql.h"

enum { WANTED_NOT, WANTED_AGAIN, WANTED_CANCELLED };

struct row {
    bool there;
    int64_t state, turn, wanted, attempts;
};

static enum err_code look(struct sql_conn *c, struct str kind, struct str key, struct row *ret_row,
                          struct err *e)
{
    AUTO(sql_rows) struct sql_rows *rows = NULL;
    struct row r = {0};

    TRY(sql_query(c, SQL_JOB_LOCK, SQL_ARGS(SQL_TEXT(kind), SQL_TEXT(key)), &rows, e));
    TRY(sql_next(rows, &r.there, e));
    if (r.there) {
        r.state = c->adapter->column_int(rows, 0);
        r.turn = c->adapter->column_int(rows, 1);
        r.wanted = c->adapter->column_int(rows, 2);
        r.attempts = c->adapter->column_int(rows, 3);
    }
    *ret_row = r;
    return ERR_OK;
}

static enum err_code not_yours(struct str kind, struct str key, struct err *e)
{
    return err_set(e, ERR_CONFLICT, "somebody else has the job " STR_FMT " " STR_FMT " now",
                   STR_ARG(kind), STR_ARG(key));
}

/* The row of a job that runs, taken with that turn. */
static enum err_code own(struct sql_conn *c, struct str kind, struct str key, int64_t turn,
                         struct row *ret_row, struct err *e)
{
    TRY(look(c, kind, key, ret_row, e));
    if (!ret_row->there || ret_row->state != META_JOB_RUNNING || ret_row->turn != turn)
        return not_yours(kind, key, e);
    return ERR_OK;
}

static enum err_code found(struct sql_conn *c, struct str kind, struct str key, struct row *ret_row,
                           struct err *e)
{
    TRY(look(c, kind, key, ret_row, e));
    return ret_row->there ? ERR_OK
                          : err_set(e, ERR_NOT_FOUND, "there is no job " STR_FMT " " STR_FMT,
                                    STR_ARG(kind), STR_ARG(key));
}

static enum err_code remove_job(struct sql_conn *c, struct str kind, struct str key, struct err *e)
{
    return sql_run(c, SQL_JOB_DELETE, SQL_ARGS(SQL_TEXT(kind), SQL_TEXT(key)), e);
}

enum err_code sql_job_add(struct sql_conn *c, const struct meta_job_add *j, struct err *e)
{
    return sql_run(c, j->if_absent ? SQL_JOB_ADD_ABSENT : SQL_JOB_ADD,
                   SQL_ARGS(SQL_TEXT(j->kind), SQL_TEXT(j->key), SQL_INT(j->priority),
                            SQL_INT(j->due_ms), SQL_INT(j->now_ms)),
                   e);
}

static enum err_code job_take(struct sql_conn *c, const struct meta_op *op, struct err *e)
{
    int64_t turn;
    bool taken;

    TRY(sql_run_int(c, SQL_JOB_TAKE,
                    SQL_ARGS(SQL_TEXT(op->job.kind), SQL_TEXT(op->job.key), SQL_INT(op->job.turn),
                             SQL_TEXT(op->job.holder), SQL_INT(op->job.now_ms)),
                    &taken, &turn, e));
    return taken ? ERR_OK : not_yours(op->job.kind, op->job.key, e);
}

static enum err_code job_check(struct sql_conn *c, const struct meta_op *op, struct err *e)
{
    struct row r;

    return own(c, op->job.kind, op->job.key, op->job.turn, &r, e);
}

static enum err_code job_note(struct sql_conn *c, const struct meta_op *op, struct err *e)
{
    struct row r;

    TRY(own(c, op->job.kind, op->job.key, op->job.turn, &r, e));
    if (r.wanted == WANTED_CANCELLED)
        return err_set(e, ERR_CONFLICT, "the job " STR_FMT " " STR_FMT " is to go away",
                       STR_ARG(op->job.kind), STR_ARG(op->job.key));
    return sql_run(c, SQL_JOB_NOTE,
                   SQL_ARGS(SQL_TEXT(op->job.kind), SQL_TEXT(op->job.key), SQL_TEXT(op->job.note)),
                   e);
}

static enum err_code wait(struct sql_conn *c, struct str kind, struct str key,
                          enum meta_job_state state, int64_t due_ms, int64_t attempts,
                          struct str note, int64_t now_ms, struct err *e)
{
    return sql_run(c, SQL_JOB_WAIT,
                   SQL_ARGS(SQL_TEXT(kind), SQL_TEXT(key), SQL_INT(state), SQL_INT(due_ms),
                            SQL_INT(attempts), SQL_TEXT(note), SQL_INT(now_ms)),
                   e);
}

static enum err_code job_end(struct sql_conn *c, const struct meta_op *op, struct err *e)
{
    const struct meta_job_end *j = &op->job_end;
    enum meta_job_state state =
        j->as == META_JOB_FAILED_FOR_GOOD ? META_JOB_STOPPED : META_JOB_WAITING;
    int64_t due_ms = j->due_ms, attempts;
    struct row r;

    TRY(own(c, j->kind, j->key, j->turn, &r, e));
    if (r.wanted == WANTED_CANCELLED ||
        (j->as == META_JOB_DONE && !j->repeat && r.wanted == WANTED_NOT))
        return remove_job(c, j->kind, j->key, e);
    if (j->as == META_JOB_DONE && r.wanted == WANTED_AGAIN)
        due_ms = j->now_ms;
    attempts = j->as == META_JOB_DONE ? 0 : r.attempts;
    if (j->as == META_JOB_PUT_BACK && attempts > 0)
        attempts--;
    if (j->as == META_JOB_FAILED && j->passes)
        attempts += META_JOB_PASS - 1;
    return wait(c, j->kind, j->key, state, due_ms, attempts, j->note, j->now_ms, e);
}

static enum err_code job_retry(struct sql_conn *c, const struct meta_op *op, struct err *e)
{
    struct row r;

    TRY(found(c, op->job.kind, op->job.key, &r, e));
    if (r.state == META_JOB_RUNNING)
        return err_set(e, ERR_CONFLICT, "the job " STR_FMT " " STR_FMT " runs",
                       STR_ARG(op->job.kind), STR_ARG(op->job.key));
    return wait(c, op->job.kind, op->job.key, META_JOB_WAITING, op->job.now_ms, 0, STR(""),
                op->job.now_ms, e);
}

static enum err_code job_cancel(struct sql_conn *c, const struct meta_op *op, struct err *e)
{
    struct row r;

    TRY(found(c, op->job.kind, op->job.key, &r, e));
    if (r.state != META_JOB_RUNNING)
        return remove_job(c, op->job.kind, op->job.key, e);
    return sql_run(c, SQL_JOB_CANCEL, SQL_ARGS(SQL_TEXT(op->job.kind), SQL_TEXT(op->job.key)), e);
}

enum err_code sql_job_apply(struct sql_conn *c, const struct meta_op *op, struct err *e)
{
    switch (op->kind) {
    case META_JOB_ADD:
        return sql_job_add(c, &op->job_add, e);
    case META_JOB_TAKE:
        return job_take(c, op, e);
    case META_JOB_CHECK:
        return job_check(c, op, e);
    case META_JOB_NOTE:
        return job_note(c, op, e);
    case META_JOB_END:
        return job_end(c, op, e);
    case META_JOB_RETRY:
        return job_retry(c, op, e);
    case META_JOB_CANCEL:
        return job_cancel(c, op, e);
    default:
        return err_set(e, ERR_INTERNAL, "operation %d is not one of jobs", (int)op->kind);
    }
}

/* ---- reading; columns are those of SQL_JOBS_ROW */

static struct meta_job job_from(struct sql_rows *rows)
{
    const struct sql_adapter *a = rows->adapter;

    return (struct meta_job){
        .kind = str_dup(a->column_str(rows, 0)),
        .key = str_dup(a->column_str(rows, 1)),
        .state = (enum meta_job_state)a->column_int(rows, 2),
        .priority = a->column_int(rows, 3),
        .due_ms = a->column_int(rows, 4),
        .attempts = a->column_int(rows, 5) % META_JOB_PASS,
        .passes = a->column_int(rows, 5) / META_JOB_PASS,
        .turn = a->column_int(rows, 6),
        .again = a->column_int(rows, 7) == WANTED_AGAIN,
        .cancelled = a->column_int(rows, 7) == WANTED_CANCELLED,
        .holder = str_dup(a->column_str(rows, 8)),
        .note = str_dup(a->column_str(rows, 9)),
        .changed_ms = a->column_int(rows, 10),
    };
}

/* Up to limit more rows; l->more when there are others. */
static enum err_code collect(struct sql_conn *c, enum sql_id id, const struct sql_value *args,
                             size_t n, size_t limit, struct meta_job_list *l, struct err *e)
{
    AUTO(sql_rows) struct sql_rows *rows = NULL;
    bool row;

    TRY(sql_query(c, id, args, n, &rows, e));
    for (size_t i = 0;; i++) {
        TRY(sql_next(rows, &row, e));
        if (!row || i == limit)
            break;
        l->rows = mem_resize(l->rows, (l->n + 1) * sizeof(*l->rows));
        l->rows[l->n++] = job_from(rows);
    }
    l->more |= row;
    return ERR_OK;
}

static enum err_code jobs(struct meta *m, struct str after_kind, struct str after_key, size_t limit,
                          struct meta_job_list *ret_list, struct err *e)
{
    AUTO(meta_jobs) struct meta_job_list l = {0};
    AUTO(sql_conn) struct sql_conn *c = NULL;

    TRY(sql_begin(m, &c, e));
    TRY(collect(c, SQL_JOB_LIST,
                SQL_ARGS(SQL_TEXT(after_kind), SQL_TEXT(after_key), SQL_INT(sql_one_more(limit))),
                limit, &l, e));
    *ret_list = l;
    l = (struct meta_job_list){0};
    return ERR_OK;
}

static enum err_code jobs_due(struct meta *m, int64_t now_ms, size_t limit,
                              struct meta_job_list *ret_list, struct err *e)
{
    AUTO(meta_jobs) struct meta_job_list l = {0};
    AUTO(sql_conn) struct sql_conn *c = NULL;
    const struct sql_value one_more = SQL_INT(sql_one_more(limit));

    TRY(sql_begin(m, &c, e));
    TRY(collect(c, SQL_JOB_WAITING, SQL_ARGS(SQL_INT(now_ms), one_more), limit, &l, e));
    TRY(collect(c, SQL_JOB_RUNNING, SQL_ARGS(one_more), limit, &l, e));
    *ret_list = l;
    l = (struct meta_job_list){0};
    return ERR_OK;
}

static enum err_code job_get(struct meta *m, struct str kind, struct str key,
                             struct meta_job *ret_job, struct err *e)
{
    AUTO(meta_jobs) struct meta_job_list l = {0};
    AUTO(sql_conn) struct sql_conn *c = NULL;

    TRY(sql_begin(m, &c, e));
    TRY(collect(c, SQL_JOB_GET, SQL_ARGS(SQL_TEXT(kind), SQL_TEXT(key)), 1, &l, e));
    if (l.n == 0)
        return err_set(e, ERR_NOT_FOUND, "there is no job " STR_FMT " " STR_FMT, STR_ARG(kind),
                       STR_ARG(key));
    *ret_job = l.rows[0];
    l.rows[0] = (struct meta_job){0};
    return ERR_OK;
}

void sql_job_fill(struct meta_driver *d)
{
    d->jobs = jobs;
    d->jobs_due = jobs_due;
    d->job_get = job_get;
}
