#include "base/hex.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static void bytes_are_two_digits_each_and_come_back(void **state)
{
    static const unsigned char bytes[] = {0x00, 0x7f, 0x80, 0xff, 0xa5};
    unsigned char back[sizeof(bytes)];
    char text[2 * sizeof(bytes) + 1];

    (void)state;
    hex_encode(bytes, sizeof(bytes), text);
    assert_string_equal(text, "007f80ffa5");
    assert_true(hex_decode(str_of(text), back, sizeof(back)));
    assert_memory_equal(back, bytes, sizeof(bytes));
}

static void anything_else_than_so_many_small_digits_is_refused(void **state)
{
    unsigned char bytes[2];

    (void)state;
    assert_false(hex_decode(STR("00"), bytes, 2));
    assert_false(hex_decode(STR("000"), bytes, 2));
    assert_false(hex_decode(STR("000000"), bytes, 2));
    assert_false(hex_decode(STR("00AA"), bytes, 2));
    assert_false(hex_decode(STR("0x12"), bytes, 2));
    assert_false(hex_decode(STR("12 4"), bytes, 2));
    assert_false(hex_decode(STR("1\0002a"), bytes, 2));
}

static void a_digit_has_its_value(void **state)
{
    (void)state;
    assert_int_equal(hex_value('0'), 0);
    assert_int_equal(hex_value('9'), 9);
    assert_int_equal(hex_value('f'), 15);
    assert_int_equal(hex_value('F'), -1);
    assert_int_equal(hex_value('g'), -1);
    assert_int_equal(hex_value_any('F'), 15);
    assert_int_equal(hex_value_any('G'), -1);
    assert_int_equal(hex_value_any('\0'), -1);
    assert_true(hex_valid(STR("09af")));
    assert_false(hex_valid(STR("09aF")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bytes_are_two_digits_each_and_come_back),
        cmocka_unit_test(a_digit_has_its_value),
        cmocka_unit_test(anything_else_than_so_many_small_digits_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
