#include "store/s3/ahead.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static const struct s3_ahead_shape shape = {
    .whole = 100, .first = 50, .beside = 20, .width = 2, .window = 30};

/* After so many windows of three reads, of which each waited so often before it; and now it waits
 * again, if it did then. */
static struct s3_ahead reader(unsigned windows, unsigned waits)
{
    struct s3_ahead a = {.shape = &shape};

    for (unsigned i = 0; i <= 3 * windows; i++) {
        for (unsigned k = 0; k < waits; k++)
            s3_ahead_wait(&a);
        if (i < 3 * windows)
            (void)!s3_ahead_read(&a, 10);
    }
    return a;
}

static void a_small_blob_is_one_range(void **state)
{
    struct s3_ahead a = reader(0, 0);

    (void)state;
    assert_int_equal(s3_ahead_length(&a, 0, 100, false), 100);
}

static void a_large_blob_begins_with_a_range_that_shows_how_fast_it_comes(void **state)
{
    struct s3_ahead a = reader(0, 0);

    (void)state;
    assert_int_equal(s3_ahead_length(&a, 0, 1000, false), 50);
    assert_int_equal(s3_ahead_length(&a, 50, 1000, false), 950);
}

static void ranges_beside_others_have_one_length_but_for_the_last(void **state)
{
    struct s3_ahead a = reader(0, 0);

    (void)state;
    assert_int_equal(s3_ahead_length(&a, 50, 1000, true), 20);
    assert_int_equal(s3_ahead_length(&a, 990, 1000, true), 10);
}

static void a_reader_for_which_there_is_always_something_needs_one_connection(void **state)
{
    struct s3_ahead a = reader(10, 0);

    (void)state;
    assert_int_equal(a.width, 0);
}

static void with_each_window_that_is_waited_in_another_connection_helps(void **state)
{
    (void)state;
    assert_int_equal(reader(1, 1).width, 1);
    assert_int_equal(reader(2, 1).width, 2);
    assert_int_equal(reader(9, 1).width, 2);
}

static void a_wait_now_and_then_is_no_slow_server(void **state)
{
    struct s3_ahead a = {.shape = &shape};

    (void)state;
    s3_ahead_wait(&a);
    for (unsigned i = 0; i < 30; i++)
        (void)!s3_ahead_read(&a, 1);
    assert_int_equal(a.width, 0);
}

static void what_readers_keep_together_is_bounded(void **state)
{
    struct s3_ahead_room room = {.max_bytes = 50};

    (void)state;
    assert_true(s3_ahead_take(&room, 30));
    assert_false(s3_ahead_take(&room, 30));
    assert_true(s3_ahead_take(&room, 20));
    s3_ahead_give(&room, 30);
    assert_true(s3_ahead_take(&room, 30));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_small_blob_is_one_range),
        cmocka_unit_test(a_large_blob_begins_with_a_range_that_shows_how_fast_it_comes),
        cmocka_unit_test(ranges_beside_others_have_one_length_but_for_the_last),
        cmocka_unit_test(a_reader_for_which_there_is_always_something_needs_one_connection),
        cmocka_unit_test(with_each_window_that_is_waited_in_another_connection_helps),
        cmocka_unit_test(a_wait_now_and_then_is_no_slow_server),
        cmocka_unit_test(what_readers_keep_together_is_bounded),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
