/* What is SQLite's alone: the file, its errors, group commit, checkpoints, the pool. */
#include "base/cleanup.h"
#include "base/mem.h"
#include "meta/sqlite.h"
#include "temp_dir.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

struct place {
    char dir[TEMP_DIR_MAX];
    char path[TEMP_PATH_MAX];
    struct meta_sqlite_options o;
    struct err e;
};

static int set_up(void **state)
{
    struct place *p = NEW(struct place);

    temp_dir_make(p->dir, TEMP_DIR_DISK);
    snprintf(p->path, sizeof(p->path), "%s/registry.db", p->dir);
    p->o = (struct meta_sqlite_options){
        .path = p->path, .fsync = true, .read_connections = 2, .cache_bytes = 64 << 10};
    *state = p;
    return 0;
}

static int tear_down(void **state)
{
    struct place *p = *state;

    temp_dir_remove(p->dir);
    free(p);
    return 0;
}

static struct meta *open_meta(struct place *p)
{
    struct meta *m;

    if (meta_sqlite_new(&p->o, &m, &p->e) != ERR_OK)
        fail_msg("%s", p->e.detail);
    return m;
}

static enum err_code link_blob(struct meta *m, int i, unsigned flags, struct err *e)
{
    struct repo_name r;
    struct digest d;
    struct meta_op op;

    digest_of(DIGEST_SHA256, &i, sizeof(i), &d);
    TRY(repo_name_parse(STR("a"), &r, e));
    op = meta_op_blob_link(&r, &d, 0);
    return meta_commit(m, &op, 1, flags, NULL, e);
}

static void the_file_is_its_owner_s(void **state)
{
    struct place *p = *state;
    struct meta *m = open_meta(p);
    struct stat st;

    assert_int_equal(stat(p->path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    meta_free(m);
}

static void errors_of_sqlite_say_what_is_wrong(void **state)
{
    static const struct {
        int rc, os_errno;
        enum err_code code;
    } rows[] = {
        {SQLITE_FULL, 0, ERR_STORAGE_FULL},
        {SQLITE_IOERR_WRITE, ENOSPC, ERR_STORAGE_FULL},
        {SQLITE_IOERR_SHMSIZE, EDQUOT, ERR_STORAGE_FULL},
        {SQLITE_READONLY_DBMOVED, 0, ERR_STORAGE_READONLY},
        {SQLITE_IOERR_WRITE, EROFS, ERR_STORAGE_READONLY},
        {SQLITE_IOERR_LOCK, EACCES, ERR_STORAGE_READONLY},
        {SQLITE_CANTOPEN, EACCES, ERR_STORAGE_READONLY},
        {SQLITE_CANTOPEN, 0, ERR_STORAGE_READONLY},
        {SQLITE_PERM, 0, ERR_STORAGE_READONLY},
        {SQLITE_CANTOPEN, EMFILE, ERR_UNAVAILABLE},
        {SQLITE_IOERR_SHMOPEN, ENFILE, ERR_UNAVAILABLE},
        {SQLITE_NOMEM, 0, ERR_UNAVAILABLE},
        {SQLITE_BUSY_SNAPSHOT, 0, ERR_UNAVAILABLE},
        {SQLITE_LOCKED, 0, ERR_UNAVAILABLE},
        {SQLITE_PROTOCOL, 0, ERR_UNAVAILABLE},
        {SQLITE_CORRUPT_INDEX, 0, ERR_CORRUPT},
        {SQLITE_NOTADB, 0, ERR_CORRUPT},
        {SQLITE_IOERR_READ, EIO, ERR_INTERNAL},
        {SQLITE_MISUSE, EROFS, ERR_INTERNAL},
    };
    struct place *p = *state;

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        enum err_code code = sqlite_err_code(p->dir, rows[i].rc, rows[i].os_errno);

        if (code != rows[i].code)
            fail_msg("%d with errno %d: %s", rows[i].rc, rows[i].os_errno, err_name(code));
    }
}

static void a_directory_that_is_gone_is_no_fault_of_the_caller(void **state)
{
    (void)state;
    assert_int_equal(sqlite_err_code("/nonexistent/registry.db", SQLITE_IOERR_FSTAT, ENOENT),
                     ERR_UNAVAILABLE);
}

static void run_sql(const char *path, const char *text)
{
    sqlite3 *raw;

    assert_int_equal(sqlite3_open(path, &raw), SQLITE_OK);
    assert_int_equal(sqlite3_exec(raw, text, NULL, NULL, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_close(raw), SQLITE_OK);
}

static void assert_refused(struct place *p)
{
    struct meta *m;

    assert_int_equal(meta_sqlite_new(&p->o, &m, &p->e), ERR_CONFIG);
    assert_non_null(strstr(p->e.detail, "another program"));
    assert_non_null(strstr(p->e.detail, p->path));
}

static void a_database_of_another_program_is_refused(void **state)
{
    struct place *p = *state;

    run_sql(p->path, "CREATE TABLE songs (title TEXT)");
    assert_refused(p);
}

static void a_database_with_the_mark_of_another_program_is_refused(void **state)
{
    struct place *p = *state;

    run_sql(p->path, "PRAGMA application_id=252006673"); /* Fossil's */
    assert_refused(p);
}

static void a_database_without_a_mark_is_ours_by_its_tables(void **state)
{
    struct place *p = *state;
    struct meta *m = open_meta(p);

    assert_int_equal(link_blob(m, 1, 0, &p->e), ERR_OK);
    meta_free(m);
    run_sql(p->path, "PRAGMA application_id=0");
    m = open_meta(p);
    assert_int_equal(link_blob(m, 2, 0, &p->e), ERR_OK);
    meta_free(m);
}

/* Everything but the first two pages, which hold the schema and its version. */
static void damage_tables(const char *path)
{
    AUTO(fd) int fd = open(path, O_WRONLY | O_CLOEXEC);
    char bytes[4096];
    struct stat st;

    memset(bytes, 0xa5, sizeof(bytes));
    assert_int_equal(fstat(fd, &st), 0);
    for (off_t at = (off_t)sizeof(bytes) * 4; at < st.st_size; at += (off_t)sizeof(bytes))
        assert_int_equal(pwrite(fd, bytes, sizeof(bytes), at), sizeof(bytes));
}

static void a_write_that_finds_damage_is_told_by_the_health(void **state)
{
    struct place *p = *state;
    struct meta *m = open_meta(p);

    for (int i = 0; i < 2000; i++)
        assert_int_equal(link_blob(m, i, META_LAZY, &p->e), ERR_OK);
    meta_free(m);
    m = open_meta(p);
    assert_int_equal(meta_health(m, &p->e), ERR_OK);
    damage_tables(p->path);
    assert_int_equal(link_blob(m, 5000, 0, &p->e), ERR_CORRUPT);
    assert_int_equal(meta_health(m, &p->e), ERR_CORRUPT);
    meta_free(m);
}

static void closing_leaves_one_file(void **state)
{
    struct place *p = *state;
    struct meta *m = open_meta(p);
    char log[TEMP_PATH_MAX + 8];

    snprintf(log, sizeof(log), "%s-wal", p->path);
    assert_int_equal(link_blob(m, 1, 0, &p->e), ERR_OK);
    assert_int_equal(access(log, F_OK), 0);
    meta_free(m);
    assert_int_not_equal(access(log, F_OK), 0);
}

static void write_file(const char *path, size_t offset, const char *text)
{
    AUTO(fd) int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);

    assert_true(pwrite(fd, text, strlen(text), (off_t)offset) == (ssize_t)strlen(text));
}

static void a_file_that_is_no_database_is_corrupt(void **state)
{
    struct place *p = *state;
    struct meta *m;

    write_file(p->path, 0,
               "This is not a database, but it is long enough to have a header, or so "
               "one would think who reads it: it goes on and on and on and on.");
    assert_int_equal(meta_sqlite_new(&p->o, &m, &p->e), ERR_CORRUPT);
    assert_non_null(strstr(p->e.detail, p->path));
}

static void damaged_manifest_bytes_are_corrupt(void **state)
{
    struct place *p = *state;
    struct meta *m = open_meta(p);
    struct repo_name r;
    struct digest d;
    AUTO(meta_manifest) struct meta_manifest *manifest = NULL, *back = NULL;
    sqlite3 *raw;

    assert_int_equal(repo_name_parse(STR("a"), &r, ERR_IGNORED), ERR_OK);
    digest_of(DIGEST_SHA256, "{}", 2, &d);
    manifest = meta_manifest_new(&d, STR("t"), STR("{}"));
    const struct meta_op op =
        meta_op_manifest_put((struct meta_manifest_put){.repo = &r, .manifest = manifest});

    assert_int_equal(meta_commit(m, &op, 1, 0, NULL, &p->e), ERR_OK);
    assert_int_equal(sqlite3_open(p->path, &raw), SQLITE_OK);
    assert_int_equal(sqlite3_exec(raw, "UPDATE manifests SET bytes = x'7b20'", 0, 0, 0), SQLITE_OK);
    sqlite3_close(raw);
    assert_int_equal(meta_manifest_by_digest(m, &r, &d, &back, &p->e), ERR_CORRUPT);
    assert_non_null(strstr(p->e.detail, d.text));
    meta_free(m);
}

static void a_missing_directory_is_told(void **state)
{
    struct place *p = *state;
    struct meta *m;

    p->o.path = "/nowhere/at/all/registry.db";
    assert_int_not_equal(meta_sqlite_new(&p->o, &m, &p->e), ERR_OK);
    assert_non_null(strstr(p->e.detail, "/nowhere/at/all/registry.db"));
}

static void a_newer_schema_is_refused(void **state)
{
    struct place *p = *state;
    struct meta *m = open_meta(p);
    sqlite3 *raw;

    meta_free(m);
    assert_int_equal(sqlite3_open(p->path, &raw), SQLITE_OK);
    assert_int_equal(sqlite3_exec(raw, "INSERT INTO schema_version VALUES (9999)", 0, 0, 0),
                     SQLITE_OK);
    sqlite3_close(raw);
    assert_int_equal(meta_sqlite_new(&p->o, &m, &p->e), ERR_CONFIG);
    assert_non_null(strstr(p->e.detail, p->path));
    assert_non_null(strstr(p->e.detail, "9999"));
}

static void a_writer_elsewhere_makes_it_unavailable(void **state)
{
    struct place *p = *state;
    struct meta *m = open_meta(p);
    struct sqlite *db = (struct sqlite *)((struct sql_meta *)m)->db;
    sqlite3 *raw;

    sqlite3_busy_timeout(db->writer->handle, 1);
    assert_int_equal(sqlite3_open(p->path, &raw), SQLITE_OK);
    assert_int_equal(sqlite3_exec(raw, "BEGIN IMMEDIATE", 0, 0, 0), SQLITE_OK);
    assert_int_equal(link_blob(m, 1, 0, &p->e), ERR_UNAVAILABLE);
    assert_non_null(strstr(p->e.detail, p->path));
    assert_int_equal(meta_health(m, &p->e), ERR_OK);
    assert_int_equal(sqlite3_exec(raw, "ROLLBACK", 0, 0, 0), SQLITE_OK);
    sqlite3_close(raw);
    assert_int_equal(link_blob(m, 1, 0, &p->e), ERR_OK);
    meta_free(m);
}

/* The page limit stands for a disk that is full. */
static void a_full_disk_is_told_and_service_goes_on(void **state)
{
    struct place *p = *state;
    struct meta *m = open_meta(p);
    struct sqlite *db = (struct sqlite *)((struct sql_meta *)m)->db;
    enum err_code code = ERR_OK;
    int n = 0;

    assert_int_equal(sqlite3_exec(db->writer->handle, "PRAGMA max_page_count=40", 0, 0, 0), 0);
    while (code == ERR_OK && n < 10000)
        code = link_blob(m, n++, META_LAZY, &p->e);
    assert_int_equal(code, ERR_STORAGE_FULL);
    assert_non_null(strstr(p->e.detail, p->path));
    assert_int_equal(meta_health(m, &p->e), ERR_OK);
    assert_int_equal(sqlite3_exec(db->writer->handle, "PRAGMA max_page_count=1000", 0, 0, 0), 0);
    assert_int_equal(link_blob(m, n, 0, &p->e), ERR_OK);
    meta_free(m);
}

#define THREADS 32
#define EACH    20

struct worker {
    pthread_t thread;
    struct meta *m;
    int index, failures;
};

static void *link_main(void *ctx)
{
    struct worker *w = ctx;

    for (int i = 0; i < EACH; i++)
        w->failures += link_blob(w->m, w->index * EACH + i, 0, NULL) != ERR_OK;
    return NULL;
}

static int run_workers(struct meta *m)
{
    static struct worker workers[THREADS];
    int failures = 0;

    for (int i = 0; i < THREADS; i++) {
        workers[i] = (struct worker){.m = m, .index = i};
        assert_int_equal(pthread_create(&workers[i].thread, NULL, link_main, &workers[i]), 0);
    }
    for (int i = 0; i < THREADS; i++) {
        pthread_join(workers[i].thread, NULL);
        failures += workers[i].failures;
    }
    return failures;
}

static void *link_once_main(void *ctx)
{
    struct worker *w = ctx;

    w->failures = link_blob(w->m, w->index, 0, NULL) != ERR_OK;
    return NULL;
}

static void start(struct worker *w, struct meta *m, int index)
{
    *w = (struct worker){.m = m, .index = index};
    assert_int_equal(pthread_create(&w->thread, NULL, link_once_main, w), 0);
}

static size_t waiting(struct sqlite *db)
{
    size_t n = 0;

    pthread_mutex_lock(&db->queue_lock);
    for (struct sqlite_member *w = db->first; w; w = w->next)
        n++;
    pthread_mutex_unlock(&db->queue_lock);
    return n;
}

static void commits_that_wait_are_put_into_one(void **state)
{
    struct place *p = *state;
    struct meta *m = open_meta(p);
    struct sqlite *db = (struct sqlite *)((struct sql_meta *)m)->db;
    struct sqlite_stats before, after;
    struct worker workers[9];

    sqlite_stats(m, &before);
    pthread_mutex_lock(&db->writer_lock); /* the first stops here, and leads */
    start(&workers[0], m, 0);
    do
        sqlite_stats(m, &after);
    while (after.batches == before.batches);
    for (int i = 1; i < 9; i++)
        start(&workers[i], m, i);
    while (waiting(db) < 8)
        sched_yield();
    pthread_mutex_unlock(&db->writer_lock);
    for (int i = 0; i < 9; i++) {
        pthread_join(workers[i].thread, NULL);
        assert_int_equal(workers[i].failures, 0);
    }
    sqlite_stats(m, &after);
    assert_int_equal(after.transactions - before.transactions, 9);
    assert_int_equal(after.batches - before.batches, 2);
    meta_free(m);
}

static void of_many_commits_none_is_lost(void **state)
{
    struct place *p = *state;
    struct meta *m = open_meta(p);
    struct repo_name r;
    uint64_t size;

    assert_int_equal(repo_name_parse(STR("a"), &r, ERR_IGNORED), ERR_OK);
    assert_int_equal(run_workers(m), 0);
    meta_free(m);
    m = open_meta(p);
    for (int i = 0; i < THREADS * EACH; i++) {
        struct digest d;

        digest_of(DIGEST_SHA256, &i, sizeof(i), &d);
        assert_int_equal(meta_blob_stat(m, &r, &d, &size, ERR_IGNORED), ERR_OK);
    }
    meta_free(m);
}

static void the_log_does_not_grow_without_bound(void **state)
{
    struct place *p = *state;
    struct meta *m;
    struct sqlite_stats stats;
    struct stat st;
    char log[TEMP_PATH_MAX + 8];

    p->o.fsync = false;
    m = open_meta(p);
    for (int i = 0; i < 20000; i++)
        assert_int_equal(link_blob(m, i, 0, &p->e), ERR_OK);
    sqlite_stats(m, &stats);
    snprintf(log, sizeof(log), "%s-wal", p->path);
    assert_int_equal(stat(log, &st), 0);
    assert_true(stats.checkpoints > 0);
    assert_true(st.st_size < 64 << 20); /* some 300 MiB were written to it */
    meta_free(m);
}

static void *read_main(void *ctx)
{
    struct worker *w = ctx;
    struct repo_name r;
    bool exists;

    for (int i = 0; i < 200; i++)
        w->failures += repo_name_parse(STR("a"), &r, ERR_IGNORED) != ERR_OK ||
                       meta_repo_exists(w->m, &r, &exists, ERR_IGNORED) != ERR_OK;
    return NULL;
}

static void readers_share_the_connections(void **state)
{
    struct place *p = *state;
    struct meta *m = open_meta(p);
    struct sqlite *db = (struct sqlite *)((struct sql_meta *)m)->db;
    struct worker workers[THREADS];

    assert_int_equal(db->open, 0); /* none before one is needed */
    for (int i = 0; i < THREADS; i++) {
        workers[i] = (struct worker){.m = m};
        assert_int_equal(pthread_create(&workers[i].thread, NULL, read_main, &workers[i]), 0);
    }
    for (int i = 0; i < THREADS; i++) {
        pthread_join(workers[i].thread, NULL);
        assert_int_equal(workers[i].failures, 0);
    }
    assert_in_range(db->open, 1, 2);
    meta_free(m);
}

static int synchronous_of(struct meta *m)
{
    struct sqlite *db = (struct sqlite *)((struct sql_meta *)m)->db;
    sqlite3_stmt *stmt;
    int value;

    assert_int_equal(sqlite3_prepare_v2(db->writer->handle, "PRAGMA synchronous", -1, &stmt, 0), 0);
    assert_int_equal(sqlite3_step(stmt), SQLITE_ROW);
    value = sqlite3_column_int(stmt, 0);
    sqlite3_finalize(stmt);
    return value;
}

static void only_commits_that_must_wait_for_the_disk(void **state)
{
    struct place *p = *state;
    struct meta *m = open_meta(p);

    assert_int_equal(link_blob(m, 1, 0, &p->e), ERR_OK);
    assert_int_equal(synchronous_of(m), 2);
    assert_int_equal(link_blob(m, 2, META_LAZY, &p->e), ERR_OK);
    assert_int_equal(synchronous_of(m), 1);
    assert_int_equal(link_blob(m, 3, 0, &p->e), ERR_OK);
    assert_int_equal(synchronous_of(m), 2);
    meta_free(m);
    p->o.fsync = false;
    m = open_meta(p);
    assert_int_equal(link_blob(m, 4, 0, &p->e), ERR_OK);
    assert_int_equal(synchronous_of(m), 1);
    meta_free(m);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(the_file_is_its_owner_s),
        TEST(errors_of_sqlite_say_what_is_wrong),
        TEST(a_directory_that_is_gone_is_no_fault_of_the_caller),
        TEST(a_database_of_another_program_is_refused),
        TEST(a_database_with_the_mark_of_another_program_is_refused),
        TEST(a_database_without_a_mark_is_ours_by_its_tables),
        TEST(a_write_that_finds_damage_is_told_by_the_health),
        TEST(closing_leaves_one_file),
        TEST(a_file_that_is_no_database_is_corrupt),
        TEST(damaged_manifest_bytes_are_corrupt),
        TEST(a_missing_directory_is_told),
        TEST(a_newer_schema_is_refused),
        TEST(a_writer_elsewhere_makes_it_unavailable),
        TEST(a_full_disk_is_told_and_service_goes_on),
        TEST(commits_that_wait_are_put_into_one),
        TEST(of_many_commits_none_is_lost),
        TEST(the_log_does_not_grow_without_bound),
        TEST(readers_share_the_connections),
        TEST(only_commits_that_must_wait_for_the_disk),
    };

    return cmocka_run_group_tests_name("meta/sqlite", tests, NULL, NULL);
}
