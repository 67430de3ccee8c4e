/* What WWW-Authenticate asks for, and the token that comes of it. */
#include "cli/bearer.h"

#include "base/clock.h"
#include "small_server.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static struct bearer_challenge read_all(const char *const *lines, size_t n)
{
    struct bearer_challenge c = {0};

    for (size_t i = 0; i < n; i++)
        bearer_challenge_add(&c, str_of(lines[i]));
    return c;
}

#define READ(...)                                                                                  \
    read_all((const char *const[]){__VA_ARGS__},                                                   \
             sizeof((const char *const[]){__VA_ARGS__}) / sizeof(char *))

static void realm_and_service_are_read_in_quotes_and_without(void **state)
{
    struct bearer_challenge c =
        READ("Bearer realm=\"https://auth.example/token?a=b,c\",service=\"re\\\"gistry\", scope=x");

    (void)state;
    assert_true(c.bearer);
    assert_false(c.basic);
    assert_string_equal(c.realm, "https://auth.example/token?a=b,c");
    assert_string_equal(c.service, "re\"gistry");
    c = READ("bearer service=registry.example, realm=https://auth.example/token, error=x");
    assert_string_equal(c.realm, "https://auth.example/token");
    assert_string_equal(c.service, "registry.example");
}

static void several_schemes_stand_in_one_line_or_in_several(void **state)
{
    struct bearer_challenge c = READ("Basic realm=\"x\", Bearer realm=\"https://a/\"");

    (void)state;
    assert_true(c.basic && c.bearer);
    assert_string_equal(c.realm, "https://a/");
    c = READ("Bearer realm=\"https://a/\"", "Basic realm=\"other\"");
    assert_true(c.basic && c.bearer);
    assert_string_equal(c.realm, "https://a/");
}

static void what_is_no_challenge_asks_for_nothing(void **state)
{
    static const char *const odd[] = {
        "",     "=",      ",,,", "Bearer", "Bearer realm=\"never ends", "Bearer realm=\"\\",
        "\x80", "Basic=",
    };

    (void)state;
    for (size_t i = 0; i < sizeof(odd) / sizeof(odd[0]); i++) {
        struct bearer_challenge c = {0};

        bearer_challenge_add(&c, str_of(odd[i]));
        assert_string_equal(c.service, "");
    }
}

static void what_has_no_room_is_left_out(void **state)
{
    struct bearer_challenge c = {0};
    char line[4096];

    (void)state;
    snprintf(line, sizeof(line), "Bearer service=a,realm=\"%02000d\"", 0);
    bearer_challenge_add(&c, str_of(line));
    assert_string_equal(c.realm, "");
    assert_string_equal(c.service, "a");
}

/* ---- tokens */

#define TOKEN(text) "HTTP/1.1 200 OK\r\nContent-Length: " text

static struct small_server *server;
static struct bearer_challenge challenge;
static struct docker_auth auth;
static struct buf token;
static int64_t until_ms;
static struct err err;

static enum err_code get(const struct small_server_answer *answer)
{
    enum err_code code;

    server = small_server_start(answer, 1);
    challenge = (struct bearer_challenge){.bearer = true, .service = "a b"};
    snprintf(challenge.realm, sizeof(challenge.realm), "%s/token?x=y", small_server_url(server));
    buf_init(&token, 100);
    code = bearer_token_get(&challenge, "repository:app:pull,push repository:b:pull", &auth, NULL,
                            &token, &until_ms, &err);
    return code;
}

static int begin(void **state)
{
    (void)state;
    docker_auth_init(&auth);
    return 0;
}

static int end(void **state)
{
    (void)state;
    docker_auth_done(&auth);
    buf_done(&token);
    small_server_stop(server);
    return 0;
}

static void a_token_is_asked_for_with_a_password(void **state)
{
    static const struct small_server_answer answer = {
        .text = TOKEN("32\r\n\r\n{\"token\":\"abc\",\"expires_in\":600}")};
    const struct small_server_request *r;

    (void)state;
    docker_auth_set(&auth, STR("bob"), STR("x"));
    assert_int_equal(get(&answer), ERR_OK);
    assert_string_equal(buf_text(&token), "abc");
    assert_true(until_ms > clock_mono_ms() + 500000);
    r = small_server_request(server, 0);
    assert_non_null(strstr(r->head, "GET /token?x=y&service=a%20b&scope=repository%3Aapp%3Apull%2C"
                                    "push&scope=repository%3Ab%3Apull HTTP/1.1\r\n"));
    assert_non_null(strstr(r->head, "Authorization: Basic Ym9iOng=\r\n"));
}

static void an_identity_token_goes_in_a_form(void **state)
{
    static const struct small_server_answer answer = {
        .text = TOKEN("23\r\n\r\n{\"access_token\":\"abcd\"}")};
    const struct small_server_request *r;

    (void)state;
    buf_add_text(&auth.identity_token, "se/cret");
    assert_int_equal(get(&answer), ERR_OK);
    assert_string_equal(buf_text(&token), "abcd");
    r = small_server_request(server, 0);
    assert_int_equal(strncmp(r->head, "POST /token?x=y HTTP/1.1\r\n", 26), 0);
    assert_null(strstr(r->head, "Authorization:"));
    assert_non_null(strstr(r->body, "grant_type=refresh_token&client_id=registry&service=a%20b&"));
    assert_non_null(strstr(r->body, "&refresh_token=se%2Fcret"));
}

static void what_is_no_token_is_refused(void **state)
{
    static const struct small_server_answer answers[] = {
        {.text = TOKEN("2\r\n\r\n{}")},
        {.text = TOKEN("21\r\n\r\n{\"token\":\"a\\r\\nB: c\"}")},
        {.text = "HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n"},
        {.text = "HTTP/1.1 500 Error\r\nContent-Length: 0\r\n\r\n"},
    };
    static const enum err_code codes[] = {ERR_UNAVAILABLE, ERR_UNAVAILABLE, ERR_UNAUTHORIZED,
                                          ERR_UNAVAILABLE};

    for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++) {
        assert_int_equal(get(&answers[i]), codes[i]);
        assert_int_equal(token.n, 0);
        if (i + 1 < sizeof(codes) / sizeof(codes[0])) {
            end(state);
            begin(state);
        }
    }
}

static void a_password_goes_to_no_service_in_the_clear(void **state)
{
    (void)state;
    server = NULL;
    snprintf(challenge.realm, sizeof(challenge.realm), "http://auth.example/token");
    buf_init(&token, 100);
    assert_int_equal(bearer_token_get(&challenge, "x", &auth, NULL, &token, &until_ms, &err),
                     ERR_CONFIG);
    server = small_server_start(NULL, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(realm_and_service_are_read_in_quotes_and_without),
        cmocka_unit_test(several_schemes_stand_in_one_line_or_in_several),
        cmocka_unit_test(what_is_no_challenge_asks_for_nothing),
        cmocka_unit_test(what_has_no_room_is_left_out),
        cmocka_unit_test_setup_teardown(a_token_is_asked_for_with_a_password, begin, end),
        cmocka_unit_test_setup_teardown(an_identity_token_goes_in_a_form, begin, end),
        cmocka_unit_test_setup_teardown(what_is_no_token_is_refused, begin, end),
        cmocka_unit_test_setup_teardown(a_password_goes_to_no_service_in_the_clear, begin, end),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
