#include "scan/generation.h"

#include "base/cleanup.h"
#include "base/file.h"
#include "data_files.h"
#include "temp_dir.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include <cmocka.h>

#define FIRST     "2026-11-01T00:00:00Z"
#define SECOND    "2026-11-02T00:00:00Z"
#define FIRST_MS  1793491200000
#define SECOND_MS 1793577600000

struct fixture {
    char dir[TEMP_DIR_MAX];
    struct generations g;
    struct err e;
};

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));

    temp_dir_make(f->dir, TEMP_DIR_DISK);
    assert_int_equal(generations_open(f->dir, &f->g, &f->e), ERR_OK);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    generations_done(&f->g);
    temp_dir_remove(f->dir);
    free(f);
    return 0;
}

static const char *part_path(const struct fixture *f, const char *part)
{
    static char path[TEMP_PATH_MAX];

    snprintf(path, sizeof(path), "%s/%s", f->dir, part);
    return path;
}

/* A new generation of what stands in the directory. */
static enum err_code take(struct fixture *f)
{
    AUTO(data_draft) struct data_draft d = {0};

    TRY(data_draft_new(&f->g, &d, &f->e));
    TRY(data_draft_copy(&d, DATA_DB, part_path(f, "db"), "here", NULL, NULL, &f->e));
    return data_draft_switch(&d, &f->e);
}

static size_t count(const struct fixture *f, const char *in)
{
    AUTO(dir) DIR *dir = opendir(part_path(f, in));
    size_t n = 0;

    assert_non_null(dir);
    while (readdir(dir))
        n++;
    return n - 2;
}

static void without_data_there_is_none(void **state)
{
    struct fixture *f = *state;
    AUTO(generation) struct generation x = {.fd = -1};

    assert_int_equal(generation_hold(&f->g, &x, &f->e), ERR_NOT_FOUND);
    assert_int_equal(x.fd, -1);
}

static void what_is_taken_is_held_as_it_was(void **state)
{
    struct fixture *f = *state;
    AUTO(generation) struct generation x = {.fd = -1};
    char db[PATH_MAX + 32];

    data_files_db(f->dir, FIRST);
    assert_int_equal(take(f), ERR_OK);
    data_files_db(f->dir, SECOND);
    assert_int_equal(generation_hold(&f->g, &x, &f->e), ERR_OK);
    assert_true(x.parts[DATA_DB].there);
    assert_false(x.parts[DATA_JAVA].there);
    assert_true(x.parts[DATA_DB].updated_ms == FIRST_MS);
    assert_string_equal(x.parts[DATA_DB].origin, "here");
    snprintf(db, sizeof(db), "%s/db/trivy.db", x.path);
    assert_int_equal(access(db, R_OK), 0);
}

static void a_newer_one_leaves_the_one_in_use(void **state)
{
    struct fixture *f = *state;
    AUTO(generation) struct generation old = {.fd = -1}, new = {.fd = -1};

    data_files_db(f->dir, FIRST);
    assert_int_equal(take(f), ERR_OK);
    assert_int_equal(generation_hold(&f->g, &old, &f->e), ERR_OK);
    data_files_db(f->dir, SECOND);
    assert_int_equal(take(f), ERR_OK);
    assert_int_equal(generation_hold(&f->g, &new, &f->e), ERR_OK);
    assert_true(new.parts[DATA_DB].updated_ms == SECOND_MS);
    generations_sweep(&f->g);
    assert_int_equal(access(old.path, F_OK), 0);
    generation_release(&old);
    generations_sweep(&f->g);
    assert_int_not_equal(access(old.path, F_OK), 0);
    assert_int_equal(access(new.path, F_OK), 0);
    assert_int_equal(count(f, "generations"), 1);
}

static void a_draft_is_no_leftover_while_it_is_made(void **state)
{
    struct fixture *f = *state;
    struct data_draft d = {0};

    assert_int_equal(data_draft_new(&f->g, &d, &f->e), ERR_OK);
    generations_sweep(&f->g);
    assert_int_equal(access(d.path, F_OK), 0);
    data_draft_done(&d);
    assert_int_equal(count(f, "incoming"), 0);
}

static void what_a_crash_leaves_is_swept(void **state)
{
    struct fixture *f = *state;
    struct data_draft d = {0};

    assert_int_equal(data_draft_new(&f->g, &d, &f->e), ERR_OK);
    close(d.fd); /* as the kernel does */
    generations_sweep(&f->g);
    assert_int_equal(count(f, "incoming"), 0);
}

static void the_link_of_a_switch_that_was_broken_off_is_swept(void **state)
{
    struct fixture *f = *state;
    struct stat st;

    assert_int_equal(symlinkat("generations/1-a", f->g.fd, "incoming/1-a.link"), 0);
    generations_sweep(&f->g);
    assert_int_not_equal(fstatat(f->g.fd, "incoming/1-a.link", &st, AT_SYMLINK_NOFOLLOW), 0);
}

static void half_a_database_is_refused(void **state)
{
    struct fixture *f = *state;
    AUTO(generation) struct generation x = {.fd = -1};

    data_files_db(f->dir, FIRST);
    assert_int_equal(take(f), ERR_OK);
    data_files_db(f->dir, SECOND);
    data_files_cut(f->dir);
    assert_int_equal(take(f), ERR_CORRUPT);
    assert_int_equal(generation_hold(&f->g, &x, &f->e), ERR_OK);
    assert_true(x.parts[DATA_DB].updated_ms == FIRST_MS);
    assert_int_equal(count(f, "incoming"), 0);
}

static void a_database_without_a_time_is_refused(void **state)
{
    struct fixture *f = *state;

    data_files_db(f->dir, "yesterday");
    assert_int_equal(take(f), ERR_CORRUPT);
    data_files_db(f->dir, "\",\"UpdatedAt\":\"");
    assert_int_equal(take(f), ERR_CORRUPT);
}

static void a_part_that_did_not_change_is_linked(void **state)
{
    struct fixture *f = *state;
    AUTO(generation) struct generation old = {.fd = -1}, new = {.fd = -1};
    AUTO(data_draft) struct data_draft d = {0};
    struct stat st;
    char path[PATH_MAX + 32];

    data_files_db(f->dir, FIRST);
    assert_int_equal(take(f), ERR_OK);
    assert_int_equal(generation_hold(&f->g, &old, &f->e), ERR_OK);
    assert_int_equal(data_draft_new(&f->g, &d, &f->e), ERR_OK);
    snprintf(path, sizeof(path), "%s/fetched", d.path);
    assert_int_equal(mkdir(path, 0700), 0);
    data_files_java(path, SECOND);
    snprintf(path, sizeof(path), "%s/fetched/java-db", d.path);
    assert_int_equal(data_draft_keep(&d, DATA_DB, &old, &f->e), ERR_OK);
    snprintf(path, sizeof(path), "%s/fetched/java-db", d.path);
    assert_int_equal(data_draft_add(&d, DATA_JAVA, path, "there", &f->e), ERR_OK);
    assert_int_equal(data_draft_switch(&d, &f->e), ERR_OK);
    assert_int_equal(generation_hold(&f->g, &new, &f->e), ERR_OK);
    assert_string_equal(new.parts[DATA_DB].origin, "here");
    assert_string_equal(new.parts[DATA_JAVA].origin, "there");
    snprintf(path, sizeof(path), "%s/db/trivy.db", new.path);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_nlink, 2);
}

static void replacing_a_file_changes_its_stamp(void **state)
{
    struct fixture *f = *state;
    char none[DATA_ORIGIN_SIZE], first[DATA_ORIGIN_SIZE], same[DATA_ORIGIN_SIZE],
        second[DATA_ORIGIN_SIZE];

    data_stamp(part_path(f, "db"), DATA_DB, none);
    assert_string_equal(none, "");
    data_files_db(f->dir, FIRST);
    data_stamp(part_path(f, "db"), DATA_DB, first);
    assert_int_equal(take(f), ERR_OK);
    data_stamp(part_path(f, "db"), DATA_DB, same);
    data_files_cut(f->dir);
    data_stamp(part_path(f, "db"), DATA_DB, second);
    assert_string_not_equal(first, "");
    assert_string_equal(first, same);
    assert_string_not_equal(first, second);
}

static bool never(void *ctx)
{
    (void)ctx;
    return false;
}

static void copying_ends_when_it_is_told_to(void **state)
{
    struct fixture *f = *state;
    AUTO(data_draft) struct data_draft d = {0};

    data_files_db(f->dir, FIRST);
    assert_int_equal(data_draft_new(&f->g, &d, &f->e), ERR_OK);
    assert_int_equal(data_draft_copy(&d, DATA_DB, part_path(f, "db"), "", never, NULL, &f->e),
                     ERR_LATER);
}

static void a_link_to_somewhere_else_is_not_followed(void **state)
{
    struct fixture *f = *state;
    AUTO(generation) struct generation x = {.fd = -1};

    assert_int_equal(symlinkat("generations/../../etc", f->g.fd, "current"), 0);
    assert_int_equal(generation_hold(&f->g, &x, &f->e), ERR_NOT_FOUND);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(without_data_there_is_none, setup, teardown),
        cmocka_unit_test_setup_teardown(what_is_taken_is_held_as_it_was, setup, teardown),
        cmocka_unit_test_setup_teardown(a_newer_one_leaves_the_one_in_use, setup, teardown),
        cmocka_unit_test_setup_teardown(a_draft_is_no_leftover_while_it_is_made, setup, teardown),
        cmocka_unit_test_setup_teardown(what_a_crash_leaves_is_swept, setup, teardown),
        cmocka_unit_test_setup_teardown(the_link_of_a_switch_that_was_broken_off_is_swept, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(half_a_database_is_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(a_database_without_a_time_is_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(a_part_that_did_not_change_is_linked, setup, teardown),
        cmocka_unit_test_setup_teardown(replacing_a_file_changes_its_stamp, setup, teardown),
        cmocka_unit_test_setup_teardown(copying_ends_when_it_is_told_to, setup, teardown),
        cmocka_unit_test_setup_teardown(a_link_to_somewhere_else_is_not_followed, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
