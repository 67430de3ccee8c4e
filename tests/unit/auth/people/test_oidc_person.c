/* What is kept of the people of an OpenID provider, and when it counts no more. */
#include "unit/auth/support.h"

#include "auth/people/oidc_person.h"
#include "auth/tokens/access_token.h"
#include "auth/tokens/access_token_create.h"
#include "auth/tokens/access_token_provider.h"
#include "auth/tokens/jwt.h"
#include "base/cleanup.h"
#include "base/json.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#define ISSUER "https://id.example.org"

static const struct conf_oidc conf = {.username_claim = "name", .groups_claim = "groups"};

static int setup(void **state)
{
    if (accounts_setup(state) != 0)
        return -1;
    accounts_set_issuer(accounts, ISSUER);
    return 0;
}

/* alice signs in. */
static struct identity *sign_in(const char *sub)
{
    AUTO(json)
    json_t *claims = json_pack("{s:s, s:s, s:s, s:[s]}", "iss", ISSUER, "sub", sub, "name", "alice",
                               "groups", "dev");
    struct identity *id = NULL;
    struct err e;

    assert_int_equal(oidc_person_put(accounts, &conf, claims, &id, &e), ERR_OK);
    return id;
}

static bool has_a_session(struct identity **id)
{
    struct err e = {0};

    return oidc_person_renew(accounts, id, &e) == VERDICT_YES;
}

static enum verdict show(const char *token)
{
    struct provider *p = access_token_provider(accounts);
    struct credential c = {.kind = CREDENTIAL_BEARER, .secret = str_of(token)};
    AUTO(identity) struct identity *id = NULL;
    struct err e = {0};
    enum verdict v = p->driver->check(p, &c, &id, &e);

    p->driver->free(p);
    return v;
}

static void make_token(char secret[static ACCESS_TOKEN_TEXT + 1])
{
    struct access_token_request r = {
        .kind = IDENTITY_USER, .owner = STR("alice"), .expires_ms = INT64_MAX};
    struct err e;

    assert_int_equal(access_token_create(accounts, &r, secret, &e), ERR_OK);
}

static void what_a_person_has_ends_when_another_has_the_name(void **state)
{
    AUTO(identity) struct identity *id = sign_in("1");
    AUTO(identity) struct identity *same = sign_in("1");
    AUTO(identity) struct identity *other = NULL;
    char token[ACCESS_TOKEN_TEXT + 1];

    (void)state;
    make_token(token);
    assert_true(has_a_session(&id) && show(token) == VERDICT_YES);
    other = sign_in("2");
    assert_true(has_a_session(&other));
    assert_false(has_a_session(&id) || has_a_session(&same) || show(token) == VERDICT_YES);
}

static void what_a_person_has_ends_when_a_user_of_that_name_is_made(void **state)
{
    AUTO(identity) struct identity *id = sign_in("1");
    char token[ACCESS_TOKEN_TEXT + 1];

    (void)state;
    make_token(token);
    make_user("alice", false, NULL);
    assert_false(has_a_session(&id) || show(token) == VERDICT_YES);
}

static void what_a_person_has_rests_while_the_provider_is_not_configured(void **state)
{
    AUTO(identity) struct identity *id = sign_in("1");
    static const char *const others[] = {"", "https://other.example.org"};
    char token[ACCESS_TOKEN_TEXT + 1];

    (void)state;
    make_token(token);
    for (size_t i = 0; i < 2; i++) {
        accounts_set_issuer(accounts, others[i]);
        assert_false(has_a_session(&id) || show(token) == VERDICT_YES);
    }
    accounts_set_issuer(accounts, ISSUER);
    assert_true(has_a_session(&id) && show(token) == VERDICT_YES);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, accounts_teardown)

int main(void)
{
    static const struct CMUnitTest tests[] = {
        TEST(what_a_person_has_ends_when_another_has_the_name),
        TEST(what_a_person_has_ends_when_a_user_of_that_name_is_made),
        TEST(what_a_person_has_rests_while_the_provider_is_not_configured),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
