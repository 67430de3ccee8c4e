#include "base/reserve.h"

#include "temp_dir.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#define BYTES (4u << 20)

static char dir[TEMP_DIR_MAX], path[TEMP_PATH_MAX];
static struct err e;

static int setup(void **state)
{
    (void)state;
    temp_dir_make(dir, TEMP_DIR_DISK);
    snprintf(path, sizeof(path), "%s/reserve", dir);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    temp_dir_remove(dir);
    return 0;
}

/* Bytes that the file takes up on the disk. */
static uint64_t taken(void)
{
    struct stat status;

    return stat(path, &status) == 0 ? (uint64_t)status.st_blocks * 512 : 0;
}

static struct reserve *new_reserve(uint64_t bytes)
{
    struct reserve *r = NULL;

    assert_int_equal(reserve_new(path, bytes, &r, &e), ERR_OK);
    return r;
}

/* No file of this process grows past that. */
static void limit_files(rlim_t bytes)
{
    struct rlimit limit;

    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
    limit.rlim_cur = bytes;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

static void test_space_is_taken_not_only_named(void **state)
{
    struct reserve *r = new_reserve(BYTES);

    (void)state;
    assert_in_range(taken(), BYTES, 2 * BYTES);
    assert_true(reserve_held(r));
    reserve_free(r);
    assert_in_range(taken(), BYTES, 2 * BYTES);
}

static void test_giving_up_frees_it_once(void **state)
{
    struct reserve *r = new_reserve(BYTES);

    (void)state;
    assert_true(reserve_give_up(r));
    assert_int_equal(taken(), 0);
    assert_false(reserve_was_held(r));
    assert_false(reserve_give_up(r));
    reserve_free(r);
}

static void test_it_is_taken_back_when_there_is_room(void **state)
{
    struct reserve *r = new_reserve(BYTES);

    (void)state;
    assert_true(reserve_give_up(r));
    limit_files(1000);
    assert_false(reserve_held(r));
    assert_int_equal(taken(), 0);
    limit_files(RLIM_INFINITY);
    assert_true(reserve_held(r));
    assert_in_range(taken(), BYTES, 2 * BYTES);
    reserve_free(r);
}

static void test_no_room_at_the_start_is_no_error(void **state)
{
    struct reserve *r;

    (void)state;
    limit_files(1000);
    r = new_reserve(BYTES);
    limit_files(RLIM_INFINITY);
    assert_false(reserve_was_held(r));
    reserve_free(r);
}

static void test_none_is_wanted(void **state)
{
    (void)state;
    reserve_free(new_reserve(BYTES));
    assert_null(new_reserve(0));
    assert_int_not_equal(access(path, F_OK), 0);
    assert_true(reserve_held(NULL));
    assert_false(reserve_give_up(NULL));
}

static void test_a_smaller_one_gives_the_rest_back(void **state)
{
    (void)state;
    reserve_free(new_reserve(4 * BYTES));
    reserve_free(new_reserve(BYTES));
    assert_in_range(taken(), BYTES, 2 * BYTES);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_space_is_taken_not_only_named, setup, teardown),
        cmocka_unit_test_setup_teardown(test_giving_up_frees_it_once, setup, teardown),
        cmocka_unit_test_setup_teardown(test_it_is_taken_back_when_there_is_room, setup, teardown),
        cmocka_unit_test_setup_teardown(test_no_room_at_the_start_is_no_error, setup, teardown),
        cmocka_unit_test_setup_teardown(test_none_is_wanted, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_smaller_one_gives_the_rest_back, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
