#include "base/uuid.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void made_ones_are_version_4_and_parse(void **state)
{
    struct uuid a, b;

    (void)state;
    for (int i = 0; i < 100; i++) {
        uuid_make(&a);
        assert_int_equal(strlen(a.text), UUID_TEXT);
        assert_int_equal(a.text[14], '4');
        assert_non_null(strchr("89ab", a.text[19])); /* RFC 9562, 4.1 */
        assert_true(uuid_parse(str_of(a.text), &b));
        assert_string_equal(a.text, b.text);
    }
}

static void made_ones_differ(void **state)
{
    struct uuid a, b;

    (void)state;
    uuid_make(&a);
    uuid_make(&b);
    assert_string_not_equal(a.text, b.text);
}

static void those_of_a_time_sort_by_it_and_say_it(void **state)
{
    const int64_t ms = 0x0193ab45cd67;
    struct uuid a, b, parsed;

    (void)state;
    uuid_make_timed(ms, &a);
    uuid_make_timed(ms + 1, &b);
    assert_true(strcmp(a.text, b.text) < 0);
    assert_int_equal(strncmp(a.text, "0193ab45-cd67-7", 15), 0);
    assert_true(uuid_parse(str_of(a.text), &parsed));
    assert_int_equal(uuid_time_ms(&a), ms);
    assert_int_equal(uuid_time_ms(&b), ms + 1);
}

static void those_of_one_millisecond_sort_as_they_were_made(void **state)
{
    const int64_t ms = 0x0193ab45cd68;
    struct uuid before, next;

    (void)state;
    uuid_make_timed(ms, &before);
    for (int i = 0; i < 2000; i++) {
        uuid_make_timed(ms, &next);
        assert_true(strcmp(before.text, next.text) < 0);
        before = next;
    }
    for (int i = 0; i < 5000; i++) { /* more than can be counted: still of that time */
        uuid_make_timed(ms, &next);
        assert_int_equal(uuid_time_ms(&next), ms);
    }
    uuid_make_timed(ms - 1, &next);
    assert_int_equal(uuid_time_ms(&next), ms - 1);
}

static void other_texts_are_refused(void **state)
{
    static const char *const bad[] = {
        "",
        "2f5b3a7e-0c1d-4e2f-8a9b-0c1d2e3f4a5",
        "2f5b3a7e-0c1d-4e2f-8a9b-0c1d2e3f4a5b6",
        "2F5b3a7e-0c1d-4e2f-8a9b-0c1d2e3f4a5b",
        "2f5b3a7e-0c1d-4e2f-8a9b-0c1d2e3f4a5g",
        "2f5b3a7e00c1d-4e2f-8a9b-0c1d2e3f4a5b",
        "2f5b3a7e-0c1d-4e2f-8a9b-0c1d2e3f/../",
        "-f5b3a7e-0c1d-4e2f-8a9b-0c1d2e3f4a5b",
    };
    struct uuid u = {.text = "before"};

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_false(uuid_parse(str_of(bad[i]), &u));
    assert_string_equal(u.text, "before");
}

static void random_bytes_fill_all(void **state)
{
    unsigned char once[1000] = {0}, twice[1000] = {0};

    (void)state;
    random_bytes(once, sizeof(once));
    random_bytes(twice, sizeof(twice));
    assert_memory_not_equal(once, twice, sizeof(once));
    assert_memory_not_equal(once + 984, twice + 984, 16);
    random_bytes(once, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(made_ones_are_version_4_and_parse),
        cmocka_unit_test(made_ones_differ),
        cmocka_unit_test(those_of_a_time_sort_by_it_and_say_it),
        cmocka_unit_test(those_of_one_millisecond_sort_as_they_were_made),
        cmocka_unit_test(other_texts_are_refused),
        cmocka_unit_test(random_bytes_fill_all),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
