/* What WWW-Authenticate asks for. */
#include "cli/bearer.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static struct bearer_challenge read_all(const char *const *lines, size_t n)
{
    struct bearer_challenge c = {0};

    for (size_t i = 0; i < n; i++)
        bearer_challenge_add(&c, str_of(lines[i]));
    return c;
}

#define READ(...)                                                                                  \
    read_all((const char *const[]){__VA_ARGS__},                                                   \
             sizeof((const char *const[]){__VA_ARGS__}) / sizeof(char *))

static void realm_and_service_are_read_in_quotes_and_without(void **state)
{
    struct bearer_challenge c =
        READ("Bearer realm=\"https://auth.example/token?a=b,c\",service=\"re\\\"gistry\", scope=x");

    (void)state;
    assert_true(c.bearer);
    assert_false(c.basic);
    assert_string_equal(c.realm, "https://auth.example/token?a=b,c");
    assert_string_equal(c.service, "re\"gistry");
    c = READ("bearer service=registry.example, realm=https://auth.example/token, error=x");
    assert_string_equal(c.realm, "https://auth.example/token");
    assert_string_equal(c.service, "registry.example");
}

static void several_schemes_stand_in_one_line_or_in_several(void **state)
{
    struct bearer_challenge c = READ("Basic realm=\"x\", Bearer realm=\"https://a/\"");

    (void)state;
    assert_true(c.basic && c.bearer);
    assert_string_equal(c.realm, "https://a/");
    c = READ("Bearer realm=\"https://a/\"", "Basic realm=\"other\"");
    assert_true(c.basic && c.bearer);
    assert_string_equal(c.realm, "https://a/");
}

static void what_is_no_challenge_asks_for_nothing(void **state)
{
    static const char *const odd[] = {
        "",     "=",      ",,,", "Bearer", "Bearer realm=\"never ends", "Bearer realm=\"\\",
        "\x80", "Basic=",
    };

    (void)state;
    for (size_t i = 0; i < sizeof(odd) / sizeof(odd[0]); i++) {
        struct bearer_challenge c = {0};

        bearer_challenge_add(&c, str_of(odd[i]));
        assert_string_equal(c.service, "");
    }
}

static void what_has_no_room_is_left_out(void **state)
{
    struct bearer_challenge c = {0};
    char line[4096];

    (void)state;
    snprintf(line, sizeof(line), "Bearer service=a,realm=\"%02000d\"", 0);
    bearer_challenge_add(&c, str_of(line));
    assert_string_equal(c.realm, "");
    assert_string_equal(c.service, "a");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(realm_and_service_are_read_in_quotes_and_without),
        cmocka_unit_test(several_schemes_stand_in_one_line_or_in_several),
        cmocka_unit_test(what_is_no_challenge_asks_for_nothing),
        cmocka_unit_test(what_has_no_room_is_left_out),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
