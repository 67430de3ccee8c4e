/* In which order the file system driver calls the kernel, and what it does when a call fails. */
#include "store_fixture.h"

#include "calls.h"

#include "base/cleanup.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static int setup(void **state)
{
    variant_under_test = variant_find("fs");
    return fixture_setup(state);
}

static int teardown(void **state)
{
    calls_stop();
    return fixture_teardown(state);
}

static struct stat stat_in(const struct fixture *f, const char *path)
{
    char whole[700];
    struct stat st = {0};

    snprintf(whole, sizeof(whole), "%s/%s", f->dir, path);
    if (stat(whole, &st) < 0)
        st.st_nlink = 0;
    return st;
}

static void assert_nothing_unfinished(const struct fixture *f)
{
    char path[200];
    size_t entries = 0;

    snprintf(path, sizeof(path), "%s/temp/new", f->dir);

    AUTO(dir) DIR *dir = opendir(path);

    assert_non_null(dir);
    while (readdir(dir))
        entries++;
    assert_int_equal(entries, 2); /* "." and ".." */
}

static struct stat stat_blob(const struct fixture *f, const char *name, const struct digest *d)
{
    char path[512];

    snprintf(path, sizeof(path), "repositories/%s/blobs/%s", name, d->text);
    return stat_in(f, path);
}

static void commit_syncs_data_then_names_it_then_syncs_one_directory(void **state)
{
    struct fixture *f = *state;
    int data, name, dir;

    push(f->s, "a/b", STR("makes the directories"));
    calls_start(NULL);
    push(f->s, "a/b", STR("x"));
    calls_stop();
    data = calls_find(0, "fdatasync ");
    name = calls_find(0, "renameat2 temp/uploads/");
    dir = calls_find(0, "fsync ");
    assert_true(data >= 0 && data < name && name < dir);
    assert_non_null(strstr(calls_at((size_t)data), "/temp/uploads/"));
    assert_non_null(strstr(calls_at((size_t)dir), "/repositories/a/b/blobs"));
    assert_int_equal(calls_count("fdatasync"), 1);
    assert_int_equal(calls_count("fsync"), 1);
}

static void of_a_commit_that_was_prepared_a_name_and_one_sync_are_left(void **state)
{
    struct fixture *f = *state;
    struct digest d = sha256_of(STR("x"));
    struct repo_name r = repo_of("a/b");
    struct uuid id = new_uuid();
    struct store_upload *u;
    uint64_t size;

    OK(store_upload_create(f->s, &id, E));
    OK(store_upload_open(f->s, &id, &u, &size, E));
    OK(store_upload_write(f->s, u, "x", 1, 0, E));
    calls_start(NULL);
    OK(store_upload_prepare(f->s, u, &r, &d, NULL, E));
    assert_int_equal(calls_count("fdatasync"), 1);
    assert_int_equal(calls_count("renameat2"), 0);
    calls_start(NULL);
    OK(store_upload_commit(f->s, u, &r, &d, NULL, E));
    calls_stop();
    assert_int_equal(calls_count("mkdirat"), 0);
    assert_int_equal(calls_count("fdatasync"), 0);
    assert_int_equal(calls_count("renameat2"), 1);
    assert_int_equal(calls_count("fsync"), 1);
}

/* Bytes that this process has read so far. */
static uint64_t read_so_far(void)
{
    AUTO(file) FILE *io = fopen("/proc/self/io", "re");
    unsigned long long n;

    assert_non_null(io);
    assert_int_equal(fscanf(io, "rchar: %llu", &n), 1);
    return n;
}

static void a_commit_that_was_prepared_compares_nothing(void **state)
{
    struct fixture *f = *state;
    struct str bytes = make_bytes(1, 1 << 20);
    struct digest d = push(f->s, "a", bytes);
    struct repo_name a = repo_of("a"), b = repo_of("b");
    struct uuid id = new_uuid();
    struct store_upload *u;
    uint64_t size, before;

    OK(store_upload_create(f->s, &id, E));
    OK(store_upload_open(f->s, &id, &u, &size, E));
    OK(store_upload_write(f->s, u, bytes.p, bytes.n, 0, E));
    OK(store_upload_prepare(f->s, u, &b, &d, &a, E));
    before = read_so_far();
    OK(store_upload_commit(f->s, u, &b, &d, &a, E));
    assert_true(read_so_far() - before < bytes.n);
    assert_int_equal(stat_blob(f, "b", &d).st_nlink, 2);
    free((char *)bytes.p);
}

static void manifest_is_synced_before_it_gets_its_name(void **state)
{
    struct fixture *f = *state;
    struct repo_name r = repo_of("a");
    struct digest d = sha256_of(STR("{}")), first = sha256_of(STR("[]"));
    int data, name, dir;

    OK(store_manifest_put(f->s, &r, &first, STR("[]"), E));
    calls_start(NULL);
    OK(store_manifest_put(f->s, &r, &d, STR("{}"), E));
    calls_stop();
    data = calls_find(0, "fdatasync ");
    name = calls_find(0, "renameat temp/new/");
    dir = calls_find(0, "fsync ");
    assert_true(data >= 0 && data < name && name < dir);
    assert_int_equal(calls_count("fsync"), 1);
}

static void manifests_that_are_put_together_are_synced_together(void **state)
{
    struct fixture *f = *state;
    struct repo_name a = repo_of("a"), b = repo_of("b");
    struct digest first = sha256_of(STR("[]")), second = sha256_of(STR("{}"));
    const struct store_manifest items[] = {
        {&a, &first, STR("[]")}, {&a, &second, STR("{}")}, {&b, &second, STR("{}")}};
    int data, name, again, dirs;

    OK(store_manifests_put(f->s, items, 3, E)); /* makes the directories */
    calls_start(NULL);
    OK(store_manifests_put(f->s, items, 3, E));
    calls_stop();
    assert_int_equal(calls_count("fdatasync") + calls_count("fsync"), 0);
    assert_int_equal(calls_count("syncfs"), 2);
    data = calls_find(0, "syncfs ");
    name = calls_find(0, "renameat temp/new/");
    again = calls_find(data + 1, "syncfs ");
    dirs = calls_find(again, "renameat ");
    assert_true(data >= 0 && data < name && name < again && dirs < 0);
    assert_nothing_unfinished(f);
}

static void file_that_is_taken_costs_no_sync(void **state)
{
    struct fixture *f = *state;
    struct digest d = push(f->s, "a", STR("x"));
    struct repo_name a = repo_of("a"), b = repo_of("b");
    AUTO(reader) struct reader *r = NULL;
    uint64_t size;

    push(f->s, "b", STR("makes the directories"));
    OK(store_blob_open(f->s, &a, &d, UINT64_MAX, &r, &size, E));
    calls_start(NULL);
    OK(store_blob_take(f->s, &b, &d, reader_fd(r), E));
    assert_int_equal(calls_count("fdatasync") + calls_count("fsync") + calls_count("syncfs"), 0);
    OK(store_sync(f->s, E));
    calls_stop();
    assert_int_equal(calls_count("syncfs"), 1);
}

static void existing_blob_costs_one_directory_sync(void **state)
{
    struct fixture *f = *state;

    push(f->s, "a", STR("x"));
    calls_start(NULL);
    push(f->s, "a", STR("x"));
    calls_stop();
    assert_int_equal(calls_count("fdatasync"), 0);
    assert_int_equal(calls_count("fsync"), 1); /* its maker may not have got to it yet */
}

/* That the directory was synced after call `from`. */
static void assert_synced(const struct fixture *f, int from, const char *dir)
{
    char want[600];
    bool found = false;

    snprintf(want, sizeof(want), "fsync %s%s%s ", f->dir, dir[0] ? "/" : "", dir);
    for (int i = calls_find(from + 1, want); i >= 0 && !found; i = calls_find(i + 1, want))
        found = strcmp(calls_at((size_t)i), want) == 0;
    if (!found)
        fail_msg("not synced: '%s'", dir);
}

static void directories_that_are_made_become_durable(void **state)
{
    struct fixture *f = *state;

    calls_start(NULL);
    push(f->s, "a/b", STR("x"));
    calls_stop();
    assert_synced(f, calls_find(0, "mkdirat repositories "), "");
    assert_synced(f, calls_find(0, "mkdirat repositories/a "), "repositories");
    assert_synced(f, calls_find(0, "mkdirat repositories/a/b "), "repositories/a");
    assert_synced(f, calls_find(0, "mkdirat repositories/a/b/blobs "), "repositories/a/b");
    assert_synced(f, calls_find(0, "renameat2 "), "repositories/a/b/blobs");
}

/* As if another thread, or a process that was killed, had made them and not synced yet. */
static void directories_found_are_not_taken_for_durable(void **state)
{
    struct fixture *f = *state;
    char path[200];

    snprintf(path, sizeof(path), "%s/repositories/a", f->dir);
    assert_int_equal(mkdir(path, 0755), 0);
    strcat(path, "/blobs");
    assert_int_equal(mkdir(path, 0755), 0);
    calls_start(NULL);
    push(f->s, "a", STR("x"));
    calls_stop();
    assert_synced(f, 0, "");
    assert_synced(f, 0, "repositories");
    assert_synced(f, 0, "repositories/a");
    assert_synced(f, 0, "repositories/a/blobs");
}

static void deletions_are_synced(void **state)
{
    struct fixture *f = *state;
    struct repo_name r = repo_of("a");
    struct digest d = push(f->s, "a", STR("x"));

    OK(store_manifest_put(f->s, &r, &d, STR("x"), E));
    calls_start(NULL);
    OK(store_blob_delete(f->s, &r, &d, false, E));
    OK(store_manifest_delete(f->s, &r, &d, E));
    calls_stop();
    assert_synced(f, calls_find(0, "unlinkat repositories/a/blobs"), "repositories/a/blobs");
    assert_synced(f, calls_find(0, "unlinkat repositories/a/manif"), "repositories/a/manifests");
}

static void tags_are_synced_only_when_asked(void **state)
{
    struct fixture *f = *state;
    struct repo_name r = repo_of("a");
    struct tag_name t = tag_of("latest");
    struct digest d = sha256_of(STR("x"));

    OK(store_tag_put(f->s, &r, &t, &d, E));
    calls_start(NULL);
    OK(store_tag_put(f->s, &r, &t, &d, E));
    OK(store_tag_delete(f->s, &r, &t, E));
    assert_int_equal(calls_count("fsync"), 0);
    OK(store_tag_sync(f->s, &r, E));
    calls_stop();
    assert_synced(f, 0, "repositories/a/manifests");
}

static void without_fsync_nothing_is_synced(void **state)
{
    struct fixture *f = *state;
    struct repo_name r = repo_of("a"), b = repo_of("b");
    struct str bytes = make_bytes(1, 20u << 20);
    struct digest d;

    store_free(f->s);
    variant_under_test = variant_find("fs-unsynced");
    calls_start(NULL);
    f->s = variant_under_test->make(f->dir);
    d = push(f->s, "a", bytes);
    OK(store_blob_link(f->s, &r, &b, &d, E));
    OK(store_manifest_put(f->s, &r, &d, bytes, E));
    OK(store_tag_sync(f->s, &r, E));
    OK(store_blob_delete(f->s, &r, &d, false, E));
    calls_stop();
    assert_int_equal(
        calls_count("fsync") + calls_count("fdatasync") + calls_count("sync_file_range"), 0);
    free((char *)bytes.p);
}

static void large_upload_is_pushed_to_disk_and_holds_no_more_than_its_size(void **state)
{
    struct fixture *f = *state;
    struct str bytes = make_bytes(1, (20u << 20) + 5);
    struct digest d;

    calls_start(NULL);
    d = push(f->s, "a", bytes);
    calls_stop();
    assert_int_equal(calls_count("sync_file_range"), 2); /* at 8 and 16 MiB */
    assert_true(calls_count("fallocate") > 0);
    assert_true((uint64_t)stat_blob(f, "a", &d).st_blocks * 512 < bytes.n + 65536);
    free((char *)bytes.p);
}

static void hints_may_fail(void **state)
{
    static const char *const hints[] = {"sync_file_range", "fallocate"};
    struct fixture *f = *state;
    struct str bytes = make_bytes(2, 20u << 20);

    for (size_t i = 0; i < 2; i++) {
        char name[] = {(char)('a' + i), '\0'};
        struct digest d;

        calls_start(&(struct calls_options){hints[i], 0, ENOSYS});
        d = push(f->s, name, bytes);
        calls_stop();
        assert_blob(f->s, name, &d, bytes);
    }
    free((char *)bytes.p);
}

static void file_system_that_cannot_sync_directories_works(void **state)
{
    struct fixture *f = *state;
    struct digest d;

    calls_start(&(struct calls_options){"fsync", 0, EINVAL});
    d = push(f->s, "a", STR("x"));
    calls_stop();
    assert_blob(f->s, "a", &d, STR("x"));
}

/* Past the file system's limit of links, and where links are not possible. */
static void blob_that_cannot_be_linked_is_copied(void **state)
{
    static const int errors[] = {EMLINK, EXDEV, EPERM};
    struct fixture *f = *state;
    struct str bytes = make_bytes(1, 100000);
    struct digest d = push(f->s, "a", bytes);
    struct repo_name a = repo_of("a");

    for (size_t i = 0; i < sizeof(errors) / sizeof(errors[0]); i++) {
        char name[] = {'t', 'o', (char)('a' + i), '\0'};
        struct repo_name to = repo_of(name);

        calls_start(&(struct calls_options){"linkat", 0, errors[i]});
        OK(store_blob_link(f->s, &a, &to, &d, E));
        assert_true(calls_find(0, "fdatasync ") >= 0);
        assert_true(calls_find(0, "fdatasync ") < calls_find(0, "renameat2 "));
        OK(store_blob_link(f->s, &a, &to, &d, E)); /* exists already */
        calls_stop();
        assert_blob(f->s, name, &d, bytes);
        assert_int_equal(stat_blob(f, name, &d).st_nlink, 1);
    }
    assert_nothing_unfinished(f);
    free((char *)bytes.p);
}

/* ENOENT: without /proc. */
static void file_that_cannot_be_linked_is_copied(void **state)
{
    static const int errors[] = {EMLINK, EXDEV, EPERM, ENOENT};
    struct fixture *f = *state;
    struct str bytes = make_bytes(1, 100000);
    struct digest d = push(f->s, "a", bytes);
    struct repo_name a = repo_of("a");
    AUTO(reader) struct reader *r = NULL;
    uint64_t size;

    OK(store_blob_open(f->s, &a, &d, UINT64_MAX, &r, &size, E));
    for (size_t i = 0; i < sizeof(errors) / sizeof(errors[0]); i++) {
        char name[] = {'t', 'o', (char)('a' + i), '\0'};
        struct repo_name to = repo_of(name);

        calls_start(&(struct calls_options){"linkat", 0, errors[i]});
        OK(store_blob_take(f->s, &to, &d, reader_fd(r), E));
        calls_stop();
        assert_blob(f->s, name, &d, bytes);
        assert_int_equal(stat_blob(f, name, &d).st_nlink, 1);
    }
    assert_nothing_unfinished(f);
    free((char *)bytes.p);
}

static void twin_that_cannot_be_linked_is_replaced_by_own_data(void **state)
{
    struct fixture *f = *state;
    struct digest d = push(f->s, "a", STR("x"));
    struct repo_name a = repo_of("a"), b = repo_of("b");

    calls_start(&(struct calls_options){"linkat", 0, EMLINK});
    OK(push_e(f->s, &b, STR("x"), &d, &a, E));
    calls_stop();
    assert_blob(f->s, "b", &d, STR("x"));
    assert_int_equal(stat_blob(f, "a", &d).st_nlink, 1);
    assert_int_equal(stat_blob(f, "b", &d).st_nlink, 1);
}

static void file_system_without_noreplace_works(void **state)
{
    struct fixture *f = *state;
    struct digest d;

    calls_start(&(struct calls_options){"renameat2", 0, EINVAL});
    d = push(f->s, "a", STR("x"));
    push(f->s, "a", STR("x"));
    calls_stop();
    assert_blob(f->s, "a", &d, STR("x"));
    assert_int_equal(stat_blob(f, "a", &d).st_nlink, 1);
    assert_int_equal(count_uploads(f->s), 0);
}

/* A crash between the blob's new name and the end of the upload's: one file with two names. */
static void upload_that_shares_a_blobs_file_is_not_opened(void **state)
{
    struct fixture *f = *state;
    struct repo_name r = repo_of("a");
    struct digest d = sha256_of(STR("x"));
    struct uuid id = new_uuid();
    struct store_upload *u;
    char from[300], to[300];
    uint64_t size;

    OK(store_upload_create(f->s, &id, E));
    OK(store_upload_open(f->s, &id, &u, &size, E));
    OK(store_upload_write(f->s, u, "x", 1, 0, E));
    store_upload_close(f->s, u);
    OK(push_e(f->s, &r, STR("y"), &d, NULL, E)); /* makes the directory */
    OK(store_blob_delete(f->s, &r, &d, false, E));
    snprintf(from, sizeof(from), "%s/temp/uploads/%s/data", f->dir, id.text);
    snprintf(to, sizeof(to), "%s/repositories/a/blobs/%s", f->dir, d.text);
    assert_int_equal(link(from, to), 0);
    FAILS(ERR_BLOB_UPLOAD_UNKNOWN, store_upload_open(f->s, &id, &u, &size, E));
    assert_int_equal(count_uploads(f->s), 1); /* the sweep finds it */
    OK(store_upload_delete(f->s, &id, E));
    assert_blob(f->s, "a", &d, STR("x"));
}

/* The kernel drops what it could not write, and says so once: a second sync would succeed. */
static void failed_sync_ends_the_upload(void **state)
{
    struct fixture *f = *state;
    struct repo_name r = repo_of("a");
    struct digest d = sha256_of(STR("x"));
    struct uuid id = new_uuid();
    struct store_upload *u;
    uint64_t size, durable;

    OK(store_upload_create(f->s, &id, E));
    OK(store_upload_open(f->s, &id, &u, &size, E));
    OK(store_upload_write(f->s, u, "x", 1, 0, E));
    calls_start(&(struct calls_options){"fdatasync", 1, EIO});
    FAILS(ERR_INTERNAL, store_upload_sync(f->s, u, &(struct store_note){0}, &durable, E));
    FAILS(ERR_INTERNAL, store_upload_sync(f->s, u, &(struct store_note){0}, &durable, E));
    FAILS(ERR_INTERNAL, store_upload_write(f->s, u, "y", 1, 1, E));
    FAILS(ERR_INTERNAL, store_upload_commit(f->s, u, &r, &d, NULL, E));
    calls_stop();
    store_upload_close(f->s, u);
    assert_no_blob(f->s, "a", &d);
    FAILS(ERR_BLOB_UPLOAD_UNKNOWN, store_upload_open(f->s, &id, &u, &size, E));
    assert_int_equal(count_uploads(f->s), 0);
}

/* Everything that changes the store once, in the order of a push. */
static enum err_code push_image(struct store *s, size_t *ret_done, struct err *e)
{
    struct repo_name a = repo_of("org/base"), b = repo_of("org/app");
    struct tag_name t = tag_of("latest");
    struct digest d = sha256_of(STR("layer")), m = sha256_of(STR("{}")),
                  other = sha256_of(STR("[]"));

    *ret_done = 0;
    TRY(push_e(s, &a, STR("layer"), &d, NULL, e));
    ++*ret_done;
    TRY(push_e(s, &b, STR("layer"), &d, &a, e));
    ++*ret_done;
    TRY(store_blob_link(s, &a, &b, &d, e));
    ++*ret_done;
    TRY(store_manifest_put(s, &b, &m, STR("{}"), e));
    ++*ret_done;
    TRY(store_tag_put(s, &b, &t, &other, e));
    ++*ret_done;
    TRY(store_tag_put(s, &b, &t, &m, e));
    ++*ret_done;
    TRY(store_tag_sync(s, &b, e));
    ++*ret_done;
    TRY(store_manifests_put(s, &(struct store_manifest){&a, &m, STR("{}")}, 1, e));
    ++*ret_done;
    TRY(store_sync(s, e));
    ++*ret_done;
    return ERR_OK;
}

static void check_image(struct store *s, size_t done)
{
    struct repo_name a = repo_of("org/base"), b = repo_of("org/app");
    struct tag_name t = tag_of("latest");
    struct digest d = sha256_of(STR("layer")), m = sha256_of(STR("{}")), found;
    AUTO(buf) struct buf bytes = {0};
    uint64_t size;

    buf_init(&bytes, 100);
    if (done >= 1 || store_blob_stat(s, &a, &d, &size, E) != ERR_BLOB_UNKNOWN)
        assert_true(blob_is_e(s, &a, &d, STR("layer")));
    if (done >= 2 || store_blob_stat(s, &b, &d, &size, E) != ERR_BLOB_UNKNOWN)
        assert_true(blob_is_e(s, &b, &d, STR("layer")));
    if (done >= 4 || store_manifest_get(s, &b, &m, &bytes, E) != ERR_MANIFEST_UNKNOWN) {
        buf_clear(&bytes);
        OK(store_manifest_get(s, &b, &m, &bytes, E));
        assert_true(str_eq(buf_str(&bytes), STR("{}")));
    }
    if (done >= 6) {
        OK(store_tag_get(s, &b, &t, &found, E));
        assert_true(digest_eq(&found, &m));
    }
}

/* The n-th call to the kernel fails with error; false when there is no n-th. */
static bool fail_nth(struct fixture *f, size_t n, int error, enum err_code want)
{
    enum err_code code;
    size_t done, total;

    calls_start(&(struct calls_options){"", n, error});
    code = push_image(f->s, &done, E);
    calls_stop();
    total = calls_count("");
    if (code != ERR_OK && code != want)
        fail_msg("call %zu, '%s': %s (%s)", n, calls_at(n - 1), err_name(code), last_err.detail);
    check_image(f->s, done);
    fixture_reopen(f);
    check_image(f->s, done);
    assert_nothing_unfinished(f);
    delete_uploads(f->s);
    OK(push_image(f->s, &done, E));
    check_image(f->s, done);
    assert_int_equal(count_uploads(f->s), 0);
    return n <= total;
}

static void any_failing_call_leaves_the_store_whole(void **state)
{
    static const struct {
        int error;
        enum err_code code;
    } errors[] = {{EIO, ERR_INTERNAL}, {ENOSPC, ERR_STORAGE_FULL}, {EROFS, ERR_STORAGE_READONLY}};

    for (size_t i = 0; i < sizeof(errors) / sizeof(errors[0]); i++) {
        bool more = true;

        for (size_t n = 1; more; n++) {
            more = fail_nth(*state, n, errors[i].error, errors[i].code);
            if (!more && n <= 30)
                fail_msg("%d: only %zu calls", errors[i].error, n);
            teardown(state);
            setup(state);
        }
    }
}

static void any_failing_call_at_open_is_reported_or_harmless(void **state)
{
    struct fixture *f = *state;
    struct store_fs_options o = {.root = f->dir, .fsync = true};
    bool more = true;

    store_free(f->s);
    f->s = NULL;
    for (size_t n = 1; more; n++) {
        struct store *s = NULL;
        enum err_code code;

        calls_start(&(struct calls_options){"", n, EROFS});
        code = store_fs_new(&o, &s, E);
        calls_stop();
        more = n <= calls_count("");
        if (code != ERR_OK) {
            assert_int_equal(code, ERR_STORAGE_READONLY);
            assert_non_null(strstr(last_err.detail, f->dir));
        }
        store_free(s);
    }
    f->s = f->variant->make(f->dir);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(commit_syncs_data_then_names_it_then_syncs_one_directory),
        TEST(of_a_commit_that_was_prepared_a_name_and_one_sync_are_left),
        TEST(a_commit_that_was_prepared_compares_nothing),
        TEST(manifest_is_synced_before_it_gets_its_name),
        TEST(manifests_that_are_put_together_are_synced_together),
        TEST(file_that_is_taken_costs_no_sync),
        TEST(existing_blob_costs_one_directory_sync),
        TEST(directories_that_are_made_become_durable),
        TEST(directories_found_are_not_taken_for_durable),
        TEST(deletions_are_synced),
        TEST(tags_are_synced_only_when_asked),
        TEST(without_fsync_nothing_is_synced),
        TEST(large_upload_is_pushed_to_disk_and_holds_no_more_than_its_size),
        TEST(hints_may_fail),
        TEST(file_system_that_cannot_sync_directories_works),
        TEST(blob_that_cannot_be_linked_is_copied),
        TEST(file_that_cannot_be_linked_is_copied),
        TEST(twin_that_cannot_be_linked_is_replaced_by_own_data),
        TEST(file_system_without_noreplace_works),
        TEST(upload_that_shares_a_blobs_file_is_not_opened),
        TEST(failed_sync_ends_the_upload),
        TEST(any_failing_call_leaves_the_store_whole),
        TEST(any_failing_call_at_open_is_reported_or_harmless),
    };

    /* Thousands of small files, and nothing depends on the file system. */
    if (access("/dev/shm", W_OK) == 0)
        setenv("TMPDIR", "/dev/shm", 1);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
