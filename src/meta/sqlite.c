/*
 * Connections and statements of the SQLite adapter.
 *
 * One connection writes; a bounded pool of others reads. They are opened when first needed and the
 * one used last is used next, so that an idle registry has few of them and their caches are warm.
 * Each prepares a statement once.
 */
#include "meta/sqlite.h"

#include "base/cleanup.h"
#include "base/file.h"
#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#define BUSY_TIMEOUT_MS 5000

/* A log that has grown past this is cut when it starts anew. Below it the file keeps its size:
 * overwriting is cheaper to sync than growing. */
#define LOG_KEEP_BYTES (16 << 20)

static void configure(void)
{
    /* A connection here is never used by two threads at a time, and a count of SQLite's memory
     * would take a process-wide lock at every allocation. Fails when the process uses SQLite
     * already, and is then only slower. */
    sqlite3_config(SQLITE_CONFIG_MULTITHREAD);
    sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0);
}

/* What an error means when no errno says more. */
static enum err_code code_of(int rc)
{
    static const struct {
        int rc;
        enum err_code code;
    } codes[] = {
        {SQLITE_FULL, ERR_STORAGE_FULL},
        {SQLITE_READONLY, ERR_STORAGE_READONLY},
        {SQLITE_CANTOPEN, ERR_STORAGE_READONLY},
        {SQLITE_PERM, ERR_STORAGE_READONLY},
        {SQLITE_AUTH, ERR_STORAGE_READONLY},
        {SQLITE_CORRUPT, ERR_CORRUPT},
        {SQLITE_NOTADB, ERR_CORRUPT},
        {SQLITE_BUSY, ERR_UNAVAILABLE},
        {SQLITE_LOCKED, ERR_UNAVAILABLE},
        {SQLITE_PROTOCOL, ERR_UNAVAILABLE},
        {SQLITE_NOMEM, ERR_UNAVAILABLE},
        {SQLITE_NOLFS, ERR_STORAGE_FULL},
    };

    for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++) {
        if (codes[i].rc == (rc & 0xff))
            return codes[i].code;
    }
    return ERR_INTERNAL;
}

static bool by_system(int rc)
{
    return (rc & 0xff) == SQLITE_CANTOPEN || (rc & 0xff) == SQLITE_IOERR;
}

/* errno of writing beside the database; 0: it works, or can't be tried. */
static int probe(const char *path)
{
    AUTO(mem) char *directory = mem_strdup(path);
    char *slash = strrchr(directory, '/');

    if (slash)
        slash[slash == directory] = '\0';
    return file_try_directory(slash ? directory : ".");
}

enum err_code sqlite_err_code(const char *path, int rc, int os_errno)
{
    enum err_code code;
    int error;

    if (!by_system(rc))
        return code_of(rc);
    code = err_of_errno(os_errno);
    if (code != ERR_INTERNAL)
        return code;
    /* SQLite closes and unlocks before it looks at errno, which then says nothing. */
    error = probe(path);
    if (error == ENOENT)
        return ERR_UNAVAILABLE;
    return error ? err_of_errno(error) : code_of(rc);
}

/* Maps an SQLite error; names the database and what was being done. */
static enum err_code to_err(struct sqlite_conn *c, int rc, const char *what, struct err *e)
{
    int os_errno = c->handle ? sqlite3_system_errno(c->handle) : 0;
    int full = c->handle ? sqlite3_extended_errcode(c->handle) : rc;
    bool say = os_errno && by_system(rc);

    if ((full & 0xff) != (rc & 0xff))
        full = rc;
    return err_set(e, sqlite_err_code(c->db->path, rc, os_errno),
                   "database '%s': %.60s: %s%s%s (%d)", c->db->path, what, sqlite3_errstr(full),
                   say ? ": " : "", say ? strerror(os_errno) : "", full);
}

enum err_code sqlite_exec(struct sqlite_conn *c, const char *text, struct err *e)
{
    int rc = sqlite3_exec(c->handle, text, NULL, NULL, NULL);

    return rc == SQLITE_OK ? ERR_OK : to_err(c, rc, text, e);
}

static enum err_code script(struct sql_conn *c, const char *text, struct err *e)
{
    return sqlite_exec((struct sqlite_conn *)c, text, e);
}

static enum err_code prepare(struct sqlite_conn *c, struct sqlite_rows *r, enum sql_id id,
                             struct err *e)
{
    AUTO(buf) struct buf text = {0};
    int rc;

    buf_init(&text, 4096);
    sql_expand(&c->base.adapter->dialect, sql_statement(id), &text);
    rc = sqlite3_prepare_v3(c->handle, buf_text(&text), -1, SQLITE_PREPARE_PERSISTENT, &r->stmt,
                            NULL);
    if (rc != SQLITE_OK)
        return to_err(c, rc, sql_statement(id), e);
    r->base.adapter = c->base.adapter;
    r->conn = c;
    return ERR_OK;
}

static int bind(sqlite3_stmt *stmt, int i, const struct sql_value *v)
{
    switch (v->kind) {
    case SQL_KIND_INT:
        return sqlite3_bind_int64(stmt, i, v->i);
    case SQL_KIND_TEXT:
        return sqlite3_bind_text64(stmt, i, v->str.n ? v->str.p : "", v->str.n, SQLITE_STATIC,
                                   SQLITE_UTF8);
    case SQL_KIND_BYTES:
        return sqlite3_bind_blob64(stmt, i, v->str.n ? v->str.p : "", v->str.n, SQLITE_STATIC);
    }
    return SQLITE_MISUSE;
}

static enum err_code query(struct sql_conn *base, enum sql_id id, const struct sql_value *args,
                           size_t n, struct sql_rows **ret_rows, struct err *e)
{
    struct sqlite_conn *c = (struct sqlite_conn *)base;
    struct sqlite_rows *r = &c->rows[id];

    if (!r->stmt)
        TRY(prepare(c, r, id, e));
    for (size_t i = 0; i < n; i++) {
        int rc = bind(r->stmt, (int)i + 1, &args[i]);

        if (rc != SQLITE_OK)
            return to_err(c, rc, "bind a parameter", e);
    }
    *ret_rows = &r->base;
    return ERR_OK;
}

static enum err_code next(struct sql_rows *base, bool *ret_row, struct err *e)
{
    struct sqlite_rows *r = (struct sqlite_rows *)base;
    int rc = sqlite3_step(r->stmt);

    if (rc != SQLITE_ROW && rc != SQLITE_DONE)
        return to_err(r->conn, rc, sqlite3_sql(r->stmt), e);
    *ret_row = rc == SQLITE_ROW;
    return ERR_OK;
}

static int64_t column_int(struct sql_rows *base, int column)
{
    return sqlite3_column_int64(((struct sqlite_rows *)base)->stmt, column);
}

static struct str column_str(struct sql_rows *base, int column)
{
    sqlite3_stmt *stmt = ((struct sqlite_rows *)base)->stmt;
    const char *p = sqlite3_column_blob(stmt, column);

    return (struct str){p ? p : "", (size_t)sqlite3_column_bytes(stmt, column)};
}

/* Ends the read transaction that the statement holds. Bindings point to what may be gone. */
static void done(struct sql_rows *base)
{
    struct sqlite_rows *r = (struct sqlite_rows *)base;

    sqlite3_reset(r->stmt);
    sqlite3_clear_bindings(r->stmt);
}

static void close_conn(struct sqlite_conn *c)
{
    if (!c)
        return;
    for (size_t i = 0; i < SQL_ID_COUNT; i++)
        sqlite3_finalize(c->rows[i].stmt);
    sqlite3_close(c->handle);
    free(c);
}

AUTO_POINTER(sqlite_conn, close_conn);

static const struct sql_adapter adapter;

/* Pragmas of every connection. secure_delete=FAST: what is deleted is overwritten where that costs
 * no extra page. No mmap: an I/O error would be a signal. */
static enum err_code set_up_conn(struct sqlite_conn *c, bool writes, struct err *e)
{
    char text[256];
    int rc;

    sqlite3_extended_result_codes(c->handle, 1);
    sqlite3_busy_timeout(c->handle, BUSY_TIMEOUT_MS);
    snprintf(text, sizeof(text),
             "PRAGMA mmap_size=0; PRAGMA temp_store=MEMORY; PRAGMA trusted_schema=OFF;"
             "PRAGMA secure_delete=FAST; PRAGMA wal_autocheckpoint=0;"
             "PRAGMA journal_size_limit=%d; PRAGMA cache_size=-%llu; PRAGMA query_only=%s",
             LOG_KEEP_BYTES, (unsigned long long)(c->db->cache_bytes / 1024 + 1),
             writes ? "OFF" : "ON");
    rc = sqlite3_exec(c->handle, text, NULL, NULL, NULL);
    return rc == SQLITE_OK ? ERR_OK : to_err(c, rc, "open", e);
}

enum err_code sqlite_open_conn(struct sqlite *db, bool writes, struct sqlite_conn **ret_conn,
                               struct err *e)
{
    AUTO(sqlite_conn) struct sqlite_conn *c = NEW(struct sqlite_conn);
    int rc;

    c->base.adapter = &adapter;
    c->db = db;
    rc = sqlite3_open_v2(db->path, &c->handle, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL);
    if (rc != SQLITE_OK)
        return to_err(c, rc, "open", e);
    TRY(set_up_conn(c, writes, e));
    *ret_conn = STEAL(c);
    return ERR_OK;
}

static enum err_code read_begin(struct sql *base, struct sql_conn **ret_conn, struct err *e)
{
    struct sqlite *db = (struct sqlite *)base;
    struct sqlite_conn *c;
    enum err_code code;

    if (db->memory) {
        pthread_mutex_lock(&db->writer_lock);
        *ret_conn = &db->writer->base;
        return ERR_OK;
    }
    pthread_mutex_lock(&db->pool_lock);
    while (!db->idle && db->open == db->max_open)
        pthread_cond_wait(&db->pool_wake, &db->pool_lock);
    c = db->idle;
    if (c)
        db->idle = c->next;
    else
        db->open++;
    pthread_mutex_unlock(&db->pool_lock);

    if (!c) {
        code = sqlite_open_conn(db, false, &c, e);
        if (code != ERR_OK) {
            pthread_mutex_lock(&db->pool_lock);
            db->open--;
            pthread_cond_signal(&db->pool_wake);
            pthread_mutex_unlock(&db->pool_lock);
            return code;
        }
    }
    *ret_conn = &c->base;
    return ERR_OK;
}

static void read_end(struct sql_conn *base)
{
    struct sqlite_conn *c = (struct sqlite_conn *)base;
    struct sqlite *db = c->db;

    if (db->memory) {
        pthread_mutex_unlock(&db->writer_lock);
        return;
    }
    pthread_mutex_lock(&db->pool_lock);
    c->next = db->idle;
    db->idle = c;
    pthread_cond_signal(&db->pool_wake);
    pthread_mutex_unlock(&db->pool_lock);
}

/* The moment is that of the first read. */
static enum err_code pin(struct sql *base, struct sql_conn **ret_conn, struct err *e)
{
    struct sqlite *db = (struct sqlite *)base;
    AUTO(sqlite_conn) struct sqlite_conn *c = NULL;

    if (db->memory)
        return err_set(e, ERR_UNSUPPORTED, "a database in memory has no snapshots");
    TRY(sqlite_open_conn(db, false, &c, e));
    TRY(sqlite_exec(c, "BEGIN", e));
    TRY(sql_run(&c->base, SQL_SCHEMA_VERSION, NULL, 0, e));
    *ret_conn = &STEAL(c)->base;
    return ERR_OK;
}

static void unpin(struct sql_conn *c)
{
    close_conn((struct sqlite_conn *)c);
}

/* Reading works (the caller has tried). Can it be written, and does the log reach the database? */
static enum err_code health(struct sql *base, struct err *e)
{
    struct sqlite *db = (struct sqlite *)base;
    int rc;

    if (db->memory)
        return ERR_OK;
    if (atomic_load(&db->damaged))
        return err_set(e, ERR_CORRUPT, "database '%s': the last write found it damaged", db->path);
    if (faccessat(AT_FDCWD, db->path, W_OK, AT_EACCESS) < 0)
        return err_errno(e, "write to database '%s'", db->path);
    pthread_mutex_lock(&db->checkpoint_lock);
    rc = db->checkpoint_rc;
    pthread_mutex_unlock(&db->checkpoint_lock);
    if (rc != SQLITE_OK)
        return err_set(e, sqlite_err_code(db->path, rc, 0), "database '%s': checkpoint: %s",
                       db->path, sqlite3_errstr(rc));
    return ERR_OK;
}

static const char *where(struct sql *base)
{
    return ((struct sqlite *)base)->path;
}

static void sqlite_free(struct sql *base)
{
    struct sqlite *db = (struct sqlite *)base;

    sqlite_write_stop(db);
    while (db->idle) {
        struct sqlite_conn *c = db->idle;

        db->idle = c->next;
        close_conn(c);
    }
    close_conn(db->checkpointer);
    close_conn(db->writer); /* the last: it empties the log and removes it */
    pthread_mutex_destroy(&db->pool_lock);
    pthread_cond_destroy(&db->pool_wake);
    pthread_mutex_destroy(&db->writer_lock);
    pthread_mutex_destroy(&db->queue_lock);
    pthread_mutex_destroy(&db->checkpoint_lock);
    pthread_cond_destroy(&db->checkpoint_wake);
    pthread_cond_destroy(&db->checkpoint_done);
    free(db->path);
    free(db);
}

static const struct sql_adapter adapter = {
    .name = "sqlite",
    .dialect = {.placeholder = '?',
                .id = "INTEGER PRIMARY KEY",
                .text = "TEXT",
                .bytes = "BLOB",
                .clustered = "WITHOUT ROWID",
                .lock = "",
                .change = "",
                .hold = "",
                .must = "",
                .must_end = "",
                .find = "instr",
                .must_not = "",
                .must_not_end = "",
                .stamp = "",
                .stamp_end = "",
                .list = "(SELECT value, key AS position FROM json_each(",
                .list_end = "))"},
    .transact = sqlite_transact,
    .read_begin = read_begin,
    .read_end = read_end,
    .pin = pin,
    .unpin = unpin,
    .script = script,
    .query = query,
    .next = next,
    .column_int = column_int,
    .column_str = column_str,
    .done = done,
    .health = health,
    .where = where,
    .free = sqlite_free,
};

static struct sqlite *new_db(const struct meta_sqlite_options *o)
{
    struct sqlite *db = NEW(struct sqlite);

    db->base.adapter = &adapter;
    db->path = mem_strdup(o->path);
    db->memory = strcmp(o->path, ":memory:") == 0;
    db->fsync = o->fsync;
    db->cache_bytes = o->cache_bytes;
    db->reserve = o->reserve;
    db->max_open = o->read_connections ? o->read_connections : 1;
    db->last = &db->first;
    pthread_mutex_init(&db->pool_lock, NULL);
    pthread_cond_init(&db->pool_wake, NULL);
    pthread_mutex_init(&db->writer_lock, NULL);
    pthread_mutex_init(&db->queue_lock, NULL);
    pthread_mutex_init(&db->checkpoint_lock, NULL);
    pthread_cond_init(&db->checkpoint_wake, NULL);
    pthread_cond_init(&db->checkpoint_done, NULL);
    return db;
}

/* SQLite would make the file readable by everyone; who owns what is nobody else's business. */
static enum err_code make_file(const char *path, struct err *e)
{
    AUTO(fd) int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

    if (fd < 0 && errno != EEXIST)
        return err_errno(e, "make database '%s'", path);
    return ERR_OK;
}

/* The application_id of the file's header. */
#define OURS 0x43794472 /* "CyDr" */

/* The first column of the only row, as a number. */
static enum err_code ask_int(struct sqlite_conn *c, const char *text, int64_t *ret_value,
                             struct err *e)
{
    sqlite3_stmt *stmt = NULL;
    int rc = sqlite3_prepare_v2(c->handle, text, -1, &stmt, NULL);

    if (rc == SQLITE_OK)
        rc = sqlite3_step(stmt);
    if (rc == SQLITE_ROW)
        *ret_value = sqlite3_column_int64(stmt, 0);
    sqlite3_finalize(stmt);
    return rc == SQLITE_ROW ? ERR_OK : to_err(c, rc, text, e);
}

/* A file of another program would get our tables, and its own images none. Earlier versions of this
 * one left no mark in the header. */
static enum err_code check_owner(struct sqlite_conn *c, struct err *e)
{
    int64_t id = 0, tables = 0, known = 0;
    char text[64];

    TRY(ask_int(c, "PRAGMA application_id", &id, e));
    if (id == OURS)
        return ERR_OK;
    TRY(ask_int(c, "SELECT count(*) FROM sqlite_master", &tables, e));
    TRY(ask_int(
        c, "SELECT count(*) FROM sqlite_master WHERE type = 'table' AND name = 'schema_version'",
        &known, e));
    if (id != 0 || (tables > 0 && known == 0))
        return err_set(e, ERR_CONFIG,
                       "'%s' is a database of another program: name another file in "
                       "metadata.sqlite.path, or move it away",
                       c->db->path);
    snprintf(text, sizeof(text), "PRAGMA application_id=%d", OURS);
    return sqlite_exec(c, text, e);
}

static enum err_code use_log(struct sqlite_conn *c, struct err *e)
{
    sqlite3_stmt *stmt = NULL;
    int rc = sqlite3_prepare_v2(c->handle, "PRAGMA journal_mode=WAL", -1, &stmt, NULL);
    bool is_wal = false;

    /* One row; the file is changed when the statement ends. */
    while (rc == SQLITE_OK && (rc = sqlite3_step(stmt)) == SQLITE_ROW) {
        is_wal = strcmp((const char *)sqlite3_column_text(stmt, 0), "wal") == 0;
        rc = SQLITE_OK;
    }
    sqlite3_finalize(stmt);
    if (rc != SQLITE_DONE)
        return to_err(c, rc, "open", e);
    if (!is_wal)
        return err_set(e, ERR_INTERNAL,
                       "database '%s': this file system can't hold a write-ahead log", c->db->path);
    return ERR_OK;
}

enum err_code sqlite_open(const struct meta_sqlite_options *o, struct sql **ret_db, struct err *e)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    AUTO(sql) struct sql *base = NULL;
    struct sqlite *db;

    pthread_once(&once, configure);
    db = new_db(o);
    base = &db->base;
    if (!db->memory)
        TRY(make_file(db->path, e));
    TRY(sqlite_open_conn(db, true, &db->writer, e));
    if (!db->memory) {
        if (sqlite3_db_readonly(db->writer->handle, "main") != 0)
            return err_set(e, ERR_STORAGE_READONLY, "database '%s' can't be written", db->path);
        TRY(check_owner(db->writer, e));
        TRY(use_log(db->writer, e));
    }
    TRY(sqlite_write_start(db, e));
    *ret_db = STEAL(base);
    return ERR_OK;
}

enum err_code meta_sqlite_new(const struct meta_sqlite_options *o, struct meta **ret_meta,
                              struct err *e)
{
    AUTO(sql) struct sql *db = NULL;

    TRY(sqlite_open(o, &db, e));
    TRY(sql_meta_new(db, ret_meta, e));
    db = NULL;
    return ERR_OK;
}

void sqlite_stats(struct meta *m, struct sqlite_stats *ret_stats)
{
    struct sqlite *db = (struct sqlite *)((struct sql_meta *)m)->db;

    pthread_mutex_lock(&db->queue_lock);
    *ret_stats = db->stats;
    pthread_mutex_unlock(&db->queue_lock);
}
