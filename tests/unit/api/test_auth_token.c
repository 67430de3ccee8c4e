#include "auth/tokens/token.h"

#include "api/policy_in_force.h"
#include "auth/core/auth.h"
#include "auth/policy/policy.h"
#include "auth/tokens/signer.h"
#include "base/mem.h"
#include "conf/conf.h"
#include "exchange.h"

#include <jansson.h>

/* The token service, for requests as docker (GET) and containerd (POST) make them. */

#define ALICE "Authorization: Basic YWxpY2U6cmlnaHQ=\r\n"
#define WRONG "Authorization: Basic YWxpY2U6d3Jvbmc=\r\n"
#define FORM  "Content-Type: application/x-www-form-urlencoded\r\n"
#define RIGHT "grant_type=password&username=alice&password=right"

static struct server s;
static struct auth *chain;
static struct signer *signer;

/* Everybody's password is "right". */
static enum verdict stub_check(struct provider *p, const struct credential *c,
                               struct identity **ret_identity, struct err *e)
{
    (void)p, (void)e;
    if (!str_eq(c->secret, STR("right")))
        return VERDICT_NO;
    *ret_identity = identity_new(IDENTITY_USER, c->user, "stub");
    return VERDICT_YES;
}

static void stub_free(struct provider *p)
{
    free(p);
}

static const struct provider_driver stub = {
    .name = "stub", .kinds = 1 << CREDENTIAL_BASIC, .check = stub_check, .free = stub_free};

static int set_up(void **state)
{
    static const _Atomic uint64_t at_once = 8;
    static const struct auth_options options = {60000, 64, 100, 60000, {&at_once, 8}};
    static const struct signer_options keys = {"ES256", 3600000, 3600000};
    static const struct token_options tokens = {"registry", "registry", 300000, 3600000};
    struct provider *providers[2];

    (void)state;
    server_init(&s);
    s.w.conf->auth.mode = CONF_AUTH_ON;
    assert_ok(signer_new(s.w.meta, &keys, &signer, ERR_IGNORED));
    s.api.guard.signer = signer;
    s.api.guard.tokens = tokens_new(signer, s.w.meta, &tokens);
    providers[0] = mem_zero(sizeof(*providers[0]));
    providers[0]->driver = &stub;
    providers[1] = tokens_provider(s.api.guard.tokens);
    chain = auth_new(&options, providers, 2);
    s.api.guard.auth = chain;
    tokens_renew_by(s.api.guard.tokens, auth_renew, chain);
    image_put(&s.w, "app", "one", "v1");
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    slow_clients = false;
    auth_free(chain);
    tokens_free(s.api.guard.tokens);
    signer_free(signer);
    server_done(&s);
    return 0;
}

/* A text of the answer; the caller frees. */
static char *text_of(const struct answer *a, const char *key)
{
    json_t *root = json_loadb(a->body.p, a->body.n, 0, NULL);
    const char *text = json_string_value(json_object_get(root, key));
    char *copy = text ? mem_strdup(text) : NULL;

    json_decref(root);
    return copy;
}

static struct answer post(const char *form)
{
    return serve(
        &s, &(struct request){.line = "POST /auth/token", .headers = FORM, .body = str_of(form)});
}

static void a_token_is_got_as_docker_asks(void **state)
{
    static const struct {
        const char *story, *query, *headers;
        int status;
        const char *code;
        bool refresh;
    } rows[] = {
        {"nobody", "", NULL, 200, NULL, false},
        {"nobody, for a repository", "?service=registry&scope=repository:app:pull", NULL, 200, NULL,
         false},
        {"alice", "?service=registry", ALICE, 200, NULL, false},
        {"alice, for two", "?scope=repository:a:pull&scope=repository:b:pull,push", ALICE, 200,
         NULL, false},
        {"alice, for two in one", "?scope=repository:a:pull+repository:b:pull", ALICE, 200, NULL,
         false},
        {"alice, for as long as they like", "?offline_token=true", ALICE, 200, NULL, true},
        {"nobody, for as long as they like", "?offline_token=true", NULL, 200, NULL, false},
        {"a wrong password", "", WRONG, 401, "UNAUTHORIZED", false},
        {"another service", "?service=other", ALICE, 400, "UNSUPPORTED", false},
        {"a malformed parameter", "?service=%zz", ALICE, 400, "UNSUPPORTED", false},
        {"a malformed scope", "?scope=%", ALICE, 400, "UNSUPPORTED", false},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        AUTO(mem) char *token = NULL, *access = NULL, *refresh = NULL;
        struct answer a;
        char line[256];

        snprintf(line, sizeof(line), "GET /auth/token%s", rows[i].query);
        a = serve(&s, &(struct request){.line = line, .headers = rows[i].headers});
        tell_status(rows[i].story, &a, rows[i].status);
        token = text_of(&a, "token");
        access = text_of(&a, "access_token");
        refresh = text_of(&a, "refresh_token");
        if (rows[i].code) {
            assert_error(&a, rows[i].status, rows[i].code);
        } else {
            assert_string_equal(token, access);
            tell_header(rows[i].story, &a, "Cache-Control", "no-store");
        }
        if ((refresh != NULL) != rows[i].refresh)
            fail_msg("%s: %s", rows[i].story, refresh ? refresh : "no refresh token");
        answer_done(&a);
    }
}

static void a_token_is_got_by_a_form(void **state)
{
    static const struct {
        const char *story, *form;
        int status;
        const char *code;
    } rows[] = {
        {"a password", RIGHT, 200, NULL},
        {"a password with a service and a scope",
         RIGHT "&service=registry&client_id=x&scope=repository%3Aapp%3Apull", 200, NULL},
        {"letters that are encoded", "grant_type=password&username=%61lice&password=r%69ght", 200,
         NULL},
        {"a wrong password", "grant_type=password&username=alice&password=wrong", 401,
         "UNAUTHORIZED"},
        {"no password", "grant_type=password&username=alice", 401, "UNAUTHORIZED"},
        {"no name and no password", "grant_type=password", 401, "UNAUTHORIZED"},
        {"no grant", "username=alice&password=right", 400, "UNSUPPORTED"},
        {"another grant", "grant_type=client_credentials", 400, "UNSUPPORTED"},
        {"nothing", "", 400, "UNSUPPORTED"},
        {"another service", RIGHT "&service=other", 400, "UNSUPPORTED"},
        {"a token that nobody gave", "grant_type=refresh_token&refresh_token=x", 401,
         "UNAUTHORIZED"},
        {"a malformed password", "grant_type=password&username=alice&password=%", 400,
         "UNSUPPORTED"},
    };

    (void)state;
    for (int slow = 0; slow < 2; slow++) {
        slow_clients = slow;
        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
            struct answer a = post(rows[i].form);

            tell_status(rows[i].story, &a, rows[i].status);
            if (rows[i].code)
                assert_error(&a, rows[i].status, rows[i].code);
            else
                tell_header(rows[i].story, &a, "Cache-Control", "no-store");
            answer_done(&a);
        }
    }
}

static void a_form_has_a_largest_size(void **state)
{
    AUTO(mem) char *form = mem_alloc(70001);
    struct answer a;

    (void)state;
    memset(form, 'a', 70000);
    form[70000] = '\0';
    a = post(form);
    assert_error(&a, 413, "SIZE_INVALID");
    answer_done(&a);
}

static void a_refresh_token_gives_others(void **state)
{
    AUTO(mem) char *refresh = NULL, *token = NULL;
    struct answer a = post(RIGHT "&access_type=offline&service=registry");
    char form[4096], header[4096];

    (void)state;
    assert_int_equal(a.status, 200);
    refresh = text_of(&a, "refresh_token");
    assert_non_null(refresh);
    answer_done(&a);
    snprintf(form, sizeof(form),
             "grant_type=refresh_token&refresh_token=%s&scope=repository:app:pull", refresh);
    a = post(form);
    assert_int_equal(a.status, 200);
    token = text_of(&a, "token");
    answer_done(&a);
    snprintf(header, sizeof(header), "Authorization: Bearer %s\r\n", token);
    a = serve(&s, &(struct request){.line = "GET /v2/app/manifests/v1", .headers = header});
    assert_int_equal(a.status, 200);
    answer_done(&a);
    a = serve(&s, &(struct request){.line = "DELETE /v2/app/manifests/v1", .headers = header});
    assert_error(&a, 401, "UNAUTHORIZED"); /* it is for less */
    assert_non_null(strstr(header_of(&a, "WWW-Authenticate"), "error=\"insufficient_scope\""));
    answer_done(&a);
    /* The token that gets others opens nothing itself. */
    snprintf(header, sizeof(header), "Authorization: Bearer %s\r\n", refresh);
    a = serve(&s, &(struct request){.line = "GET /v2/app/manifests/v1", .headers = header});
    assert_error(&a, 401, "UNAUTHORIZED");
    answer_done(&a);
}

static void without_a_token_service_there_is_none(void **state)
{
    static const char *const lines[] = {"GET /auth/token", "POST /auth/token",
                                        "GET /.well-known/jwks.json"};
    struct tokens *all = s.api.guard.tokens;

    (void)state;
    s.api.guard.tokens = NULL;
    for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
        struct answer a = get(&s, lines[i]);

        assert_int_equal(a.status, 404);
        answer_done(&a);
    }
    s.api.guard.tokens = all;
}

static void keys_are_public(void **state)
{
    struct answer a = get(&s, "GET /.well-known/jwks.json");
    const json_t *key;
    json_t *root;

    (void)state;
    assert_int_equal(a.status, 200);
    root = json_loadb(a.body.p, a.body.n, 0, NULL);
    key = json_array_get(json_object_get(root, "keys"), 0);
    assert_string_equal(json_string_value(json_object_get(key, "kty")), "EC");
    assert_null(json_object_get(key, "d")); /* the private part */
    json_decref(root);
    answer_done(&a);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_token_is_got_as_docker_asks),
        TEST(a_token_is_got_by_a_form),
        TEST(a_form_has_a_largest_size),
        TEST(a_refresh_token_gives_others),
        TEST(without_a_token_service_there_is_none),
        TEST(keys_are_public),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
