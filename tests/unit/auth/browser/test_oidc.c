/* The pure parts of signing in at an OpenID provider. */
#include "auth/browser/oidc.h"
#include "auth/tokens/jwt.h"
#include "base/json.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#define ISSUER "https://id.example.org"
#define NOW    1700000000

static void the_challenge_is_that_of_the_standard(void **state)
{
    char challenge[OIDC_CHALLENGE_TEXT + 1];

    (void)state;
    oidc_challenge("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk", challenge); /* RFC 7636, B */
    assert_string_equal(challenge, "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM");
}

/* The claims of a right token, over which change (JSON, of members) is laid. */
static enum err_code check(const char *change)
{
    AUTO(json)
    json_t *claims = json_pack("{s:s, s:s, s:s, s:i, s:i, s:s}", "iss", ISSUER, "aud", "registry",
                               "sub", "1", "exp", NOW + 60, "iat", NOW, "nonce", "n-1");
    AUTO(json) json_t *other = json_loads(change, 0, NULL);
    const char *key;
    json_t *value;

    assert_non_null(other);
    json_object_foreach(other, key, value)
    {
        if (json_is_null(value))
            json_object_del(claims, key);
        else
            json_object_set(claims, key, value);
    }
    return oidc_check_claims(claims, ISSUER, "registry", "n-1", NOW, ERR_IGNORED);
}

/* A provider that hangs must not take the workers that pulls need. */
static void one_sign_in_more_than_there_is_room_for_is_told_to_come_later(void **state)
{
    static const _Atomic uint64_t none = 0;
    struct conf_oidc conf = {.issuer = "https://id.example.org", .ca_file = ""};
    struct room_options room = {&none, 64};
    struct oidc *o = oidc_new(&conf, NULL, &room);
    AUTO(buf) struct buf url = {0};
    struct oidc_start start;
    struct identity *id;
    struct err e = {0};

    (void)state;
    for (int i = 0; i < 2; i++) {
        enum err_code code = i == 0 ? oidc_begin(o, "https://here/", &start, &url, &e)
                                    : oidc_finish(o, &(struct oidc_answer){0}, &id, &e);

        assert_int_equal(code, ERR_UNAVAILABLE);
        assert_true(e.public_detail);
    }
    oidc_free(o);
}

static void a_token_for_us_and_this_sign_in_is_believed(void **state)
{
    static const char *const right[] = {
        "{}",
        "{\"azp\": \"registry\"}",
        "{\"aud\": [\"registry\"]}",
        "{\"aud\": [\"other\", \"registry\"], \"azp\": \"registry\"}",
    };

    (void)state;
    for (size_t i = 0; i < sizeof(right) / sizeof(right[0]); i++)
        assert_int_equal(check(right[i]), ERR_OK);
}

static void any_other_is_not(void **state)
{
    static const char *const wrong[] = {
        "{\"iss\": \"https://evil.example\"}",
        "{\"iss\": \"" ISSUER "/\"}",
        "{\"iss\": null}",
        "{\"aud\": \"other\"}",
        "{\"aud\": null}",
        "{\"aud\": []}",
        "{\"aud\": [\"other\", \"registry\"]}",
        "{\"azp\": \"other\"}",
        "{\"azp\": 1}",
        "{\"exp\": 1699999000}",
        "{\"exp\": null}",
        "{\"exp\": \"1800000000\"}",
        "{\"iat\": 1700009999}",
        "{\"iat\": null}",
        "{\"nbf\": 1700009999}",
        "{\"sub\": null}",
        "{\"sub\": \"\"}",
        "{\"nonce\": \"n-2\"}",
        "{\"nonce\": \"\"}",
        "{\"nonce\": null}",
    };

    (void)state;
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        if (check(wrong[i]) != ERR_UNAUTHORIZED)
            fail_msg("%s is believed", wrong[i]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_challenge_is_that_of_the_standard),
        cmocka_unit_test(one_sign_in_more_than_there_is_room_for_is_told_to_come_later),
        cmocka_unit_test(a_token_for_us_and_this_sign_in_is_believed),
        cmocka_unit_test(any_other_is_not),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
