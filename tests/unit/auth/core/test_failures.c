#include "auth/core/failures.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#define HERE  "192.0.2.1"
#define THERE "192.0.2.2"
#define AFTER 3

static struct failures *failures;

static int setup(void **state)
{
    (void)state;
    failures = failures_new(AFTER, 60000);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    failures_free(failures);
    return 0;
}

static bool locked(const char *user, const char *address)
{
    return failures_locked_ms(failures, str_of(user), address) > 0;
}

static int64_t wrong(const char *user, const char *address, int times)
{
    int64_t delay_ms = 0;

    for (int i = 0; i < times; i++)
        delay_ms = failures_count(failures, str_of(user), address);
    return delay_ms;
}

static void a_user_is_locked_out_from_where_the_failures_come(void **state)
{
    (void)state;
    wrong("alice", HERE, AFTER - 1);
    assert_false(locked("alice", HERE));
    wrong("alice", HERE, 1);
    assert_true(locked("alice", HERE));
    assert_false(locked("alice", THERE));
    assert_false(locked("bob", HERE));
}

static void another_way_to_write_a_name_is_no_other_name(void **state)
{
    (void)state;
    wrong("alice", HERE, 1);
    wrong("ALICE", HERE, 1);
    wrong(" Alice ", HERE, 1);
    assert_true(locked("aLice", HERE));
    assert_false(locked("alic", HERE));
    assert_false(locked(" ", HERE));
}

static void each_failure_is_answered_later(void **state)
{
    (void)state;
    assert_true(wrong("alice", HERE, 1) < wrong("alice", HERE, 1));
    assert_true(wrong("alice", HERE, 100) <= 1000);
}

static void the_right_secret_starts_anew(void **state)
{
    (void)state;
    wrong("alice", HERE, AFTER - 1);
    failures_clear(failures, STR("alice"), HERE);
    wrong("alice", HERE, AFTER - 1);
    assert_false(locked("alice", HERE));
}

static void an_address_is_locked_out_after_many_users(void **state)
{
    char user[2] = "a";

    (void)state;
    for (int i = 0; i < 10 * AFTER; i++, user[0]++)
        wrong(user, HERE, 1);
    assert_true(locked("someone", HERE));
    assert_true(locked("", HERE));
    assert_false(locked("someone", THERE));
}

static void tokens_lock_nobody_out(void **state)
{
    (void)state;
    wrong("", HERE, 100 * AFTER);
    assert_false(locked("", HERE));
    assert_false(locked("alice", HERE));
}

static void a_good_token_does_not_clear_the_address(void **state)
{
    char user[2] = "a";

    (void)state;
    for (int i = 0; i < 10 * AFTER; i++, user[0]++) {
        wrong(user, HERE, 1);
        failures_clear(failures, STR_NONE, HERE);
    }
    assert_true(locked("someone", HERE));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_user_is_locked_out_from_where_the_failures_come),
        TEST(another_way_to_write_a_name_is_no_other_name),
        TEST(each_failure_is_answered_later),
        TEST(the_right_secret_starts_anew),
        TEST(an_address_is_locked_out_after_many_users),
        TEST(tokens_lock_nobody_out),
        TEST(a_good_token_does_not_clear_the_address),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
