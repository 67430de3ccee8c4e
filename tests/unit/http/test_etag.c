#include "http/http.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define NAME STR("If-Match")

static bool listed(const char *value, bool weak)
{
    struct http_head h = {.n_fields = 1, .fields = {{NAME, str_of(value)}}};

    return http_etag_listed(&h, NAME, STR("\"abc\""), weak);
}

static void entity_tags_are_found_in_lists(void **state)
{
    (void)state;
    assert_true(listed("\"abc\"", false));
    assert_true(listed("\"x\", \"abc\"", false));
    assert_true(listed("\"x\",\"abc\",\"y\"", false));
    assert_true(listed("\"x,\\\" ,\"abc\"", false));
    assert_true(listed(",, \"abc\" ,", false));
    assert_true(listed(" * ", false));
    assert_false(listed("\"ab\", \"abcd\"", true));
    assert_false(listed("", true));
}

/* RFC 9110, 8.8.3.2 */
static void a_weak_one_is_the_same_only_in_a_weak_comparison(void **state)
{
    (void)state;
    assert_true(listed("W/\"abc\"", true));
    assert_false(listed("W/\"abc\"", false));
    assert_true(listed("\"x\", W/\"abc\"", true));
    assert_true(listed("W/\"abc\", \"abc\"", false));
}

static void malformed_ones_are_not_listed(void **state)
{
    static const char *const bad[] = {"abc",        "\"abc",         "W/",       "w/\"abc\"",
                                      "W/ \"abc\"", "\"x\" \"abc\"", "*, \"x\"", "\"x\", *"};

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        if (listed(bad[i], true))
            fail_msg("listed: %s", bad[i]);
    }
}

/* RFC 9110, 5.3 */
static void fields_of_the_same_name_are_one_list(void **state)
{
    struct http_head h = {.n_fields = 4,
                          .fields = {{STR("Host"), STR("\"0\"")},
                                     {STR("if-match"), STR("\"1\", W/\"2\"")},
                                     {STR("If-None-Match"), STR("\"0\"")},
                                     {STR("IF-MATCH"), STR("\"3\"")}}};
    struct http_etags list = {.head = &h, .name = NAME};
    struct str tag;
    bool weak;

    (void)state;
    for (int i = 1; i <= 3; i++) {
        assert_int_equal(http_etags_next(&list, &tag, &weak), HTTP_ETAG_TAG);
        assert_int_equal(tag.n, 3);
        assert_int_equal(tag.p[1], '0' + i);
        assert_int_equal(weak, i == 2);
    }
    assert_int_equal(http_etags_next(&list, &tag, &weak), HTTP_ETAG_END);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(entity_tags_are_found_in_lists),
        cmocka_unit_test(a_weak_one_is_the_same_only_in_a_weak_comparison),
        cmocka_unit_test(malformed_ones_are_not_listed),
        cmocka_unit_test(fields_of_the_same_name_are_one_list),
    };

    return cmocka_run_group_tests_name("http/etag", tests, NULL, NULL);
}
