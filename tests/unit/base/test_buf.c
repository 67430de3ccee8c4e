#include "base/buf.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

static void assert_buf(const struct buf *b, struct str want)
{
    assert_int_equal(b->n, want.n);
    if (want.n)
        assert_memory_equal(b->p, want.p, want.n);
}

static void appends_of_all_kinds(void **state)
{
    struct buf b;

    (void)state;
    buf_init(&b, 1000);
    buf_add(&b, "ab", 2);
    buf_add_str(&b, STR("cd"));
    buf_add_text(&b, "ef");
    buf_add_char(&b, 'g');
    buf_addf(&b, "-%d-%s", 7, "x");
    buf_add_u64(&b, 0);
    buf_add_u64(&b, UINT64_MAX);
    assert_buf(&b, STR("abcdefg-7-x018446744073709551615"));
    assert_false(b.full);
    buf_done(&b);
}

static void nothing_may_be_added(void **state)
{
    struct buf b;

    (void)state;
    buf_init(&b, 10);
    buf_add(&b, NULL, 0);
    buf_add_str(&b, STR_NONE);
    buf_add_text(&b, "");
    assert_int_equal(b.n, 0);
    assert_string_equal(buf_text(&b), "");
    buf_done(&b);
}

static void grows_over_many_appends(void **state)
{
    struct buf b;

    (void)state;
    buf_init(&b, 100000);
    for (int i = 0; i < 10000; i++)
        buf_add_char(&b, (char)('a' + i % 26));
    assert_int_equal(b.n, 10000);
    for (int i = 0; i < 10000; i++)
        assert_int_equal(b.p[i], 'a' + i % 26);
    buf_done(&b);
}

static void going_past_max_marks_full_and_keeps_what_was(void **state)
{
    struct buf b;

    (void)state;
    buf_init(&b, 4);
    buf_add_text(&b, "abc");
    buf_add_text(&b, "de");
    assert_true(b.full);
    buf_add_text(&b, "f"); /* would fit, but something before it is missing */
    assert_buf(&b, STR("abc"));
    buf_clear(&b);
    assert_false(b.full);
    buf_add_text(&b, "abcd");
    assert_false(b.full);
    assert_buf(&b, STR("abcd"));
    assert_string_equal(buf_text(&b), "abcd");
    buf_done(&b);
}

static void reserve_gives_room_up_to_max(void **state)
{
    struct buf b;
    char *at;

    (void)state;
    buf_init(&b, 300);
    at = buf_reserve(&b, 300);
    assert_non_null(at);
    memset(at, 'x', 300);
    b.n += 300;
    assert_null(buf_reserve(&b, 1));
    assert_true(b.full);
    assert_null(buf_reserve(&b, SIZE_MAX));
    buf_done(&b);
}

static void json_escapes_what_json_must(void **state)
{
    struct buf b;

    (void)state;
    buf_init(&b, 1000);
    buf_add_json(&b, STR("a\"b\\c\nd\te\0f\x1f\x7f/"));
    assert_buf(&b, STR("\"a\\\"b\\\\c\\nd\\u0009e\\u0000f\\u001f\\u007f/\""));
    buf_clear(&b);
    buf_add_json(&b, STR_NONE);
    assert_buf(&b, STR("\"\""));
    buf_done(&b);
}

static void json_keeps_utf8_and_replaces_what_is_not(void **state)
{
    struct buf b;

    (void)state;
    buf_init(&b, 1000);
    buf_add_json(&b, STR("\xc3\xa4\xe2\x82\xac\xf0\x9f\x90\xb3"));
    assert_buf(&b, STR("\"\xc3\xa4\xe2\x82\xac\xf0\x9f\x90\xb3\""));
    buf_clear(&b);
    buf_add_json(&b, STR("a\xff\xc3z\xed\xa0\x80"));
    assert_buf(&b, STR("\"a\\ufffd\\ufffdz\\ufffd\\ufffd\\ufffd\""));
    buf_clear(&b);
    buf_add_json(&b, STR("\xe2\x82")); /* cut at the end */
    assert_buf(&b, STR("\"\\ufffd\\ufffd\""));
    buf_done(&b);
}

static void percent_keeps_unreserved_only(void **state)
{
    struct buf b;

    (void)state;
    buf_init(&b, 1000);
    buf_add_percent(&b, STR("aZ0-._~/ ?\xff"));
    assert_buf(&b, STR("aZ0-._~%2F%20%3F%FF"));
    buf_done(&b);
}

static void format_that_does_not_fit_marks_full(void **state)
{
    struct buf b;

    (void)state;
    buf_init(&b, 8);
    buf_addf(&b, "%s", "123456789");
    assert_true(b.full);
    assert_int_equal(b.n, 0);
    buf_done(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(appends_of_all_kinds),
        cmocka_unit_test(nothing_may_be_added),
        cmocka_unit_test(grows_over_many_appends),
        cmocka_unit_test(going_past_max_marks_full_and_keeps_what_was),
        cmocka_unit_test(reserve_gives_room_up_to_max),
        cmocka_unit_test(json_escapes_what_json_must),
        cmocka_unit_test(json_keeps_utf8_and_replaces_what_is_not),
        cmocka_unit_test(percent_keeps_unreserved_only),
        cmocka_unit_test(format_that_does_not_fit_marks_full),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
