#include "base/buf.h"
#include "base/cleanup.h"
#include "conf/expression.h"
#include "fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

static void a_prefix_is_a_path_between_slashes(void **state)
{
    static const char *const wrong[] = {"/",    "//",      "a/",    "/a",    "/a//b/",
                                        "/../", "/a/./b/", "/a b/", "/a?b/", "/%41/"};
    static const char *const right[] = {"/a/", "/my/nested/registry/", "/a.b-c_d~e/"};
    char yaml[128];

    (void)state;
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        char detail[320];

        snprintf(yaml, sizeof(yaml), "http:\n  prefix: '%s'\n", wrong[i]);
        snprintf(detail, sizeof(detail),
                 "2: http.prefix: '%s' is no path; allowed is one such as '/registry/', of "
                 "letters, digits and -._~ between slashes, with a slash at both ends",
                 wrong[i]);
        conf_must_fail(yaml, detail);
    }
    for (size_t i = 0; i < sizeof(right) / sizeof(right[0]); i++) {
        snprintf(yaml, sizeof(yaml), "http: {prefix: '%s'}\n", right[i]);
        conf_free(conf_must(yaml));
    }
}

static void headers_of_the_server_are_not_set_twice(void **state)
{
    struct conf *c = conf_must("http: {headers: [{name: X-Frame-Options, value: DENY}]}\n");

    (void)state;
    assert_int_equal(c->http.headers.n, 1);
    assert_string_equal(c->http.headers.items[0].name, "X-Frame-Options");
    assert_string_equal(c->http.headers.items[0].value, "DENY");
    conf_free(c);
    conf_must_fail("http:\n  headers:\n  - {name: content-length, value: '1'}\n",
                   "3: http.headers[0].name: 'content-length' is set by the server itself");
    conf_must_fail("http:\n  headers:\n  - {name: Access-Control-Max-Age, value: '1'}\n",
                   "3: http.headers[0].name: 'Access-Control-Max-Age' is set by the keys of "
                   "http.cors");
    conf_must_fail("http:\n  headers:\n  - {name: access-control-max-age, value: '1'}\n",
                   "3: http.headers[0].name: 'access-control-max-age' is set by the keys of "
                   "http.cors");
    conf_must_fail("http:\n  headers:\n  - {name: 'a b', value: '1'}\n",
                   "3: http.headers[0].name: 'a b' is no name of a header; allowed are letters, "
                   "digits and '-'");
    conf_must_fail("http:\n  headers:\n  - {name: a, value: \"x\\r\\nb: c\"}\n",
                   "3: http.headers[0].value: 'x??b: c' holds a control character or is not UTF-8; "
                   "allowed is a text of 0 to 4096 bytes");
}

static void headers_have_a_bounded_size_together(void **state)
{
    AUTO(buf) struct buf yaml = {0};
    struct conf *c = NULL;
    struct err e = {0};

    (void)state;
    buf_init(&yaml, 1 << 16);
    buf_add_text(&yaml, "http:\n  headers:\n");
    for (int i = 0; i < 3; i++) {
        buf_addf(&yaml, "  - {name: X-%d, value: ", i);
        for (int k = 0; k < 4000; k++)
            buf_add_char(&yaml, 'a');
        buf_add_text(&yaml, "}\n");
        assert_int_equal(conf_load_bytes(buf_str(&yaml), NULL, &c, &e),
                         i < 2 ? ERR_OK : ERR_CONFIG);
        conf_free(STEAL(c));
    }
    assert_non_null(strstr(e.detail, "they have 12021 bytes together; allowed are 8192"));
}

static void a_wrong_address_of_the_second_door_is_told(void **state)
{
    (void)state;
    conf_must_fail("http:\n  debug:\n    listen: here\n",
                   "3: http.debug.listen: 'here' is not an address; allowed are those of "
                   "http.listen");
    conf_free(conf_must("http: {debug: {listen: ':5001'}}\n"));
}

static void patterns_of_other_dialects_are_refused(void **state)
{
    static const char *const others[] = {
        "\\d+",    "^https?://(?:a|b)/", "(?i)a", "a\\b", "(a)\\1", "[a\\-z]",
        "[^]\\]]", "[[:alpha:]\\.]"};

    (void)state;
    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
        struct conf_expression *p;
        struct err e;

        assert_int_equal(conf_expression_new(others[i], &p, &e), ERR_CONFIG);
        assert_non_null(strstr(e.detail, "another dialect"));
    }
    conf_must_fail("manifest:\n  urls:\n    deny: ['a(']\n",
                   "3: manifest.urls.deny: 'a(' is no regular expression: Unmatched ( or \\(");
}

static void a_pattern_matches_anywhere(void **state)
{
    static const struct {
        const char *pattern, *text;
        bool matches;
    } rows[] = {
        {"^https?://([^/]+\\.)*example\\.com/", "https://a.b.example.com/x", true},
        {"^https?://([^/]+\\.)*example\\.com/", "https://example.com/", true},
        {"^https?://([^/]+\\.)*example\\.com/", "https://badexample.com/", false},
        {"^https?://([^/]+\\.)*example\\.com/", "https://exampleXcom/", false},
        {"^$", "https://a", false},
        {"[0-9]{2}", "a12b", true},
        {"a|b", "xbx", true},
        {"^[[:alpha:]]+[]]\\.$", "abc].", true},
        {"[(?]", "?", true},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct conf_expression *p;
        struct err e;

        assert_int_equal(conf_expression_new(rows[i].pattern, &p, &e), ERR_OK);
        assert_int_equal(conf_expression_matches(p, rows[i].text), rows[i].matches);
        conf_expression_free(p);
    }
}

static void fields_of_the_log_have_a_name(void **state)
{
    static const char *const wrong[] = {"service", "=registry", "time=now", "level=1", "a b=c"};

    (void)state;
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        char yaml[64], detail[320];

        snprintf(yaml, sizeof(yaml), "log:\n  fields: ['%s']\n", wrong[i]);
        snprintf(detail, sizeof(detail),
                 "2: log.fields: '%s' is no field; allowed is 'name=value', a name of up to 64 "
                 "letters, digits and -._ that is not 'time', 'level' or 'message', and a value "
                 "of up to 256 bytes",
                 wrong[i]);
        conf_must_fail(yaml, detail);
    }
    conf_free(conf_must("log: {fields: [service=registry, env=]}\n"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_prefix_is_a_path_between_slashes),
        cmocka_unit_test(headers_of_the_server_are_not_set_twice),
        cmocka_unit_test(headers_have_a_bounded_size_together),
        cmocka_unit_test(a_wrong_address_of_the_second_door_is_told),
        cmocka_unit_test(patterns_of_other_dialects_are_refused),
        cmocka_unit_test(a_pattern_matches_anywhere),
        cmocka_unit_test(fields_of_the_log_have_a_name),
    };

    return cmocka_run_group_tests(tests, conf_setup, conf_teardown);
}
