#include "base/percent.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static void escapes_are_decoded_and_malformed_ones_refused(void **state)
{
    char dst[8];
    size_t n = 0;

    (void)state;
    assert_true(percent_decode(STR("a%2Fb%2f+"), dst, sizeof(dst), &n));
    assert_int_equal(n, 5);
    assert_memory_equal(dst, "a/b/+", 5);
    assert_true(percent_decode(STR("%FF"), dst, sizeof(dst), &n));
    assert_memory_equal(dst, "\xff", 1);
    assert_false(percent_decode(STR("%"), dst, sizeof(dst), &n));
    assert_false(percent_decode(STR("%4"), dst, sizeof(dst), &n));
    assert_false(percent_decode(STR("%4g"), dst, sizeof(dst), &n));
    assert_false(percent_decode(STR("%00"), dst, sizeof(dst), &n));
    assert_false(percent_decode(STR("123456789"), dst, sizeof(dst), &n));
    assert_true(percent_decode(STR("12345678"), dst, sizeof(dst), &n));
    assert_int_equal(n, 8);
}

static void one_character_is_decoded_after_another(void **state)
{
    struct str s = STR("a%2F%e4%");

    (void)state;
    assert_int_equal(percent_next(&s), 'a');
    assert_int_equal(percent_next(&s), '/');
    assert_int_equal(percent_next(&s), 0xe4);
    assert_true(str_eq(s, STR("%")));
    assert_int_equal(percent_next(&s), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(escapes_are_decoded_and_malformed_ones_refused),
        cmocka_unit_test(one_character_is_decoded_after_another),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
