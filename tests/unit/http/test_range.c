#include "http/range.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static struct http_range r[HTTP_RANGES_MAX];
static size_t n;

static enum http_range_verdict parse(const char *text, uint64_t size)
{
    n = 0;
    return http_range_parse(str_of(text), size, r, &n);
}

static void expect_one(const char *text, uint64_t size, uint64_t first, uint64_t bytes)
{
    assert_int_equal(parse(text, size), HTTP_RANGE_OK);
    assert_int_equal(n, 1);
    assert_int_equal(r[0].first_bytes, first);
    assert_int_equal(r[0].n_bytes, bytes);
}

static void single_ranges_are_clipped_to_the_content(void **state)
{
    (void)state;
    expect_one("bytes=0-0", 10, 0, 1);
    expect_one("bytes=2-5", 10, 2, 4);
    expect_one("bytes=5-", 10, 5, 5);
    expect_one("bytes=5-99", 10, 5, 5);
    expect_one("bytes=-3", 10, 7, 3);
    expect_one("bytes=-99", 10, 0, 10);
    expect_one("BYTES=1-1", 10, 1, 1);
    expect_one("bytes= 1-1 ,", 10, 1, 1);
    expect_one("bytes=0-18446744073709551615", 10, 0, 10);
    expect_one("bytes=5-99999999999999999999", 10, 5, 5);
    expect_one("bytes=-99999999999999999999", 10, 0, 10);
}

static void ranges_beyond_the_content_are_unsatisfiable(void **state)
{
    (void)state;
    assert_int_equal(parse("bytes=10-", 10), HTTP_RANGE_UNSATISFIABLE);
    assert_int_equal(parse("bytes=10-20,30-", 10), HTTP_RANGE_UNSATISFIABLE);
    assert_int_equal(parse("bytes=-0", 10), HTTP_RANGE_UNSATISFIABLE);
    assert_int_equal(parse("bytes=99999999999999999999-", 10), HTTP_RANGE_UNSATISFIABLE);
    assert_int_equal(parse("bytes=0-", 0), HTTP_RANGE_UNSATISFIABLE);
    assert_int_equal(parse("bytes=2-1", 10), HTTP_RANGE_UNSATISFIABLE);
    assert_int_equal(parse("bytes=-5", 0), HTTP_RANGE_IGNORE);
}

static void malformed_ranges_are_ignored(void **state)
{
    static const char *const rows[] = {
        "",
        "bytes",
        "bytes=",
        "bytes=-",
        "bytes=a-b",
        "bytes=1",

        "bytes=1-2-3",
        "lines=1-2",
        "bytes 1-2",
        "bytes=1 - 2",
        "bytes=--1",
        "bytes=+1-2",
        "bytes=0x1-2",
        "bytes=,",
        "bytes=1-2;3",
        "bytes=1-2,x",
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        if (parse(rows[i], 10) != HTTP_RANGE_IGNORE)
            fail_msg("not ignored: %s", rows[i]);
    }
}

static void several_ranges_keep_their_order(void **state)
{
    (void)state;
    assert_int_equal(parse("bytes=5-6, 0-1,20-30 , -1", 10), HTTP_RANGE_OK);
    assert_int_equal(n, 3);
    assert_int_equal(r[0].first_bytes, 5);
    assert_int_equal(r[1].first_bytes, 0);
    assert_int_equal(r[2].first_bytes, 9);
}

static void too_many_or_overlapping_ranges_are_ignored(void **state)
{
    (void)state;
    assert_int_equal(parse("bytes=0-0,1-1,2-2,3-3,4-4,5-5,6-6,7-7,8-8,9-9,10-10,11-11,12-12,"
                           "13-13,14-14,15-15",
                           100),
                     HTTP_RANGE_OK);
    assert_int_equal(n, HTTP_RANGES_MAX);
    assert_int_equal(parse("bytes=0-0,1-1,2-2,3-3,4-4,5-5,6-6,7-7,8-8,9-9,10-10,11-11,12-12,"
                           "13-13,14-14,15-15,16-16",
                           100),
                     HTTP_RANGE_IGNORE);
    assert_int_equal(parse("bytes=0-,0-", 10), HTTP_RANGE_IGNORE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(single_ranges_are_clipped_to_the_content),
        cmocka_unit_test(ranges_beyond_the_content_are_unsatisfiable),
        cmocka_unit_test(malformed_ranges_are_ignored),
        cmocka_unit_test(several_ranges_keep_their_order),
        cmocka_unit_test(too_many_or_overlapping_ranges_are_ignored),
    };

    return cmocka_run_group_tests_name("http/range", tests, NULL, NULL);
}
