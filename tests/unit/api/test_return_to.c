#include "api/return_to.h"

#include "exchange.h"

/* Where somebody may be sent after signing in. */

static void one_returns_to_a_place_of_ours(void **state)
{
    static const char *const ours[] = {"/",      "/a",        "/repositories?q=x&y=//z",
                                       "/a//b",  "/authors",  "/.well-known/jwks.json",
                                       "/a/...", "/a?b=/../", "/a#/../",
                                       "/%2",    "/%2e%2"};
    static const char *const not_ours[] = {
        "",
        "a",
        "//",
        "//evil.example",
        "/\\evil.example",
        "\\\\evil.example",
        "/a\\b",
        "/a b",
        "/\tevil.example",
        "/a\r\nX: y",
        "/\x7f",
        "/\xc3\xa9",
        "https://evil.example",
        "javascript:alert(1)",
        "/auth/oidc/login",
        "/.//evil.example",
        "/..//evil.example",
        "/a/..//evil.example",
        "/%2e//evil.example",
        "/%2E.//evil.example",
        "/.%2e/auth/oidc/login",
        "/a/.",
    };

    (void)state;
    for (size_t i = 0; i < sizeof(ours) / sizeof(ours[0]); i++)
        assert_true(return_to_valid(str_of(ours[i]), STR_NONE));
    for (size_t i = 0; i < sizeof(not_ours) / sizeof(not_ours[0]); i++)
        assert_false(return_to_valid(str_of(not_ours[i]), STR_NONE));
    assert_false(return_to_valid(STR("/a\0b"), STR_NONE));
}

/* http.prefix: other programs have the other paths of the host. */
static void a_place_of_ours_is_below_the_prefix(void **state)
{
    static const struct {
        const char *path;
        bool valid;
    } rows[] = {
        {"/registry/", true},
        {"/registry/repositories?q=/../", true},
        {"/registry/registry/", true},
        {"/registry", false},
        {"/registry?x", false},
        {"/registryx/", false},
        {"/", false},
        {"/repositories", false},
        {"/other/", false},
        {"/registry/../other/", false},
        {"/registry//other", false},
        {"/registry/auth/oidc/login", false},
        {"//registry/", false},
        {"", false},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        if (return_to_valid(str_of(rows[i].path), STR("/registry")) != rows[i].valid)
            fail_msg("'%s'", rows[i].path);
    }
}

static void a_place_has_a_largest_length(void **state)
{
    char path[RETURN_TO_MAX + 2];

    (void)state;
    memset(path, 'a', sizeof(path));
    path[0] = '/';
    assert_true(return_to_valid((struct str){path, RETURN_TO_MAX}, STR_NONE));
    assert_false(return_to_valid((struct str){path, RETURN_TO_MAX + 1}, STR_NONE));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_returns_to_a_place_of_ours),
        cmocka_unit_test(a_place_of_ours_is_below_the_prefix),
        cmocka_unit_test(a_place_has_a_largest_length),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
