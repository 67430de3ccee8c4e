#include "base/clock.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static void rfc3339_has_milliseconds_and_utc(void **state)
{
    char text[CLOCK_RFC3339_SIZE];

    (void)state;
    clock_rfc3339(0, text);
    assert_string_equal(text, "1970-01-01T00:00:00.000Z");
    clock_rfc3339(1769903999123, text);
    assert_string_equal(text, "2026-01-31T23:59:59.123Z");
    clock_rfc3339(951782400007, text);
    assert_string_equal(text, "2000-02-29T00:00:00.007Z");
}

static void http_dates_are_imf_fixdate(void **state)
{
    char text[CLOCK_HTTP_SIZE];

    (void)state;
    clock_http(784111777000, text); /* the example of RFC 9110, 5.6.7 */
    assert_string_equal(text, "Sun, 06 Nov 1994 08:49:37 GMT");
    clock_http(1769903999999, text);
    assert_string_equal(text, "Sat, 31 Jan 2026 23:59:59 GMT");
}

static int64_t parsed(const char *text)
{
    int64_t ms = -1;

    return clock_parse(str_of(text), &ms) ? ms : -1;
}

static void times_are_read_as_they_are_written(void **state)
{
    (void)state;
    assert_int_equal(parsed("2026-01-31T23:59:59.123Z"), 1769903999123);
    assert_int_equal(parsed("2026-01-31T23:59:59.1239999Z"), 1769903999123);
    assert_int_equal(parsed("2026-02-01T01:29:59.123+01:30"), 1769903999123);
    assert_int_equal(parsed("2026-01-31t22:59:59.123-01:00"), 1769903999123);
    assert_int_equal(parsed("2026-01-31 23:59"), 1769903940000);
    assert_int_equal(parsed("2000-02-29"), 951782400000);
    assert_int_equal(parsed("1970-01-01"), 0);
}

static void what_is_no_time_is_refused(void **state)
{
    static const char *const texts[] = {
        "",
        "2026",
        "2026-01",
        "2026-1-31",
        "2026-02-30",
        "2026-13-01",
        "2026-00-01",
        "2026-01-00",
        "2026-01-31T",
        "2026-01-31T24:00",
        "1969-12-31",
        "2026-01-31Q",
        "2026-01-31T23:60",
        "2026-01-31T23:59:60",
        "2026-01-31T23:59.Z",
        "2026-01-31T23:59+1",
        "2026-01-31T23:59Zx",
        "+026-01-31",
        "yesterday",
    };

    (void)state;
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
        assert_int_equal(parsed(texts[i]), -1);
}

static void monotonic_time_does_not_go_back(void **state)
{
    int64_t us = clock_mono_us(), ms = clock_mono_ms();

    (void)state;
    assert_true(ms >= us / 1000);
    assert_true(clock_mono_us() >= us);
    assert_true(clock_mono_ms() >= ms);
}

static void wall_time_is_of_this_century(void **state)
{
    (void)state;
    assert_true(clock_wall_ms() > 1700000000000);
    assert_true(clock_wall_ms() < 4102444800000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rfc3339_has_milliseconds_and_utc),
        cmocka_unit_test(http_dates_are_imf_fixdate),
        cmocka_unit_test(times_are_read_as_they_are_written),
        cmocka_unit_test(what_is_no_time_is_refused),
        cmocka_unit_test(monotonic_time_does_not_go_back),
        cmocka_unit_test(wall_time_is_of_this_century),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
