#include "api/csrf.h"

#include "api/cookie.h"
#include "api/proxy.h"
#include "auth/browser/seal.h"
#include "auth/browser/session.h"
#include "conf/conf.h"
#include "exchange.h"

/* Requests that a page of another site makes a browser send. */

static struct server s;
static char *proxy[] = {"10.0.0.1"}, *page[] = {"https://ui.example"};
static struct seal *seal;

static int set_up(void **state)
{
    struct session_options options = {3600000, 3600000};

    (void)state;
    server_init(&s);
    s.w.conf->auth.mode = CONF_AUTH_ON;
    proxies_done(&s.api);
    s.w.conf->http.trusted_proxies = (struct conf_strings){proxy, 1};
    proxies_init(&s.api);
    s.w.conf->http.cors.origins = (struct conf_strings){page, 1};
    assert_ok(seal_new(s.w.meta, &seal, ERR_IGNORED));
    s.api.guard.sessions = sessions_new(s.w.meta, seal, &options);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    s.w.conf->http.trusted_proxies = s.w.conf->http.cors.origins = (struct conf_strings){0};
    sessions_free(s.api.guard.sessions);
    seal_free(seal);
    server_done(&s);
    return 0;
}

#define SITE(text)   "Sec-Fetch-Site: " text "\r\n"
#define ORIGIN(text) "Origin: " text "\r\n"
#define HTTPS        "X-Forwarded-Proto: https\r\n"

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

static void expect(const char *story, const struct request *r, enum err_code code)
{
    struct err e = {0};
    enum err_code got;
    struct call c;

    call_init(&c, &s, r);
    got = csrf_check_origin(&c.q, &e);
    if (got != code)
        fail_msg("%s: %s", story, err_name(got));
    if (code != ERR_OK)
        assert_true(e.public_detail);
    call_done(&c);
}

/* The host is localhost. */
static void what_changes_something_comes_from_a_page_of_ours_or_from_none(void **state)
{
    static const struct {
        const char *story, *method, *headers;
        enum err_code code;
    } rows[] = {
        {"a client that is no browser", "PUT", NULL, ERR_OK},
        {"a page of ours", "PUT", SITE("same-origin") ORIGIN("http://localhost"), ERR_OK},
        {"a page of ours, an older browser", "PUT", ORIGIN("http://localhost"), ERR_OK},
        {"typed by a person", "POST", SITE("none"), ERR_OK},
        {"another site", "POST", SITE("cross-site") ORIGIN("https://evil.example"), ERR_DENIED},
        {"another site, an older browser", "POST", ORIGIN("https://evil.example"), ERR_DENIED},
        {"another site that says no origin", "POST", SITE("cross-site"), ERR_DENIED},
        {"another origin of the same site", "POST", SITE("same-site"), ERR_DENIED},
        {"a word to come", "POST", SITE("new-word"), ERR_DENIED},
        {"a word in capitals", "POST", SITE("Same-Origin"), ERR_DENIED},
        {"a page in a sandbox", "POST", ORIGIN("null"), ERR_DENIED},
        {"a page of ours on another port", "POST", ORIGIN("http://localhost:8080"), ERR_DENIED},
        {"the origin says otherwise than the site", "POST",
         SITE("same-origin") ORIGIN("https://evil.example"), ERR_DENIED},
        {"a listed page", "POST", SITE("cross-site") ORIGIN("https://ui.example"), ERR_OK},
        {"a listed page with a cookie", "POST",
         SITE("cross-site") ORIGIN("https://ui.example") "Cookie: a=b\r\n", ERR_DENIED},
        {"another site deletes", "DELETE", SITE("cross-site"), ERR_DENIED},
        {"another site patches", "PATCH", SITE("cross-site"), ERR_DENIED},
        {"another site has a method of its own", "PURGE", SITE("cross-site"), ERR_DENIED},
        {"another site reads", "GET", SITE("cross-site") ORIGIN("https://evil.example"), ERR_OK},
        {"another site looks", "HEAD", SITE("cross-site"), ERR_OK},
        {"another site asks what it may", "OPTIONS", ORIGIN("https://evil.example"), ERR_OK},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char line[64];

        snprintf(line, sizeof(line), "%s /", rows[i].method);
        expect(rows[i].story, &(struct request){.line = line, .headers = rows[i].headers},
               rows[i].code);
    }
}

static void the_origin_is_compared_with_what_the_client_sees(void **state)
{
    static const struct {
        const char *story, *target;
        const char *headers, *peer;
        bool tls;
        enum err_code code;
    } rows[] = {
        {"TLS", "https://r.example/", ORIGIN("https://r.example"), NULL, true, ERR_OK},
        {"TLS on a port", "https://r.example:8443/", ORIGIN("https://r.example:8443"), NULL, true,
         ERR_OK},
        {"a plain page of the same name", "https://r.example/", ORIGIN("http://r.example"), NULL,
         true, ERR_DENIED},
        {"TLS ends at our proxy", "http://r.example/", HTTPS ORIGIN("https://r.example"),
         "10.0.0.1", false, ERR_OK},
        {"a plain page, TLS ends at our proxy", "http://r.example/",
         HTTPS ORIGIN("http://r.example"), "10.0.0.1", false, ERR_DENIED},
        {"TLS ends at a proxy that is not known", "http://r.example/", ORIGIN("https://r.example"),
         "198.51.100.7", false, ERR_OK},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char line[64];

        snprintf(line, sizeof(line), "PUT %s", rows[i].target);
        expect(
            rows[i].story,
            &(struct request){
                .line = line, .headers = rows[i].headers, .peer = rows[i].peer, .tls = rows[i].tls},
            rows[i].code);
    }
}

/* DNS rebinding: a name of another site may point to this machine. */
static void a_registry_for_this_machine_has_no_other_name(void **state)
{
    static const struct {
        const char *target, *headers;
        enum err_code code;
    } rows[] = {
        {"http://localhost:5000/", ORIGIN("http://localhost:5000"), ERR_OK},
        {"http://127.0.0.1:5000/", ORIGIN("http://127.0.0.1:5000"), ERR_OK},
        {"http://[::1]:5000/", ORIGIN("http://[::1]:5000"), ERR_OK},
        {"http://evil.example:5000/", ORIGIN("http://evil.example:5000"), ERR_DENIED},
        {"http://localhost.evil.example/", ORIGIN("http://localhost.evil.example"), ERR_DENIED},
        {"http://evil.example:5000/", SITE("same-origin") ORIGIN("http://evil.example:5000"),
         ERR_DENIED},
        {"http://registry.test:5000/", NULL, ERR_OK}, /* of /etc/hosts; no browser */
    };

    (void)state;
    s.w.conf->auth.mode = CONF_AUTH_LOOPBACK;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char line[64];

        snprintf(line, sizeof(line), "PUT %s", rows[i].target);
        expect(rows[i].target, &(struct request){.line = line, .headers = rows[i].headers},
               rows[i].code);
    }
    s.w.conf->auth.mode = CONF_AUTH_ON;
}

static void who_speaks_by_a_session_shows_that_they_read_it(void **state)
{
    char right[SEAL_MAC_TEXT + 1], of_another[SEAL_MAC_TEXT + 1];
    const struct {
        const char *story, *method, *session, *token;
        enum err_code code;
    } rows[] = {
        {"the token of the session", "PUT", "one", right, ERR_OK},
        {"none", "PUT", "one", NULL, ERR_DENIED},
        {"an empty one", "PUT", "one", "", ERR_DENIED},
        {"that of another session", "PUT", "one", of_another, ERR_DENIED},
        {"the cookie itself", "PUT", "one", "one", ERR_DENIED},
        {"reading needs none", "GET", "one", NULL, ERR_OK},
        {"no session, no token", "PUT", "", NULL, ERR_OK},
        {"no session, some token", "PUT", "", "x", ERR_OK},
    };

    (void)state;
    session_csrf(s.api.guard.sessions, STR("one"), right);
    session_csrf(s.api.guard.sessions, STR("another"), of_another);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char line[64], header[256] = "";
        enum err_code got;
        struct call c;

        snprintf(line, sizeof(line), "%s /", rows[i].method);
        snprintf(header, sizeof(header), "Cookie: " COOKIE_SESSION "=%s\r\n", rows[i].session);
        if (rows[i].token)
            snprintf(header + strlen(header), sizeof(header) - strlen(header),
                     "X-CSRF-Token: %s\r\n", rows[i].token);
        call_init(&c, &s, &(struct request){.line = line, .headers = header});
        c.q.by_session = rows[i].session[0] != '\0';
        got = csrf_check_token(&c.q, ERR_IGNORED);
        if (got != rows[i].code)
            fail_msg("%s: %s", rows[i].story, err_name(got));
        call_done(&c);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_origin_is_the_same_by_host_and_port),
        cmocka_unit_test(any_other_origin_is_another),
        cmocka_unit_test(what_changes_something_comes_from_a_page_of_ours_or_from_none),
        cmocka_unit_test(the_origin_is_compared_with_what_the_client_sees),
        cmocka_unit_test(a_registry_for_this_machine_has_no_other_name),
        cmocka_unit_test(who_speaks_by_a_session_shows_that_they_read_it),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
