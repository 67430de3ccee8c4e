#include "meta/meta.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static struct repo_name repo;

static int set_up(void **state)
{
    const struct meta_sqlite_options o = {.path = ":memory:", .read_connections = 1};
    struct meta *m;
    struct err e;

    assert_int_equal(repo_name_parse(STR("a"), &repo, ERR_IGNORED), ERR_OK);
    assert_int_equal(meta_sqlite_new(&o, &m, &e), ERR_OK);
    *state = meta_fault_new(m);
    return 0;
}

static int tear_down(void **state)
{
    meta_free(*state);
    return 0;
}

static enum err_code any_call(struct meta *m)
{
    struct err e = {0};
    bool exists;
    enum err_code code = meta_repo_exists(m, &repo, &exists, &e);

    if (code != ERR_OK)
        assert_int_equal(e.code, code);
    return code;
}

static void unarmed_it_fails_nothing(void **state)
{
    for (int i = 0; i < 10; i++)
        assert_int_equal(any_call(*state), ERR_OK);
    assert_int_equal(meta_fault_calls(*state), 10);
}

static void the_nth_call_fails_once(void **state)
{
    meta_fault_arm(*state, 3, ERR_STORAGE_FULL);
    assert_int_equal(any_call(*state), ERR_OK);
    assert_int_equal(any_call(*state), ERR_OK);
    assert_int_equal(any_call(*state), ERR_STORAGE_FULL);
    assert_int_equal(any_call(*state), ERR_OK);
    assert_int_equal(meta_fault_calls(*state), 4);
    meta_fault_arm(*state, 0, ERR_OK);
    assert_int_equal(meta_fault_calls(*state), 0);
    assert_int_equal(any_call(*state), ERR_OK);
}

static void a_commit_that_fails_did_nothing(void **state)
{
    struct digest d;
    struct meta_op op;
    uint64_t size;
    size_t failed = 99;

    digest_of(DIGEST_SHA256, "x", 1, &d);
    op = meta_op_blob_link(&repo, &d, 0);
    meta_fault_arm(*state, 1, ERR_UNAVAILABLE);
    assert_int_equal(meta_commit(*state, &op, 1, 0, &failed, ERR_IGNORED), ERR_UNAVAILABLE);
    assert_int_equal(failed, 1);
    assert_int_equal(meta_blob_stat(*state, &repo, &d, &size, ERR_IGNORED), ERR_BLOB_UNKNOWN);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(unarmed_it_fails_nothing, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_nth_call_fails_once, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_commit_that_fails_did_nothing, set_up, tear_down),
    };

    return cmocka_run_group_tests_name("meta/fault", tests, NULL, NULL);
}
