#include "base/cleanup.h"
#include "base/file.h"
#include "temp_dir.h"

#include <fcntl.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

struct fixture {
    char path[TEMP_DIR_MAX];
    int fd;
};

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));

    temp_dir_make(f->path, TEMP_DIR_DISK);
    f->fd = open(f->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    *state = f;
    return f->fd < 0 ? -1 : 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    close(f->fd);
    temp_dir_remove(f->path);
    free(f);
    return 0;
}

static int make(struct fixture *f, const char *name)
{
    int fd = openat(f->fd, name, O_RDWR | O_CREAT | O_CLOEXEC, 0600);

    assert_true(fd >= 0);
    return fd;
}

static void writes_and_reads_whole_files(void **state)
{
    struct fixture *f = *state;
    AUTO(fd) int fd = make(f, "x");
    AUTO(buf) struct buf b = {0};
    struct err e;

    buf_init(&b, 100);
    assert_int_equal(file_write_all(fd, "hello", 5), 0);
    assert_int_equal(file_pwrite_all(fd, "J", 1, 0), 0);
    assert_int_equal(file_pwrite_all(fd, "!", 1, 5), 0);
    assert_int_equal(file_pwrite_all(fd, NULL, 0, 0), 0);
    assert_int_equal(file_read_at(f->fd, "x", &b, &e), ERR_OK);
    assert_string_equal(buf_text(&b), "Jello!");
}

static void a_read_ends_with_the_file(void **state)
{
    struct fixture *f = *state;
    AUTO(fd) int in = make(f, "x");
    AUTO(fd) int out = openat(f->fd, "x", O_RDONLY | O_CLOEXEC);
    char got[8] = "";

    assert_int_equal(file_write_all(in, "hello", 5), 0);
    assert_int_equal(file_pread_all(out, got, 3, 1), 3);
    assert_memory_equal(got, "ell", 3);
    assert_int_equal(file_pread_all(out, got, sizeof(got), 2), 3);
    assert_memory_equal(got, "llo", 3);
    assert_int_equal(file_pread_all(out, got, sizeof(got), 5), 0);
    assert_int_equal(file_pread_all(-1, got, 1, 0), -1);
}

static void a_failed_write_returns_minus_one(void **state)
{
    struct fixture *f = *state;
    AUTO(fd) int fd = -1;

    close(make(f, "x"));
    fd = openat(f->fd, "x", O_RDONLY | O_CLOEXEC);
    assert_int_equal(file_write_all(fd, "a", 1), -1);
    assert_int_equal(file_pwrite_all(fd, "a", 1, 0), -1);
}

static void reading_stops_at_the_bound(void **state)
{
    struct fixture *f = *state;
    AUTO(fd) int fd = make(f, "x");
    AUTO(buf) struct buf exact = {0};
    AUTO(buf) struct buf small = {0};
    struct err e;

    assert_int_equal(file_write_all(fd, "hello", 5), 0);
    buf_init(&exact, 5);
    buf_init(&small, 4);
    assert_int_equal(file_read_at(f->fd, "x", &exact, &e), ERR_OK);
    assert_int_equal(exact.n, 5);
    assert_int_equal(file_read_at(f->fd, "x", &small, &e), ERR_CORRUPT);
}

static void a_file_that_tells_no_size_is_bounded_too(void **state)
{
    AUTO(buf) struct buf b = {0};
    struct err e;

    (void)state;
    buf_init(&b, 100);
    assert_int_equal(file_read_at(AT_FDCWD, "/dev/zero", &b, &e), ERR_CORRUPT);
}

static void a_missing_file_is_an_error(void **state)
{
    struct fixture *f = *state;
    AUTO(buf) struct buf b = {0};
    struct err e;

    buf_init(&b, 100);
    assert_int_equal(file_read_at(f->fd, "none", &b, &e), ERR_INTERNAL);
    assert_non_null(strstr(e.detail, "none"));
}

static void directories_are_made_below(void **state)
{
    struct fixture *f = *state;
    struct stat st;
    struct err e;

    for (int again = 0; again < 2; again++)
        assert_int_equal(file_mkdirs_at(f->fd, "a/b/c", true, &e), ERR_OK);
    assert_int_equal(file_mkdirs_at(f->fd, "a/d/", false, &e), ERR_OK);
    assert_int_equal(fstatat(f->fd, "a/b/c", &st, 0), 0);
    assert_true(S_ISDIR(st.st_mode));
    assert_int_equal(fstatat(f->fd, "a/d", &st, 0), 0);
}

static void a_file_in_the_way_of_a_directory_is_an_error(void **state)
{
    struct fixture *f = *state;
    struct err e;

    close(make(f, "x"));
    assert_int_not_equal(file_mkdirs_at(f->fd, "x/y", false, &e), ERR_OK);
    assert_int_not_equal(file_mkdirs_at(f->fd, "x", false, &e), ERR_OK);
}

static void a_link_to_a_directory_is_as_good(void **state)
{
    struct fixture *f = *state;
    struct err e;

    assert_int_equal(mkdirat(f->fd, "real", 0700), 0);
    assert_int_equal(symlinkat("real", f->fd, "link"), 0);
    assert_int_equal(file_mkdirs_at(f->fd, "link", false, &e), ERR_OK);
    assert_int_equal(file_mkdirs_at(f->fd, "link/sub", false, &e), ERR_OK);
    assert_int_equal(faccessat(f->fd, "real/sub", F_OK, 0), 0);
}

static void paths_are_bounded(void **state)
{
    struct fixture *f = *state;
    char path[PATH_MAX + 1];
    struct err e;

    memset(path, 'a', sizeof(path));
    path[PATH_MAX] = '\0';
    assert_int_equal(file_mkdirs_at(f->fd, path, false, &e), ERR_INTERNAL);
    assert_int_equal(file_mkdirs_at(f->fd, "", false, &e), ERR_INTERNAL);
}

static void the_parent_is_synced(void **state)
{
    struct fixture *f = *state;
    struct err e;

    assert_int_equal(file_mkdirs_at(f->fd, "a", false, &e), ERR_OK);
    assert_int_equal(file_sync_parent_at(f->fd, "a/x", &e), ERR_OK);
    assert_int_equal(file_sync_parent_at(f->fd, "x", &e), ERR_OK);
    assert_int_equal(file_sync_parent_at(f->fd, "/tmp", &e), ERR_OK);
    assert_int_not_equal(file_sync_parent_at(f->fd, "none/x", &e), ERR_OK);
}

static void a_tree_is_removed_and_links_are_not_followed(void **state)
{
    struct fixture *f = *state;
    struct err e;

    assert_int_equal(file_mkdirs_at(f->fd, "kept/x", false, &e), ERR_OK);
    assert_int_equal(file_mkdirs_at(f->fd, "tree/a/b", false, &e), ERR_OK);
    assert_int_equal(symlinkat("../kept", f->fd, "tree/link"), 0);
    assert_int_equal(file_remove_tree_at(f->fd, "tree", &e), ERR_OK);
    assert_int_not_equal(faccessat(f->fd, "tree", F_OK, 0), 0);
    assert_int_equal(faccessat(f->fd, "kept/x", F_OK, 0), 0);
    assert_int_equal(file_remove_tree_at(f->fd, "tree", &e), ERR_OK);
    assert_int_equal(file_remove_tree_at(f->fd, "kept", &e), ERR_OK);
}

static void a_tree_that_is_too_deep_is_left(void **state)
{
    struct fixture *f = *state;
    char path[4 * FILE_TREE_DEPTH + 1] = "";
    struct err e;

    for (int i = 0; i < FILE_TREE_DEPTH + 8; i++)
        strcat(path, i ? "/d" : "d");
    assert_int_equal(file_mkdirs_at(f->fd, path, false, &e), ERR_OK);
    assert_int_equal(file_remove_tree_at(f->fd, "d", &e), ERR_INTERNAL);
    assert_int_equal(faccessat(f->fd, path, F_OK, 0), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_tree_is_removed_and_links_are_not_followed, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(a_tree_that_is_too_deep_is_left, setup, teardown),
        cmocka_unit_test_setup_teardown(writes_and_reads_whole_files, setup, teardown),
        cmocka_unit_test_setup_teardown(a_read_ends_with_the_file, setup, teardown),
        cmocka_unit_test_setup_teardown(a_failed_write_returns_minus_one, setup, teardown),
        cmocka_unit_test_setup_teardown(reading_stops_at_the_bound, setup, teardown),
        cmocka_unit_test(a_file_that_tells_no_size_is_bounded_too),
        cmocka_unit_test_setup_teardown(a_missing_file_is_an_error, setup, teardown),
        cmocka_unit_test_setup_teardown(directories_are_made_below, setup, teardown),
        cmocka_unit_test_setup_teardown(a_file_in_the_way_of_a_directory_is_an_error, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(a_link_to_a_directory_is_as_good, setup, teardown),
        cmocka_unit_test_setup_teardown(paths_are_bounded, setup, teardown),
        cmocka_unit_test_setup_teardown(the_parent_is_synced, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
