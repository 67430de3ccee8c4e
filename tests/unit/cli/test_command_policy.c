#include "auth/policy/policy.h"
#include "base/cleanup.h"
#include "cli/guard.h"
#include "conf/table.h"
#include "fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

static char variable[64];
static char *environment[] = {variable, NULL};

static const char policy[] =
    "auth: {mode: local, admins: [\"group:admins\"]}\n"
    "policy:\n"
    "- {subjects: [anonymous], actions: [pull], repositories: [\"public/**\"]}\n"
    "- {subjects: [\"user:ci\", \"group:dev\"], actions: [pull, push], repositories: "
    "[\"dev/**\"]}\n"
    "- {subjects: [\"robot:builder\"], actions: [\"*\"], tags: [\"v*\"]}\n"
    "- {subjects: [\"*\"], effect: deny, actions: [overwrite], repositories: [\"prod/**\"],\n"
    "   tags: [\"v*\"]}\n";

static void write_conf(const char *text)
{
    FILE *f = fopen(strchr(variable, '=') + 1, "we");

    assert_non_null(f);
    fputs(text, f);
    assert_int_equal(fclose(f), 0);
}

static int setup(void **state)
{
    int fd;

    (void)state;
    strcpy(variable, "REGISTRY_CONFIG=/tmp/test-policy-XXXXXX");
    fd = mkstemp(strchr(variable, '=') + 1);
    if (fd < 0)
        return -1;
    close(fd);
    write_conf(policy);
    return 0;
}

static int teardown(void **state)
{
    run_done(state);
    return unlink(strchr(variable, '=') + 1);
}

#define ask(...) run_with(environment, "policy", "test", __VA_ARGS__, NULL)

static void a_decision_comes_with_its_rule(void **state)
{
    (void)state;
    assert_int_equal(ask("ci", "push", "dev/app:v1"), CLI_OK);
    assert_string_equal(run_out,
                        "allowed by rule 2 of the policy\n"
                        "  - {subjects: [\"user:ci\", \"group:dev\"], effect: allow, actions: "
                        "[\"pull\", \"push\"], repositories: [\"dev/**\"], tags: []}\n");
    assert_int_equal(ask("ci", "delete", "dev/app:v1"), CLI_DENIED);
    assert_string_equal(run_out, "denied: no rule of the policy allows it\n");
    assert_int_equal(ask("root", "overwrite", "prod/app:v1", "--admin"), CLI_DENIED);
    assert_memory_equal(run_out, "denied by rule 4 of the policy\n  - {subjects: [\"*\"]", 51);
    assert_string_equal(run_err, "");
}

static void every_kind_of_subject_can_be_asked_for(void **state)
{
    (void)state;
    assert_int_equal(ask("anonymous", "pull", "public/app"), CLI_OK);
    assert_int_equal(ask("anonymous", "pull", "dev/app"), CLI_DENIED);
    assert_int_equal(ask("user:ci", "pull", "dev/app"), CLI_OK);
    assert_int_equal(ask("robot:ci", "pull", "dev/app"), CLI_DENIED);
    assert_int_equal(ask("robot:builder", "delete", "x:v1"), CLI_OK);
    assert_int_equal(ask("alice", "pull", "dev/app"), CLI_DENIED);
    assert_int_equal(ask("alice", "pull", "dev/app", "--group", "dev"), CLI_OK);
    assert_int_equal(ask("alice", "pull", "dev/app", "--group=x", "--group", "dev"), CLI_OK);
    assert_int_equal(ask("alice", "pull", "dev/app", "--group", "x,dev"), CLI_OK);
    assert_int_equal(ask("--group", "devs", "alice", "pull", "dev/app"), CLI_DENIED);
}

static void admins_and_the_registry_itself(void **state)
{
    (void)state;
    assert_int_equal(ask("alice", "admin"), CLI_DENIED);
    assert_int_equal(ask("alice", "admin", "--admin"), CLI_OK);
    assert_string_equal(run_out, "allowed: an admin may do everything not denied\n");
    assert_int_equal(ask("alice", "admin", "--group", "admins"), CLI_OK);
}

static void without_authentication_there_is_nothing_to_ask(void **state)
{
    (void)state;
    write_conf("");
    assert_int_equal(ask("anonymous", "delete", "a"), CLI_OK);
    assert_string_equal(run_out, "allowed: authentication is off, so nobody is asked\n");
    write_conf("auth: local\n");
    assert_int_equal(ask("alice", "push", "a"), CLI_OK);
    assert_string_equal(run_out, "allowed: there is no policy, so who is signed in may pull and "
                                 "push\n");
    assert_int_equal(ask("alice", "delete", "a"), CLI_DENIED);
    assert_int_equal(ask("anonymous", "pull", "a"), CLI_DENIED);
    write_conf(policy);
}

static void what_is_misspelt_is_named(void **state)
{
    (void)state;
    assert_int_equal(ask("alice"), CLI_USAGE);
    assert_non_null(strstr(run_err, "a user and an action must be given"));
    assert_int_equal(ask("alice", "pul", "a"), CLI_USAGE);
    assert_string_equal(run_err, "registry: 'pul' is no action; write pull, push, overwrite, "
                                 "delete, scan, admin or bypass\n");
    assert_int_equal(ask("alice", "*", "a"), CLI_USAGE);
    assert_int_equal(ask("alice", "pull", "A"), CLI_USAGE);
    assert_string_equal(run_err, "registry: 'A' is no repository; write REPOSITORY or "
                                 "REPOSITORY:TAG\n");
    assert_int_equal(ask("alice", "pull", "a:"), CLI_USAGE);
    assert_int_equal(ask("alice", "pull", "a:b:c"), CLI_USAGE);
    assert_int_equal(ask("", "pull", "a"), CLI_USAGE);
    assert_int_equal(ask("user:", "pull", "a"), CLI_USAGE);
    assert_int_equal(ask("alice", "pull", "a", "b"), CLI_USAGE);
    assert_int_equal(ask("alice", "pull", "a", "--admin", "--admin"), CLI_USAGE);
}

static void a_wrong_policy_is_no_answer(void **state)
{
    (void)state;
    write_conf("auth: local\npolicy:\n- {subjects: [ci], actions: [pull]}\n");
    assert_int_equal(ask("ci", "pull", "a"), CLI_FAILED);
    assert_non_null(strstr(run_err, ":3: policy[0].subjects: 'ci' is no subject"));
    assert_string_equal(run_out, "");
    write_conf(policy);
}

/* The configuration may not include auth/, and so has names and limits of its own. */

static void every_action_of_the_configuration_is_one_of_the_policy(void **state)
{
    const struct conf_row *row = conf_item_find(&conf_item_rule, STR("actions"));
    unsigned all = 0;

    (void)state;
    for (size_t i = 0; row->choices[i]; i++) {
        unsigned actions = action_parse(str_of(row->choices[i]));

        assert_true(actions != 0);
        if (strcmp(row->choices[i], "*") != 0)
            all |= actions;
    }
    assert_int_equal(all, ACTION_ALL | ACTION_BYPASS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_decision_comes_with_its_rule),
        cmocka_unit_test(every_kind_of_subject_can_be_asked_for),
        cmocka_unit_test(admins_and_the_registry_itself),
        cmocka_unit_test(without_authentication_there_is_nothing_to_ask),
        cmocka_unit_test(what_is_misspelt_is_named),
        cmocka_unit_test(a_wrong_policy_is_no_answer),
        cmocka_unit_test(every_action_of_the_configuration_is_one_of_the_policy),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
