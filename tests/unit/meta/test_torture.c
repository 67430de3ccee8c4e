/*
 * The n-th write, sync, truncation, opening or deletion of a file fails, for every n: each
 * transaction is there whole or not at all, what was acknowledged stays, and the database goes on.
 */
#include "base/cleanup.h"
#include "meta/sqlite.h"
#include "names.h"
#include "rounds.h"
#include "temp_dir.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

/* The file system of SQLite with calls that fail on demand. */
static sqlite3_vfs vfs, *real;
static sqlite3_io_methods real_methods; /* the calls that can fail are the same in all */
static atomic_int countdown;            /* fails the call that takes it from 1 to 0 */
static atomic_bool for_ever;            /* and all after it */
static atomic_int fired;

static bool fails(void)
{
    int left = atomic_load(&countdown);

    if (left == 0) {
        if (!atomic_load(&for_ever) || !atomic_load(&fired))
            return false;
    } else if (atomic_fetch_sub(&countdown, 1) != 1) {
        return false;
    }
    atomic_fetch_add(&fired, 1);
    return true;
}

static void arm(int n, bool sticky)
{
    atomic_store(&countdown, 0);
    atomic_store(&fired, 0);
    atomic_store(&for_ever, sticky);
    atomic_store(&countdown, n);
}

static void disarm(void)
{
    atomic_store(&for_ever, false);
    atomic_store(&countdown, 0);
}

static int vfs_write(sqlite3_file *f, const void *p, int n, sqlite3_int64 offset)
{
    return fails() ? SQLITE_FULL : real_methods.xWrite(f, p, n, offset);
}

/* No power is lost here: waiting for the disk would only take time. */
static int vfs_sync(sqlite3_file *f, int flags)
{
    (void)f;
    (void)flags;
    return fails() ? SQLITE_IOERR_FSYNC : SQLITE_OK;
}

static int vfs_truncate(sqlite3_file *f, sqlite3_int64 size)
{
    return fails() ? SQLITE_IOERR_TRUNCATE : real_methods.xTruncate(f, size);
}

/* SQLite has a table for files that it locks and one for others. */
static const sqlite3_io_methods *torturing(const sqlite3_io_methods *m)
{
    static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
    static const sqlite3_io_methods *of[4];
    static sqlite3_io_methods copies[4];
    size_t i = 0;

    pthread_mutex_lock(&lock);
    while (i < 3 && of[i] && of[i] != m)
        i++;
    if (!of[i]) {
        of[i] = m;
        real_methods = copies[i] = *m;
        copies[i].xWrite = vfs_write;
        copies[i].xSync = vfs_sync;
        copies[i].xTruncate = vfs_truncate;
    }
    pthread_mutex_unlock(&lock);
    return &copies[i];
}

static int vfs_open(sqlite3_vfs *v, const char *name, sqlite3_file *f, int flags, int *out)
{
    int rc;

    (void)v;
    f->pMethods = NULL;
    if (fails())
        return SQLITE_CANTOPEN;
    rc = real->xOpen(real, name, f, flags, out);
    if (f->pMethods)
        f->pMethods = torturing(f->pMethods);
    return rc;
}

static int vfs_delete(sqlite3_vfs *v, const char *name, int sync)
{
    (void)v;
    (void)sync;
    return fails() ? SQLITE_IOERR_DELETE : real->xDelete(real, name, 0);
}

static int set_up_vfs(void **state)
{
    (void)state;
    sqlite3_initialize();
    real = sqlite3_vfs_find(NULL);
    vfs = *real;
    vfs.zName = "torture";
    vfs.xOpen = vfs_open;
    vfs.xDelete = vfs_delete;
    return sqlite3_vfs_register(&vfs, 1);
}

#define STEPS 6

struct world {
    char dir[TEMP_DIR_MAX], path[TEMP_PATH_MAX];
    struct meta *m;
    struct repo_name repo;
    struct tag_name tag;
};

static void name_things(int step, struct digest *ret_blob, struct digest *ret_manifest,
                        char text[static 16])
{
    snprintf(text, 16, "blob %d", step);
    digest_of(DIGEST_SHA256, text, strlen(text), ret_blob);
    snprintf(text, 16, "manifest %d", step);
    digest_of(DIGEST_SHA256, text, strlen(text), ret_manifest);
}

/* A push of one layer; the manifest before loses its tag. */
static enum err_code push(struct world *w, int step, struct err *e)
{
    char text[16];
    struct digest blob, d;
    AUTO(meta_manifest) struct meta_manifest *m = NULL;

    name_things(step, &blob, &d, text);
    m = meta_manifest_new(&d, STR("t"), str_of(text));
    const struct meta_edge edge = {META_EDGE_BLOB, blob};
    const struct meta_op ops[] = {
        meta_op_blob_link(&w->repo, &blob, 0),
        meta_op_manifest_put((struct meta_manifest_put){
            .repo = &w->repo, .manifest = m, .edges = &edge, .n_edges = 1}),
        meta_op_tag_set(&w->repo, &w->tag, &d, META_ANY),
    };

    return meta_commit(w->m, ops, 3, 0, NULL, e);
}

static bool has(struct world *w, int step)
{
    char text[16];
    struct digest blob, d;
    AUTO(meta_manifest) struct meta_manifest *m = NULL;
    uint64_t size;
    bool has_manifest, has_blob;

    name_things(step, &blob, &d, text);
    has_manifest = meta_manifest_by_digest(w->m, &w->repo, &d, &m, ERR_IGNORED) == ERR_OK;
    has_blob = meta_blob_stat(w->m, &w->repo, &blob, &size, ERR_IGNORED) == ERR_OK;
    assert_int_equal(has_manifest, has_blob);
    return has_manifest;
}

/* How many pushes are there; asserts that each is whole, and that the tag is the last one's. */
static int pushes(struct world *w)
{
    AUTO(meta_manifest) struct meta_manifest *m = NULL;
    char text[16] = "";
    int n = 0;

    while (n < STEPS && has(w, n))
        n++;
    for (int i = n; i < STEPS; i++)
        assert_false(has(w, i));
    if (meta_manifest_by_tag(w->m, &w->repo, &w->tag, &m, NULL, ERR_IGNORED) == ERR_OK)
        snprintf(text, sizeof(text), "%.*s", STR_ARG(m->bytes));
    if (n > 0)
        assert_int_equal(atoi(text + strlen("manifest ")), n - 1);
    else
        assert_string_equal(text, "");
    return n;
}

static enum err_code open_world(struct world *w, struct err *e)
{
    const struct meta_sqlite_options o = {
        .path = w->path, .fsync = true, .read_connections = 1, .cache_bytes = 16 << 10};

    return meta_sqlite_new(&o, &w->m, e);
}

static void make_world(struct world *w)
{
    *w = (struct world){0};
    temp_dir_make(w->dir, TEMP_DIR_MEMORY);
    snprintf(w->path, sizeof(w->path), "%s/registry.db", w->dir);
    w->repo = repo_of("a");
    w->tag = tag_of("t");
}

static void remove_world(struct world *w)
{
    temp_dir_remove(w->dir);
}

static void check_integrity(struct world *w)
{
    sqlite3 *raw;
    sqlite3_stmt *stmt;

    assert_int_equal(sqlite3_open(w->path, &raw), SQLITE_OK);
    assert_int_equal(sqlite3_prepare_v2(raw, "PRAGMA integrity_check", -1, &stmt, NULL), 0);
    assert_int_equal(sqlite3_step(stmt), SQLITE_ROW);
    assert_string_equal((const char *)sqlite3_column_text(stmt, 0), "ok");
    sqlite3_finalize(stmt);
    sqlite3_close(raw);
}

static void assert_is_of_storage(enum err_code code, const struct err *e, const char *path)
{
    if (code != ERR_STORAGE_FULL && code != ERR_STORAGE_READONLY && code != ERR_INTERNAL)
        fail_msg("%s: %s", err_name(code), e->detail);
    assert_non_null(strstr(e->detail, path));
}

/* One life of a database in which the n-th call fails. Whether it did. */
static bool live(int n, bool sticky)
{
    struct world w;
    struct err e;
    enum err_code code;
    int acknowledged = 0;
    bool did;

    make_world(&w);
    arm(n, sticky);
    code = open_world(&w, &e);
    if (code != ERR_OK) {
        assert_is_of_storage(code, &e, w.path);
        disarm();
        assert_int_equal(open_world(&w, &e), ERR_OK);
    }
    for (int step = 0; step < STEPS; step++) {
        code = push(&w, step, &e);
        if (code != ERR_OK) {
            assert_is_of_storage(code, &e, w.path);
            disarm();
            assert_in_range(pushes(&w), step, step + 1);
            assert_int_equal(push(&w, step, &e), ERR_OK);
        }
        acknowledged++;
        if (!atomic_load(&fired))
            continue;
        disarm();
        assert_int_equal(pushes(&w), acknowledged);
    }
    meta_free(w.m);
    did = atomic_load(&fired) > 0;
    disarm();
    check_integrity(&w);
    assert_int_equal(open_world(&w, &e), ERR_OK);
    assert_int_equal(pushes(&w), STEPS);
    meta_free(w.m);
    remove_world(&w);
    return did;
}

static void any_one_call_may_fail(void **state)
{
    int n = 1;

    (void)state;
    while (live(n, false))
        n += (int)rounds_step();
    assert_true(n > 50);
}

static void any_call_and_all_after_it_may_fail(void **state)
{
    int n = (int)rounds_step();

    (void)state;
    while (live(n, true))
        n += (int)rounds_step();
    assert_true(n > 50);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(any_one_call_may_fail),
        cmocka_unit_test(any_call_and_all_after_it_may_fail),
    };

    return cmocka_run_group_tests_name("meta/torture", tests, set_up_vfs, NULL);
}
