#include "conf/url.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static void urls_are_taken_apart(void **state)
{
    static const struct {
        const char *text, *scheme, *host;
        bool loopback;
    } rows[] = {
        {"https://id.example.org", "https", "id.example.org", false},
        {"https://id.example.org:8443/realms/x?y=z", "https", "id.example.org", false},
        {"http://localhost:8080", "http", "localhost", true},
        {"http://127.9.9.9/x", "http", "127.9.9.9", true},
        {"ldap://[::1]:389", "ldap", "::1", true},
        {"ldap://[2001:db8::1]", "ldap", "2001:db8::1", false},
        {"http://localhost.example.org", "http", "localhost.example.org", false},
        {"http://127.0.0.1.example.org", "http", "127.0.0.1.example.org", false},
        {"http://a?b", "http", "a", false},
    };
    struct conf_url u;

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        if (!conf_url_parse(str_of(rows[i].text), &u))
            fail_msg("%s", rows[i].text);
        assert_true(str_eq(u.scheme, str_of(rows[i].scheme)));
        assert_true(str_eq(u.host, str_of(rows[i].host)));
        assert_int_equal(u.loopback, rows[i].loopback);
    }
}

static void other_texts_are_no_urls(void **state)
{
    static const char *const bad[] = {
        "",
        "x",
        "https:",
        "https:/a",
        "https://",
        "https:///x",
        "https://a b",
        "https://a\n",
        "https://user:secret@a",
        "https://localhost@evil.example",
        "https://a#b",
        "https://a:x",
        "https://a:65536",
        "https://[::1",
        "https://[::1]x",
        "https://a\\b",
        "https://\xc3\xa4",
    };
    struct conf_url u;

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        if (conf_url_parse(str_of(bad[i]), &u))
            fail_msg("'%s'", bad[i]);
    }
    assert_false(conf_url_parse(STR_NONE, &u));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(urls_are_taken_apart),
        cmocka_unit_test(other_texts_are_no_urls),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
