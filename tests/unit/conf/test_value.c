#include "base/cleanup.h"
#include "conf/value.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static const struct conf_row size = {
    .name = "size", .type = CONF_SIZE, .size = 8, .max = UINT64_MAX};
static const struct conf_row duration = {
    .name = "duration", .type = CONF_DURATION, .size = 8, .max = UINT64_MAX};
static const struct conf_row count = {
    .name = "count", .type = CONF_COUNT, .size = 8, .min = 2, .max = 9};
static const struct conf_row secret = {
    .name = "secret", .type = CONF_SECRET, .size = sizeof(char *), .max = 16};
static const struct conf_row texts = {
    .name = "texts", .type = CONF_TEXTS, .size = sizeof(struct conf_strings), .min = 1, .max = 3};

struct number {
    const char *text;
    uint64_t value;
};

static void assert_numbers(const struct conf_row *row, const struct number *numbers, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        uint64_t v = 12345;
        struct err e;

        if (conf_value_set(row, str_of(numbers[i].text), &v, &e) != ERR_OK || v != numbers[i].value)
            fail_msg("'%s'", numbers[i].text);
    }
}

static void assert_refused(const struct conf_row *row, const char *const *wrong, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        uint64_t v = 12345;
        struct err e;

        if (conf_value_set(row, str_of(wrong[i]), &v, &e) != ERR_CONFIG || v != 12345)
            fail_msg("'%s'", wrong[i]);
    }
}

static void sizes_have_suffixes(void **state)
{
    static const struct number good[] = {
        {"0", 0},
        {"7", 7},
        {"7B", 7},
        {"1K", 1024},
        {"1KB", 1024},
        {"1KiB", 1024},
        {"3M", 3 << 20},
        {"3mib", 3 << 20},
        {"2G", 2ull << 30},
        {" 2 GiB ", 2ull << 30},
        {"1TiB", 1ull << 40},
        {"18446744073709551615", UINT64_MAX},
    };
    static const char *const bad[] = {
        "",
        "KiB",
        "-1",
        "1.5MiB",
        "1XiB",
        "1KiBB",
        "1K1K",
        "18446744073709551616",
        "16777216TiB",
        "0x10",
        "1e3",
    };

    (void)state;
    assert_numbers(&size, good, sizeof(good) / sizeof(good[0]));
    assert_refused(&size, bad, sizeof(bad) / sizeof(bad[0]));
}

static void durations_need_a_unit(void **state)
{
    static const struct number good[] = {
        {"0", 0},         {"5ms", 5},         {"30s", 30000},    {"2m", 120000},  {"1h", 3600000},
        {"1d", 86400000}, {"1h30m", 5400000}, {"1s500ms", 1500}, {"10 s", 10000},
    };
    static const char *const bad[] = {
        "",
        "5",
        "s",
        "-1s",
        "1.5h",
        "1w",
        "1h30",
        "99999999999999999999s",
        "18446744073709551615s",
        "18446744073709551615ms1ms",
    };

    (void)state;
    assert_numbers(&duration, good, sizeof(good) / sizeof(good[0]));
    assert_refused(&duration, bad, sizeof(bad) / sizeof(bad[0]));
}

static void numbers_outside_their_range_are_refused(void **state)
{
    static const struct number good[] = {{"2", 2}, {"9", 9}, {" 3 ", 3}};
    static const char *const bad[] = {"1",  "10", "",    "x",
                                      "2x", "-3", "3.0", "99999999999999999999"};
    uint64_t v;
    struct err e;

    (void)state;
    assert_numbers(&count, good, 3);
    assert_refused(&count, bad, sizeof(bad) / sizeof(bad[0]));
    assert_int_equal(conf_value_set(&count, STR("10"), &v, &e), ERR_CONFIG);
    assert_string_equal(e.detail, "'10' is out of range; allowed is a whole number from 2 to 9");
}

static void choices_and_switches_are_names(void **state)
{
    const struct conf_row *level = conf_row_find(STR("log.level"));
    const struct conf_row *access = conf_row_find(STR("log.access"));
    uint64_t v = 0;
    bool on = true;
    struct err e;

    (void)state;
    assert_int_equal(conf_value_set(level, STR("Warning"), &v, &e), ERR_OK);
    assert_int_equal(v, 2);
    v = 0;
    assert_int_equal(conf_value_set(level, STR("warn"), &v, &e), ERR_OK);
    assert_int_equal(v, 2);
    assert_int_equal(conf_value_set(level, STR("2"), &v, &e), ERR_CONFIG);
    assert_string_equal(e.detail, "'2' is not known here; allowed is 'debug', 'info', 'warning' or "
                                  "'error'");
    assert_int_equal(conf_value_set(access, STR("false"), &on, &e), ERR_OK);
    assert_false(on);
    assert_int_equal(conf_value_set(access, STR("TRUE"), &on, &e), ERR_OK);
    assert_true(on);
    assert_int_equal(conf_value_set(access, STR("1"), &on, &e), ERR_CONFIG);
    assert_string_equal(e.detail, "'1' is not known here; allowed is 'false' or 'true'");
}

static void texts_are_bounded_and_printable(void **state)
{
    AUTO(mem) char *text = NULL;
    struct err e;

    (void)state;
    assert_int_equal(conf_value_set(&secret, STR("0123456789abcdef"), &text, &e), ERR_OK);
    assert_int_equal(conf_value_set(&secret, STR("0123456789abcdef0"), &text, &e), ERR_CONFIG);
    assert_int_equal(conf_value_set(&secret, STR("a\nb"), &text, &e), ERR_CONFIG);
    assert_int_equal(conf_value_set(&secret, STR("a\0b"), &text, &e), ERR_CONFIG);
    assert_int_equal(conf_value_set(&secret, STR("\xff"), &text, &e), ERR_CONFIG);
    assert_string_equal(text, "0123456789abcdef");
    assert_int_equal(conf_value_set(&secret, STR("\xc3\xa4"), &text, &e), ERR_OK);
    assert_string_equal(text, "\xc3\xa4");
}

static void errors_do_not_repeat_secrets_or_control_bytes(void **state)
{
    AUTO(mem) char *text = NULL;
    uint64_t v;
    struct err e;

    (void)state;
    assert_int_equal(conf_value_set(&secret, STR("hunter2\n"), &text, &e), ERR_CONFIG);
    assert_null(strstr(e.detail, "hunter2"));
    assert_int_equal(conf_value_set(&count, STR("\x1b[31m\n"), &v, &e), ERR_CONFIG);
    assert_memory_equal(e.detail, "'?[31m?' ", 9);
    assert_int_equal(
        conf_value_set(&count, STR("0123456789012345678901234567890123456789012345"), &v, &e),
        ERR_CONFIG);
    assert_memory_equal(e.detail, "'0123456789012345678901234567890123456789...' ", 46);
}

static void lists_are_split_at_commas(void **state)
{
    struct conf_strings list = {0};
    struct err e;

    (void)state;
    assert_int_equal(conf_value_set(&texts, STR("a, b ,c"), &list, &e), ERR_OK);
    assert_int_equal(list.n, 3);
    assert_string_equal(list.items[1], "b");
    assert_int_equal(conf_value_set(&texts, STR("a,b,c,d"), &list, &e), ERR_CONFIG);
    assert_int_equal(conf_value_set(&texts, STR("a,,b"), &list, &e), ERR_CONFIG);
    assert_int_equal(conf_value_set(&texts, STR(""), &list, &e), ERR_CONFIG);
    assert_int_equal(conf_value_set(&texts, STR("x"), &list, &e), ERR_OK);
    assert_int_equal(list.n, 1);
    conf_value_free(&texts, &list);
    assert_int_equal(list.n, 0);
}

static void assert_prints(const struct conf_row *row, const void *field, const char *want)
{
    AUTO(buf) struct buf b = {0};

    buf_init(&b, 1000);
    conf_value_print(row, field, &b);
    assert_string_equal(buf_text(&b), want);
}

static void values_print_in_their_largest_exact_unit(void **state)
{
    static const struct number sizes[] = {
        {"0", 0},
        {"1023B", 1023},
        {"1KiB", 1024},
        {"1025B", 1025},
        {"10GiB", 10ull << 30},
        {"1024TiB", 1ull << 50},
        {"18446744073709551615B", UINT64_MAX},
    };
    static const struct number durations[] = {
        {"0", 0}, {"999ms", 999}, {"1s", 1000}, {"90s", 90000}, {"2m", 120000}, {"1d", 86400000},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++)
        assert_prints(&size, &sizes[i].value, sizes[i].text);
    for (size_t i = 0; i < sizeof(durations) / sizeof(durations[0]); i++)
        assert_prints(&duration, &durations[i].value, durations[i].text);
}

static void a_secret_prints_masked(void **state)
{
    char *text = (char[]){"hunter2"}, *none = (char[]){""};

    (void)state;
    assert_prints(&secret, &text, "\"********\"");
    assert_prints(&secret, &none, "\"\""); /* that there is none is no secret */
}

static void equality_is_of_values(void **state)
{
    char *a = (char[]){"x"}, *b = (char[]){"x"}, *c = (char[]){"y"};
    struct conf_strings one = {&a, 1}, same = {&b, 1}, other = {&c, 1}, none = {NULL, 0};
    uint64_t four = 4, five = 5;

    (void)state;
    assert_true(conf_value_eq(&secret, &a, &b));
    assert_false(conf_value_eq(&secret, &a, &c));
    assert_true(conf_value_eq(&texts, &one, &same));
    assert_false(conf_value_eq(&texts, &one, &other));
    assert_false(conf_value_eq(&texts, &one, &none));
    assert_true(conf_value_eq(&count, &four, &four));
    assert_false(conf_value_eq(&count, &four, &five));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sizes_have_suffixes),
        cmocka_unit_test(durations_need_a_unit),
        cmocka_unit_test(numbers_outside_their_range_are_refused),
        cmocka_unit_test(choices_and_switches_are_names),
        cmocka_unit_test(texts_are_bounded_and_printable),
        cmocka_unit_test(errors_do_not_repeat_secrets_or_control_bytes),
        cmocka_unit_test(lists_are_split_at_commas),
        cmocka_unit_test(values_print_in_their_largest_exact_unit),
        cmocka_unit_test(a_secret_prints_masked),
        cmocka_unit_test(equality_is_of_values),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
