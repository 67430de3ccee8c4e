#include "base/cron.h"

#include "base/clock.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

/* The next time after that one. */
static void assert_next(const char *text, const char *after, const char *next)
{
    char found[CLOCK_RFC3339_SIZE], wanted[CLOCK_RFC3339_SIZE];
    struct cron c;
    struct err e;
    int64_t after_ms, next_ms;

    assert_int_equal(cron_parse(str_of(text), &c, &e), ERR_OK);
    assert_true(clock_parse(str_of(after), &after_ms) && clock_parse(str_of(next), &next_ms));
    clock_rfc3339(cron_next(&c, after_ms), found);
    clock_rfc3339(next_ms, wanted);
    assert_string_equal(found, wanted);
}

static void a_time_comes_every_day(void **state)
{
    (void)state;
    assert_next("30 3 * * *", "2026-01-31T03:29:59Z", "2026-01-31T03:30:00Z");
    assert_next("30 3 * * *", "2026-01-31T03:30:00Z", "2026-02-01T03:30:00Z");
    assert_next("0 0 * * *", "2025-12-31T00:00:00Z", "2026-01-01T00:00:00Z");
}

static void minutes_come_in_steps_ranges_and_lists(void **state)
{
    (void)state;
    assert_next("*/15 * * * *", "2026-01-31T03:15:00Z", "2026-01-31T03:30:00Z");
    assert_next("10-20/5 * * * *", "2026-01-31T03:16:00Z", "2026-01-31T03:20:00Z");
    assert_next("5,50 4-6 * * *", "2026-01-31T03:10:00Z", "2026-01-31T04:05:00Z");
    assert_next("50/5 * * * *", "2026-01-31T03:51:00Z", "2026-01-31T03:55:00Z");
}

static void days_come_by_month_and_by_week(void **state)
{
    (void)state;
    assert_next("0 3 1 * *", "2026-01-31T04:00:00Z", "2026-02-01T03:00:00Z");
    assert_next("0 3 * * 0", "2026-01-31T04:00:00Z", "2026-02-01T03:00:00Z"); /* a Sunday */
    assert_next("0 3 * * 7", "2026-01-31T04:00:00Z", "2026-02-01T03:00:00Z");
    assert_next("0 3 29 2 *", "2026-01-31T04:00:00Z", "2028-02-29T03:00:00Z");
}

static void one_of_two_days_is_enough(void **state)
{
    (void)state;
    assert_next("0 3 15 * 1", "2026-01-31T04:00:00Z", "2026-02-02T03:00:00Z"); /* a Monday */
    assert_next("0 3 1 * 1", "2026-01-31T04:00:00Z", "2026-02-01T03:00:00Z");
}

static void a_zone_has_a_distance(void **state)
{
    (void)state;
    assert_next("0 3 * * * +02:00", "2026-01-31T00:00:00Z", "2026-01-31T01:00:00Z");
    assert_next("0 3 * * * -05:30", "2026-01-31T00:00:00Z", "2026-01-31T08:30:00Z");
    assert_next("0 3 * * * UTC", "2026-01-31T00:00:00Z", "2026-01-31T03:00:00Z");
}

/* Europe, 2026: forward on 29 March, 01:00 UTC; back on 25 October. */
static void the_clocks_of_the_machine_are_put_forward_and_back(void **state)
{
    (void)state;
    setenv("TZ", "CET-1CEST,M3.5.0,M10.5.0/3", 1);
    tzset();
    assert_next("30 3 * * * local", "2026-03-28T12:00:00Z", "2026-03-29T01:30:00Z");
    assert_next("30 2 * * * local", "2026-03-28T12:00:00Z", "2026-03-30T00:30:00Z");
    assert_next("30 2 * * * local", "2026-10-24T12:00:00Z", "2026-10-25T00:30:00Z");
    unsetenv("TZ");
    tzset();
}

static void a_day_that_never_comes_has_no_time(void **state)
{
    struct cron c;
    struct err e;

    (void)state;
    assert_int_equal(cron_parse(STR("0 0 30 2 *"), &c, &e), ERR_OK);
    assert_int_equal(cron_next(&c, 1700000000000), 0);
}

static void what_is_no_time_is_refused(void **state)
{
    static const char *const texts[] = {"",
                                        "* * * *",
                                        "60 * * * *",
                                        "* 24 * * *",
                                        "* * 0 * *",
                                        "* * * 13 *",
                                        "* * * * 8",
                                        "5-1 * * * *",
                                        "*/0 * * * *",
                                        "a * * * *",
                                        "1, * * * *",
                                        "* * * * * No/Where",
                                        "* * * * * +2:00",
                                        "* * * * * UTC x",
                                        "1--2 * * * *",
                                        "*/ * * * *",
                                        "-1 * * * *"};
    struct cron c;
    struct err e;

    (void)state;
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
        assert_int_equal(cron_parse(str_of(texts[i]), &c, &e), ERR_CONFIG);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_time_comes_every_day),
        cmocka_unit_test(minutes_come_in_steps_ranges_and_lists),
        cmocka_unit_test(days_come_by_month_and_by_week),
        cmocka_unit_test(one_of_two_days_is_enough),
        cmocka_unit_test(a_zone_has_a_distance),
        cmocka_unit_test(the_clocks_of_the_machine_are_put_forward_and_back),
        cmocka_unit_test(a_day_that_never_comes_has_no_time),
        cmocka_unit_test(what_is_no_time_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
