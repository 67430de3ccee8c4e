#include "auth/browser/oidc.h"

#include "auth/browser/seal.h"
#include "base/clock.h"
#include "conf/conf.h"
#include "guarded.h"

#include <stdio.h>

/* Signing in at an OpenID provider: all that is decided before the provider is asked. Nobody
 * listens where it would be. */

#define STATE "5151515151515151515151515151515151515151515151515151515151515151"
#define OTHER "6161616161616161616161616161616161616161616161616161616161616161"

static struct server s;
static struct conf_oidc usual;
static const _Atomic uint64_t at_once = 8;
static const struct room_options room = {&at_once, 8};
static char issuer[] = "https://127.0.0.1:1/realm", client[] = "registry", none[] = "",
            name[] = "preferred_username";

static int set_up(void **state)
{
    struct conf_oidc *c;

    (void)state;
    guarded_init(&s);
    c = &s.w.conf->auth.oidc;
    usual = *c;
    *c = (struct conf_oidc){.issuer = issuer,
                            .title = none,
                            .client_id = client,
                            .client_secret_file = none,
                            .redirect_uri = none,
                            .username_claim = name,
                            .groups_claim = none,
                            .ca_file = none};
    s.api.guard.oidc = oidc_new(c, s.api.guard.accounts, &room);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    oidc_free(s.api.guard.oidc);
    s.api.guard.oidc = NULL;
    s.w.conf->auth.oidc = usual; /* and its texts are freed */
    guarded_done(&s);
    return 0;
}

static void tell_no_store(const char *story, const struct answer *a)
{
    tell_header(story, a, "Cache-Control", "no-store");
    tell_header(story, a, "Referrer-Policy", "no-referrer");
}

static void without_a_provider_nothing_is_there(void **state)
{
    static const char *const lines[] = {"GET /auth/oidc/login", "GET /auth/oidc/callback?code=1"};

    (void)state;
    oidc_free(s.api.guard.oidc);
    s.api.guard.oidc = NULL;
    for (size_t i = 0; i < 2; i++) {
        struct answer a = get(&s, lines[i]);

        assert_error(&a, 404, "UNSUPPORTED");
        answer_done(&a);
    }
}

static void a_way_back_must_be_a_path_of_this_registry(void **state)
{
    static const char *const places[] = {
        "https://evil.example/", "//evil.example", "/%5Cevil", "evil",
        "/a/../..//evil",        "/%0d%0ax"};

    (void)state;
    for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
        char line[128];
        struct answer a;

        snprintf(line, sizeof(line), "GET /auth/oidc/login?return_to=%s", places[i]);
        a = get(&s, line);
        tell_status(line, &a, 400);
        tell_no_store(line, &a);
        assert_int_equal(headers_of(&a, "Set-Cookie"), 0);
        answer_done(&a);
    }
}

static void a_provider_that_is_away_is_told_without_its_address(void **state)
{
    struct answer a = get(&s, "GET /auth/oidc/login");

    (void)state;
    assert_error(&a, 503, "UNKNOWN");
    assert_non_null(strstr(buf_text(&a.body), "the sign-in provider can't be reached"));
    assert_null(strstr(buf_text(&a.body), "127.0.0.1"));
    assert_int_equal(headers_of(&a, "Set-Cookie"), 0);
    answer_done(&a);
}

/* The cookie of a browser that began to sign in, as a header. */
static void began(int64_t until_ms, const char *purpose, char dst[static 4096])
{
    AUTO(buf) struct buf closed = {0};
    char json[1024];

    snprintf(json, sizeof(json),
             "{\"state\":\"" STATE "\",\"nonce\":\"" STATE "\",\"verifier\":\"" STATE
             "\",\"return_to\":\"/\",\"until_ms\":%lld}",
             (long long)until_ms);
    buf_init(&closed, 4096);
    seal_close(s.api.guard.seal, purpose, str_of(json), &closed);
    snprintf(dst, 4096, "Cookie: registry-sign-in=%s\r\n", buf_text(&closed));
}

static void a_callback_that_nobody_waits_for_is_refused(void **state)
{
    static const struct {
        const char *story, *query, *purpose; /* NULL: no cookie */
        int64_t left_ms;
        int status;
        const char *said;
    } rows[] = {
        {"no cookie", "?state=" STATE "&code=1", NULL, 0, 400, "did not begin to sign in"},
        {"another purpose", "?state=" STATE "&code=1", "other", 60000, 400,
         "did not begin to sign in"},
        {"too late", "?state=" STATE "&code=1", "oidc", -1000, 400, "took too long"},
        {"another state", "?state=" OTHER "&code=1", "oidc", 60000, 400, "began last"},
        {"a part of the state", "?state=5151&code=1", "oidc", 60000, 400, "began last"},
        {"no state", "?code=1", "oidc", 60000, 400, "began last"},
        {"no code", "?state=" STATE, "oidc", 60000, 400, "there is no code"},
        {"the person said no", "?state=" STATE "&error=access_denied", "oidc", 60000, 403,
         "refused: access_denied"},
        {"words that are none", "?state=" STATE "&error=%3Cb%3E", "oidc", 60000, 403,
         "the sign-in provider refused\""},
        {"the provider is away", "?state=" STATE "&code=1", "oidc", 60000, 503, "can't be reached"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char line[512], cookie[4096] = "";
        struct answer a;

        snprintf(line, sizeof(line), "GET /auth/oidc/callback%s", rows[i].query);
        if (rows[i].purpose)
            began(clock_wall_ms() + rows[i].left_ms, rows[i].purpose, cookie);
        a = serve(&s, &(struct request){.line = line, .headers = cookie});
        tell_status(rows[i].story, &a, rows[i].status);
        tell_no_store(rows[i].story, &a);
        if (!strstr(buf_text(&a.body), rows[i].said))
            fail_msg("%s: %s", rows[i].story, buf_text(&a.body));
        /* The one cookie that is set takes that of the beginning away. */
        assert_int_equal(headers_of(&a, "Set-Cookie"), 1);
        assert_non_null(strstr(header_of(&a, "Set-Cookie"), "registry-sign-in=;"));
        assert_non_null(strstr(header_of(&a, "Set-Cookie"), "Max-Age=0"));
        answer_done(&a);
    }
}

static void a_browser_that_fails_to_sign_in_gets_a_page(void **state)
{
    struct answer a = serve(&s, &(struct request){.line = "GET /auth/oidc/callback?code=1",
                                                  .headers = "Accept: text/html\r\n"});

    (void)state;
    assert_int_equal(a.status, 400);
    tell_header("callback", &a, "Content-Type", "text/html; charset=utf-8");
    assert_non_null(strstr(buf_text(&a.body), "start again</h1>"));
    answer_done(&a);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        T(without_a_provider_nothing_is_there),
        T(a_way_back_must_be_a_path_of_this_registry),
        T(a_provider_that_is_away_is_told_without_its_address),
        T(a_callback_that_nobody_waits_for_is_refused),
        T(a_browser_that_fails_to_sign_in_gets_a_page),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
