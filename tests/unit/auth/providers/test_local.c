#include "unit/auth/support.h"

#include "auth/people/user_change.h"
#include "auth/people/user_totp.h"
#include "auth/providers/local.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include <cmocka.h>

static struct provider *provider;

static int setup(void **state)
{
    int status = accounts_setup(state);

    provider = local_provider(accounts);
    return status;
}

static int teardown(void **state)
{
    provider->driver->free(provider);
    return accounts_teardown(state);
}

static struct err last;

static enum verdict check(const char *user, const char *password, struct identity **ret)
{
    struct credential c = {
        .kind = CREDENTIAL_BASIC, .user = str_of(user), .secret = str_of(password)};

    last = (struct err){0};
    return provider->driver->check(provider, &c, ret, &last);
}

static void the_right_password_signs_in(void **state)
{
    AUTO(identity) struct identity *i = NULL;

    (void)state;
    make_user("alice", true, "dev");
    assert_int_equal(check("alice", PASSWORD, &i), VERDICT_YES);
    assert_string_equal(i->name, "alice");
    assert_string_equal(i->groups[0], "dev");
    assert_true(i->admin);
    assert_false(i->scoped);
    assert_int_not_equal(i->stamp, 0);
}

static void a_wrong_password_is_refused_and_no_one_else_asked(void **state)
{
    struct identity *i;

    (void)state;
    make_user("alice", false, NULL);
    assert_int_equal(check("alice", OTHER, &i), VERDICT_NO);
    assert_int_equal(check("alice", "", &i), VERDICT_NO);
    assert_false(last.public_detail);
}

static void an_unknown_user_is_for_others(void **state)
{
    struct identity *i;

    (void)state;
    assert_int_equal(check("alice", PASSWORD, &i), VERDICT_PASS);
    assert_int_equal(check("", "", &i), VERDICT_PASS);
    assert_int_equal(check("a b", PASSWORD, &i), VERDICT_PASS);
}

/* Of this thread alone: what others do meanwhile is not in it. */
static int64_t cpu_us(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
    return (int64_t)ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
}

static int64_t fastest_us(const char *user)
{
    int64_t best = INT64_MAX;
    struct identity *i;

    for (int n = 0; n < 5; n++) {
        int64_t start_us = cpu_us(), took_us;

        check(user, OTHER, &i);
        took_us = cpu_us() - start_us;
        best = took_us < best ? took_us : best;
    }
    return best;
}

static void an_unknown_user_takes_as_long_as_a_wrong_password(void **state)
{
    int64_t known_us, unknown_us;

    (void)state;
    make_user("alice", false, NULL);
    known_us = fastest_us("alice");
    unknown_us = fastest_us("bob");
    assert_true(unknown_us > known_us / 2);
    assert_true(known_us > unknown_us / 2);
}

static void a_disabled_user_is_refused_as_if_the_password_were_wrong(void **state)
{
    struct identity *i;
    struct err e;

    (void)state;
    make_user("alice", false, NULL);
    assert_int_equal(user_set_disabled(accounts, STR("alice"), true, false, &e), ERR_OK);
    assert_int_equal(check("alice", PASSWORD, &i), VERDICT_NO);
    assert_false(last.public_detail);
}

static void clients_of_a_user_with_a_second_factor_are_told_of_tokens(void **state)
{
    struct totp_setup s;
    struct identity *i;

    (void)state;
    make_user_with_factor("alice", &s);
    assert_int_equal(check("alice", PASSWORD, &i), VERDICT_NO);
    assert_true(last.public_detail);
    assert_non_null(strstr(last.detail, "personal token"));
    assert_int_equal(check("alice", OTHER, &i), VERDICT_NO); /* who guesses is told nothing */
    assert_false(last.public_detail);
}

static void renewing_brings_new_groups(void **state)
{
    AUTO(identity) struct identity *i = NULL;
    struct str ops = STR("ops");
    struct user_rights rights = {.groups = &ops, .n_groups = 1};
    struct err e;

    (void)state;
    make_user("alice", true, "dev");
    assert_int_equal(check("alice", PASSWORD, &i), VERDICT_YES);
    identity_add_scope(i, STR("dev/**"), ACTION_PULL);
    i->expires_ms = 42;
    assert_int_equal(set_rights("alice", &rights, true, &e), ERR_OK);
    assert_int_equal(provider->driver->renew(provider, &i, &e), VERDICT_YES);
    assert_string_equal(i->groups[0], "ops");
    assert_false(i->admin);
    assert_int_equal(i->expires_ms, 42);
    assert_int_equal(identity_scope_actions(i, STR("dev/x")), ACTION_PULL);
    assert_int_equal(identity_scope_actions(i, STR("prod/x")), 0);
}

static void renewing_fails_after_a_new_password_and_without_the_user(void **state)
{
    AUTO(identity) struct identity *i = NULL;
    struct err e;

    (void)state;
    make_user("alice", false, NULL);
    assert_int_equal(check("alice", PASSWORD, &i), VERDICT_YES);
    assert_int_equal(user_set_password(accounts, STR("alice"), STR(OTHER), &e), ERR_OK);
    assert_int_equal(provider->driver->renew(provider, &i, &e), VERDICT_NO);
    identity_unref(i);
    i = NULL;
    assert_int_equal(check("alice", OTHER, &i), VERDICT_YES);
    assert_int_equal(user_remove(accounts, STR("alice"), false, &e), ERR_OK);
    assert_int_equal(provider->driver->renew(provider, &i, &e), VERDICT_NO);
    make_user("alice", false, NULL);
    assert_int_equal(provider->driver->renew(provider, &i, &e), VERDICT_NO);
}

static void a_store_that_fails_says_nothing_of_the_user(void **state)
{
    struct meta_sqlite_options o = {.path = ":memory:", .read_connections = 1};
    struct identity *i;
    struct accounts *a;
    struct provider *p;
    struct meta *inner, *fault;
    struct credential c = {.kind = CREDENTIAL_BASIC, .user = STR("alice"), .secret = STR(PASSWORD)};
    struct err e;

    (void)state;
    assert_int_equal(meta_sqlite_new(&o, &inner, &e), ERR_OK);
    fault = meta_fault_new(inner);
    a = accounts_new(fault);
    p = local_provider(a);
    meta_fault_arm(fault, 1, ERR_UNAVAILABLE);
    assert_int_equal(p->driver->check(p, &c, &i, &e), VERDICT_FAIL);
    meta_fault_arm(fault, 1, ERR_UNAVAILABLE);
    assert_int_equal(p->driver->tend(p, &e), ERR_UNAVAILABLE);
    p->driver->free(p);
    accounts_free(a);
    meta_free(fault);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    static const struct CMUnitTest tests[] = {
        TEST(the_right_password_signs_in),
        TEST(a_wrong_password_is_refused_and_no_one_else_asked),
        TEST(an_unknown_user_is_for_others),
        TEST(an_unknown_user_takes_as_long_as_a_wrong_password),
        TEST(a_disabled_user_is_refused_as_if_the_password_were_wrong),
        TEST(clients_of_a_user_with_a_second_factor_are_told_of_tokens),
        TEST(renewing_brings_new_groups),
        TEST(renewing_fails_after_a_new_password_and_without_the_user),
        TEST(a_store_that_fails_says_nothing_of_the_user),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
