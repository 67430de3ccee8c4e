#include "api/access.h"

#include "api/policy_in_force.h"
#include "auth/core/auth.h"
#include "auth/policy/policy.h"
#include "base/clock.h"
#include "base/mem.h"
#include "conf/conf.h"
#include "exchange.h"

/* Who asks, and whether they may. One provider knows everybody by the password "right". */

#define ALICE  "Authorization: Basic YWxpY2U6cmlnaHQ=\r\n"
#define BOB    "Authorization: Basic Ym9iOnJpZ2h0\r\n"
#define ROOT   "Authorization: Basic cm9vdDpyaWdodA==\r\n"
#define TOKEN  "Authorization: Basic dG9rZW46cmlnaHQ=\r\n"
#define WRONG  "Authorization: Basic YWxpY2U6d3Jvbmc=\r\n"
#define AWAY   "Authorization: Basic YXdheTpyaWdodA==\r\n"
#define BEARER "Authorization: Bearer unheard-of\r\n"

static struct server s;
static struct auth *chain;

/* "root" is an admin; "token" stands for a token that pulls below dev only. */
static enum verdict stub_check(struct provider *p, const struct credential *c,
                               struct identity **ret_identity, struct err *e)
{
    struct identity *id;

    (void)p;
    if (str_eq(c->user, STR("away"))) {
        (void)err_set(e, ERR_UNAVAILABLE, "the directory is away");
        return VERDICT_FAIL;
    }
    if (!str_eq(c->secret, STR("right")))
        return VERDICT_NO;
    id = identity_new(IDENTITY_USER, c->user, "stub");
    id->admin = str_eq(c->user, STR("root"));
    if (str_eq(c->user, STR("token"))) {
        id->scoped = true;
        identity_add_scope(id, STR("dev/**"), ACTION_PULL);
    }
    *ret_identity = id;
    return VERDICT_YES;
}

static void stub_free(struct provider *p)
{
    free(p);
}

static const struct provider_driver stub = {
    .name = "stub", .kinds = 1 << CREDENTIAL_BASIC, .check = stub_check, .free = stub_free};

static struct policy_rule rule(const char *subject, unsigned actions, const char *repositories)
{
    struct policy_rule r = {.n_subjects = 1, .actions = actions, .n_repositories = 1};

    r.subjects = mem_zero(sizeof(char *));
    r.subjects[0] = mem_strdup(subject);
    r.repositories = mem_zero(sizeof(char *));
    r.repositories[0] = mem_strdup(repositories);
    return r;
}

static struct policy *rules(void)
{
    struct policy_rule *r = mem_zero(5 * sizeof(*r));

    r[0] = rule("*", ACTION_PULL, "public/**");
    r[1] =
        rule("user:alice", ACTION_PULL | ACTION_PUSH | ACTION_OVERWRITE | ACTION_DELETE, "dev/**");
    r[2] = rule("user:bob", ACTION_PULL, "dev/**");
    r[3] = rule("user:bob", ACTION_PUSH, "dev/bob");
    r[4] = rule("user:token", ACTION_PULL | ACTION_PUSH, "**");
    return policy_new(r, 5, false);
}

static int set_up(void **state)
{
    static const _Atomic uint64_t at_once = 8;
    static const struct auth_options options = {60000, 64, 3, 60000, {&at_once, 8}};
    struct provider *p = mem_zero(sizeof(*p));

    (void)state;
    server_init(&s);
    s.w.conf->auth.mode = CONF_AUTH_ON;
    p->driver = &stub;
    chain = auth_new(&options, &p, 1);
    s.api.guard.auth = chain;
    api_set_policy(&s.api, rules());
    image_put(&s.w, "dev/app", "one", "v1");
    image_put(&s.w, "dev/bob", "one", "v1");
    image_put(&s.w, "public/app", "one", "v1");
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    auth_free(chain);
    server_done(&s);
    return 0;
}

static struct answer ask(const char *line, const char *who)
{
    return serve(&s, &(struct request){.line = line, .headers = who});
}

#define PULLS   "GET /v2/dev/app/manifests/v1"
#define UPLOADS "POST /v2/dev/app/blobs/uploads/"
#define DELETES "DELETE /v2/dev/app/manifests/none"
#define SENDS   "POST /upload-image"
#define FORM    "Content-Type: multipart/form-data; boundary=x\r\n"

static void what_one_may_depends_on_who_one_is(void **state)
{
    static const struct {
        const char *story, *line, *who;
        int status;
        const char *code; /* of the error */
    } rows[] = {
        {"nobody looks whether this is a registry", "GET /v2/", NULL, 401, "UNAUTHORIZED"},
        {"nobody pulls what is public", "GET /v2/public/app/manifests/v1", NULL, 200, NULL},
        {"nobody pulls what is not", PULLS, NULL, 401, "UNAUTHORIZED"},
        {"nor what is nowhere", "GET /v2/nowhere/manifests/v1", NULL, 401, "UNAUTHORIZED"},
        {"nobody lists what is there", "GET /v2/_catalog", NULL, 401, "UNAUTHORIZED"},
        {"nobody pushes", "POST /v2/public/app/blobs/uploads/", NULL, 401, "UNAUTHORIZED"},
        {"nobody administers", "GET /api/v1/users", NULL, 401, "UNAUTHORIZED"},
        {"nobody asks whether it lives", "GET /healthz", NULL, 200, NULL},
        {"alice looks whether this is a registry", "GET /v2/", ALICE, 200, NULL},
        {"alice pulls", PULLS, ALICE, 200, NULL},
        {"alice pushes", UPLOADS, ALICE, 202, NULL},
        {"alice deletes", DELETES, ALICE, 404, "MANIFEST_UNKNOWN"},
        {"alice administers", "GET /api/v1/users", ALICE, 403, "DENIED"},
        {"alice changes the rules", "DELETE /api/v1/policy/x", ALICE, 403, "DENIED"},
        {"alice pulls what is nowhere", "GET /v2/nowhere/manifests/v1", ALICE, 404,
         "MANIFEST_UNKNOWN"},
        {"bob pulls", PULLS, BOB, 200, NULL},
        {"bob pushes where they may", "POST /v2/dev/bob/blobs/uploads/", BOB, 202, NULL},
        {"bob pushes elsewhere", UPLOADS, BOB, 403, "DENIED"},
        {"bob deletes", DELETES, BOB, 403, "DENIED"},
        {"root does all", DELETES, ROOT, 404, "MANIFEST_UNKNOWN"},
        {"a token pulls what it is for", PULLS, TOKEN, 200, NULL},
        {"a token pulls what it is not for", "GET /v2/public/app/manifests/v1", TOKEN, 401,
         "UNAUTHORIZED"},
        {"a token pushes", UPLOADS, TOKEN, 401, "UNAUTHORIZED"},
        {"a token makes others", "POST /api/v1/tokens", TOKEN, 401, "UNAUTHORIZED"},
        {"alice sends a form that has nothing yet", SENDS, ALICE FORM, 400, "IMAGE_INVALID"},
        {"bob, who may push somewhere", SENDS, BOB FORM, 400, "IMAGE_INVALID"},
        {"nobody sends a form", SENDS, FORM, 401, "UNAUTHORIZED"},
        {"a token that pushes nowhere sends one", SENDS, TOKEN FORM, 401, "UNAUTHORIZED"},
        {"a password is wrong", "GET /v2/public/app/manifests/v1", WRONG, 401, "UNAUTHORIZED"},
        {"nobody knows a token", "GET /v2/", BEARER, 401, "UNAUTHORIZED"},
        {"nobody can say now", "GET /v2/", AWAY, 503, "UNKNOWN"},
        {"no scheme that is known", "GET /v2/", "Authorization: Digest x\r\n", 401, "UNAUTHORIZED"},
        {"no base64", "GET /v2/", "Authorization: Basic %%%\r\n", 401, "UNAUTHORIZED"},
        {"no colon", "GET /v2/", "Authorization: Basic YWxpY2U=\r\n", 401, "UNAUTHORIZED"},
        {"a header of nothing is none", "GET /v2/public/app/manifests/v1", "Authorization:\r\n",
         200, NULL},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct answer a = ask(rows[i].line, rows[i].who);

        tell_status(rows[i].story, &a, rows[i].status);
        if (rows[i].code)
            assert_error(&a, rows[i].status, rows[i].code);
        if ((headers_of(&a, "WWW-Authenticate") == 1) != (rows[i].status == 401))
            fail_msg("%s: challenge '%s'", rows[i].story, header_of(&a, "WWW-Authenticate"));
        answer_done(&a);
    }
}

#define SOME "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

static void what_is_hidden_looks_as_if_it_were_not_there(void **state)
{
    static const char *const rows[] = {"/manifests/v1", "/tags/list", "/blobs/" SOME,
                                       "/referrers/" SOME};

    (void)state;
    image_put(&s.w, "ops/app", "one", "v1");
    for (size_t i = 0; i < 2 * sizeof(rows) / sizeof(rows[0]); i++) {
        const char *method = i % 2 ? "HEAD" : "GET", *rest = rows[i / 2];
        struct answer hidden, none;
        char line[256];

        snprintf(line, sizeof(line), "%s /v2/ops/app%s", method, rest);
        hidden = ask(line, BOB);
        snprintf(line, sizeof(line), "%s /v2/ops/non%s", method, rest);
        none = ask(line, BOB);
        tell_status(line, &hidden, none.status);
        assert_int_equal(hidden.body.n, none.body.n);
        assert_true(str_eq(buf_str(&hidden.headers), buf_str(&none.headers)));
        answer_done(&hidden);
        answer_done(&none);
    }
}

static void a_list_holds_what_one_may_see(void **state)
{
    static const struct {
        const char *who, *body;
    } rows[] = {
        {ALICE, "{\"repositories\":[\"dev/app\",\"dev/bob\",\"public/app\"]}\n"},
        {TOKEN, "{\"repositories\":[\"dev/app\",\"dev/bob\"]}\n"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct answer a = ask("GET /v2/_catalog", rows[i].who);

        assert_int_equal(a.status, 200);
        assert_string_equal(buf_text(&a.body), rows[i].body);
        answer_done(&a);
    }
}

static void wrong_passwords_lock_their_user_out_of_an_address(void **state)
{
    struct answer a;

    (void)state;
    for (int i = 0; i < 3; i++) {
        a = ask("GET /v2/", WRONG);
        assert_int_equal(a.status, 401);
        answer_done(&a);
    }
    a = ask("GET /v2/", ALICE);
    assert_error(&a, 429, "TOOMANYREQUESTS");
    assert_int_equal(headers_of(&a, "Retry-After"), 1);
    answer_done(&a);
    a = serve(&s, &(struct request){.line = "GET /v2/", .headers = ALICE, .peer = "192.0.2.1"});
    assert_int_equal(a.status, 200);
    answer_done(&a);
}

/* Buckets fill by one in a second, so it must take less. */
static void requests_are_counted_by_who_or_by_where(void **state)
{
    static const struct {
        const char *story, *who, *peer;
        int status;
        const char *remaining;
    } rows[] = {
        {"alice", ALICE, "192.0.2.1", 200, "1"},
        {"alice from elsewhere", ALICE, "192.0.2.2", 200, "0"},
        {"alice once too often", ALICE, "192.0.2.3", 429, "0"},
        {"bob from there", BOB, "192.0.2.3", 200, "1"},
        {"somebody", NULL, "192.0.2.1", 200, "0"},
        {"somebody once too often", NULL, "192.0.2.1", 429, "0"},
        {"somebody else", NULL, "192.0.2.2", 200, "0"},
        {"somebody of a network", NULL, "2001:db8::1", 200, "0"},
        {"and another of it", NULL, "2001:db8::2", 429, "0"},
    };
    struct answer a[sizeof(rows) / sizeof(rows[0])];
    int64_t began_ms = clock_mono_ms();

    s.w.conf->limits.rate =
        (struct conf_rate){.identity = 1, .identity_burst = 2, .address = 1, .address_burst = 1};
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        a[i] = serve(&s, &(struct request){.line = "GET /v2/public/app/manifests/v1",
                                           .headers = rows[i].who,
                                           .peer = rows[i].peer});
    if (clock_mono_ms() - began_ms < 1000) {
        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
            tell_status(rows[i].story, &a[i], rows[i].status);
            tell_header(rows[i].story, &a[i], "RateLimit-Remaining", rows[i].remaining);
            tell_header(rows[i].story, &a[i], "Retry-After", rows[i].status == 429 ? "1" : "");
        }
    } else {
        tear_down(state);
        set_up(state);
        requests_are_counted_by_who_or_by_where(state);
    }
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        answer_done(&a[i]);
}

static void without_authentication_everyone_may_all_but_what_outlasts_that(void **state)
{
    static const struct {
        const char *line;
        int status;
    } rows[] = {
        {"GET /v2/", 200},
        {PULLS, 200},
        {UPLOADS, 202},
        {DELETES, 404},
        {"GET /v2/_catalog", 200},
        {"GET /api/v1/users", 403},
        {"POST /api/v1/tokens", 403},
        {"POST /api/v1/policy", 403},
    };

    (void)state;
    s.api.guard.auth = s.guard.auth; /* that of nobody */
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct answer a = ask(rows[i].line, NULL);

        tell_status(rows[i].line, &a, rows[i].status);
        answer_done(&a);
    }
}

static void a_certificate_that_has_gone_bad_ends_the_connection(void **state)
{
    struct answer a =
        serve(&s, &(struct request){
                      .line = "GET /healthz", .tls = true, .certificate = HTTP_CERTIFICATE_BAD});

    (void)state;
    assert_error(&a, 403, "DENIED");
    answer_done(&a);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(what_one_may_depends_on_who_one_is),
        TEST(what_is_hidden_looks_as_if_it_were_not_there),
        TEST(a_list_holds_what_one_may_see),
        TEST(wrong_passwords_lock_their_user_out_of_an_address),
        TEST(requests_are_counted_by_who_or_by_where),
        TEST(without_authentication_everyone_may_all_but_what_outlasts_that),
        TEST(a_certificate_that_has_gone_bad_ends_the_connection),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
