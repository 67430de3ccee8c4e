#include "auth/core/credential.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void a_header_is_basic_or_bearer(void **state)
{
    static const struct {
        const char *header;
        bool understood;
        enum credential_kind kind;
        const char *user, *secret;
    } rows[] = {
        {"Basic YWxpY2U6c2VjcmV0", true, CREDENTIAL_BASIC, "alice", "secret"},
        {"basic  YWxpY2U6c2VjcmV0 ", true, CREDENTIAL_BASIC, "alice", "secret"},
        {"BASIC YWxpY2U6", true, CREDENTIAL_BASIC, "alice", ""},
        {"Basic YTpiOmM=", true, CREDENTIAL_BASIC, "a", "b:c"},
        {"Bearer a.b.c", true, CREDENTIAL_BEARER, "", "a.b.c"},
        {"bearer  a.b.c ", true, CREDENTIAL_BEARER, "", "a.b.c"},
        {"Basic YWxpY2U=", false, 0, NULL, NULL}, /* no colon */
        {"Basic !", false, 0, NULL, NULL},
        {"Basic", false, 0, NULL, NULL},
        {"Bearer", false, 0, NULL, NULL},
        {"Bearer ", false, 0, NULL, NULL},
        {"Digest a=b", false, 0, NULL, NULL},
        {"YWxpY2U6c2VjcmV0", false, 0, NULL, NULL},
    };
    char memory[CREDENTIAL_BASIC_ROOM];

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct credential c = {0};

        if (credential_parse(str_of(rows[i].header), &c, memory) != rows[i].understood)
            fail_msg("'%s'", rows[i].header);
        if (!rows[i].understood)
            continue;
        assert_int_equal(c.kind, rows[i].kind);
        assert_true(str_eq(c.user, str_of(rows[i].user)));
        assert_true(str_eq(c.secret, str_of(rows[i].secret)));
    }
}

static void nobody_guesses_a_session_or_a_certificate(void **state)
{
    static const bool guessed[] = {
        [CREDENTIAL_BASIC] = true,
        [CREDENTIAL_BEARER] = true,
        [CREDENTIAL_CERTIFICATE] = false,
        [CREDENTIAL_SESSION] = false,
    };

    (void)state;
    for (size_t i = 0; i < sizeof(guessed) / sizeof(guessed[0]); i++) {
        struct credential c = {.kind = (enum credential_kind)i};

        assert_int_equal(credential_guessed(&c), guessed[i]);
    }
}

static void an_access_token_is_known_by_its_form(void **state)
{
    static const char *const others[] = {
        "",
        "cdt_",
        "cdt_0123456789ab0123456789abcdef0123456789abcdef0123456",   /* a digit less */
        "cdt_0123456789ab0123456789abcdef0123456789abcdef012345678", /* and one more */
        "cdt_0123456789ab0123456789abcdef0123456789abcdef0123456g",
        "CDT_0123456789ab0123456789abcdef0123456789abcdef01234567",
        "cdx_0123456789ab0123456789abcdef0123456789abcdef01234567",
    };

    (void)state;
    assert_true(credential_is_access_token(
        STR("cdt_0123456789ab0123456789abcdef0123456789abcdef01234567")));
    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
        if (credential_is_access_token(str_of(others[i])))
            fail_msg("'%s'", others[i]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_header_is_basic_or_bearer),
        cmocka_unit_test(nobody_guesses_a_session_or_a_certificate),
        cmocka_unit_test(an_access_token_is_known_by_its_form),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
