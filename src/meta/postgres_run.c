/*
 * Statements on a connection, and what their errors mean.
 *
 * Parameters and results are binary, with types of our choice: integers of 64 bits, text, bytes.
 * Nothing here waits past the deadline of the connection's use: a connection that is late is
 * given up, and the server then ends what it still does for it (statement_timeout).
 */
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/digest.h"
#include "base/mem.h"
#include "meta/postgres.h"

#include <endian.h>
#include <errno.h>
#include <poll.h>
#include <stdlib.h>

#define ARGS_MAX   10
#define QUEUED_MAX 100 /* put off at most: their answers wait in the server's buffers */

#define STUCK_MIN_MS 2000 /* a machine that is busy is not stopped */

#define OID_BYTES 17 /* of the catalog pg_type, where they never change */
#define OID_INT   20
#define OID_TEXT  25

#define SCRIPT_TIMEOUT_MS                                                                          \
    (3600 * 1000) /* of the schema: an index over many rows takes its time                         \
                   */

struct postgres_rows {
    struct sql_rows base;
    const struct libpq *lib;
    PGresult *result;
    int row, n;
};

/* ---- errors */

enum err_code postgres_err_code(const char *state, bool *ret_again, bool *ret_broken)
{
    /* The first that the state begins with (appendix "PostgreSQL Error Codes"). */
    static const struct {
        const char *begin;
        enum err_code code;
        bool again, broken;
    } codes[] = {
        {"40001", ERR_UNAVAILABLE, .again = true},                 /* serialization_failure */
        {"40P01", ERR_UNAVAILABLE, .again = true},                 /* deadlock_detected */
        {"08", ERR_UNAVAILABLE, .again = true, .broken = true},    /* a pooler lost its server */
        {"57P", ERR_UNAVAILABLE, .again = true, .broken = true},   /* the server is ending */
        {"25006", ERR_UNAVAILABLE, .again = true, .broken = true}, /* it became a standby */
        {"25P03", ERR_UNAVAILABLE, .again = true, .broken = true}, /* idle in a transaction */
        {"57014", ERR_UNAVAILABLE},                                /* statement_timeout */
        {"55P03", ERR_UNAVAILABLE},                                /* lock_not_available */
        {"53100", ERR_STORAGE_FULL},                               /* disk_full */
        {"53", ERR_UNAVAILABLE, .broken = true},                   /* too many, too large */
        {"22012", ERR_NOT_FOUND},                                  /* division_by_zero: "must" */
        {"2201F", ERR_GONE},                                       /* of a root: "must_not" */
        {"42501", ERR_STORAGE_READONLY},                           /* insufficient_privilege */
        {"28", ERR_UNAVAILABLE, .broken = true},                   /* invalid_authorization */
        {"22021", ERR_REQUEST_INVALID},                            /* text that is no UTF-8 */
        {"XX001", ERR_CORRUPT},                                    /* data_corrupted */
        {"XX002", ERR_CORRUPT},                                    /* index_corrupted */
        {"58", ERR_UNAVAILABLE},                                   /* system_error */
    };

    for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++) {
        if (strncmp(state, codes[i].begin, strlen(codes[i].begin)) == 0) {
            *ret_again = codes[i].again;
            *ret_broken = codes[i].broken;
            return codes[i].code;
        }
    }
    *ret_again = *ret_broken = false;
    return ERR_INTERNAL;
}

/* The connection is no more. What was sent before COMMIT was not done. */
static enum err_code lost(struct postgres_conn *c, const char *why, struct err *e)
{
    char said[240];

    postgres_message(c, why, said, sizeof(said));
    if (!c->broken)
        postgres_distrust(c->db);
    c->broken = true;
    c->again = !c->ending;
    return err_set(e, ERR_UNAVAILABLE, "database %s: %s", c->db->name,
                   said[0] ? said : "the connection broke");
}

static enum err_code late(struct postgres_conn *c, struct err *e)
{
    c->broken = true;
    c->again = false;
    return err_set(e, ERR_UNAVAILABLE, "database %s: no answer in time", c->db->name);
}

static enum err_code lost_by_libpq(struct postgres_conn *c, struct err *e)
{
    return lost(c, c->db->lib->PQerrorMessage(c->handle), e);
}

static enum err_code refused(struct postgres_conn *c, const PGresult *r, struct err *e)
{
    const struct libpq *lib = c->db->lib;
    const char *state = lib->PQresultErrorField(r, PG_DIAG_SQLSTATE);
    const char *message = lib->PQresultErrorField(r, PG_DIAG_MESSAGE_PRIMARY);
    char said[240];
    enum err_code code;
    bool broken;

    if (!state) /* libpq made it: the connection broke */
        return lost(c, lib->PQresultErrorMessage(r), e);
    code = postgres_err_code(state, &c->again, &broken);
    c->broken |= broken;
    if (broken && c->ending) /* it may have been done before */
        c->again = false;
    postgres_message(c, message ? message : "", said, sizeof(said));
    return err_set(e, code, "database %s: %s (%s)", c->db->name, said, state);
}

/* ---- the wire */

static void look(struct postgres_conn *c);

static enum err_code wait_for(struct postgres_conn *c, short events, struct err *e)
{
    struct pollfd p = {.fd = c->db->lib->PQsocket(c->handle), .events = events};
    bool looks = c->writes && c->look_ms < c->deadline_ms;
    int64_t left = (looks ? c->look_ms : c->deadline_ms) - clock_mono_ms();
    int n = poll(&p, 1, left > 0 ? (int)left : 0);

    if (n == 0 && looks) {
        look(c);
        return ERR_OK;
    }
    if (n == 0)
        return late(c, e);
    if (n < 0 && errno != EINTR)
        return lost(c, strerror(errno), e);
    if ((p.revents & POLLIN) && !c->db->lib->PQconsumeInput(c->handle))
        return lost_by_libpq(c, e);
    return ERR_OK;
}

/* What comes in meanwhile is read, so that the server never waits for us while we wait for it. */
static enum err_code flush(struct postgres_conn *c, struct err *e)
{
    int left;

    while ((left = c->db->lib->PQflush(c->handle)) > 0)
        TRY(wait_for(c, POLLIN | POLLOUT, e));
    return left == 0 ? ERR_OK : lost_by_libpq(c, e);
}

/* NULL at the end of a statement's results. */
static enum err_code get_result(struct postgres_conn *c, PGresult **ret_result, struct err *e)
{
    while (c->db->lib->PQisBusy(c->handle))
        TRY(wait_for(c, POLLIN, e));
    *ret_result = c->db->lib->PQgetResult(c->handle);
    return ERR_OK;
}

struct answers {
    const struct libpq *lib;
    PGresult *last;   /* of the last statement, when it succeeded */
    PGresult *before; /* of the one before it */
    PGresult *failed; /* the first failure */
};

static inline void auto_answers_(struct answers *a)
{
    a->lib->PQclear(a->last);
    a->lib->PQclear(a->before);
    a->lib->PQclear(a->failed);
}

/* One statement's results; those behind a failed one are "aborted". */
static enum err_code receive_one(struct postgres_conn *c, struct answers *a, struct err *e)
{
    const struct libpq *lib = c->db->lib;
    PGresult *r;

    for (;;) {
        ExecStatusType status;

        TRY(get_result(c, &r, e));
        if (!r)
            return ERR_OK;
        status = lib->PQresultStatus(r);
        if (status == PGRES_TUPLES_OK || status == PGRES_COMMAND_OK) {
            lib->PQclear(a->before);
            a->before = a->last;
            a->last = r;
        } else if (status == PGRES_PIPELINE_ABORTED || a->failed) {
            lib->PQclear(r);
        } else {
            a->failed = r;
        }
    }
}

static enum err_code receive_sync(struct postgres_conn *c, struct err *e)
{
    PGresult *r;
    bool synced;

    TRY(get_result(c, &r, e));
    synced = r && c->db->lib->PQresultStatus(r) == PGRES_PIPELINE_SYNC;
    c->db->lib->PQclear(r);
    return synced ? ERR_OK : lost_by_libpq(c, e);
}

/* A round trip: the answers to all that is queued. When the server goes on after a failure it has
 * not looked at what was behind that, such as COMMIT. */
static enum err_code exchange(struct postgres_conn *c, struct answers *a, struct err *e)
{
    const struct libpq *lib = c->db->lib;
    unsigned n = c->queued;

    c->queued = 0;
    atomic_fetch_add_explicit(&c->db->round_trips, 1, memory_order_relaxed);
    if (!lib->PQpipelineSync(c->handle))
        return lost_by_libpq(c, e);
    TRY(flush(c, e));
    for (unsigned i = 0; i < n; i++) {
        TRY(receive_one(c, a, e));
        if (lib->PQstatus(c->handle) != CONNECTION_OK)
            return a->failed ? refused(c, a->failed, e) : lost_by_libpq(c, e);
    }
    TRY(receive_sync(c, e));
    c->ending = c->ending && !a->failed;
    return a->failed ? refused(c, a->failed, e) : ERR_OK;
}

struct wire_args {
    Oid types[ARGS_MAX];
    const char *values[ARGS_MAX];
    int lengths[ARGS_MAX], formats[ARGS_MAX];
    int64_t ints[ARGS_MAX];
};

static void to_wire(const struct sql_value *v, struct wire_args *w, size_t i)
{
    w->formats[i] = 1;
    if (v->kind == SQL_KIND_INT) {
        w->ints[i] = (int64_t)htobe64((uint64_t)v->i);
        w->types[i] = OID_INT;
        w->values[i] = (const char *)&w->ints[i];
        w->lengths[i] = sizeof(w->ints[i]);
        return;
    }
    w->types[i] = v->kind == SQL_KIND_TEXT ? OID_TEXT : OID_BYTES;
    w->values[i] = v->str.n ? v->str.p : ""; /* NULL would be a NULL */
    w->lengths[i] = (int)v->str.n;
}

/* Copies what it is given. */
static enum err_code queue_text(struct postgres_conn *c, const char *text,
                                const struct sql_value *args, size_t n, struct err *e)
{
    struct wire_args w = {0};

    if (n > ARGS_MAX)
        return err_set(e, ERR_INTERNAL, "a statement with %zu parameters", n);
    for (size_t i = 0; i < n; i++) {
        if (args[i].str.n > INT32_MAX)
            return err_set(e, ERR_INTERNAL, "a parameter of %zu bytes", args[i].str.n);
        to_wire(&args[i], &w, i);
    }
    if (!c->db->lib->PQsendQueryParams(c->handle, text, (int)n, w.types, w.values, w.lengths,
                                       w.formats, 1))
        return lost_by_libpq(c, e);
    c->queued++;
    return ERR_OK;
}

/* Who is like us, has stopped in the middle of a round trip so long ago, and has locked what one of
 * us waits for. */
#define END_STUCK                                                                                  \
    "SELECT pg_terminate_backend(s.pid) FROM pg_stat_activity s"                                   \
    " WHERE s.datname = current_database() AND s.usename = current_user"                           \
    " AND s.application_name = current_setting('application_name')"                                \
    " AND s.state = 'active' AND s.wait_event = 'ClientRead'"                                      \
    " AND s.state_change < clock_timestamp() - $1 * interval '1 millisecond'"                      \
    " AND s.pid IN (SELECT unnest(pg_blocking_pids(w.pid)) FROM pg_stat_activity w"                \
    " WHERE w.datname = s.datname AND w.usename = s.usename AND w.wait_event_type = 'Lock')"

static enum err_code ask_to_end(struct postgres_conn *c, int64_t age_ms, struct err *e)
{
    AUTO(answers) struct answers a = {.lib = c->db->lib};

    c->deadline_ms = clock_mono_ms() + c->db->timeout_ms / POSTGRES_LOOKS;
    TRY(queue_text(c, END_STUCK, SQL_ARGS(SQL_INT(age_ms)), e));
    return exchange(c, &a, e);
}

static void end_stuck(struct postgres_conn *c)
{
    int64_t half_ms = c->db->timeout_ms / 2;

    (void)!ask_to_end(c, half_ms > STUCK_MIN_MS ? half_ms : STUCK_MIN_MS, ERR_IGNORED);
}

/* On one more when none is idle and half of the time is over. */
static void look_on_another(struct postgres_conn *c)
{
    AUTO(postgres_conn) struct postgres_conn *fresh = NULL;
    struct postgres_conn *idle = postgres_take_idle(c->db);

    if (idle) {
        end_stuck(idle);
        postgres_give(idle);
        c->looked = true;
    } else if (!c->looked && clock_mono_ms() >= c->deadline_ms - c->db->timeout_ms / 2) {
        if (postgres_connect(c->db, &fresh, ERR_IGNORED) == ERR_OK)
            end_stuck(fresh);
        c->looked = true;
    }
}

/*
 * Who was stopped between two statements is ended by the server
 * (idle_in_transaction_session_timeout), but not who was stopped while a round trip was sent:
 * nothing of the server's ends that before version 17 (transaction_timeout). So those do who wait
 * for what it has locked, by one thread at a time.
 */
static void look(struct postgres_conn *c)
{
    if (!atomic_flag_test_and_set(&c->db->looking)) {
        look_on_another(c);
        atomic_flag_clear(&c->db->looking);
    }
    c->look_ms = clock_mono_ms() + c->db->timeout_ms / POSTGRES_LOOKS;
}

/* A transaction begins with its first statement. */
static enum err_code begin(struct postgres_conn *c, struct err *e)
{
    if (!c->writes || c->begun)
        return ERR_OK;
    c->begun = true;
    TRY(queue_text(c, "BEGIN ISOLATION LEVEL READ COMMITTED", NULL, 0, e));
    TRY(queue_text(c, c->db->settings, NULL, 0, e));
    if (c->flags & META_LAZY)
        TRY(queue_text(c, "SET LOCAL synchronous_commit = off", NULL, 0, e));
    return ERR_OK;
}

static enum err_code queue(struct postgres_conn *c, const char *text, const struct sql_value *args,
                           size_t n, struct err *e)
{
    if (c->broken)
        return err_set(e, ERR_UNAVAILABLE, "database %s: the connection broke", c->db->name);
    TRY(begin(c, e));
    return queue_text(c, text, args, n, e);
}

/* The last round trip of a transaction, with COMMIT behind what is queued. */
static enum err_code end(struct postgres_conn *c, struct answers *a, struct err *e)
{
    TRY(queue(c, "COMMIT", NULL, 0, e));
    c->ending = true;
    TRY(exchange(c, a, e));
    if (!a->last || strcmp(a->lib->PQcmdStatus(a->last), "COMMIT") != 0)
        return err_set(e, ERR_INTERNAL,
                       "database %s: a transaction that had failed was to be "
                       "committed",
                       c->db->name);
    c->ended = true;
    return ERR_OK;
}

/* ---- the calls of the adapter */

static enum err_code ask_last(struct postgres_conn *c, struct answers *a, struct err *e)
{
    PGresult *of_commit;

    TRY(end(c, a, e));
    of_commit = a->last;
    a->last = a->before;
    a->before = of_commit;
    return ERR_OK;
}

/* A read is a transaction of its own, which ends with the Sync. Of a snapshot it was said before.
 */
static enum err_code bound(struct postgres_conn *c, struct err *e)
{
    return c->writes || c->pinned ? ERR_OK : queue(c, c->db->bound, NULL, 0, e);
}

static enum err_code ask(struct postgres_conn *c, enum sql_id id, const struct sql_value *args,
                         size_t n, struct answers *a, struct err *e)
{
    TRY(bound(c, e));
    TRY(queue(c, c->db->texts[id], args, n, e));
    return c->ends ? ask_last(c, a, e) : exchange(c, a, e);
}

/* Takes the place of one that broke. */
static enum err_code connect_again(struct postgres_conn *c, struct err *e)
{
    AUTO(postgres_conn) struct postgres_conn *fresh = NULL;
    PGconn *old = c->handle;

    TRY(postgres_connect(c->db, &fresh, e));
    c->handle = fresh->handle;
    fresh->handle = old;
    c->made_ms = fresh->made_ms;
    c->broken = c->again = false;
    c->queued = 0;
    return ERR_OK;
}

static enum err_code answered(struct postgres_conn *c, enum sql_id id, const struct sql_value *args,
                              size_t n, struct answers *a, struct err *e)
{
    enum err_code code;

    if (!c->writes)
        c->deadline_ms = clock_mono_ms() + c->db->timeout_ms;
    code = ask(c, id, args, n, a, e);
    if (code == ERR_OK || c->writes || c->pinned || !c->again)
        return code;
    /* A read, on a connection that had been idle, or was the pooler's to lose. */
    if (c->broken)
        TRY(connect_again(c, e));
    c->db->lib->PQclear(a->failed);
    a->failed = NULL;
    return ask(c, id, args, n, a, e);
}

enum err_code postgres_query(struct sql_conn *base, enum sql_id id, const struct sql_value *args,
                             size_t n, struct sql_rows **ret_rows, struct err *e)
{
    struct postgres_conn *c = (struct postgres_conn *)base;
    AUTO(answers) struct answers a = {.lib = c->db->lib};
    struct postgres_rows *r;

    TRY(answered(c, id, args, n, &a, e));
    if (!a.last)
        return err_set(e, ERR_INTERNAL, "database %s: a statement without an answer", c->db->name);
    r = NEW(struct postgres_rows);
    r->base.adapter = c->base.adapter;
    r->lib = c->db->lib;
    r->result = STEAL(a.last);
    r->row = -1;
    r->n = r->lib->PQntuples(r->result);
    *ret_rows = &r->base;
    return ERR_OK;
}

static enum err_code put_off(struct postgres_conn *c, const char *text,
                             const struct sql_value *args, size_t n, struct err *e)
{
    AUTO(answers) struct answers a = {.lib = c->db->lib};

    TRY(queue(c, text, args, n, e));
    return c->queued < QUEUED_MAX ? ERR_OK : exchange(c, &a, e);
}

enum err_code postgres_run(struct sql_conn *base, enum sql_id id, const struct sql_value *args,
                           size_t n, struct err *e)
{
    struct postgres_conn *c = (struct postgres_conn *)base;
    AUTO(answers) struct answers a = {.lib = c->db->lib};

    return c->writes ? put_off(c, c->db->texts[id], args, n, e) : answered(c, id, args, n, &a, e);
}

void postgres_ends(struct sql_conn *base)
{
    struct postgres_conn *c = (struct postgres_conn *)base;

    c->ends = c->writes;
}

/* A lock of a transaction, by a number. Two names of the same number only wait for each other. */
enum err_code postgres_lock(struct sql_conn *base, struct str name, struct err *e)
{
    struct postgres_conn *c = (struct postgres_conn *)base;
    uint64_t hash = 14695981039346656037ull; /* FNV-1a */

    for (size_t i = 0; i < name.n; i++)
        hash = (hash ^ (unsigned char)name.p[i]) * 1099511628211ull;
    return put_off(c, "SELECT pg_advisory_xact_lock($1)", SQL_ARGS(SQL_INT((int64_t)hash)), e);
}

/* It lies idle while what was read is written elsewhere. The last statement fixes the moment. */
enum err_code postgres_pin(struct postgres_conn *c, struct err *e)
{
    AUTO(answers) struct answers a = {.lib = c->db->lib};

    c->pinned = true;
    c->deadline_ms = clock_mono_ms() + c->db->timeout_ms;
    TRY(queue(c, "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY", NULL, 0, e));
    TRY(queue(c, "SET LOCAL idle_in_transaction_session_timeout = 0", NULL, 0, e));
    TRY(queue(c, c->db->bound, NULL, 0, e));
    return ask(c, SQL_SCHEMA_VERSION, NULL, 0, &a, e);
}

/* Several statements in one text, which the pipeline does not take. */
static enum err_code run_script(struct postgres_conn *c, const char *text, struct err *e)
{
    AUTO(answers) struct answers a = {.lib = c->db->lib};

    if (!a.lib->PQsendQuery(c->handle, text))
        return lost_by_libpq(c, e);
    TRY(flush(c, e));
    TRY(receive_one(c, &a, e));
    return a.failed ? refused(c, a.failed, e) : ERR_OK;
}

enum err_code postgres_script(struct sql_conn *base, const char *text, struct err *e)
{
    struct postgres_conn *c = (struct postgres_conn *)base;
    AUTO(answers) struct answers a = {.lib = c->db->lib};
    enum err_code code;

    c->deadline_ms = clock_mono_ms() + SCRIPT_TIMEOUT_MS;
    TRY(queue(c, "SET LOCAL statement_timeout = 0", NULL, 0, e));
    TRY(exchange(c, &a, e));
    if (!a.lib->PQexitPipelineMode(c->handle))
        return lost_by_libpq(c, e);
    code = run_script(c, text, e);
    if (!a.lib->PQenterPipelineMode(c->handle) && code == ERR_OK)
        return lost_by_libpq(c, e);
    return code;
}

enum err_code postgres_next(struct sql_rows *base, bool *ret_row, struct err *e)
{
    struct postgres_rows *r = (struct postgres_rows *)base;

    (void)e;
    if (r->row < r->n)
        r->row++;
    *ret_row = r->row < r->n;
    return ERR_OK;
}

int64_t postgres_column_int(struct sql_rows *base, int column)
{
    struct postgres_rows *r = (struct postgres_rows *)base;
    const unsigned char *p = (const unsigned char *)r->lib->PQgetvalue(r->result, r->row, column);
    int n = r->lib->PQgetlength(r->result, r->row, column);
    uint64_t value;

    if (n == 0) /* NULL */
        return 0;
    value = p[0] & 0x80 ? UINT64_MAX : 0;
    for (int i = 0; i < n; i++) /* smallint, int, bigint: big-endian */
        value = value << 8 | p[i];
    return (int64_t)value;
}

struct str postgres_column_str(struct sql_rows *base, int column)
{
    struct postgres_rows *r = (struct postgres_rows *)base;

    return (struct str){r->lib->PQgetvalue(r->result, r->row, column),
                        (size_t)r->lib->PQgetlength(r->result, r->row, column)};
}

void postgres_done(struct sql_rows *base)
{
    struct postgres_rows *r = (struct postgres_rows *)base;

    r->lib->PQclear(r->result);
    free(r);
}

/* ---- the end of a transaction */

enum err_code postgres_commit(struct postgres_conn *c, struct err *e)
{
    AUTO(answers) struct answers a = {.lib = c->db->lib};

    return c->begun && !c->ended ? end(c, &a, e) : ERR_OK;
}

/* Twice: behind a statement that fails, the first is not looked at. */
void postgres_roll_back(struct postgres_conn *c)
{
    const struct libpq *lib = c->db->lib;

    for (int i = 0; i < 2 && c->begun && !c->broken; i++) {
        AUTO(answers) struct answers a = {.lib = lib};
        bool again = c->again;

        if (c->queued == 0 && lib->PQtransactionStatus(c->handle) == PQTRANS_IDLE)
            return;
        if (queue(c, "ROLLBACK", NULL, 0, ERR_IGNORED) == ERR_OK)
            (void)!exchange(c, &a, ERR_IGNORED);
        c->again = again;
    }
    if (c->begun && !c->broken && lib->PQtransactionStatus(c->handle) != PQTRANS_IDLE)
        c->broken = true;
}
