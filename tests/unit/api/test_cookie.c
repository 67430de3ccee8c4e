#include "api/cookie.h"

#include "api/proxy.h"
#include "conf/conf.h"
#include "exchange.h"

/* Cookies: what a browser sends, and what it is told to keep. */

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

static char *proxy[] = {"10.0.0.1"};

static const struct request plain = {.line = "GET /"}, tls = {.line = "GET /", .tls = true},
                            behind = {.line = "GET /",
                                      .peer = "10.0.0.1",
                                      .headers = "X-Forwarded-Proto: https\r\n"},
                            pretending = {.line = "GET /",
                                          .headers = "X-Forwarded-Proto: https\r\n"};

static struct server s;

static int set_up(void **state)
{
    (void)state;
    server_init(&s);
    proxies_done(&s.api);
    s.w.conf->http.trusted_proxies = (struct conf_strings){proxy, 1};
    proxies_init(&s.api);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    s.w.conf->http.trusted_proxies = (struct conf_strings){0};
    server_done(&s);
    return 0;
}

static void a_cookie_is_for_this_host_and_its_own_pages(void **state)
{
    static const struct {
        const char *story;
        const struct request *request;
        const char *value;
        enum cookie_site site;
        uint64_t max_age_s;
        const char *text;
    } rows[] = {
        {"plain", &plain, "v", COOKIE_STRICT, 60,
         "sid=v; Path=/; Max-Age=60; HttpOnly; SameSite=Strict"},
        {"TLS", &tls, "v", COOKIE_STRICT, 60,
         "__Host-sid=v; Path=/; Max-Age=60; HttpOnly; SameSite=Strict; Secure"},
        {"TLS up to our proxy", &behind, "v", COOKIE_STRICT, 60,
         "__Host-sid=v; Path=/; Max-Age=60; HttpOnly; SameSite=Strict; Secure"},
        {"somebody says it is TLS", &pretending, "v", COOKIE_STRICT, 60,
         "sid=v; Path=/; Max-Age=60; HttpOnly; SameSite=Strict"},
        {"for who comes back from another site", &tls, "v", COOKIE_LAX, 600,
         "__Host-sid=v; Path=/; Max-Age=600; HttpOnly; SameSite=Lax; Secure"},
        {"it goes", &tls, "", COOKIE_STRICT, 0,
         "__Host-sid=; Path=/; Max-Age=0; HttpOnly; SameSite=Strict; Secure"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct call c;

        call_init(&c, &s, rows[i].request);
        cookie_set(&c.q, "sid", rows[i].value, rows[i].site, rows[i].max_age_s);
        tell_header(rows[i].story, &c.a, "Set-Cookie", rows[i].text);
        call_done(&c);
    }
}

static void over_tls_only_a_cookie_of_this_very_host_counts(void **state)
{
    static const struct {
        const char *story;
        struct request request;
        const char *value;
    } rows[] = {
        {"plain", {.line = "GET /", .headers = "Cookie: sid=1\r\n"}, "1"},
        {"plain, of TLS", {.line = "GET /", .headers = "Cookie: __Host-sid=1\r\n"}, ""},
        {"TLS", {.line = "GET /", .headers = "Cookie: __Host-sid=1\r\n", .tls = true}, "1"},
        {"TLS, of another host",
         {.line = "GET /", .headers = "Cookie: sid=1\r\n", .tls = true},
         ""},
        {"TLS, both",
         {.line = "GET /", .headers = "Cookie: sid=2; __Host-sid=1\r\n", .tls = true},
         "1"},
        {"none", {.line = "GET /"}, ""},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct call c;

        call_init(&c, &s, &rows[i].request);
        if (!str_eq(cookie_get(&c.q, "sid"), str_of(rows[i].value)))
            fail_msg("%s: " STR_FMT, rows[i].story, STR_ARG(cookie_get(&c.q, "sid")));
        call_done(&c);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_cookie_is_found_among_others),
        cmocka_unit_test(what_is_not_that_cookie_is_not_found),
        cmocka_unit_test(two_values_are_none),
        cmocka_unit_test_setup_teardown(a_cookie_is_for_this_host_and_its_own_pages, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(over_tls_only_a_cookie_of_this_very_host_counts, set_up,
                                        tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
