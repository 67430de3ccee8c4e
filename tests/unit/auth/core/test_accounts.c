#include "unit/auth/support.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static void a_change_by_another_process_is_seen_at_the_next_poll(void **state)
{
    struct accounts *other = accounts_new(meta); /* as another process would have */
    uint64_t before;
    struct err e;

    (void)state;
    assert_int_equal(accounts_poll(other, &e), ERR_OK);
    before = accounts_generation(other);
    make_user("alice", false, NULL);
    assert_int_equal(accounts_generation(other), before);
    assert_int_equal(accounts_poll(other, &e), ERR_OK);
    assert_int_not_equal(accounts_generation(other), before);
    accounts_free(other);
}

static void polling_without_a_change_says_nothing(void **state)
{
    uint64_t before;
    struct err e;

    (void)state;
    make_user("alice", false, NULL);
    assert_int_equal(accounts_poll(accounts, &e), ERR_OK);
    before = accounts_generation(accounts);
    assert_int_equal(accounts_poll(accounts, &e), ERR_OK);
    assert_int_equal(accounts_generation(accounts), before);
}

static void a_change_of_our_own_is_seen_at_once(void **state)
{
    uint64_t before = accounts_generation(accounts);

    (void)state;
    make_user("alice", false, NULL);
    assert_int_not_equal(accounts_generation(accounts), before);
}

static void a_change_meets_another_one_since_its_version(void **state)
{
    struct meta_op op = meta_op_record_put(STR("x"), STR("y"), STR_NONE, META_ANY);
    int64_t version;
    struct err e;

    (void)state;
    assert_int_equal(accounts_version(accounts, &version, &e), ERR_OK);
    make_user("alice", false, NULL);
    assert_int_equal(accounts_commit(accounts, &op, 1, version, &e), ERR_CONFLICT);
    assert_int_equal(accounts_version(accounts, &version, &e), ERR_OK);
    assert_int_equal(accounts_commit(accounts, &op, 1, version, &e), ERR_OK);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, accounts_setup, accounts_teardown)

int main(void)
{
    static const struct CMUnitTest tests[] = {
        TEST(a_change_by_another_process_is_seen_at_the_next_poll),
        TEST(polling_without_a_change_says_nothing),
        TEST(a_change_of_our_own_is_seen_at_once),
        TEST(a_change_meets_another_one_since_its_version),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
