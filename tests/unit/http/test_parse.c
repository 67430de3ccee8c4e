#include "http/http.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static const struct http_limits limits = {
    .max_head_bytes = 4096, .max_url_bytes = 256, .max_headers = 8};

static struct http_head head;
static size_t used;
static int status;
static const char *why;

/* The bytes are parsed in a block of their own size, so that a sanitizer sees any step past it. */
static enum http_parse parse_n(const char *text, size_t n)
{
    static char *copy;

    free(copy);
    copy = malloc(n ? n : 1);
    assert_non_null(copy);
    memcpy(copy, text, n);
    status = 0;
    return http_parse_head(copy, n, &limits, &head, &used, &status, &why);
}

static enum http_parse parse(const char *text)
{
    return parse_n(text, strlen(text));
}

static void expect_good(const char *text)
{
    if (parse(text) != HTTP_PARSE_DONE)
        fail_msg("refused (%d %s): %s", status, why, text);
}

static void expect_bad(int want, const char *text)
{
    enum http_parse r = parse(text);

    if (r != HTTP_PARSE_BAD || status != want)
        fail_msg("verdict %d, status %d (%s) instead of %d: %s", r, status, why ? why : "", want,
                 text);
}

static void assert_str(struct str s, const char *want)
{
    if (!str_eq(s, str_of(want)))
        fail_msg("'" STR_FMT "' instead of '%s'", STR_ARG(s), want);
}

#define GET(fields) "GET / HTTP/1.1\r\nHost: a\r\n" fields "\r\n"

static void a_plain_get_is_taken_apart(void **state)
{
    const char *text = "GET /v2/a/b?n=1&last=x%20 HTTP/1.1\r\nHost: reg.example:5000\r\n"
                       "X-One:\t one two \t\r\nEmpty:\r\n\r\nrest";
    (void)state;
    expect_good(text);
    assert_int_equal(used, strlen(text) - 4);
    assert_int_equal(head.method, HTTP_GET);
    assert_str(head.target, "/v2/a/b?n=1&last=x%20");
    assert_str(head.path, "/v2/a/b");
    assert_str(head.query, "n=1&last=x%20");
    assert_str(head.host, "reg.example:5000");
    assert_int_equal(head.minor, 1);
    assert_int_equal(head.n_fields, 3);
    assert_str(http_field_get(&head, STR("x-oNE")), "one two");
    assert_int_equal(http_field_get(&head, STR("Empty")).n, 0);
    assert_non_null(http_field_get(&head, STR("Empty")).p);
    assert_null(http_field_get(&head, STR("Absent")).p);
    assert_true(head.keep_alive);
    assert_false(head.has_length || head.chunked || head.expect_continue);
}

static void every_prefix_of_a_head_wants_more(void **state)
{
    const char *text = "PUT /a HTTP/1.1\r\nHost: a\r\nContent-Length: 12\r\nA: b\r\n\r\n";

    (void)state;
    for (size_t n = 0; n < strlen(text); n++)
        assert_int_equal(parse_n(text, n), HTTP_PARSE_MORE);
    assert_int_equal(parse_n(text, strlen(text)), HTTP_PARSE_DONE);
}

static void methods_are_recognised(void **state)
{
    static const struct {
        const char *text;
        enum http_method method;
    } rows[] = {
        {"GET", HTTP_GET},         {"HEAD", HTTP_HEAD},   {"POST", HTTP_POST},
        {"PUT", HTTP_PUT},         {"PATCH", HTTP_PATCH}, {"DELETE", HTTP_DELETE},
        {"OPTIONS", HTTP_OPTIONS}, {"get", HTTP_OTHER},   {"PROPFIND", HTTP_OTHER},
    };
    char text[128];

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        snprintf(text, sizeof(text), "%s / HTTP/1.1\r\nHost: a\r\n\r\n", rows[i].text);
        expect_good(text);
        assert_int_equal(head.method, rows[i].method);
        assert_str(head.method_text, rows[i].text);
    }
}

static void an_absolute_target_is_reduced_and_names_the_host(void **state)
{
    (void)state;
    expect_good("GET http://one:80/p?q HTTP/1.1\r\nHost: two\r\n\r\n");
    assert_str(head.target, "/p?q");
    assert_str(head.path, "/p");
    assert_str(head.host, "one:80");
    expect_good("GET HTTPS://one HTTP/1.1\r\nHost: two\r\n\r\n");
    assert_str(head.path, "/");
    assert_str(head.host, "one");
    expect_bad(400, "GET ftp://one/ HTTP/1.1\r\nHost: a\r\n\r\n");
    expect_bad(400, "GET http:///p HTTP/1.1\r\nHost: a\r\n\r\n");
    expect_bad(400, "GET http://u@one/p HTTP/1.1\r\nHost: a\r\n\r\n");
    expect_bad(400, "GET http://one/p HTTP/1.1\r\n\r\n");
}

static void the_asterisk_is_for_options(void **state)
{
    (void)state;
    expect_good("OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_str(head.path, "*");
    expect_bad(400, "GET * HTTP/1.1\r\nHost: a\r\n\r\n");
}

static void malformed_request_lines_are_refused(void **state)
{
    static const char *const rows[] = {
        "GET  / HTTP/1.1",
        "GET /  HTTP/1.1",
        " GET / HTTP/1.1",
        "GET / HTTP/1.1 ",
        "GET\t/ HTTP/1.1",
        "GET /\tHTTP/1.1",
        "GET /",
        "GET",
        "G@T / HTTP/1.1",
        "/ HTTP/1.1",
        "GET a HTTP/1.1",
        "GET /a b HTTP/1.1",
        "GET /#f HTTP/1.1",
        "GET /\x01 HTTP/1.1",
        "GET /\x7f HTTP/1.1",
        "GET /\xc3\xa9 HTTP/1.1",
        "GET /<a> HTTP/1.1",
        "GET /a\"b HTTP/1.1",
        "GET /a\\b HTTP/1.1",
        "GET /{a} HTTP/1.1",
        "GET / http/1.1",
        "GET / HTTP/1",
        "GET / HTTP/1.",
        "GET / HTTP/1.10",
        "GET / HTTP/11",
        "GET / HTTP/x.1",
        "GET / HTTP",
        "GET / XTTP/1.1",
    };
    char text[128];

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        snprintf(text, sizeof(text), "%s\r\nHost: a\r\n\r\n", rows[i]);
        expect_bad(400, text);
    }
}

static void other_versions_are_505(void **state)
{
    (void)state;
    expect_bad(505, "GET / HTTP/2.0\r\nHost: a\r\n\r\n");
    expect_bad(505, "GET / HTTP/0.9\r\nHost: a\r\n\r\n");
    expect_good("GET / HTTP/1.7\r\nHost: a\r\n\r\n");
}

static void connect_is_501(void **state)
{
    (void)state;
    expect_bad(501, "CONNECT a:443 HTTP/1.1\r\nHost: a\r\n\r\n");
}

static void an_origin_is_said_once(void **state)
{
    (void)state;
    expect_good(GET("Origin: https://a.example\r\n"));
    expect_bad(400, GET("Origin: https://a.example\r\nOrigin: https://b.example\r\n"));
    expect_bad(400, GET("Origin: https://a.example\r\nA: b\r\norigin: https://a.example\r\n"));
    expect_bad(400, GET("Origin:\r\nOrigin: https://a.example\r\n"));
}

static void bare_line_ends_are_refused(void **state)
{
    (void)state;
    expect_bad(400, "GET / HTTP/1.1\nHost: a\r\n\r\n");
    expect_bad(400, GET("A: b\n"));
    expect_bad(400, GET("A: b\rC: d\r\n"));
    expect_bad(400, GET("A: b\r\r\n"));
    expect_bad(400, "GET / HTTP/1.1\r\nHost: a\r\n\n");
    expect_bad(400, "GET / HTTP/1.1\rHost: a\r\n\r\n");
    expect_bad(400, "\nGET / HTTP/1.1\r\nHost: a\r\n\r\n");
}

static void nul_and_control_bytes_are_refused(void **state)
{
    static const char nul[] = "GET / HTTP/1.1\r\nHost: a\r\nA: b\0c\r\n\r\n";
    char text[] = GET("A: b?c\r\n");
    char *at = strchr(text, '?');

    (void)state;
    assert_int_equal(parse_n(nul, sizeof(nul) - 1), HTTP_PARSE_BAD);
    for (int c = 1; c < 32; c++) {
        if (c == '\t')
            continue;
        *at = (char)c;
        expect_bad(400, text);
    }
    *at = 0x7f;
    expect_bad(400, text);
    *at = '\t';
    expect_good(text);
    *at = (char)0xe4;
    expect_good(text);
}

static void malformed_field_names_are_refused(void **state)
{
    (void)state;
    expect_bad(400, GET("A : b\r\n"));
    expect_bad(400, GET("A\t: b\r\n"));
    expect_bad(400, GET(": b\r\n"));
    expect_bad(400, GET("A\r\n"));
    expect_bad(400, GET("A b: c\r\n"));
    expect_bad(400, GET("(a): c\r\n"));
    expect_bad(400, GET("\xc3\xa4: c\r\n"));
}

static void folded_lines_are_refused(void **state)
{
    (void)state;
    expect_bad(400, GET("A: b\r\n c\r\n"));
    expect_bad(400, GET("A: b\r\n\tc\r\n"));
    expect_bad(400, "GET / HTTP/1.1\r\n Host: a\r\n\r\n");
}

static void there_is_exactly_one_valid_host(void **state)
{
    static const char *const bad[] = {"",      "a b",   "a/b",   "a:b",     "a:123456",
                                      ":80",   "u@a",   "[::1",  "[]",      "[::1]x",
                                      "[g::]", "a:80:", "a\xe4", "[::1]:x", "http://a"};
    static const char *const good[] = {"a",          "a:5000", "127.0.0.1:80", "[::1]",
                                       "[::1]:5000", "a:",     "x_y.z",        "EXAMPLE.org"};
    char text[128];

    (void)state;
    expect_bad(400, "GET / HTTP/1.1\r\n\r\n");
    expect_bad(400, "GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n");
    expect_bad(400, "GET / HTTP/1.1\r\nHost: a\r\nhost: b\r\n\r\n");
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        snprintf(text, sizeof(text), "GET / HTTP/1.1\r\nHost: %s\r\n\r\n", bad[i]);
        expect_bad(400, text);
    }
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        snprintf(text, sizeof(text), "GET / HTTP/1.1\r\nHost: %s\r\n\r\n", good[i]);
        expect_good(text);
        assert_str(head.host, good[i]);
    }
    expect_good("GET / HTTP/1.0\r\n\r\n");
}

static void a_length_is_digits_and_said_once(void **state)
{
    (void)state;
    expect_good(GET("Content-Length: 42\r\n"));
    assert_true(head.has_length);
    assert_int_equal(head.content_length, 42);
    expect_good(GET("content-length: 9223372036854775807\r\n"));
    expect_bad(400, GET("Content-Length: 9223372036854775808\r\n"));
    expect_bad(400, GET("Content-Length: 18446744073709551617\r\n"));
    expect_bad(400, GET("Content-Length: -1\r\n"));
    expect_bad(400, GET("Content-Length: +1\r\n"));
    expect_bad(400, GET("Content-Length: 1,1\r\n"));
    expect_bad(400, GET("Content-Length: 1, 1\r\n"));
    expect_bad(400, GET("Content-Length: 0x1\r\n"));
    expect_bad(400, GET("Content-Length: 1 1\r\n"));
    expect_bad(400, GET("Content-Length:\r\n"));
    expect_bad(400, GET("Content-Length: 1\r\nContent-Length: 1\r\n"));
    expect_bad(400, GET("Content-Length: 1\r\nContent-Length: 2\r\n"));
}

static void a_transfer_coding_is_exactly_chunked(void **state)
{
    (void)state;
    expect_good(GET("Transfer-Encoding: chunked\r\n"));
    assert_true(head.chunked);
    expect_good(GET("Transfer-Encoding: Chunked\r\n"));
    expect_bad(501, GET("Transfer-Encoding: gzip\r\n"));
    expect_bad(501, GET("Transfer-Encoding: identity\r\n"));
    expect_bad(501, GET("Transfer-Encoding: xchunked\r\n"));
    expect_bad(400, GET("Transfer-Encoding: gzip, chunked\r\n"));
    expect_bad(400, GET("Transfer-Encoding: chunked, chunked\r\n"));
    expect_bad(400, GET("Transfer-Encoding: chunked, identity\r\n"));
    expect_bad(400, GET("Transfer-Encoding: chunked;a=b\r\n"));
    expect_bad(400, GET("Transfer-Encoding: \"chunked\"\r\n"));
    expect_bad(400, GET("Transfer-Encoding:\r\n"));
    expect_bad(400, GET("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n"));
    expect_bad(400, GET("Transfer-Encoding: \x0b"
                        "chunked\r\n"));
    expect_bad(400, "POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n");
}

static void length_and_coding_together_are_refused(void **state)
{
    (void)state;
    expect_bad(400, GET("Content-Length: 1\r\nTransfer-Encoding: chunked\r\n"));
    expect_bad(400, GET("Transfer-Encoding: chunked\r\nContent-Length: 1\r\n"));
    expect_bad(400, GET("Transfer-Encoding: chunked\r\nContent-Length: 0\r\n"));
}

static void keep_alive_follows_version_and_connection(void **state)
{
    (void)state;
    expect_good(GET("Connection: close\r\n"));
    assert_false(head.keep_alive);
    expect_good(GET("Connection: TE , Close\r\n"));
    assert_false(head.keep_alive);
    expect_good(GET("Connection: keep-alive\r\nConnection: close\r\n"));
    assert_false(head.keep_alive);
    expect_good("GET / HTTP/1.0\r\n\r\n");
    assert_false(head.keep_alive);
    expect_good("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
    assert_true(head.keep_alive);
}

static void only_one_expectation_is_known(void **state)
{
    (void)state;
    expect_good(GET("Expect: 100-Continue\r\n"));
    assert_true(head.expect_continue);
    expect_bad(417, GET("Expect: 200-ok\r\n"));
    expect_good("GET / HTTP/1.0\r\nExpect: 100-continue\r\n\r\n");
    assert_false(head.expect_continue);
}

static void two_empty_lines_may_come_first(void **state)
{
    (void)state;
    expect_good("\r\n" GET(""));
    expect_good("\r\n\r\n" GET(""));
    assert_int_equal(used, strlen("\r\n\r\n" GET("")));
    expect_bad(400, "\r\n\r\n\r\n" GET(""));
    expect_bad(400, "\r" GET(""));
}

static void limits_have_their_own_statuses(void **state)
{
    char text[8192];
    size_t n;

    (void)state;
    memset(text, 'a', sizeof(text));
    memcpy(text, "GET /", 5);
    memcpy(text + 5 + 255, " HTTP/1.1\r\nHost: a\r\n\r\n", 23);
    assert_int_equal(parse(text), HTTP_PARSE_DONE);
    memset(text + 5, 'a', 300);
    memcpy(text + 5 + 256, " HTTP/1.1\r\nHost: a\r\n\r\n", 23);
    expect_bad(414, text);
    memset(text + 5, 'a', sizeof(text) - 5); /* a line that never ends */
    assert_int_equal(parse_n(text, 200), HTTP_PARSE_MORE);
    assert_int_equal(parse_n(text, 400), HTTP_PARSE_BAD);
    assert_int_equal(status, 414);
    assert_int_equal(parse_n(text, 5000), HTTP_PARSE_BAD);
    assert_int_equal(status, 414);
    n = (size_t)sprintf(text, "GET / HTTP/1.1\r\nHost: a\r\nA: ");
    memset(text + n, 'b', sizeof(text) - n);
    assert_int_equal(parse_n(text, 4095), HTTP_PARSE_MORE);
    assert_int_equal(parse_n(text, 4096), HTTP_PARSE_BAD);
    assert_int_equal(status, 431);
    expect_good(GET("A: 1\r\nA: 2\r\nA: 3\r\nA: 4\r\nA: 5\r\nA: 6\r\nA: 7\r\n"));
    expect_bad(431, GET("A: 1\r\nA: 2\r\nA: 3\r\nA: 4\r\nA: 5\r\nA: 6\r\nA: 7\r\nA: 8\r\n"));
}

static void what_is_not_http_is_refused_at_its_first_byte(void **state)
{
    (void)state;
    assert_int_equal(parse_n("\x16\x03\x01\x02", 4), HTTP_PARSE_BAD);
    assert_int_equal(status, 400);
}

static void query_parameters_are_decoded(void **state)
{
    char v[16];
    struct str q = STR("a=1&b=x%20y+z&a=%32&c&=e&d=&%65=f&bad=%4&nul=%00&long=0123456789abcdef");

    (void)state;
    assert_int_equal(http_query_get(q, STR("a"), 0, v, sizeof(v)), 1);
    assert_string_equal(v, "1");
    assert_int_equal(http_query_get(q, STR("a"), 1, v, sizeof(v)), 1);
    assert_string_equal(v, "2");
    assert_int_equal(http_query_get(q, STR("a"), 2, v, sizeof(v)), 0);
    assert_int_equal(http_query_get(q, STR("b"), 0, v, sizeof(v)), 1);
    assert_string_equal(v, "x y z");
    assert_int_equal(http_query_get(q, STR("c"), 0, v, sizeof(v)), 1);
    assert_string_equal(v, "");
    assert_int_equal(http_query_get(q, STR("d"), 0, v, sizeof(v)), 1);
    assert_string_equal(v, "");
    assert_int_equal(http_query_get(q, STR("e"), 0, v, sizeof(v)), 1);
    assert_string_equal(v, "f");
    assert_int_equal(http_query_get(q, STR("bad"), 0, v, sizeof(v)), -1);
    assert_int_equal(http_query_get(q, STR("nul"), 0, v, sizeof(v)), -1);
    assert_int_equal(http_query_get(q, STR("long"), 0, v, sizeof(v)), -1);
    assert_int_equal(http_query_get(q, STR("absent"), 0, v, sizeof(v)), 0);
    assert_int_equal(http_query_get(STR_NONE, STR("a"), 0, v, sizeof(v)), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_plain_get_is_taken_apart),
        cmocka_unit_test(every_prefix_of_a_head_wants_more),
        cmocka_unit_test(methods_are_recognised),
        cmocka_unit_test(an_absolute_target_is_reduced_and_names_the_host),
        cmocka_unit_test(the_asterisk_is_for_options),
        cmocka_unit_test(malformed_request_lines_are_refused),
        cmocka_unit_test(other_versions_are_505),
        cmocka_unit_test(connect_is_501),
        cmocka_unit_test(an_origin_is_said_once),
        cmocka_unit_test(bare_line_ends_are_refused),
        cmocka_unit_test(nul_and_control_bytes_are_refused),
        cmocka_unit_test(malformed_field_names_are_refused),
        cmocka_unit_test(folded_lines_are_refused),
        cmocka_unit_test(there_is_exactly_one_valid_host),
        cmocka_unit_test(a_length_is_digits_and_said_once),
        cmocka_unit_test(a_transfer_coding_is_exactly_chunked),
        cmocka_unit_test(length_and_coding_together_are_refused),
        cmocka_unit_test(keep_alive_follows_version_and_connection),
        cmocka_unit_test(only_one_expectation_is_known),
        cmocka_unit_test(two_empty_lines_may_come_first),
        cmocka_unit_test(limits_have_their_own_statuses),
        cmocka_unit_test(what_is_not_http_is_refused_at_its_first_byte),
        cmocka_unit_test(query_parameters_are_decoded),
    };

    return cmocka_run_group_tests_name("http/parse", tests, NULL, NULL);
}
