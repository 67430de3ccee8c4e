#include "api/access_refusal.h"

#include "api/route.h"
#include "conf/conf.h"
#include "exchange.h"

/* What who gets no further is told: how to sign in, and when to come again. */

#define HERE  "Bearer realm=\"http://localhost/auth/token\",service=\"registry\""
#define BASIC "Basic realm=\"registry\""
#define MOUNT "POST /v2/app/blobs/uploads/?mount=sha256:x&from="

static struct server s;
static struct tokens *const some_tokens = (struct tokens *)&s; /* is there one? Nothing else */

static int set_up(void **state)
{
    (void)state;
    server_init(&s);
    s.w.conf->auth.mode = CONF_AUTH_ON;
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    server_done(&s);
    return 0;
}

static void begin(struct call *c, const struct request *r, bool tokens)
{
    s.api.guard.tokens = tokens ? some_tokens : NULL;
    call_init(c, &s, r);
    assert_ok(route_request(&c->q, ERR_IGNORED));
}

static void a_challenge_says_how_to_sign_in_for_this(void **state)
{
    static const struct {
        const char *story, *line;
        bool tokens;
        const char *error, *challenge;
    } rows[] = {
        {"no token service", "GET /v2/", false, NULL, BASIC},
        {"no token service, a repository", "GET /v2/app/tags/list", false, "x", BASIC},
        {"the base", "GET /v2/", true, NULL, HERE},
        {"a pull", "GET /v2/app/manifests/v1", true, NULL, HERE ",scope=\"repository:app:pull\""},
        {"of a long name", "HEAD /v2/a/b-c/d.e/manifests/v1", true, NULL,
         HERE ",scope=\"repository:a/b-c/d.e:pull\""},
        {"a push", "PUT /v2/app/manifests/v1", true, NULL,
         HERE ",scope=\"repository:app:pull,push\""},
        {"a delete", "DELETE /v2/app/manifests/v1", true, NULL,
         HERE ",scope=\"repository:app:delete\""},
        {"the catalog", "GET /v2/_catalog", true, NULL, HERE ",scope=\"registry:catalog:*\""},
        {"a token for less", "GET /v2/app/tags/list", true, "insufficient_scope",
         HERE ",scope=\"repository:app:pull\",error=\"insufficient_scope\""},
        {"a mount", MOUNT "lib/x", true, NULL,
         HERE ",scope=\"repository:app:pull,push repository:lib/x:pull\""},
        {"a mount from a name with a slash encoded", MOUNT "lib%2Fx", true, NULL,
         HERE ",scope=\"repository:app:pull,push repository:lib/x:pull\""},
        {"a mount from nowhere", MOUNT, true, NULL, HERE ",scope=\"repository:app:pull,push\""},
        {"a mount from what is no name", MOUNT "A%22,b", true, NULL,
         HERE ",scope=\"repository:app:pull,push\""},
        {"from, and no mount", "POST /v2/app/blobs/uploads/?from=lib/x", true, NULL,
         HERE ",scope=\"repository:app:pull,push\""},
        {"an API of pages", "GET /api/v1/users", true, NULL, "Bearer realm=\"registry\""},
        {"an API of pages, no token service", "GET /api/v1/users", false, NULL,
         "Bearer realm=\"registry\""},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct call c;

        begin(&c, &(struct request){.line = rows[i].line}, rows[i].tokens);
        access_challenge(&c.q, rows[i].error);
        tell_header(rows[i].story, &c.a, "WWW-Authenticate", rows[i].challenge);
        call_done(&c);
    }
}

static void a_browser_with_a_session_is_not_made_to_ask_itself(void **state)
{
    struct call c;

    (void)state;
    begin(&c, &(struct request){.line = "GET /v2/"}, false);
    c.q.by_session = true;
    access_challenge(&c.q, NULL);
    assert_string_equal(header_of(&c.a, "WWW-Authenticate"), "Bearer realm=\"registry\"");
    call_done(&c);
}

static void the_token_service_is_where_the_client_sees_it(void **state)
{
    struct call c;

    (void)state;
    begin(&c, &(struct request){.line = "GET https://r.example:8443/v2/", .tls = true}, true);
    access_challenge(&c.q, NULL);
    assert_string_equal(header_of(&c.a, "WWW-Authenticate"),
                        "Bearer realm=\"https://r.example:8443/auth/token\",service=\"registry\"");
    call_done(&c);
}

static void the_configuration_says_where_it_is_instead(void **state)
{
    struct conf_token *t = &s.w.conf->auth.token;
    struct conf_token before = *t;
    struct call c;

    (void)state;
    t->realm = "https://tokens.example/auth?x=y";
    t->service = "r.example";
    t->jwks = "/etc/jwks.json"; /* tokens are made elsewhere */
    begin(&c, &(struct request){.line = "GET /v2/"}, false);
    access_challenge(&c.q, NULL);
    assert_string_equal(header_of(&c.a, "WWW-Authenticate"),
                        "Bearer realm=\"https://tokens.example/auth?x=y\",service=\"r.example\"");
    call_done(&c);
    *t = before;
}

/* RFC 9110, 5.6.4. */
static void a_text_of_the_configuration_stays_in_its_quotes(void **state)
{
    struct conf_auth *a = &s.w.conf->auth;
    char *realm = a->realm, *service = a->token.service;
    struct call c;

    (void)state;
    a->realm = "say \"hi\", error=\"x\\";
    a->token.service = "a\"b";
    begin(&c, &(struct request){.line = "GET /v2/"}, false);
    access_challenge(&c.q, NULL);
    assert_string_equal(header_of(&c.a, "WWW-Authenticate"),
                        "Basic realm=\"say \\\"hi\\\", error=\\\"x\\\\\"");
    call_done(&c);
    begin(&c, &(struct request){.line = "GET /v2/"}, true);
    access_challenge(&c.q, NULL);
    assert_string_equal(header_of(&c.a, "WWW-Authenticate"),
                        "Bearer realm=\"http://localhost/auth/token\",service=\"a\\\"b\"");
    call_done(&c);
    a->realm = realm;
    a->token.service = service;
}

static void who_asks_is_answered_401_with_a_reason(void **state)
{
    struct call c;

    (void)state;
    begin(&c, &(struct request){.line = "GET /v2/app/tags/list"}, false);
    assert_int_equal(access_ask(&c.q, NULL, "sign in first"), ACCESS_REFUSED);
    assert_error(&c.a, 401, "UNAUTHORIZED");
    assert_string_equal(header_of(&c.a, "WWW-Authenticate"), BASIC);
    assert_non_null(strstr(buf_text(&c.a.body), "\"message\":\"sign in first\""));
    call_done(&c);
}

static void who_may_not_is_answered_without_a_challenge(void **state)
{
    struct err e = {0};
    struct call c;

    (void)state;
    begin(&c, &(struct request){.line = "GET /v2/app/tags/list"}, true);
    assert_int_equal(access_refuse(&c.q, err_tell(&e, ERR_DENIED, "alice may not"), &e),
                     ACCESS_REFUSED);
    assert_error(&c.a, 403, "DENIED");
    assert_int_equal(headers_of(&c.a, "WWW-Authenticate"), 0);
    call_done(&c);
}

static void a_rate_is_told_in_three_fields(void **state)
{
    struct call c;

    (void)state;
    begin(&c, &(struct request){.line = "GET /v2/"}, false);
    access_tell_rate(&c.q, &(struct rate_state){.limit = 20, .remaining = 0, .reset_s = 3});
    assert_string_equal(header_of(&c.a, "RateLimit-Limit"), "20");
    assert_string_equal(header_of(&c.a, "RateLimit-Remaining"), "0");
    assert_string_equal(header_of(&c.a, "RateLimit-Reset"), "3");
    call_done(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_challenge_says_how_to_sign_in_for_this),
        cmocka_unit_test(a_browser_with_a_session_is_not_made_to_ask_itself),
        cmocka_unit_test(the_token_service_is_where_the_client_sees_it),
        cmocka_unit_test(the_configuration_says_where_it_is_instead),
        cmocka_unit_test(a_text_of_the_configuration_stays_in_its_quotes),
        cmocka_unit_test(who_asks_is_answered_401_with_a_reason),
        cmocka_unit_test(who_may_not_is_answered_without_a_challenge),
        cmocka_unit_test(a_rate_is_told_in_three_fields),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
