/* Lists of maps, by the example of the policy. */
#include "base/cleanup.h"
#include "fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static void items_are_read_with_their_defaults(void **state)
{
    AUTO(conf)
    struct conf *c = conf_must("policy:\n"
                               "  - {subjects: [anonymous], actions: [pull]}\n"
                               "  - subjects: [\"user:ci\", \"group:dev\"]\n"
                               "    actions: Pull, push\n"
                               "    repositories:\n"
                               "    - dev/**\n"
                               "    effect: deny\n"
                               "    tags: [v*]\n"
                               "log: {level: debug}\n"
                               "auth: local\n");
    const struct conf_rule *rules = c->policy.items;

    (void)state;
    assert_int_equal(c->policy.n, 2);
    assert_int_equal(rules[0].effect, CONF_EFFECT_ALLOW);
    assert_string_equal(rules[0].subjects.items[0], "anonymous");
    assert_int_equal(rules[0].repositories.n, 0);
    assert_int_equal(rules[0].tags.n, 0);
    assert_int_equal(rules[1].subjects.n, 2);
    assert_int_equal(rules[1].actions.n, 2);
    assert_string_equal(rules[1].actions.items[0], "pull"); /* as the table spells it */
    assert_string_equal(rules[1].repositories.items[0], "dev/**");
    assert_int_equal(rules[1].effect, CONF_EFFECT_DENY);
    assert_string_equal(rules[1].tags.items[0], "v*");
    assert_int_equal(c->log.level, 0);
}

static void an_empty_list_is_a_list(void **state)
{
    AUTO(conf) struct conf *c = conf_must("policy: []\n");

    (void)state;
    assert_int_equal(c->policy.n, 0);
}

static void a_mistake_names_the_item_and_its_line(void **state)
{
    (void)state;
    conf_must_fail("policy:\n"
                   "- {subjects: ['*'], actions: [pull]}\n"
                   "- subjects: ['*']\n"
                   "  actions:\n"
                   "  - pull\n"
                   "  - pul\n",
                   "6: policy[1].actions: 'pul' is not known here; allowed is a list of 1 to 8 of "
                   "'pull', 'push', 'overwrite', 'delete', 'scan', 'admin', 'bypass' or '*'");
    conf_must_fail("policy:\n- subjects: ['*']\n  actions: [pull]\n  effect: forbid\n",
                   "4: policy[0].effect: 'forbid' is not known here; allowed is 'allow' or "
                   "'deny'");
    conf_must_fail("quotas:\n- {namespace: a}\n- namespace: b\n  bytes: much\n",
                   "4: quotas[1].bytes: 'much' is not a size such as 64KiB; allowed is a size from "
                   "0 to 1048576TiB");
    conf_must_fail("policy:\n- subjects: []\n  actions: [pull]\n",
                   "2: policy[0].subjects: '[]' has too few items; allowed is a list of 1 to 1000 "
                   "texts");
    conf_must_fail("policy:\n- subjects: ['*']\n  actions:\n",
                   "3: policy[0].actions: there is no value (an empty text is \"\"); allowed is a "
                   "list of 1 to 8 of 'pull', 'push', 'overwrite', 'delete', 'scan', 'admin', "
                   "'bypass' or '*'");
}

static void a_mistake_found_later_names_the_line_too(void **state)
{
    (void)state;
    conf_must_fail("policy:\n"
                   "- subjects: ['*']\n"
                   "  actions: [pull]\n"
                   "- actions: [pull]\n"
                   "\n"
                   "  subjects: [alice]\n",
                   "6: policy[1].subjects: 'alice' is no subject; allowed are 'user:NAME', "
                   "'robot:NAME' and 'group:NAME', 'authenticated', 'anonymous' and '*'");
}

static void unknown_keys_come_with_a_suggestion(void **state)
{
    (void)state;
    conf_must_fail("policy:\n- subject: ['*']\n  actions: [pull]\n",
                   "2: policy[0]: 'subject' is an unknown key; did you mean 'subjects'?");
    conf_must_fail("policy:\n- {subjects: ['*'], actions: [pull],\n   zzzzzzzzzzz: 1}\n",
                   "3: policy[0]: 'zzzzzzzzzzz' is an unknown key; the reference page lists them");
    conf_must_fail("policy:\n- {? [a] : b}\n",
                   "2: policy[0]: '?' is an unknown key; the reference page lists them");
    conf_must_fail("policy:\n- {\"\\x1b[31m\": b}\n",
                   "2: policy[0]: '?[31m' is an unknown key; the reference page lists them");
    conf_must_fail("polcy: []\n", "1: polcy: unknown key; did you mean 'policy'?");
}

static void a_key_stands_once_in_an_item(void **state)
{
    (void)state;
    conf_must_fail("policy:\n- subjects: ['*']\n  subjects: [anonymous]\n",
                   "3: policy[0].subjects: stands here a second time");
}

static void what_must_be_given_is_asked_for(void **state)
{
    (void)state;
    conf_must_fail("policy:\n- {actions: [pull]}\n",
                   "2: policy[0].subjects: this key is missing; allowed is a list of 1 to 1000 "
                   "texts");
    conf_must_fail("quotas:\n- {}\n",
                   "2: quotas[0].namespace: this key is missing; allowed is a text of 0 to 255 "
                   "bytes");
}

static void wrong_shapes_are_refused(void **state)
{
#define ALLOWED                                                                                    \
    "; allowed is a list of 0 to 1000 maps of subjects, effect, actions, repositories and tags"
    (void)state;
    conf_must_fail("policy: x\n", "1: policy: 'x' is a text" ALLOWED);
    conf_must_fail("policy: {}\n", "1: policy: here stand keys, not a value" ALLOWED);
    conf_must_fail("policy:\n", "1: policy: there is no value (an empty text is \"\")" ALLOWED);
    conf_must_fail("policy: [x]\n", "1: policy: an item of this list must be a map" ALLOWED);
    conf_must_fail("policy: [[]]\n", "1: policy: an item of this list must be a map" ALLOWED);
    conf_must_fail("policy:\n- subjects: {}\n",
                   "2: policy[0].subjects: here stand keys, not a value; allowed is a list of 1 to "
                   "1000 texts");
    conf_must_fail("policy:\n- effect: [allow]\n",
                   "2: policy[0].effect: here stands a list; allowed is 'allow' or 'deny'");
    conf_must_fail("policy: [{subjects: &a ['*']}]\n",
                   "1: anchors and aliases (& and *) are not allowed; quote a value that starts "
                   "with one of these");
}

static void a_list_has_a_bounded_length(void **state)
{
    AUTO(buf) struct buf yaml = {0};
    struct conf *c = NULL;
    struct err e;

    (void)state;
    buf_init(&yaml, 1 << 20);
    buf_add_text(&yaml, "auth: local\npolicy:\n");
    for (size_t i = 0; i < 1000; i++)
        buf_add_text(&yaml, "- {subjects: ['*'], actions: [pull]}\n");
    assert_int_equal(conf_load_bytes(buf_str(&yaml), NULL, &c, &e), ERR_OK);
    assert_int_equal(c->policy.n, 1000);
    conf_free(c);
    buf_add_text(&yaml, "- {subjects: ['*'], actions: [pull]}\n");
    assert_int_equal(conf_load_bytes(buf_str(&yaml), NULL, &c, &e), ERR_CONFIG);
    assert_non_null(strstr(e.detail, ":1003: policy: here is one item too many"));
}

/* In the environment. */

static enum err_code load(const char *file, const char *variable, struct conf **ret_conf,
                          struct err *e)
{
    char *environment[] = {(char *)variable, NULL};

    return conf_load_bytes(str_of(file), environment, ret_conf, e);
}

static void a_variable_is_json_or_yaml(void **state)
{
    static const char *const spellings[] = {
        "REGISTRY_POLICY=[{\"subjects\":[\"user:a\"],\"actions\":[\"pull\"],\"effect\":\"deny\"}]",
        "REGISTRY_POLICY=[{subjects: ['user:a'], actions: pull, effect: deny}]",
        "REGISTRY_POLICY=- subjects: ['user:a']\n  actions: pull\n  effect: deny\n",
    };

    (void)state;
    for (size_t i = 0; i < 3; i++) {
        AUTO(conf) struct conf *c = NULL;
        struct err e;

        if (load("auth: local\npolicy: [{subjects: ['*'], actions: [scan]}]\n", spellings[i], &c,
                 &e) != ERR_OK)
            fail_msg("%s", e.detail);
        assert_int_equal(c->policy.n, 1); /* in place of what the file says */
        assert_string_equal(c->policy.items[0].subjects.items[0], "user:a");
        assert_string_equal(c->policy.items[0].actions.items[0], "pull");
        assert_int_equal(c->policy.items[0].effect, CONF_EFFECT_DENY);
    }
}

static void an_empty_variable_is_an_empty_list(void **state)
{
    AUTO(conf) struct conf *c = NULL;
    struct err e;

    (void)state;
    assert_int_equal(load("quotas: [{namespace: a}]\n", "REGISTRY_QUOTAS=", &c, &e), ERR_OK);
    assert_int_equal(c->quotas.n, 0);
}

static void a_mistake_names_the_variable(void **state)
{
    static const struct {
        const char *value, *detail;
    } rows[] = {
        {"[{\"subjects\":[\"*\"],\"actions\":[\"pul\"]}]",
         "policy[0].actions: 'pul' is not known here; allowed is a list of 1 to 8 of 'pull', "
         "'push', 'overwrite', 'delete', 'scan', 'admin', 'bypass' or '*'"},
        {"[{\"subjects\":[\"x\"],\"actions\":[\"pull\"]}]",
         "policy[0].subjects: 'x' is no subject; allowed are 'user:NAME', 'robot:NAME' and "
         "'group:NAME', 'authenticated', 'anonymous' and '*'"},
        {"[{", "this is not YAML: did not find expected node content"},
        {"{}", "this is no list" ALLOWED},
        {"x", "this is no list" ALLOWED},
        {"[]\n---\n[]", "a second document starts here; only one is allowed"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char variable[256], want[512];
        struct conf *c = NULL;
        struct err e;

        snprintf(variable, sizeof(variable), "REGISTRY_POLICY=%s", rows[i].value);
        snprintf(want, sizeof(want), "environment variable REGISTRY_POLICY: %s", rows[i].detail);
        assert_int_equal(load("policy: [{subjects: ['*'], actions: [pull]}]\n", variable, &c, &e),
                         ERR_CONFIG);
        assert_string_equal(e.detail, want);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(items_are_read_with_their_defaults),
        cmocka_unit_test(an_empty_list_is_a_list),
        cmocka_unit_test(a_mistake_names_the_item_and_its_line),
        cmocka_unit_test(a_mistake_found_later_names_the_line_too),
        cmocka_unit_test(unknown_keys_come_with_a_suggestion),
        cmocka_unit_test(a_key_stands_once_in_an_item),
        cmocka_unit_test(what_must_be_given_is_asked_for),
        cmocka_unit_test(wrong_shapes_are_refused),
        cmocka_unit_test(a_list_has_a_bounded_length),
        cmocka_unit_test(a_variable_is_json_or_yaml),
        cmocka_unit_test(an_empty_variable_is_an_empty_list),
        cmocka_unit_test(a_mistake_names_the_variable),
    };

    return cmocka_run_group_tests(tests, conf_setup, conf_teardown);
}
