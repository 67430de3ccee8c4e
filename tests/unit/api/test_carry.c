/* What is settled of a request, once, on its way from the I/O thread to a worker and while it waits
 * for its body there. */
#include "api/policy_in_force.h"
#include "auth/core/audit.h"
#include "auth/core/auth.h"
#include "auth/core/rate.h"
#include "auth/policy/policy.h"
#include "base/cleanup.h"
#include "base/mem.h"
#include "exchange.h"

#include <jansson.h>

#define UPLOADS   "/v2/dev/app/blobs/uploads/"
#define CONTENT   "a layer, or what is one here"
#define ALICE     "Authorization: Basic YWxpY2U6c2VjcmV0\r\n" /* alice:secret */
#define JSON_TYPE "Content-Type: application/vnd.oci.image.manifest.v1+json\r\n"

/* A provider that counts, and a registry whose rights it decides on. */
struct fixture {
    struct server server;
    struct provider provider; /* the chain's; a part of this */
    unsigned calls;
    uint64_t generation;
    bool disabled;
    char dir[TEMP_DIR_MAX], trail[TEMP_DIR_MAX + 16];
};

static struct fixture f;

static enum verdict check(struct provider *p, const struct credential *c,
                          struct identity **ret_identity, struct err *e)
{
    (void)p, (void)e;
    f.calls++;
    if (f.disabled)
        return VERDICT_NO;
    *ret_identity = identity_new(IDENTITY_USER, c->user, "counting");
    return VERDICT_YES;
}

static uint64_t generation(struct provider *p)
{
    (void)p;
    return f.generation;
}

static void provider_free(struct provider *p)
{
    (void)p;
}

static const struct provider_driver counting = {.name = "counting",
                                                .kinds = 1u << CREDENTIAL_BASIC,
                                                .check = check,
                                                .generation = generation,
                                                .free = provider_free};

static int set_up(void **state)
{
    static const _Atomic uint64_t at_once = 10;
    const struct auth_options o = {
        .cache_ms = 600000, .cache_entries = 16, .lock_after = 100, .at_once = {&at_once, 10}};
    struct provider *one = &f.provider;
    struct api *api = &f.server.api;
    struct err e;

    (void)state;
    f = (struct fixture){.provider = {&counting}};
    meanwhile = NULL;
    slow_clients = false;
    server_init(&f.server);
    auth_free(f.server.guard.auth);
    f.server.guard.auth = api->guard.auth = auth_new(&o, &one, 1);
    f.server.w.conf->limits.rate.identity = 1;
    f.server.w.conf->limits.rate.identity_burst = 1000;
    temp_dir_make(f.dir, TEMP_DIR_MEMORY);
    snprintf(f.trail, sizeof(f.trail), "%s/trail", f.dir);
    assert_ok(audit_new(f.server.w.meta, &(struct audit_options){.file = f.trail},
                        &api->guard.audit, &e));
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    audit_free(f.server.api.guard.audit);
    server_done(&f.server);
    temp_dir_remove(f.dir);
    return 0;
}

static size_t trail_lines(void)
{
    AUTO(file) FILE *trail = fopen(f.trail, "re");
    size_t n = 0;
    int c;

    while (trail && (c = getc(trail)) != EOF)
        n += c == '\n';
    return n;
}

static struct answer ask(const char *line, const char *headers, const char *body)
{
    return serve(&f.server, &(struct request){.line = line,
                                              .headers = headers,
                                              .body = body ? str_of(body) : STR_NONE,
                                              .piece_bytes = 8});
}

static int status_of(struct answer a)
{
    answer_done(&a);
    return a.status;
}

/* Counted once of a bucket that was full. */
static void assert_counted_once(const struct answer *a)
{
    assert_string_equal(header_of(a, "RateLimit-Remaining"), "999");
    assert_int_equal(headers_of(a, "RateLimit-Remaining"), 1);
}

static void fill_buckets(void)
{
    rate_free(f.server.guard.rate);
    f.server.guard.rate = f.server.api.guard.rate = rate_new();
}

/* The URL of a new session, valid until the next call. */
static const char *begin(void)
{
    static char url[256];
    struct answer a = ask("POST " UPLOADS, ALICE, "");

    assert_int_equal(a.status, 202);
    snprintf(url, sizeof(url), "%s", header_of(&a, "Location"));
    answer_done(&a);
    return url;
}

static struct answer put_blob(const char *url)
{
    char line[512];

    snprintf(line, sizeof(line), "PUT %s?digest=%s", url, sha256_of(STR(CONTENT)).text);
    return ask(line, ALICE, CONTENT);
}

static void forbid_all(struct server *s)
{
    api_set_policy(&s->api, policy_new(NULL, 0, false));
}

static void a_provider_is_asked_once_for_a_request(void **state)
{
    struct answer a = ask("POST " UPLOADS, ALICE, "");

    (void)state;
    assert_int_equal(a.status, 202);
    assert_int_equal(f.calls, 1);
    assert_counted_once(&a);
    answer_done(&a);
}

static void change_users(struct server *s, bool waits_for_body)
{
    (void)s;
    if (!waits_for_body)
        f.generation++;
}

static void what_the_io_thread_settled_is_not_asked_for_by_the_worker(void **state)
{
    struct answer a;

    (void)state;
    assert_int_equal(status_of(ask("GET /v2/", ALICE, NULL)), 200);
    assert_int_equal(f.calls, 1);
    fill_buckets();
    meanwhile = change_users;
    a = ask("POST " UPLOADS, ALICE, "");
    assert_int_equal(a.status, 202);
    assert_int_equal(f.calls, 1);
    assert_counted_once(&a);
    answer_done(&a);
}

static void a_change_counts_for_the_next_request(void **state)
{
    (void)state;
    assert_int_equal(status_of(ask("GET /v2/", ALICE, NULL)), 200);
    meanwhile = change_users;
    assert_int_equal(status_of(ask("POST " UPLOADS, ALICE, "")), 202);
    f.disabled = true;
    assert_int_equal(status_of(ask("POST " UPLOADS, ALICE, "")), 401);
}

static void a_body_that_is_waited_for_is_counted_and_recorded_once(void **state)
{
    struct answer a;

    (void)state;
    slow_clients = true;
    a = ask("PUT /v2/dev/app/manifests/latest", ALICE JSON_TYPE, "{\"schemaVersion\":2}");
    assert_int_equal(a.status, 400);
    assert_int_equal(f.calls, 1);
    assert_counted_once(&a);
    assert_int_equal(trail_lines(), 1);
    answer_done(&a);
}

static void disable(struct server *s, bool waits_for_body)
{
    (void)s;
    f.disabled |= waits_for_body;
    f.generation += waits_for_body;
}

static void whose_account_goes_while_a_manifest_comes_pushes_nothing(void **state)
{
    struct answer a;

    (void)state;
    slow_clients = true;
    meanwhile = disable;
    a = ask("PUT /v2/dev/app/manifests/latest", ALICE JSON_TYPE, "{\"schemaVersion\":2}");
    assert_error(&a, 401, "UNAUTHORIZED");
    assert_int_equal(headers_of(&a, "RateLimit-Remaining"), 1);
    answer_done(&a);
}

/* As a token that runs out. */
static void a_credential_that_ends_does_not_cut_an_upload(void **state)
{
    struct answer a;

    (void)state;
    slow_clients = true;
    meanwhile = disable;
    a = put_blob(begin());
    assert_int_equal(a.status, 201);
    assert_int_equal(f.calls, 1);
    answer_done(&a);
}

static void forbid(struct server *s, bool waits_for_body)
{
    if (waits_for_body)
        forbid_all(s);
}

static void a_right_that_ends_while_a_blob_comes_ends_the_upload(void **state)
{
    struct digest d = sha256_of(STR(CONTENT));
    struct answer a;

    (void)state;
    slow_clients = true;
    meanwhile = forbid;
    a = put_blob(begin());
    assert_error(&a, 403, "DENIED");
    answer_done(&a);
    assert_false(blob_readable(&f.server.w, "dev/app", &d));
}

static void of_an_upload_in_one_request_nothing_is_left_when_its_right_ends(void **state)
{
    char line[512];

    (void)state;
    slow_clients = true;
    meanwhile = forbid;
    snprintf(line, sizeof(line), "POST " UPLOADS "?digest=%s", sha256_of(STR(CONTENT)).text);
    assert_int_equal(status_of(ask(line, ALICE, CONTENT)), 403);
    assert_int_equal(stored_uploads(&f.server.w), 0);
    assert_int_equal(known_uploads(&f.server.w), 0);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_provider_is_asked_once_for_a_request),
        TEST(what_the_io_thread_settled_is_not_asked_for_by_the_worker),
        TEST(a_change_counts_for_the_next_request),
        TEST(a_body_that_is_waited_for_is_counted_and_recorded_once),
        TEST(whose_account_goes_while_a_manifest_comes_pushes_nothing),
        TEST(a_credential_that_ends_does_not_cut_an_upload),
        TEST(a_right_that_ends_while_a_blob_comes_ends_the_upload),
        TEST(of_an_upload_in_one_request_nothing_is_left_when_its_right_ends),
    };

    return cmocka_run_group_tests_name("api/carry", tests, NULL, NULL);
}
