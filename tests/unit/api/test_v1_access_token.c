#include "guarded.h"

#include <jansson.h>
#include <stdio.h>

/* Personal tokens and those of robots over HTTP. */

static struct server s;

static int set_up(void **state)
{
    (void)state;
    guarded_init(&s);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    guarded_done(&s);
    return 0;
}

#define TOKENS "/api/v1/tokens"
#define MAKE   "POST " TOKENS

/* Makes one; *ret_who shows it, and the line to revoke it is in ret_revoke. */
static void make(const char *who, const char *json, char ret_who[static 512],
                 char ret_revoke[static 128])
{
    char headers[512];
    struct answer a;
    json_t *root;

    snprintf(headers, sizeof(headers), "%sContent-Type: application/json\r\n", who);
    a = serve(&s, &(struct request){.line = MAKE, .headers = headers, .body = str_of(json)});
    tell_status(json, &a, 201);
    tell_header(json, &a, "Cache-Control", "no-store");
    snprintf(ret_revoke, 128, "DELETE %s", header_of(&a, "Location"));
    root = json_loadb(a.body.p, a.body.n, 0, NULL);
    snprintf(ret_who, 512, "Authorization: Bearer %s\r\n",
             json_string_value(json_object_get(root, "token")));
    json_decref(root);
    answer_done(&a);
}

static void a_token_signs_in_until_it_is_revoked(void **state)
{
    char who[512], revoke[128];
    const struct step steps[] = {
        {"signs in", "GET /v2/", who, NULL, 200, NULL},
        {"is listed without its secret", "GET " TOKENS, ALICE, NULL, 200,
         "\"description\":\"laptop\""},
        {"makes no other", MAKE, who, "{}", 403, "DENIED"},
        {"is revoked", revoke, ALICE, NULL, 204, NULL},
        {"is over", "GET /v2/", who, NULL, 401, "UNAUTHORIZED"},
        {"is gone", revoke, ALICE, NULL, 404, "UNSUPPORTED"},
        {"is listed no more", "GET " TOKENS, ALICE, NULL, 200, "{\"tokens\":[]}"},
    };

    (void)state;
    make(ALICE, "{\"description\":\"laptop\"}", who, revoke);
    TELL(&s, steps);
}

static void who_may_make_which(void **state)
{
    static const struct step steps[] = {
        {"nobody", MAKE, NOBODY, "{}", 401, "UNAUTHORIZED"},
        {"one's own", MAKE, ALICE, "{}", 201, "\"owner\":\"user:alice\",\"scopes\":null"},
        {"one's own by name", MAKE, ALICE, "{\"user\":\"alice\"}", 201, "\"user:alice\""},
        {"of another", MAKE, ALICE, "{\"user\":\"root\"}", 403, "DENIED"},
        {"of a robot", MAKE, ALICE, "{\"robot\":\"ci\"}", 403, "DENIED"},
        {"an admin, of another", MAKE, ROOT, "{\"user\":\"alice\"}", 201, "\"user:alice\""},
        {"an admin, of a robot", MAKE, ROOT, "{\"robot\":\"ci\"}", 201, "\"robot:ci\""},
        {"of nobody", MAKE, ROOT, "{\"user\":\"mallory\"}", 404, "UNSUPPORTED"},
        {"of both", MAKE, ROOT, "{\"user\":\"alice\",\"robot\":\"ci\"}", 400, "UNSUPPORTED"},
    };

    (void)state;
    TELL(&s, steps);
}

static void what_makes_no_token_is_refused(void **state)
{
    static const struct step steps[] = {
        {"no scopes", MAKE, ALICE, "{\"scopes\":[]}", 400, "UNSUPPORTED"},
        {"an empty scope", MAKE, ALICE, "{\"scopes\":[\"\"]}", 400, "UNSUPPORTED"},
        {"two in one", MAKE, ALICE, "{\"scopes\":[\"a:pull b:pull\"]}", 400, "UNSUPPORTED"},
        {"no actions", MAKE, ALICE, "{\"scopes\":[\"a\"]}", 400, "UNSUPPORTED"},
        {"a scope", MAKE, ALICE, "{\"scopes\":[\"dev/**:pull\"]}", 201,
         "\"scopes\":[\"dev/**:pull\"]"},
        {"no lifetime", MAKE, ALICE, "{\"lifetime\":\"soon\"}", 400, "UNSUPPORTED"},
        {"for ever", MAKE, ALICE, "{\"lifetime\":\"never\"}", 201, "\"expires\":null"},
        {"an unknown field", MAKE, ALICE, "{\"scope\":\"a:pull\"}", 400, "UNSUPPORTED"},
    };

    (void)state;
    TELL(&s, steps);
}

static void those_of_others_are_not_there(void **state)
{
    char who[512], revoke[128];
    const struct step steps[] = {
        {"not in the list", "GET " TOKENS, ALICE, NULL, 200, "{\"tokens\":[]}"},
        {"asked for", "GET " TOKENS "?owner=user:root", ALICE, NULL, 403, "DENIED"},
        {"not to be revoked", revoke, ALICE, NULL, 404, "UNSUPPORTED"},
        {"an admin sees", "GET " TOKENS "?owner=user:root", ROOT, NULL, 200, "\"user:root\""},
        {"an admin revokes", revoke, ROOT, NULL, 204, NULL},
    };

    (void)state;
    make(ROOT, "{}", who, revoke);
    TELL(&s, steps);
}

static void a_narrowed_token_reaches_no_account(void **state)
{
    char who[512], revoke[128];
    const struct step steps[] = {
        {"tokens", "GET " TOKENS, who, NULL, 403, "DENIED"},
        {"making", MAKE, who, "{}", 403, "DENIED"},
        {"users", "GET /api/v1/users", who, NULL, 403, "DENIED"},
    };

    (void)state;
    make(ROOT, "{\"scopes\":[\"**:pull\"]}", who, revoke);
    for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
        struct answer a = serve(&s, &(struct request){.line = steps[i].line, .headers = who});

        assert_true(a.status == 401 || a.status == 403);
        answer_done(&a);
    }
}

static void a_list_comes_in_pages(void **state)
{
    char who[512], revoke[128], line[256], link[256];
    struct answer a;

    (void)state;
    make(ALICE, "{\"description\":\"one\"}", who, revoke);
    make(ALICE, "{\"description\":\"two\"}", who, revoke);
    a = serve(&s,
              &(struct request){.line = "GET " TOKENS "?n=1&owner=user:alice", .headers = ROOT});
    assert_int_equal(a.status, 200);
    snprintf(link, sizeof(link), "%s", header_of(&a, "Link"));
    assert_int_equal(sscanf(link, "<%127[^>]>; rel=\"next\"", line + 4), 1);
    memcpy(line, "GET ", 4);
    assert_non_null(strstr(line, "&owner=user%3Aalice"));
    answer_done(&a);
    a = serve(&s, &(struct request){.line = line, .headers = ROOT});
    assert_int_equal(a.status, 200);
    assert_int_equal(headers_of(&a, "Link"), 0);
    assert_non_null(strstr(buf_text(&a.body), "\"user:alice\""));
    answer_done(&a);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        T(a_token_signs_in_until_it_is_revoked), T(who_may_make_which),
        T(what_makes_no_token_is_refused),       T(those_of_others_are_not_there),
        T(a_narrowed_token_reaches_no_account),  T(a_list_comes_in_pages),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
