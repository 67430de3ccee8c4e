#include "guarded.h"

#include <jansson.h>
#include <stdio.h>

/* Sessions of browsers: begun, used, ended. */

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

#define SESSION "/api/v1/session"
#define FORM    "{\"username\":\"alice\",\"password\":\"" PASSWORD "\"}"

struct browser {
    char cookie[512];           /* a header */
    char cookie_and_token[768]; /* two */
};

static void sign_in(struct browser *b)
{
    struct answer a = serve(&s, &(struct request){.line = "POST " SESSION,
                                                  .headers = "Content-Type: application/json\r\n",
                                                  .body = STR(FORM)});
    json_t *root = json_loadb(a.body.p, a.body.n, 0, NULL);
    char cookie[400];

    tell_status("signing in", &a, 200);
    tell_header("signing in", &a, "Cache-Control", "no-store");
    assert_int_equal(sscanf(header_of(&a, "Set-Cookie"), "%399[^;]", cookie), 1);
    assert_non_null(strstr(header_of(&a, "Set-Cookie"), "; HttpOnly"));
    assert_non_null(strstr(header_of(&a, "Set-Cookie"), "; SameSite=Strict"));
    snprintf(b->cookie, sizeof(b->cookie), "Cookie: %s\r\n", cookie);
    snprintf(b->cookie_and_token, sizeof(b->cookie_and_token), "%sX-CSRF-Token: %s\r\n", b->cookie,
             json_string_value(json_object_get(root, "csrf_token")));
    json_decref(root);
    answer_done(&a);
}

static void a_session_lasts_until_it_is_ended(void **state)
{
    struct browser b;
    const struct step steps[] = {
        {"who one is", "GET " SESSION, b.cookie, NULL, 200,
         "{\"subject\":\"user:alice\",\"name\":\"alice\",\"provider\":\"local\",\"admin\":false,"
         "\"groups\":[\"dev\",\"ops\"],\"csrf_token\":\""},
        {"ended by another site", "DELETE " SESSION, b.cookie, NULL, 403, "DENIED"},
        {"still there", "GET " SESSION, b.cookie, NULL, 200, "\"alice\""},
        {"ended", "DELETE " SESSION, b.cookie_and_token, NULL, 204, NULL},
        {"over", "GET " SESSION, b.cookie, NULL, 401, "UNAUTHORIZED"},
    };

    (void)state;
    sign_in(&b);
    TELL(&s, steps);
}

static void who_does_not_sign_in_gets_no_session(void **state)
{
    static const struct {
        const char *story, *json;
        int status;
        const char *code;
    } rows[] = {
        {"a wrong password", "{\"username\":\"alice\",\"password\":\"wrong\"}", 401,
         "UNAUTHORIZED"},
        {"nobody of that name", "{\"username\":\"mallory\",\"password\":\"" PASSWORD "\"}", 401,
         "UNAUTHORIZED"},
        {"no password", "{\"username\":\"alice\"}", 400, "UNSUPPORTED"},
        {"an empty one", "{\"username\":\"alice\",\"password\":\"\"}", 400, "UNSUPPORTED"},
        {"no text", "{\"username\":\"alice\",\"password\":1}", 400, "UNSUPPORTED"},
        {"no JSON", "username=alice", 400, "UNSUPPORTED"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct answer a =
            serve(&s, &(struct request){.line = "POST " SESSION,
                                        .headers = "Content-Type: application/json\r\n",
                                        .body = str_of(rows[i].json)});

        tell_status(rows[i].story, &a, rows[i].status);
        assert_error(&a, rows[i].status, rows[i].code);
        assert_int_equal(headers_of(&a, "Set-Cookie"), 0);
        answer_done(&a);
    }
}

/* A form of another site can be sent without asking first, JSON can't. */
static void a_form_begins_no_session(void **state)
{
    struct answer a = serve(&s, &(struct request){.line = "POST " SESSION,
                                                  .headers = "Content-Type: text/plain\r\n",
                                                  .body = STR(FORM)});

    (void)state;
    assert_error(&a, 415, "UNSUPPORTED");
    answer_done(&a);
}

static void who_has_no_session_ends_none(void **state)
{
    static const struct step steps[] = {
        {"nobody", "DELETE " SESSION, NOBODY, NULL, 401, "UNAUTHORIZED"},
        {"with a password", "DELETE " SESSION, ALICE, NULL, 400, "UNSUPPORTED"},
    };

    (void)state;
    TELL(&s, steps);
}

static void who_signs_in_otherwise_is_told_who_they_are(void **state)
{
    struct answer a = serve(&s, &(struct request){.line = "GET " SESSION, .headers = ROOT});

    (void)state;
    assert_int_equal(a.status, 200);
    assert_non_null(strstr(buf_text(&a.body), "\"subject\":\"user:root\""));
    assert_non_null(strstr(buf_text(&a.body), "\"admin\":true"));
    assert_null(strstr(buf_text(&a.body), "csrf_token"));
    answer_done(&a);
}

static void a_page_is_told_what_to_ask_for(void **state)
{
    static const struct step steps[] = {
        {"before signing in", "GET " SESSION "/methods", NOBODY, NULL, 200,
         "{\"authentication\":true,\"password\":true,\"second_factor\":true,\"oidc\":null}\n"},
    };

    (void)state;
    TELL(&s, steps);
}

static void a_new_sign_in_of_a_browser_ends_its_earlier_session(void **state)
{
    struct browser b;
    struct answer a;
    char headers[1024];
    const struct step over = {"the earlier", "GET " SESSION, b.cookie, NULL, 401, "UNAUTHORIZED"};

    (void)state;
    sign_in(&b);
    snprintf(headers, sizeof(headers), "%sContent-Type: application/json\r\n", b.cookie_and_token);
    a = serve(&s,
              &(struct request){.line = "POST " SESSION, .headers = headers, .body = STR(FORM)});
    tell_status("again", &a, 200);
    answer_done(&a);
    tell(&s, &over, 1);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        T(a_session_lasts_until_it_is_ended),
        T(who_does_not_sign_in_gets_no_session),
        T(a_form_begins_no_session),
        T(who_has_no_session_ends_none),
        T(who_signs_in_otherwise_is_told_who_they_are),
        T(a_page_is_told_what_to_ask_for),
        T(a_new_sign_in_of_a_browser_ends_its_earlier_session),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
