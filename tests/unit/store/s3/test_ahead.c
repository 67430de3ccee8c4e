#include "store/s3/ahead.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static const struct s3_ahead_shape shape = {
    .whole = 100, .first = 50, .beside = 20, .width = 2, .window = 30};

#define READER                                                                                     \
    {                                                                                              \
        .shape = &shape                                                                            \
    }

/* Has read so much in pieces of 10 bytes, and waited so often before each, in so many us; and now
 * it waits. */
static bool wants_more(uint64_t n_bytes, unsigned waits, int64_t us)
{
    struct s3_ahead a = READER;

    s3_ahead_wait(&a, 1);
    for (uint64_t at = 0; at < n_bytes; at += 10) {
        for (unsigned k = 0; k < waits; k++)
            s3_ahead_wait(&a, 1);
        (void)!s3_ahead_read(&a, 10);
    }
    s3_ahead_wait(&a, 1 + us);
    return a.wide;
}

static void a_small_blob_is_one_range(void **state)
{
    struct s3_ahead a = READER;

    (void)state;
    assert_int_equal(s3_ahead_length(&a, 0, 100, false), 100);
}

static void a_large_blob_begins_with_a_range_that_shows_how_fast_it_comes(void **state)
{
    struct s3_ahead a = READER;

    (void)state;
    assert_int_equal(s3_ahead_length(&a, 0, 1000, false), 50);
    assert_int_equal(s3_ahead_length(&a, 50, 1000, false), 950);
}

static void ranges_beside_others_have_one_length_but_for_the_last(void **state)
{
    struct s3_ahead a = READER;

    (void)state;
    assert_int_equal(s3_ahead_length(&a, 50, 1000, true), 20);
    assert_int_equal(s3_ahead_length(&a, 990, 1000, true), 10);
}

static void a_reader_that_waits_for_the_server_wants_more_connections(void **state)
{
    (void)state;
    assert_true(wants_more(50, 1, 1000));
}

static void one_that_there_is_always_something_for_does_not(void **state)
{
    (void)state;
    assert_false(wants_more(100, 0, 1000));
}

static void a_connection_that_fills_its_line_is_enough(void **state)
{
    (void)state;
    assert_false(wants_more(50000, 1, 100));
    assert_true(wants_more(50000, 1, 101));
}

static void the_first_half_of_the_first_range_does_not_decide(void **state)
{
    (void)state;
    assert_false(wants_more(20, 1, 1000));
}

static void once_too_slow_a_connection_is_never_enough_again(void **state)
{
    struct s3_ahead a = READER;

    (void)state;
    s3_ahead_wait(&a, 1);
    (void)!s3_ahead_read(&a, 25);
    s3_ahead_wait(&a, 1000);
    for (unsigned i = 0; i < 100; i++)
        (void)!s3_ahead_read(&a, 10000);
    s3_ahead_wait(&a, 1001);
    assert_true(a.wide);
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
        cmocka_unit_test(a_reader_that_waits_for_the_server_wants_more_connections),
        cmocka_unit_test(one_that_there_is_always_something_for_does_not),
        cmocka_unit_test(a_connection_that_fills_its_line_is_enough),
        cmocka_unit_test(the_first_half_of_the_first_range_does_not_decide),
        cmocka_unit_test(once_too_slow_a_connection_is_never_enough_again),
        cmocka_unit_test(what_readers_keep_together_is_bounded),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
