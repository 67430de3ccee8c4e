/* Work that gives way while requests are served. */
#include "base/clock.h"
#include "base/pace.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define LONG_AGO_US ((PACE_REQUEST_MS + 60000) * (int64_t)1000)

static void nobody_asks(void)
{
    pace_request(clock_mono_us() - LONG_AGO_US);
}

/* A moment ago, however long this process was kept from its turn since. */
static void somebody_asks(void)
{
    pace_request(clock_mono_us() + LONG_AGO_US);
}

static struct pace that_worked_ms(uint64_t share, int64_t ms)
{
    struct pace p = pace_begin(share);

    p.since_us -= ms * 1000;
    return p;
}

static void it_gives_no_way_while_nobody_asks(void **state)
{
    const struct pace p = that_worked_ms(25, 30);

    (void)state;
    nobody_asks();
    assert_false(pace_gives_way(&p));
    assert_int_equal(pace_fits(&p, 256), 256);
    assert_int_equal(pace_rest_ms(&p), 0);
}

static void it_rests_for_what_is_not_its_share(void **state)
{
    const struct pace p = that_worked_ms(25, 30);

    (void)state;
    somebody_asks();
    assert_in_range(pace_rest_ms(&p), 90, 100);
}

static void a_piece_that_took_long_is_not_paid_for_for_long(void **state)
{
    const struct pace p = that_worked_ms(1, 60000);

    (void)state;
    somebody_asks();
    assert_in_range(pace_rest_ms(&p), 1, 1000);
}

static void it_has_nothing_to_rest_for_after_a_rest(void **state)
{
    struct pace p = that_worked_ms(99, 3000);

    (void)state;
    somebody_asks();
    assert_true(pace_rest_ms(&p) >= 30);
    pace_rested(&p); /* what follows would have to take seconds for a rest as long */
    assert_true(pace_rest_ms(&p) < 30);
}

static void all_of_the_time_is_never_given(void **state)
{
    const struct pace all = that_worked_ms(100, 30), none = that_worked_ms(0, 30);

    (void)state;
    somebody_asks();
    assert_false(pace_gives_way(&all));
    assert_false(pace_gives_way(&none));
}

static void a_piece_that_took_too_long_is_followed_by_a_shorter_one(void **state)
{
    struct pace p = pace_begin(25);

    (void)state;
    somebody_asks();
    pace_took(&p, 256, 2 * PACE_PIECE_MS * 1000);
    assert_int_equal(pace_fits(&p, 256), 128);
}

static void pieces_grow_by_twice_at_most(void **state)
{
    struct pace p = pace_begin(25);

    (void)state;
    somebody_asks();
    pace_took(&p, 100, 1);
    assert_int_equal(pace_fits(&p, 256), 200);
    pace_took(&p, 200, 0);
    assert_int_equal(pace_fits(&p, 256), 256);
}

static void a_piece_is_never_of_nothing(void **state)
{
    struct pace p = pace_begin(25);

    (void)state;
    somebody_asks();
    pace_took(&p, 256, INT64_MAX / 2);
    assert_true(pace_fits(&p, 256) > 0);
    assert_int_equal(pace_fits(&p, 1), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_gives_no_way_while_nobody_asks),
        cmocka_unit_test(it_rests_for_what_is_not_its_share),
        cmocka_unit_test(a_piece_that_took_long_is_not_paid_for_for_long),
        cmocka_unit_test(it_has_nothing_to_rest_for_after_a_rest),
        cmocka_unit_test(all_of_the_time_is_never_given),
        cmocka_unit_test(a_piece_that_took_too_long_is_followed_by_a_shorter_one),
        cmocka_unit_test(pieces_grow_by_twice_at_most),
        cmocka_unit_test(a_piece_is_never_of_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
