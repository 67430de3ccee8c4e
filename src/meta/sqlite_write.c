/*
 * Writing to SQLite: group commit, and checkpoints beside it.
 *
 * A commit to disk waits for the disk, not for the processor, and SQLite has one writer. So
 * transactions that come while another is being committed are put into one: the first of them
 * leads, runs each in a savepoint of its own, and commits once for all. Nobody waits for company:
 * a transaction that comes alone is committed at once.
 *
 * A thread carries the write-ahead log into the database while commits go on. The log can start
 * anew only when all of it was carried, which never holds under steady writing; so when little is
 * left, the next leader carries that before it lets the next one in.
 */
#include "base/reserve.h"
#include "base/thread.h"
#include "meta/sqlite.h"

#define BATCH_MAX 256

/* Frames hold a page of 4 KiB. The more of them a checkpoint carries at once, the fewer pages are
 * written twice; the longer the log, the more is read after a crash before the first answer. */
#define CHECKPOINT_FRAMES 2000 /* a checkpoint for each so many new ones */
#define LITTLE_FRAMES     500  /* so many may hold up a commit */
#define LONG_LOG_FRAMES   5000 /* past it, any number may */
#define OVERDUE_FRAMES    8000 /* past it, writers wait for a checkpoint that is late */

enum { SYNC_UNKNOWN, SYNC_NORMAL, SYNC_FULL };

/* FULL syncs the log at every commit; NORMAL only before a checkpoint, so that a power loss takes
 * the last transactions but never the database. */
static enum err_code set_synchronous(struct sqlite *db, int wanted, struct err *e)
{
    if (db->memory || db->synchronous == wanted)
        return ERR_OK;
    TRY(sqlite_exec(db->writer,
                    wanted == SYNC_FULL ? "PRAGMA synchronous=FULL" : "PRAGMA synchronous=NORMAL",
                    e));
    db->synchronous = wanted;
    return ERR_OK;
}

static bool is_rolled_back(struct sqlite *db)
{
    return sqlite3_get_autocommit(db->writer->handle) != 0;
}

/* A rollback that fails leaves the transaction open, and the next BEGIN says so. */
static void roll_back(struct sqlite *db)
{
    if (!is_rolled_back(db))
        sqlite3_exec(db->writer->handle, "ROLLBACK", NULL, NULL, NULL);
}

/* An error here is not the member's own: the whole transaction is lost. */
static enum err_code run_in_savepoint(struct sqlite *db, struct sqlite_member *m, struct err *e)
{
    TRY(sqlite_exec(db->writer, "SAVEPOINT member", e));
    m->code = m->body(&db->writer->base, m->ctx, m->e);
    if (is_rolled_back(db)) { /* as SQLite does by itself when the disk is full */
        *e = *m->e;
        return m->code;
    }
    if (m->code != ERR_OK)
        TRY(sqlite_exec(db->writer, "ROLLBACK TO member", e));
    return sqlite_exec(db->writer, "RELEASE member", e);
}

static enum err_code run_members(struct sqlite *db, struct sqlite_member *batch, struct err *e)
{
    bool any = false;

    for (struct sqlite_member *m = batch; m; m = m->next) {
        if (batch->next)
            TRY(run_in_savepoint(db, m, e));
        else
            m->code = m->body(&db->writer->base, m->ctx, m->e);
        any = any || m->code == ERR_OK;
    }
    if (any)
        return sqlite_exec(db->writer, "COMMIT", e);
    roll_back(db);
    return ERR_OK;
}

/* All of the batch, or none of it with an error of its own. */
static enum err_code try_batch(struct sqlite *db, struct sqlite_member *batch, int synchronous,
                               struct err *e)
{
    enum err_code code;

    TRY(set_synchronous(db, synchronous, e));
    TRY(sqlite_exec(db->writer, "BEGIN IMMEDIATE", e));
    code = run_members(db, batch, e);
    if (code != ERR_OK)
        roll_back(db);
    return code;
}

/* The reserve, and the log, which begins anew when all of it is carried. */
static bool make_room(struct sqlite *db)
{
    bool given = reserve_give_up(db->reserve);
    int rc =
        sqlite3_wal_checkpoint_v2(db->writer->handle, NULL, SQLITE_CHECKPOINT_PASSIVE, NULL, NULL);

    return given || rc == SQLITE_OK;
}

static bool has_code(const struct sqlite_member *batch, enum err_code code)
{
    for (; batch; batch = batch->next) {
        if (batch->code == code)
            return true;
    }
    return false;
}

static void run_batch(struct sqlite *db, struct sqlite_member *batch)
{
    int synchronous = SYNC_NORMAL;
    struct err e = {0};
    enum err_code code;

    for (struct sqlite_member *m = batch; m; m = m->next) {
        if (db->fsync && !(m->flags & META_LAZY))
            synchronous = SYNC_FULL;
    }
    code = try_batch(db, batch, synchronous, &e);
    /* Again only when nothing of it is done. */
    if ((code == ERR_STORAGE_FULL || has_code(batch, ERR_STORAGE_FULL)) && make_room(db) &&
        (code != ERR_OK || !batch->next))
        code = try_batch(db, batch, synchronous, &e);
    atomic_store(&db->damaged, code == ERR_CORRUPT || has_code(batch, ERR_CORRUPT));
    if (code == ERR_OK)
        return;
    for (struct sqlite_member *m = batch; m; m = m->next) {
        m->code = code;
        *m->e = e;
    }
}

/* Carries what the checkpoint thread left, so that the log begins anew. A thread that got too
 * little of the processor is waited for: a log that grows faster than it is carried has no other
 * bound. */
static void checkpoint_rest(struct sqlite *db)
{
    bool finish;

    pthread_mutex_lock(&db->checkpoint_lock);
    while (db->checkpoint_overdue && (db->checkpoint_wanted || db->checkpoint_runs))
        pthread_cond_wait(&db->checkpoint_done, &db->checkpoint_lock);
    /* While space is short the log may not grow at all. */
    finish = db->checkpoint_finish || db->checkpoint_overdue || !reserve_was_held(db->reserve);
    db->checkpoint_finish = db->checkpoint_overdue = false;
    pthread_mutex_unlock(&db->checkpoint_lock);
    if (finish)
        sqlite3_wal_checkpoint_v2(db->writer->handle, NULL, SQLITE_CHECKPOINT_PASSIVE, NULL, NULL);
}

/* Takes the members that wait, of which the caller is the first. */
static struct sqlite_member *take_batch(struct sqlite *db)
{
    struct sqlite_member *batch = db->first, *m = batch;

    db->stats.batches++;
    db->stats.transactions++;
    for (size_t n = 1; n < BATCH_MAX && m->next; n++) {
        m = m->next;
        db->stats.transactions++;
    }
    db->first = m->next;
    if (!db->first)
        db->last = &db->first;
    m->next = NULL;
    return batch;
}

/* A member may be gone as soon as it is told and the lock is free. */
static void tell_members(struct sqlite_member *batch)
{
    for (struct sqlite_member *m = batch, *next; m; m = next) {
        next = m->next;
        m->done = true;
        pthread_cond_signal(&m->wake);
    }
}

static void pass_lead(struct sqlite *db)
{
    if (db->first) {
        db->first->leads = true;
        pthread_cond_signal(&db->first->wake);
    } else {
        db->led = false;
    }
}

static void lead(struct sqlite *db)
{
    struct sqlite_member *batch = take_batch(db);

    pthread_mutex_unlock(&db->queue_lock);
    pthread_mutex_lock(&db->writer_lock);
    run_batch(db, batch);
    pthread_mutex_unlock(&db->writer_lock);

    pthread_mutex_lock(&db->queue_lock);
    tell_members(batch);
    pthread_mutex_unlock(&db->queue_lock);
    checkpoint_rest(db);
    pthread_mutex_lock(&db->queue_lock);
    pass_lead(db);
}

enum err_code sqlite_transact(struct sql *base, unsigned flags, sql_body body, void *ctx,
                              struct err *e)
{
    struct sqlite *db = (struct sqlite *)base;
    struct sqlite_member m = {.body = body, .ctx = ctx, .flags = flags, .e = e};

    pthread_cond_init(&m.wake, NULL);
    pthread_mutex_lock(&db->queue_lock);
    *db->last = &m;
    db->last = &m.next;
    if (!db->led) {
        db->led = true;
        m.leads = true;
    }
    while (!m.leads && !m.done)
        pthread_cond_wait(&m.wake, &db->queue_lock);
    if (!m.done)
        lead(db);
    pthread_mutex_unlock(&db->queue_lock);
    pthread_cond_destroy(&m.wake);
    return m.code;
}

/* After each commit, in the leader. */
static int on_commit(void *ctx, sqlite3 *handle, const char *name, int frames)
{
    struct sqlite *db = ctx;

    (void)handle;
    (void)name;
    pthread_mutex_lock(&db->queue_lock);
    db->stats.wal_frames = (uint64_t)frames;
    pthread_mutex_unlock(&db->queue_lock);
    pthread_mutex_lock(&db->checkpoint_lock);
    if (frames < db->checkpoint_from) /* the log began anew */
        db->checkpoint_from = 0;
    if (frames - db->checkpoint_from >= CHECKPOINT_FRAMES) {
        db->checkpoint_from = frames;
        db->checkpoint_wanted = true;
        db->checkpoint_overdue = frames >= OVERDUE_FRAMES;
        pthread_cond_signal(&db->checkpoint_wake);
    }
    pthread_mutex_unlock(&db->checkpoint_lock);
    return SQLITE_OK;
}

/* Carries what is in the log now, and again while much came meanwhile. */
static int carry_most(struct sqlite *db)
{
    int rc, left, log = 0, carried = 0;

    do {
        rc = sqlite3_wal_checkpoint_v2(db->checkpointer->handle, NULL, SQLITE_CHECKPOINT_PASSIVE,
                                       &log, &carried);
        pthread_mutex_lock(&db->queue_lock);
        db->stats.checkpoints++;
        log = (int)db->stats.wal_frames;
        pthread_mutex_unlock(&db->queue_lock);
        left = log - carried;
    } while (rc == SQLITE_OK && left > LITTLE_FRAMES && log < LONG_LOG_FRAMES);
    return rc;
}

static void *checkpoint_main(void *ctx)
{
    struct sqlite *db = ctx;

    pthread_mutex_lock(&db->checkpoint_lock);
    for (;;) {
        int rc;

        while (!db->checkpoint_wanted && !db->stopping)
            pthread_cond_wait(&db->checkpoint_wake, &db->checkpoint_lock);
        if (db->stopping)
            break;
        db->checkpoint_wanted = false;
        db->checkpoint_runs = true;
        pthread_mutex_unlock(&db->checkpoint_lock);
        rc = carry_most(db);
        pthread_mutex_lock(&db->checkpoint_lock);
        /* BUSY: a leader is at it. Any other failure leaves the log as it is, and whole. */
        db->checkpoint_rc = rc == SQLITE_BUSY ? SQLITE_OK : rc;
        db->checkpoint_finish = rc == SQLITE_OK;
        db->checkpoint_runs = false;
        pthread_cond_broadcast(&db->checkpoint_done);
    }
    pthread_mutex_unlock(&db->checkpoint_lock);
    return NULL;
}

enum err_code sqlite_write_start(struct sqlite *db, struct err *e)
{
    int error;

    if (db->memory)
        return ERR_OK;
    TRY(sqlite_open_conn(db, true, &db->checkpointer, e));
    sqlite3_wal_hook(db->writer->handle, on_commit, db);
    error =
        thread_start(&db->checkpoint_thread, "checkpoint", THREAD_STACK_USUAL, checkpoint_main, db);
    if (error)
        return err_set(e, ERR_UNAVAILABLE, "start a thread for checkpoints: %s", strerror(error));
    db->checkpoint_thread_runs = true;
    return ERR_OK;
}

void sqlite_write_stop(struct sqlite *db)
{
    if (!db->checkpoint_thread_runs)
        return;
    pthread_mutex_lock(&db->checkpoint_lock);
    db->stopping = true;
    pthread_cond_signal(&db->checkpoint_wake);
    pthread_mutex_unlock(&db->checkpoint_lock);
    pthread_join(db->checkpoint_thread, NULL);
}
