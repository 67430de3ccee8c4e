#include "base/str.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static void equality_is_of_bytes(void **state)
{
    (void)state;
    assert_true(str_eq(STR("a\0b"), STR("a\0b")));
    assert_false(str_eq(STR("a\0b"), STR("a\0c")));
    assert_false(str_eq(STR("a"), STR("ab")));
    assert_true(str_eq(STR(""), STR_NONE));
    assert_true(str_eq(str_of(NULL), STR_NONE));
}

static void equality_without_case_is_ascii_only(void **state)
{
    (void)state;
    assert_true(str_ieq(STR("Content-Type"), STR("content-TYPE")));
    assert_false(str_ieq(STR("a"), STR("b")));
    assert_false(str_ieq(STR("\xc3\x84"), STR("\xc3\xa4")));
    assert_false(str_ieq(STR("@"), STR("`"))); /* 0x40 and 0x60 differ by the case bit */
}

static void starts_and_ends(void **state)
{
    (void)state;
    assert_true(str_starts(STR("abc"), STR("ab")));
    assert_true(str_starts(STR("abc"), STR("")));
    assert_false(str_starts(STR("ab"), STR("abc")));
    assert_true(str_istarts(STR("Access-Control-X"), STR("access-CONTROL-")));
    assert_false(str_istarts(STR("Access"), STR("access-")));
    assert_true(str_ends(STR("abc"), STR("bc")));
    assert_true(str_ends(STR("abc"), STR("abc")));
    assert_false(str_ends(STR("bc"), STR("abc")));
    assert_true(str_contains(STR("abcd"), STR("bc")));
    assert_true(str_contains(STR_NONE, STR("")));
    assert_false(str_contains(STR("abcd"), STR("ca")));
    assert_false(str_contains(STR_NONE, STR("a")));
    assert_true(str_starts(STR_NONE, STR_NONE));
}

static void trim_takes_blanks_and_tabs_only(void **state)
{
    (void)state;
    assert_true(str_eq(str_trim(STR(" \t a b\t ")), STR("a b")));
    assert_true(str_eq(str_trim(STR("\na\n")), STR("\na\n")));
    assert_int_equal(str_trim(STR(" \t ")).n, 0);
    assert_int_equal(str_trim(STR_NONE).n, 0);
}

static void cut_splits_at_the_first(void **state)
{
    struct str s = STR("a=b=c"), head;

    (void)state;
    assert_true(str_cut(&s, '=', &head));
    assert_true(str_eq(head, STR("a")));
    assert_true(str_eq(s, STR("b=c")));
    assert_true(str_cut(&s, '=', &head));
    assert_false(str_cut(&s, '=', &head));
    assert_true(str_eq(head, STR("c")));
    assert_int_equal(s.n, 0);
    s = STR_NONE;
    assert_false(str_cut(&s, '=', &head));
    assert_int_equal(head.n, 0);
}

static void numbers_are_plain_digits_within_bounds(void **state)
{
    uint64_t v = 7;

    (void)state;
    assert_true(str_to_u64(STR("0"), 10, &v));
    assert_int_equal(v, 0);
    assert_true(str_to_u64(STR("18446744073709551615"), UINT64_MAX, &v));
    assert_true(v == UINT64_MAX);
    assert_false(str_to_u64(STR("18446744073709551616"), UINT64_MAX, &v));
    assert_false(str_to_u64(STR("99999999999999999999999"), UINT64_MAX, &v));
    assert_false(str_to_u64(STR("11"), 10, &v));
    assert_true(str_to_u64(STR("010"), 10, &v));
    assert_int_equal(v, 10);
    assert_false(str_to_u64(STR(""), 10, &v));
    assert_false(str_to_u64(STR("+1"), 10, &v));
    assert_false(str_to_u64(STR("-1"), 10, &v));
    assert_false(str_to_u64(STR(" 1"), 10, &v));
    assert_false(str_to_u64(STR("1a"), 10, &v));
    assert_int_equal(v, 10); /* failures write nothing */
}

static void numbers_past_the_most_are_the_most(void **state)
{
    uint64_t v = 0;

    (void)state;
    assert_true(str_to_u64_up_to(STR("9"), 10, &v));
    assert_int_equal(v, 9);
    assert_true(str_to_u64_up_to(STR("11"), 10, &v));
    assert_int_equal(v, 10);
    assert_true(str_to_u64_up_to(STR("99999999999999999999999"), UINT64_MAX, &v));
    assert_true(v == UINT64_MAX);
    assert_false(str_to_u64_up_to(STR(""), 10, &v));
    assert_false(str_to_u64_up_to(STR("-1"), 10, &v));
    assert_false(str_to_u64_up_to(STR("99999999999999999999999x"), 10, &v));
}

static void copy_needs_room_and_no_nul(void **state)
{
    char dst[4] = "zzz";

    (void)state;
    assert_false(str_copy(STR("abcd"), dst, sizeof(dst)));
    assert_false(str_copy(STR("a\0b"), dst, sizeof(dst)));
    assert_string_equal(dst, "zzz");
    assert_true(str_copy(STR("abc"), dst, sizeof(dst)));
    assert_string_equal(dst, "abc");
    assert_true(str_copy(STR_NONE, dst, sizeof(dst)));
    assert_string_equal(dst, "");
}

static void dup_closes_with_nul(void **state)
{
    char *copy = str_dup(str_sub(STR("abcdef"), 1, 3));

    (void)state;
    assert_string_equal(copy, "bcd");
    free(copy);
    copy = str_dup(STR_NONE);
    assert_string_equal(copy, "");
    free(copy);
}

static void utf8_steps_over_well_formed_sequences_only(void **state)
{
    (void)state;
    assert_int_equal(str_utf8_step(STR_NONE), 0);
    assert_int_equal(str_utf8_step(STR("a")), 1);
    assert_int_equal(str_utf8_step(STR("\xc3\xa4")), 2);
    assert_int_equal(str_utf8_step(STR("\xe2\x82\xac")), 3);
    assert_int_equal(str_utf8_step(STR("\xf0\x9f\x90\xb3")), 4);
    assert_int_equal(str_utf8_step(STR("\x80")), 0);
    assert_int_equal(str_utf8_step(STR("\xc3")), 0);
    assert_int_equal(str_utf8_step(STR("\xc0\x80")), 0);         /* overlong */
    assert_int_equal(str_utf8_step(STR("\xe0\x9f\xbf")), 0);     /* overlong */
    assert_int_equal(str_utf8_step(STR("\xed\xa0\x80")), 0);     /* surrogate */
    assert_int_equal(str_utf8_step(STR("\xf0\x8f\xbf\xbf")), 0); /* overlong */
    assert_int_equal(str_utf8_step(STR("\xf4\x90\x80\x80")), 0); /* past U+10FFFF */
    assert_int_equal(str_utf8_step(STR("\xf5\x80\x80\x80")), 0);
    assert_int_equal(str_utf8_step(STR("\xe2\x82")), 0);
    assert_int_equal(str_utf8_step(STR("\xf0\x9f\x90z")), 0);
}

static void numbers_are_written_in_decimal(void **state)
{
    char digits[STR_DECIMAL_MAX];

    (void)state;
    assert_true(str_eq(str_decimal(0, digits), STR("0")));
    assert_true(str_eq(str_decimal(1020, digits), STR("1020")));
    assert_true(str_eq(str_decimal(UINT64_MAX, digits), STR("18446744073709551615")));
}

static void text_is_utf8_without_control_characters(void **state)
{
    (void)state;
    assert_true(str_is_text(STR_NONE));
    assert_true(str_is_text(STR("a b \xc3\xa4")));
    assert_false(str_is_text(STR("a\n")));
    assert_false(str_is_text(STR("a\0b")));
    assert_false(str_is_text(STR("\x7f")));
    assert_false(str_is_text(STR("a\xc3")));
}

static void distance_counts_edits(void **state)
{
    char large[65];

    (void)state;
    assert_int_equal(str_distance(STR("listen"), STR("listen")), 0);
    assert_int_equal(str_distance(STR("LISTEN"), STR("listen")), 0);
    assert_int_equal(str_distance(STR("lisen"), STR("listen")), 1);
    assert_int_equal(str_distance(STR("lsiten"), STR("listen")), 1); /* a swap is one edit */
    assert_int_equal(str_distance(STR(""), STR("abc")), 3);
    assert_int_equal(str_distance(STR("abc"), STR("")), 3);
    assert_int_equal(str_distance(STR("kitten"), STR("sitting")), 3);
    memset(large, 'a', sizeof(large));
    assert_true(str_distance((struct str){large, 65}, STR("a")) == SIZE_MAX);
    assert_int_equal(str_distance((struct str){large, 64}, STR("a")), 63);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(equality_is_of_bytes),
        cmocka_unit_test(equality_without_case_is_ascii_only),
        cmocka_unit_test(starts_and_ends),
        cmocka_unit_test(trim_takes_blanks_and_tabs_only),
        cmocka_unit_test(cut_splits_at_the_first),
        cmocka_unit_test(numbers_are_plain_digits_within_bounds),
        cmocka_unit_test(numbers_past_the_most_are_the_most),
        cmocka_unit_test(copy_needs_room_and_no_nul),
        cmocka_unit_test(dup_closes_with_nul),
        cmocka_unit_test(utf8_steps_over_well_formed_sequences_only),
        cmocka_unit_test(numbers_are_written_in_decimal),
        cmocka_unit_test(text_is_utf8_without_control_characters),
        cmocka_unit_test(distance_counts_edits),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
