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
        cmocka_unit_test(monotonic_time_does_not_go_back),
        cmocka_unit_test(wall_time_is_of_this_century),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
