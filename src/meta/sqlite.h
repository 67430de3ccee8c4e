/*
 * The SQLite adapter, shared by sqlite.c (connections, statements) and sqlite_write.c (group
 * commit, checkpoints). Private to src/meta/ and its tests.
 */
#pragma once

#include "meta/sql.h"

#include <pthread.h>
#include <sqlite3.h>
#include <stdatomic.h>

struct sqlite;
struct sqlite_conn;

struct sqlite_rows {
    struct sql_rows base;
    struct sqlite_conn *conn;
    sqlite3_stmt *stmt; /* NULL until it was first used */
};

struct sqlite_conn {
    struct sql_conn base;
    struct sqlite *db;
    sqlite3 *handle;
    struct sqlite_conn *next; /* in the pool */
    struct sqlite_rows rows[SQL_ID_COUNT];
};

struct sqlite_stats {
    uint64_t transactions; /* that asked to be committed */
    uint64_t batches;      /* that they were put into: commits of the database */
    uint64_t checkpoints;
    uint64_t wal_frames; /* in the log after the last commit */
};

/* A transaction that waits for its turn; lives on its thread's stack. */
struct sqlite_member {
    sql_body body;
    void *ctx;
    unsigned flags;
    struct err *e;
    enum err_code code;
    bool leads, done;
    pthread_cond_t wake;
    struct sqlite_member *next;
};

struct sqlite {
    struct sql base;
    char *path;
    bool memory; /* one connection does everything */
    bool fsync;
    uint64_t cache_bytes;
    struct reserve *reserve; /* borrowed; may be NULL */

    /* Readers. */
    pthread_mutex_t pool_lock;
    pthread_cond_t pool_wake;
    struct sqlite_conn *idle;
    unsigned open, max_open;

    /* The writer is used by the member that leads, and by readers too when memory is set. */
    pthread_mutex_t writer_lock;
    struct sqlite_conn *writer;
    int synchronous; /* as the writer was last told; see sqlite_write.c */

    /* Members in the order of their coming. */
    pthread_mutex_t queue_lock;
    struct sqlite_member *first, **last;
    bool led;
    struct sqlite_stats stats;
    atomic_bool damaged; /* the last write said so */

    /* The thread that carries the log into the database. */
    pthread_mutex_t checkpoint_lock;
    pthread_cond_t checkpoint_wake, checkpoint_done;
    struct sqlite_conn *checkpointer;
    pthread_t checkpoint_thread;
    bool checkpoint_thread_runs, checkpoint_wanted, checkpoint_runs, checkpoint_finish, stopping;
    bool checkpoint_overdue; /* the log is too long for the next commit to begin */
    int checkpoint_from;     /* frames in the log when one was last wanted */
    int checkpoint_rc;       /* of the last one */
};

/* What an error of SQLite means: by errno where the system was at fault (os_errno; 0: not known)
 * or, when that says nothing, by trying to write beside the database; else by the code. */
enum err_code sqlite_err_code(const char *path, int rc, int os_errno);

enum err_code sqlite_exec(struct sqlite_conn *c, const char *text, struct err *e);
enum err_code sqlite_open_conn(struct sqlite *db, bool writes, struct sqlite_conn **ret_conn,
                               struct err *e);

enum err_code sqlite_transact(struct sql *db, unsigned flags, sql_body body, void *ctx,
                              struct err *e);
enum err_code sqlite_write_start(struct sqlite *db, struct err *e);
void sqlite_write_stop(struct sqlite *db);

/* Error: as meta_sqlite_new(). */
enum err_code sqlite_open(const struct meta_sqlite_options *o, struct sql **ret_db, struct err *e);

/* m is what meta_sqlite_new() made. */
void sqlite_stats(struct meta *m, struct sqlite_stats *ret_stats);
