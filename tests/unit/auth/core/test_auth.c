/* The chain: passwords of users of the database, the second factor of a person who signs in, and
 * what guessing costs. */
#include "unit/auth/support.h"

#include "auth/core/auth.h"
#include "auth/people/user_totp.h"
#include "auth/providers/local.h"
#include "base/clock.h"

#include <liboath/oath.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define LOCK_AFTER 3

static struct auth *chain;
static struct err last;

/* Another provider, asked before or after the one of the database. */

static struct other {
    struct provider provider;
    enum verdict says;
    unsigned asked;
    void (*meanwhile)(void); /* what others do while it is asked, once */
} other;

static enum verdict other_check(struct provider *p, const struct credential *c,
                                struct identity **ret_identity, struct err *e)
{
    void (*meanwhile)(void) = other.meanwhile;

    (void)p;
    (void)e;
    other.asked++;
    other.meanwhile = NULL;
    if (meanwhile)
        meanwhile();
    else if (!str_eq(c->secret, STR(PASSWORD)))
        return VERDICT_PASS;
    if (other.says == VERDICT_YES)
        *ret_identity = identity_new(IDENTITY_USER, c->user, "other");
    return other.says;
}

static void other_free(struct provider *p)
{
    (void)p;
}

static const struct provider_driver other_driver = {
    .name = "other", .kinds = 1u << CREDENTIAL_BASIC, .check = other_check, .free = other_free};

static int setup_with(void **state, bool other_first)
{
    static const _Atomic uint64_t at_once = 64;
    static const struct auth_options options = {60000, 64, LOCK_AFTER, 60000, {&at_once, 64}};
    struct provider *providers[2];

    if (accounts_setup(state) != 0)
        return -1;
    other = (struct other){.provider.driver = &other_driver, .says = VERDICT_PASS};
    providers[other_first ? 0 : 1] = &other.provider;
    providers[other_first ? 1 : 0] = local_provider(accounts);
    chain = auth_new(&options, providers, 2);
    return 0;
}

static int setup(void **state)
{
    return setup_with(state, false);
}

static int setup_other_first(void **state)
{
    return setup_with(state, true);
}

static int teardown(void **state)
{
    auth_free(chain);
    return accounts_teardown(state);
}

static enum auth_result ask(struct credential c)
{
    AUTO(identity) struct identity *id = NULL;
    unsigned retry_s = 0;
    enum auth_result r;

    c.kind = CREDENTIAL_BASIC;
    c.address = "192.0.2.1";
    last = (struct err){0};
    r = auth_check(chain, &c, &id, &retry_s, &last);
    assert_int_equal(r == AUTH_OK, id != NULL);
    assert_int_equal(r == AUTH_LOCKED, retry_s > 0);
    return r;
}

/* With a browser. */
static enum auth_result sign_in(const char *user, const char *password, const char *code)
{
    return ask((struct credential){
        .user = str_of(user), .secret = str_of(password), .person = true, .code = str_of(code)});
}

/* As docker does. */
static enum auth_result basic(const char *user, const char *password)
{
    return ask((struct credential){.user = str_of(user), .secret = str_of(password)});
}

static void code_now(const char *secret, char dst[static 7])
{
    char *bytes = NULL;
    size_t n;

    assert_int_equal(oath_base32_decode(secret, strlen(secret), &bytes, &n), OATH_OK);
    assert_int_equal(oath_totp_generate(bytes, n, clock_wall_ms() / 1000, 30, 0, 6, dst), OATH_OK);
    free(bytes);
}

static void the_code_is_asked_for_after_the_password(void **state)
{
    struct totp_setup s;
    struct err e;
    char code[7];

    (void)state;
    make_user("alice", false, NULL);
    assert_int_equal(sign_in("alice", PASSWORD, ""), AUTH_OK);
    assert_int_equal(user_set_totp(accounts, STR("alice"), "X", &s, &e), ERR_OK);
    assert_int_equal(sign_in("alice", PASSWORD, ""), AUTH_CODE);
    code_now(s.secret, code);
    assert_int_equal(sign_in("alice", PASSWORD, code), AUTH_OK);
    assert_int_equal(sign_in("alice", PASSWORD, code), AUTH_REFUSED); /* a replay */
    assert_int_equal(sign_in("alice", PASSWORD, s.recovery[0]), AUTH_OK);
    assert_int_equal(sign_in("alice", PASSWORD, s.recovery[0]), AUTH_REFUSED);
}

static void a_code_lets_nobody_in_who_comes_after_it(void **state)
{
    struct totp_setup s;

    (void)state;
    make_user_with_factor("alice", &s);
    assert_int_equal(sign_in("alice", PASSWORD, s.recovery[0]), AUTH_OK);
    assert_int_equal(basic("alice", PASSWORD), AUTH_REFUSED); /* nothing is remembered of it */
    assert_int_equal(sign_in("alice", PASSWORD, ""), AUTH_CODE);
}

static void that_he_signed_in_with_a_code_is_noted(void **state)
{
    AUTO(user) struct user u = {0};
    struct totp_setup s;

    (void)state;
    make_user_with_factor("alice", &s);
    assert_int_equal(sign_in("alice", PASSWORD, s.recovery[0]), AUTH_OK);
    assert_int_equal(user_get(accounts, STR("alice"), &u, &last), ERR_OK);
    assert_true(u.last_ms > 0);
}

static void a_right_code_does_not_help_with_a_wrong_password(void **state)
{
    struct totp_setup s;

    (void)state;
    make_user_with_factor("alice", &s);
    assert_int_equal(sign_in("alice", OTHER, s.recovery[0]), AUTH_REFUSED);
    assert_int_equal(sign_in("alice", PASSWORD, s.recovery[0]), AUTH_OK); /* not used up */
}

static void guessing_codes_locks_out(void **state)
{
    struct totp_setup s;

    (void)state;
    make_user_with_factor("alice", &s);
    for (int i = 0; i < LOCK_AFTER; i++)
        assert_int_equal(sign_in("alice", PASSWORD, "12345x"), AUTH_REFUSED);
    assert_int_equal(sign_in("alice", PASSWORD, s.recovery[0]), AUTH_LOCKED);
}

static void asking_for_the_code_counts_for_nothing(void **state)
{
    struct totp_setup s;

    (void)state;
    make_user_with_factor("alice", &s);
    for (int i = 0; i < LOCK_AFTER; i++)
        assert_int_equal(sign_in("alice", PASSWORD, ""), AUTH_CODE);
    assert_int_equal(sign_in("alice", PASSWORD, s.recovery[0]), AUTH_OK);
}

static void unknown_and_wrong_are_told_alike(void **state)
{
    static const enum auth_result results[] = {AUTH_REFUSED, AUTH_REFUSED, AUTH_REFUSED,
                                               AUTH_LOCKED};
    char told[sizeof(last.detail)];

    (void)state;
    make_user("alice", false, NULL);
    for (size_t i = 0; i < sizeof(results) / sizeof(results[0]); i++) {
        assert_int_equal(sign_in("alice", OTHER, ""), results[i]);
        snprintf(told, sizeof(told), "%s", last.detail);
        assert_int_equal(sign_in("bob", OTHER, ""), results[i]);
        assert_string_equal(last.detail, told);
    }
}

/* Else the time would tell who is known here. */
static void a_wrong_password_takes_what_all_providers_take(void **state)
{
    (void)state;
    make_user("alice", false, NULL);
    assert_int_equal(sign_in("alice", OTHER, ""), AUTH_REFUSED);
    assert_int_equal(other.asked, 1);
    assert_int_equal(sign_in("bob", OTHER, ""), AUTH_REFUSED);
    assert_int_equal(other.asked, 2);
}

static void guess_until_locked(void)
{
    for (int i = 0; i < LOCK_AFTER; i++)
        assert_int_equal(sign_in("alice", OTHER, ""), AUTH_REFUSED);
}

/* All at once, so that none was counted when the others began. */
static void the_right_one_of_many_guesses_at_once_is_not_told(void **state)
{
    struct totp_setup s;

    (void)state;
    make_user_with_factor("alice", &s);
    for (int i = 0; i < 2; i++) {
        other.meanwhile = i == 0 ? guess_until_locked : NULL;
        assert_int_equal(sign_in("alice", PASSWORD, s.recovery[0]), AUTH_LOCKED);
    }
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    static const struct CMUnitTest tests[] = {
        TEST(the_code_is_asked_for_after_the_password),
        TEST(a_code_lets_nobody_in_who_comes_after_it),
        TEST(that_he_signed_in_with_a_code_is_noted),
        TEST(a_right_code_does_not_help_with_a_wrong_password),
        TEST(guessing_codes_locks_out),
        TEST(asking_for_the_code_counts_for_nothing),
        TEST(unknown_and_wrong_are_told_alike),
        TEST(a_wrong_password_takes_what_all_providers_take),
        cmocka_unit_test_setup_teardown(the_right_one_of_many_guesses_at_once_is_not_told,
                                        setup_other_first, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
