#include "auth/policy/rules.h"

#include "base/cleanup.h"
#include "base/mem.h"
#include "unit/auth/support.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#define PULL_X "{subjects: [\"*\"], actions: [pull], repositories: [x]}"

static struct rules *rules, *other; /* of two processes */
static struct identity *admin, *bob;
static char id[POLICY_ID_MAX + 1];
static struct err e;

/* A file with a rule for bob. */
static struct policy *file_with_a_rule(void)
{
    struct policy_rule *rule = mem_zero(sizeof(*rule));

    rule->subjects = mem_alloc(sizeof(char *));
    rule->subjects[0] = mem_strdup("user:bob");
    rule->n_subjects = 1;
    rule->actions = ACTION_PUSH;
    return policy_new(rule, 1, false);
}

static int setup(void **state)
{
    int status = accounts_setup(state);

    e = (struct err){0};
    rules = rules_new(meta);
    other = rules_new(meta);
    rules_set_file(rules, file_with_a_rule());
    rules_set_file(other, file_with_a_rule());
    admin = identity_new(IDENTITY_USER, STR("alice"), "local");
    admin->admin = true;
    bob = identity_new(IDENTITY_USER, STR("bob"), "local");
    return status;
}

static int teardown(void **state)
{
    identity_unref(admin);
    identity_unref(bob);
    rules_free(rules);
    rules_free(other);
    return accounts_teardown(state);
}

static enum err_code add(const char *yaml, const struct identity *who)
{
    e = (struct err){0};
    return rules_add(rules, str_of(yaml), who, id, &e);
}

static bool may(struct rules *r, const struct identity *who, enum action action)
{
    struct policy *p = rules_policy(r);
    struct repo_name repo;
    bool allowed;

    assert_int_equal(repo_name_parse(STR("x"), &repo, ERR_IGNORED), ERR_OK);
    allowed = policy_allows(p, who, action, &repo, NULL, NULL);
    policy_unref(p);
    return allowed;
}

static size_t count(struct rules *r)
{
    struct policy *p = rules_policy(r);
    size_t n = policy_rule_count(p);

    policy_unref(p);
    return n;
}

/* What somebody wrote into the database who should not have; the generation changes with it. */
static void put(const char *collection, const char *key, const char *value)
{
    struct meta_op op =
        meta_op_record_put(str_of(collection), str_of(key), str_of(value), META_ANY);

    assert_int_equal(meta_commit(meta, &op, 1, 0, NULL, &e), ERR_OK);
}

static void put_bad_rule(const char *key)
{
    put("policy", key, "{\"subjects\":[\"bob\"]}");
    put("generations", "policy", "");
}

static void before_a_file_there_is_no_policy(void **state)
{
    struct rules *r = rules_new(meta);

    (void)state;
    assert_null(rules_policy(r));
    assert_int_equal(rules_poll(r, &e), ERR_OK);
    assert_null(rules_policy(r));
    rules_free(r);
}

static void a_rule_holds_at_once_here_and_elsewhere_after_a_poll(void **state)
{
    (void)state;
    assert_false(may(rules, bob, ACTION_PULL));
    assert_int_equal(add(PULL_X, admin), ERR_OK);
    assert_true(may(rules, bob, ACTION_PULL));
    assert_false(may(other, bob, ACTION_PULL));
    assert_int_equal(rules_poll(other, &e), ERR_OK);
    assert_true(may(other, bob, ACTION_PULL));

    assert_int_equal(rules_remove(other, str_of(id), admin, &e), ERR_OK);
    assert_false(may(other, bob, ACTION_PULL));
    assert_true(may(rules, bob, ACTION_PULL));
    assert_int_equal(rules_poll(rules, &e), ERR_OK);
    assert_false(may(rules, bob, ACTION_PULL));
}

static void another_file_keeps_the_rules_of_the_database(void **state)
{
    (void)state;
    assert_int_equal(add(PULL_X, admin), ERR_OK);
    assert_true(may(rules, bob, ACTION_PUSH));
    rules_set_file(rules, policy_new(NULL, 0, false));
    assert_false(may(rules, bob, ACTION_PUSH));
    assert_true(may(rules, bob, ACTION_PULL));
}

static void a_file_without_rules_leaves_the_defaults_beside_those_of_the_database(void **state)
{
    struct identity *nobody = identity_anonymous();

    (void)state;
    rules_set_file(rules, policy_new(NULL, 0, true));
    assert_int_equal(add("{subjects: [anonymous], actions: [pull], repositories: [x]}", admin),
                     ERR_OK);
    assert_true(may(rules, nobody, ACTION_PULL));
    assert_false(may(rules, nobody, ACTION_PUSH));
    assert_true(may(rules, bob, ACTION_PUSH));
    assert_false(may(rules, bob, ACTION_DELETE));
    identity_unref(nobody);
}

static void nobody_takes_his_own_right_to_administer(void **state)
{
    static const char deny[] = "{subjects: [\"user:alice\"], effect: deny, actions: [admin]}";
    char right[POLICY_ID_MAX + 1];

    (void)state;
    assert_int_equal(add(deny, admin), ERR_CONFLICT);
    assert_true(e.public_detail);
    assert_int_equal(count(rules), 1);

    /* bob is an admin by a rule alone, and may not remove it */
    assert_int_equal(add("{subjects: [\"user:bob\"], actions: [admin]}", admin), ERR_OK);
    strcpy(right, id);
    assert_int_equal(rules_remove(rules, str_of(right), bob, &e), ERR_CONFLICT);
    assert_int_equal(rules_remove(rules, str_of(right), admin, &e), ERR_OK);
}

static void the_operator_may_do_both(void **state)
{
    (void)state;
    assert_int_equal(add("{subjects: [\"*\"], effect: deny, actions: [\"*\"]}", NULL), ERR_OK);
    assert_false(may(rules, admin, ACTION_PULL));
    assert_int_equal(rules_remove(rules, str_of(id), NULL, &e), ERR_OK);
    assert_int_equal(rules_poll(rules, &e), ERR_OK);
    assert_true(may(rules, admin, ACTION_PULL));
}

static void what_is_not_there_is_not_removed(void **state)
{
    (void)state;
    assert_int_equal(rules_remove(rules, STR("0123456789abcdef"), admin, &e), ERR_NOT_FOUND);
    assert_int_equal(rules_remove(rules, STR("0123456789abcdef"), NULL, &e), ERR_NOT_FOUND);
    assert_true(e.public_detail);
}

static void what_is_no_rule_is_refused(void **state)
{
    static const char *const wrong[] = {"",
                                        "{}",
                                        "[]",
                                        "pull",
                                        "{subjects: [bob], actions: [pull]}",
                                        PULL_X ", " PULL_X, /* two */
                                        PULL_X "]",
                                        "{subjects: [\"*\"], actions: [pull]} # "};

    (void)state;
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        assert_int_equal(add(wrong[i], admin), ERR_REQUEST_INVALID);
        assert_true(e.public_detail);
    }
    assert_int_equal(count(rules), 1);
}

static void a_rule_that_nobody_understands_leaves_the_policy_as_it_was(void **state)
{
    (void)state;
    assert_int_equal(add(PULL_X, admin), ERR_OK);
    put_bad_rule("bad");
    assert_int_equal(rules_poll(rules, &e), ERR_CORRUPT);
    assert_non_null(strstr(e.detail, "rule 'bad'"));
    assert_true(may(rules, bob, ACTION_PULL));
    assert_int_equal(count(rules), 2);
}

static void the_operator_removes_rules_that_nobody_understands(void **state)
{
    (void)state;
    put_bad_rule("bad");
    put_bad_rule("worse");
    assert_int_equal(rules_remove(rules, STR("bad"), admin, &e), ERR_CORRUPT);
    assert_int_equal(rules_remove(rules, STR("bad"), NULL, &e), ERR_OK);
    assert_int_equal(rules_remove(rules, STR("worse"), NULL, &e), ERR_OK);
    assert_int_equal(rules_poll(rules, &e), ERR_OK);
    assert_int_equal(count(rules), 1);
}

static void there_are_so_many_rules_and_no_more(void **state)
{
    static const char rule[] = "{\"subjects\":[\"*\"],\"actions\":[\"scan\"]}";
    static struct meta_op ops[RULES_MAX];
    static char keys[RULES_MAX][8];

    (void)state;
    for (size_t i = 0; i < RULES_MAX; i++) {
        snprintf(keys[i], sizeof(keys[i]), "r%04zu", i);
        ops[i] = meta_op_record_put(STR("policy"), str_of(keys[i]), str_of(rule), META_ABSENT);
    }
    assert_int_equal(meta_commit(meta, ops, RULES_MAX, 0, NULL, &e), ERR_OK);
    put("generations", "policy", "");
    assert_int_equal(rules_poll(rules, &e), ERR_OK);
    assert_int_equal(count(rules), RULES_MAX + 1);
    assert_int_equal(add(PULL_X, admin), ERR_QUOTA);
    assert_int_equal(add(PULL_X, NULL), ERR_QUOTA);
    assert_int_equal(rules_remove(rules, STR("r0500"), admin, &e), ERR_OK);
    assert_int_equal(add(PULL_X, admin), ERR_OK);
}

static void a_rule_is_printed_as_the_configuration_has_it(void **state)
{
    static const char yaml[] = "{subjects: [\"group:dev\", \"user:a b\"], effect: deny, actions: "
                               "[\"pull\", \"admin\"], repositories: [\"x/**\"], tags: [\"v*\"]}";
    AUTO(buf) struct buf text = {0};
    struct policy *p;

    (void)state;
    assert_int_equal(add(yaml, admin), ERR_OK);
    p = rules_policy(rules);
    buf_init(&text, 1024);
    rules_print(policy_rule_at(p, 1), &text);
    assert_string_equal(buf_text(&text), yaml);
    policy_unref(p);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(before_a_file_there_is_no_policy),
        TEST(a_rule_holds_at_once_here_and_elsewhere_after_a_poll),
        TEST(another_file_keeps_the_rules_of_the_database),
        TEST(a_file_without_rules_leaves_the_defaults_beside_those_of_the_database),
        TEST(nobody_takes_his_own_right_to_administer),
        TEST(the_operator_may_do_both),
        TEST(what_is_not_there_is_not_removed),
        TEST(what_is_no_rule_is_refused),
        TEST(a_rule_that_nobody_understands_leaves_the_policy_as_it_was),
        TEST(the_operator_removes_rules_that_nobody_understands),
        TEST(there_are_so_many_rules_and_no_more),
        TEST(a_rule_is_printed_as_the_configuration_has_it),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
