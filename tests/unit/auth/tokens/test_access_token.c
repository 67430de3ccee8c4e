#include "unit/auth/support.h"

#include "auth/core/given.h"
#include "auth/people/user_change.h"
#include "auth/policy/policy.h"
#include "auth/tokens/access_token.h"
#include "auth/tokens/access_token_create.h"
#include "auth/tokens/access_token_provider.h"
#include "base/clock.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static struct provider *provider;
static char secret[ACCESS_TOKEN_TEXT + 1];

static int setup(void **state)
{
    int status = accounts_setup(state);

    provider = access_token_provider(accounts);
    return status;
}

static int teardown(void **state)
{
    provider->driver->free(provider);
    return accounts_teardown(state);
}

static enum err_code create(enum identity_kind kind, const char *owner, const char *scopes,
                            int64_t expires_ms)
{
    struct access_token_request r = {
        .kind = kind, .owner = str_of(owner), .scopes = str_of(scopes), .expires_ms = expires_ms};
    struct err e = {0};
    enum err_code code = access_token_create(accounts, &r, secret, &e);

    assert_true(code == ERR_OK || e.public_detail);
    return code;
}

static enum verdict check(const char *user, const char *with, struct identity **ret)
{
    struct credential c = {.kind = user ? CREDENTIAL_BASIC : CREDENTIAL_BEARER,
                           .user = str_of(user),
                           .secret = str_of(with)};
    struct err e = {0};

    return provider->driver->check(provider, &c, ret, &e);
}

static struct str id(void)
{
    return str_sub(str_of(secret), 4, ACCESS_TOKEN_ID);
}

static void a_robot_signs_in_by_name_and_as_bearer(void **state)
{
    AUTO(identity) struct identity *basic = NULL;
    AUTO(identity) struct identity *bearer = NULL;

    (void)state;
    assert_int_equal(create(IDENTITY_ROBOT, "ci", "dev/**:pull,push", INT64_MAX), ERR_OK);
    assert_int_equal(check("ci", secret, &basic), VERDICT_YES);
    assert_int_equal(check(NULL, secret, &bearer), VERDICT_YES);
    assert_int_equal(bearer->kind, IDENTITY_ROBOT);
    assert_string_equal(bearer->name, "ci");
    assert_true(bearer->scoped);
    assert_int_equal(identity_scope_actions(bearer, STR("dev/app")), ACTION_PULL | ACTION_PUSH);
    assert_int_equal(identity_scope_actions(bearer, STR("prod/app")), 0);
    assert_int_equal(identity_scope_actions(bearer, STR("")), 0);
}

static void a_personal_token_has_the_groups_of_its_user(void **state)
{
    AUTO(identity) struct identity *i = NULL;

    (void)state;
    make_user("alice", true, "dev");
    assert_int_equal(create(IDENTITY_USER, "alice", "", INT64_MAX), ERR_OK);
    assert_int_equal(check("alice", secret, &i), VERDICT_YES);
    assert_int_equal(i->kind, IDENTITY_USER);
    assert_true(i->admin);
    assert_false(i->scoped);
    assert_string_equal(i->groups[0], "dev");
}

static void a_scope_holds_an_admin_back_too(void **state)
{
    AUTO(identity) struct identity *i = NULL;
    struct policy *p = policy_new(NULL, 0, true);
    struct repo_name dev, prod;

    (void)state;
    assert_int_equal(repo_name_parse(STR("dev/app"), &dev, ERR_IGNORED), ERR_OK);
    assert_int_equal(repo_name_parse(STR("prod/app"), &prod, ERR_IGNORED), ERR_OK);
    make_user("root", true, NULL);
    assert_int_equal(create(IDENTITY_USER, "root", "dev/*:pull,push", INT64_MAX), ERR_OK);
    assert_int_equal(check("root", secret, &i), VERDICT_YES);
    assert_true(policy_allows(p, i, ACTION_PUSH, &dev, NULL, NULL));
    assert_false(policy_allows(p, i, ACTION_OVERWRITE, &dev, NULL, NULL));
    assert_false(policy_allows(p, i, ACTION_PULL, &prod, NULL, NULL));
    assert_false(policy_allows(p, i, ACTION_ADMIN, NULL, NULL, NULL));
    policy_unref(p);
}

static void only_the_hash_of_a_secret_is_kept(void **state)
{
    AUTO(record) struct meta_record r = {0};
    struct err e;

    (void)state;
    assert_int_equal(create(IDENTITY_ROBOT, "ci", "", INT64_MAX), ERR_OK);
    assert_int_equal(meta_record_get(meta, STR("tokens"), id(), &r, &e), ERR_OK);
    assert_null(strstr(r.value, secret + 4 + ACCESS_TOKEN_ID));
}

static void a_wrong_secret_is_refused_here(void **state)
{
    struct identity *i;

    (void)state;
    assert_int_equal(create(IDENTITY_ROBOT, "ci", "", INT64_MAX), ERR_OK);
    assert_int_equal(check("other", secret, &i), VERDICT_NO);
    secret[ACCESS_TOKEN_TEXT - 1] = secret[ACCESS_TOKEN_TEXT - 1] == '0' ? '1' : '0';
    assert_int_equal(check("ci", secret, &i), VERDICT_NO);
    secret[5] = secret[5] == '0' ? '1' : '0'; /* of the id */
    assert_int_equal(check("ci", secret, &i), VERDICT_NO);
}

static void what_is_no_token_is_for_others(void **state)
{
    struct identity *i;

    (void)state;
    assert_int_equal(check("ci", "cdt_", &i), VERDICT_PASS);
    assert_int_equal(check("ci", PASSWORD, &i), VERDICT_PASS);
    assert_int_equal(check(NULL, "eyJhbGciOiJFUzI1NiJ9.e30.x", &i), VERDICT_PASS);
}

static void an_expired_token_is_refused_and_was_not_guessed(void **state)
{
    struct identity *i;

    (void)state;
    assert_int_equal(create(IDENTITY_ROBOT, "ci", "", clock_wall_ms() - 1), ERR_OK);
    assert_int_equal(check("ci", secret, &i), VERDICT_PAST);
}

static void the_identity_ends_with_the_token(void **state)
{
    AUTO(identity) struct identity *i = NULL;
    int64_t until_ms = clock_wall_ms() + 60000;

    (void)state;
    assert_int_equal(create(IDENTITY_ROBOT, "ci", "", until_ms), ERR_OK);
    assert_int_equal(check("ci", secret, &i), VERDICT_YES);
    assert_int_equal(i->expires_ms, until_ms);
}

static void a_revoked_token_is_refused_and_told_by_generation(void **state)
{
    AUTO(identity) struct identity *i = NULL;
    uint64_t before;
    struct err e;

    (void)state;
    assert_int_equal(create(IDENTITY_ROBOT, "ci", "", INT64_MAX), ERR_OK);
    assert_int_equal(check("ci", secret, &i), VERDICT_YES);
    before = provider->driver->generation(provider);
    assert_int_equal(access_token_revoke(accounts, id(), &e), ERR_OK);
    assert_int_not_equal(provider->driver->generation(provider), before);
    assert_int_equal(provider->driver->renew(provider, &i, &e), VERDICT_NO);
    identity_unref(i);
    i = NULL;
    assert_int_equal(check("ci", secret, &i), VERDICT_NO);
    assert_int_equal(access_token_revoke(accounts, id(), &e), ERR_NOT_FOUND);
}

static void a_token_goes_with_its_user(void **state)
{
    struct identity *i = NULL;
    struct access_token t;
    struct err e;

    (void)state;
    make_user("alice", false, NULL);
    assert_int_equal(create(IDENTITY_USER, "alice", "", INT64_MAX), ERR_OK);
    assert_int_equal(user_set_disabled(accounts, STR("alice"), true, false, &e), ERR_OK);
    assert_int_equal(check("alice", secret, &i), VERDICT_PAST);
    assert_int_equal(user_set_disabled(accounts, STR("alice"), false, false, &e), ERR_OK);
    assert_int_equal(check("alice", secret, &i), VERDICT_YES);
    identity_unref(i);
    assert_int_equal(user_remove(accounts, STR("alice"), false, &e), ERR_OK);
    assert_int_equal(check("alice", secret, &i), VERDICT_NO);
    assert_int_equal(access_token_get(accounts, id(), &t, &e), ERR_NOT_FOUND);
}

/* As a crash between the two would leave it. */
static void a_token_does_not_serve_who_has_the_name_later(void **state)
{
    struct meta_op op = meta_op_record_delete(STR("users"), STR("alice"), META_ANY);
    struct identity *i;
    struct err e;

    (void)state;
    make_user("alice", false, NULL);
    assert_int_equal(create(IDENTITY_USER, "alice", "", INT64_MAX), ERR_OK);
    assert_int_equal(meta_commit(meta, &op, 1, 0, NULL, &e), ERR_OK);
    make_user("alice", false, NULL);
    assert_int_equal(check("alice", secret, &i), VERDICT_PAST);
}

static void a_new_password_leaves_tokens_alone(void **state)
{
    AUTO(identity) struct identity *i = NULL;
    struct err e;

    (void)state;
    make_user("alice", false, NULL);
    assert_int_equal(create(IDENTITY_USER, "alice", "", INT64_MAX), ERR_OK);
    assert_int_equal(check("alice", secret, &i), VERDICT_YES);
    assert_int_equal(user_set_password(accounts, STR("alice"), STR(OTHER), &e), ERR_OK);
    assert_int_equal(provider->driver->renew(provider, &i, &e), VERDICT_YES);
}

static void all_tokens_of_an_owner_go_and_no_other(void **state)
{
    AUTO(identity) struct identity *i = NULL;
    size_t n;
    struct err e;

    (void)state;
    make_user("ci", false, NULL);
    assert_int_equal(create(IDENTITY_ROBOT, "ci", "", INT64_MAX), ERR_OK);
    assert_int_equal(create(IDENTITY_ROBOT, "ci", "", INT64_MAX), ERR_OK);
    assert_int_equal(create(IDENTITY_USER, "ci", "", INT64_MAX), ERR_OK);
    assert_int_equal(given_take_back(accounts, GIVEN_ACCESS_TOKENS, "robot:ci", &n, &e), ERR_OK);
    assert_int_equal(n, 2);
    assert_int_equal(check("ci", secret, &i), VERDICT_YES);
}

static void use_is_recorded(void **state)
{
    AUTO(access_token) struct access_token t = {0};
    AUTO(identity) struct identity *i = NULL;
    int64_t before_ms = clock_wall_ms();
    struct err e;

    (void)state;
    assert_int_equal(create(IDENTITY_ROBOT, "ci", "", INT64_MAX), ERR_OK);
    assert_int_equal(check("ci", secret, &i), VERDICT_YES);
    assert_int_equal(access_token_get(accounts, id(), &t, &e), ERR_OK);
    assert_true(t.used_ms >= before_ms);
}

static void requests_that_make_no_sense_are_refused(void **state)
{
    static const char *const scopes[] = {"dev/**",  ":pull",         "dev:",           "dev:push,",
                                         "dev:fly", "dev/**:pull x", "dev:pull,,push", "a b:pull"};

    (void)state;
    for (size_t i = 0; i < 8; i++)
        assert_int_equal(create(IDENTITY_ROBOT, "ci", scopes[i], INT64_MAX), ERR_REQUEST_INVALID);
    assert_int_equal(create(IDENTITY_ROBOT, "c i", "", INT64_MAX), ERR_REQUEST_INVALID);
    assert_int_equal(create(IDENTITY_USER, "nobody", "", INT64_MAX), ERR_NOT_FOUND);
    assert_int_equal(create(IDENTITY_ROBOT, "ci", "a:pull  b/**:*", INT64_MAX), ERR_OK);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    static const struct CMUnitTest tests[] = {
        TEST(a_robot_signs_in_by_name_and_as_bearer),
        TEST(a_personal_token_has_the_groups_of_its_user),
        TEST(a_scope_holds_an_admin_back_too),
        TEST(only_the_hash_of_a_secret_is_kept),
        TEST(a_wrong_secret_is_refused_here),
        TEST(what_is_no_token_is_for_others),
        TEST(an_expired_token_is_refused_and_was_not_guessed),
        TEST(the_identity_ends_with_the_token),
        TEST(a_revoked_token_is_refused_and_told_by_generation),
        TEST(a_token_goes_with_its_user),
        TEST(a_token_does_not_serve_who_has_the_name_later),
        TEST(a_new_password_leaves_tokens_alone),
        TEST(all_tokens_of_an_owner_go_and_no_other),
        TEST(use_is_recorded),
        TEST(requests_that_make_no_sense_are_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
