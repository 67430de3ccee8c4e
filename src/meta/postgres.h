/*
 * The PostgreSQL adapter, shared by postgres.c (opening it, transactions), postgres_pool.c (who has
 * which connection), postgres_conn.c (making one) and postgres_run.c (statements on one). Private
 * to src/meta/ and its tests.
 *
 * A transaction is READ COMMITTED: what its operations check is guarded by locks, on the row of the
 * repository or record, or by name (sql_adapter.lock). Nothing outlives a transaction on the
 * server, no prepared statement, setting or lock, so a pooler may give each to another connection.
 *
 * Statements go out in libpq's pipeline mode, one Sync behind all that was put off and the one
 * whose answer is needed: that is a round trip. BEGIN goes with the first, COMMIT with the last.
 *
 * A transaction waits for locks within its time-out, looks several times for whom it waits, and
 * ends who stopped while it sent a round trip.
 */
#pragma once

#include "meta/libpq.h"
#include "meta/sql.h"

#include <pthread.h>
#include <stdatomic.h>

struct postgres;

struct postgres_conn {
    struct sql_conn base;
    struct postgres *db;
    PGconn *handle;
    unsigned epoch;           /* that of the pool when it was made */
    int64_t made_ms, idle_ms; /* monotonic: when it was made, and given back */

    /* Of its present use. */
    int64_t deadline_ms; /* monotonic */
    int64_t look_ms;     /* monotonic: who waits until then looks for whom */
    unsigned flags;      /* META_LAZY */
    bool writes;         /* it is a transaction's */
    bool pinned;         /* it is a snapshot's: what breaks is not begun again */
    bool begun;          /* BEGIN was sent, or is about to be */
    bool ends;           /* COMMIT goes with what is asked next */
    bool ending;         /* COMMIT was sent: a connection that breaks leaves its outcome open */
    bool ended;          /* it was done */
    bool broken;         /* not to be used any more */
    bool looked;         /* for whom it waits, on another connection */
    bool again;          /* it failed, and another try of the whole may not */
    unsigned queued;     /* statements that were not followed by a Sync yet */
};

struct postgres {
    struct sql base;
    const struct libpq *lib;
    char *url;                   /* may hold a password: for no message */
    char *password_file;         /* "": none */
    struct aws_credentials *iam; /* NULL: no tokens of RDS; else what follows says whose */
    char *iam_region, *iam_host, *iam_port, *iam_user;
    char *name; /* host and database, for messages */
    char *texts[SQL_ID_COUNT];
    char *settings; /* of a transaction */
    char *bound;    /* of a read: for how long the server works on it */
    int64_t timeout_ms, connect_timeout_ms;
    atomic_uint_fast64_t round_trips;
    atomic_flag looking; /* a thread looks for whom the others wait */

    pthread_mutex_t lock;
    pthread_cond_t wake;
    struct postgres_conn **idle; /* the one given back last is the last */
    unsigned n_idle, open, max_open;
    unsigned epoch;        /* connections of an earlier one are not used again */
    int64_t down_until_ms; /* nothing is tried before: the last try has failed */
    struct err down;       /* what it said */
};

/* postgres_conn.c */

/* Connects; blocks for at most the time-out, for each address of the server. Errors: UNAVAILABLE,
 * CONFIG (a database that can't be used). */
ERR_CHECKED enum err_code postgres_connect(struct postgres *db, struct postgres_conn **ret_conn,
                                           struct err *e);
void postgres_disconnect(struct postgres_conn *c); /* accepts NULL */

/* A message of libpq or the server in one line, without the password. */
void postgres_message(const struct postgres_conn *c, const char *message, char *dst, size_t size);

AUTO_POINTER(postgres_conn, postgres_disconnect);

/* postgres_pool.c */

/* Waits, within the time-out, while all connections are in use. */
ERR_CHECKED enum err_code postgres_take(struct postgres *db, struct postgres_conn **ret_conn,
                                        struct err *e);
void postgres_give(struct postgres_conn *c);

/* NULL: there is none that nobody uses. Does not wait. */
struct postgres_conn *postgres_take_idle(struct postgres *db);

/* The server has gone away from one: those that lie idle are not trusted either. */
void postgres_distrust(struct postgres *db);
void postgres_pool_done(struct postgres *db);

/* postgres_run.c */

#define POSTGRES_LOOKS 4 /* within the time-out of a transaction that waits */

/* What an SQLSTATE means. *ret_again: another try of the transaction may succeed; *ret_broken: on
 * another connection. */
enum err_code postgres_err_code(const char *state, bool *ret_again, bool *ret_broken);

enum err_code postgres_query(struct sql_conn *c, enum sql_id id, const struct sql_value *args,
                             size_t n, struct sql_rows **ret_rows, struct err *e);
enum err_code postgres_run(struct sql_conn *c, enum sql_id id, const struct sql_value *args,
                           size_t n, struct err *e);
void postgres_ends(struct sql_conn *c);
enum err_code postgres_lock(struct sql_conn *c, struct str name, struct err *e);
enum err_code postgres_script(struct sql_conn *c, const char *text, struct err *e);
enum err_code postgres_next(struct sql_rows *r, bool *ret_row, struct err *e);
int64_t postgres_column_int(struct sql_rows *r, int column);
struct str postgres_column_str(struct sql_rows *r, int column);
void postgres_done(struct sql_rows *r);

/* Begins the transaction of a snapshot. */
ERR_CHECKED enum err_code postgres_pin(struct postgres_conn *c, struct err *e);

ERR_CHECKED enum err_code postgres_commit(struct postgres_conn *c, struct err *e);
void postgres_roll_back(struct postgres_conn *c);

/* Error: as meta_postgres_new(). */
enum err_code postgres_open(const struct meta_postgres_options *o, struct sql **ret_db,
                            struct err *e);

/* Since it was opened; m is what meta_postgres_new() made. */
uint64_t postgres_round_trips(struct meta *m);
