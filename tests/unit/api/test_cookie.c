/* Foreign bytes of browsers: cookies, where a request says it comes from, where one wants to go. */
#include "api/cookie.h"
#include "api/csrf.h"
#include "api/return_to.h"

#include "exchange.h"

static struct str find(const char *first, const char *second)
{
    static struct http_head head;

    head = (struct http_head){.n_fields = second ? 2 : 1};
    head.fields[0] = (struct http_field){STR("cookie"), str_of(first)};
    head.fields[1] = (struct http_field){STR("Cookie"), str_of(second)};
    return cookie_find(&head, STR("sid"));
}

#define assert_found(text, value) assert_true(str_eq(find(text, NULL), STR(value)))
#define assert_missing(text)      assert_null(find(text, NULL).p)

static void a_cookie_is_found_among_others(void **state)
{
    (void)state;
    assert_found("sid=1", "1");
    assert_found("a=b; sid=1; c=d", "1");
    assert_found("a=b;sid=1;c=d", "1");
    assert_found("sid=a=b", "a=b");
    assert_found(" sid = 1 ;", "1");
    assert_found("sid=", "");
    assert_true(str_eq(find("a=b", "sid=2"), STR("2")));
}

static void what_is_not_that_cookie_is_not_found(void **state)
{
    (void)state;
    assert_missing("");
    assert_missing(";;;");
    assert_missing("=sid");
    assert_missing("xsid=1");
    assert_missing("sidx=1; a=sid=1");
    assert_missing("SID=1");
    assert_missing("__Host-sid=1");
}

static void two_values_are_none(void **state)
{
    (void)state;
    assert_missing("sid=1; sid=2");
    assert_null(find("sid=1", "sid=2").p);
    assert_found("sid=1; sid=1", "1");
}

static bool same(const char *origin, const char *host, bool tls)
{
    return csrf_same_origin(str_of(origin), str_of(host), tls);
}

static void an_origin_is_the_same_by_host_and_port(void **state)
{
    (void)state;
    assert_true(same("https://r.example.org", "r.example.org", true));
    assert_true(same("https://R.example.org", "r.example.org:443", true));
    assert_true(same("http://localhost:5000", "localhost:5000", false));
    assert_true(same("http://[::1]:5000", "[::1]:5000", false));
    assert_true(same("http://r.example.org:80", "r.example.org", false));
    assert_true(same("https://r.example.org", "r.example.org", false)); /* TLS ends before us */
}

static void any_other_origin_is_another(void **state)
{
    (void)state;
    assert_false(same("https://evil.example.org", "r.example.org", true));
    assert_false(same("https://r.example.org.evil.org", "r.example.org", true));
    assert_false(same("https://r.example.org:8443", "r.example.org", true));
    assert_false(same("http://r.example.org", "r.example.org", true));
    assert_false(same("null", "r.example.org", true));
    assert_false(same("", "", true));
    assert_false(same("https://", "", true));
    assert_false(same("ftp://r.example.org", "r.example.org", false));
    assert_false(same("r.example.org", "r.example.org", false));
}

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
        assert_true(return_to_valid(str_of(ours[i])));
    for (size_t i = 0; i < sizeof(not_ours) / sizeof(not_ours[0]); i++)
        assert_false(return_to_valid(str_of(not_ours[i])));
    assert_false(return_to_valid(STR("/a\0b")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_cookie_is_found_among_others),
        cmocka_unit_test(what_is_not_that_cookie_is_not_found),
        cmocka_unit_test(two_values_are_none),
        cmocka_unit_test(an_origin_is_the_same_by_host_and_port),
        cmocka_unit_test(any_other_origin_is_another),
        cmocka_unit_test(one_returns_to_a_place_of_ours),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
