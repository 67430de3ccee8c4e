/* The pull policy: lists of maps in maps of a list. */
#include "base/cleanup.h"
#include "base/clock.h"
#include "fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#define RULES                                                                                      \
    "pull_policy:\n"                                                                               \
    "  - repositories: [\"team/**\"]\n"                                                            \
    "    severity: high\n"                                                                         \
    "    unscanned: block after 2h\n"                                                              \
    "    allow:\n"                                                                                 \
    "      - {cve: CVE-2024-1, reason: not reachable, expires: 2027-06-30}\n"                      \
    "      - cve: CVE-2024-2\n"                                                                    \
    "        package: openssl*\n"                                                                  \
    "        repositories: [team/a, team/b]\n"                                                     \
    "        reason: \"no fix\"\n"                                                                 \
    "        author: alice\n"                                                                      \
    "        expires: 2027-01-01\n"                                                                \
    "  - {repositories: [\"**\"]}\n"

static void a_list_in_a_map_is_read(void **state)
{
    AUTO(conf) struct conf *c = conf_must(RULES);
    const struct conf_pull_rule *first = &c->pull_policy.items[0];

    (void)state;
    assert_int_equal(c->pull_policy.n, 2);
    assert_int_equal(first->severity, 3);
    assert_int_equal(first->allow.n, 2);
    assert_string_equal(first->allow.items[0].cve, "CVE-2024-1");
    assert_string_equal(first->allow.items[0].package, "");
    assert_string_equal(first->allow.items[1].package, "openssl*");
    assert_int_equal(first->allow.items[1].repositories.n, 2);
    assert_string_equal(first->allow.items[1].author, "alice");
}

static void the_defaults_enforce_against_critical_findings(void **state)
{
    AUTO(conf) struct conf *c = conf_must(RULES);
    const struct conf_pull_rule *last = &c->pull_policy.items[1];

    (void)state;
    assert_int_equal(last->severity, 4);
    assert_int_equal(last->mode, CONF_PULL_ENFORCE);
    assert_string_equal(last->unscanned, "allow");
    assert_true(last->vex);
    assert_false(last->fixable);
    assert_int_equal(last->allow.n, 0);
}

static void what_is_printed_is_read_as_the_same(void **state)
{
    AUTO(conf) struct conf *c = conf_must(RULES);
    AUTO(conf) struct conf *again = NULL;
    AUTO(buf) struct buf yaml = {0}, ignored = {0}, second = {0};
    struct err e;

    (void)state;
    buf_init(&yaml, 1 << 20);
    buf_init(&second, 1 << 20);
    conf_print(c, &yaml);
    assert_non_null(strstr(buf_text(&yaml), "allow: [{cve: \"CVE-2024-1\", package: \"\", "));
    if (conf_load_bytes(buf_str(&yaml), NULL, &again, &e) != ERR_OK)
        fail_msg("%s", e.detail);
    conf_print(again, &second);
    assert_string_equal(buf_text(&yaml), buf_text(&second));
    buf_init(&ignored, 1 << 16);
    conf_reload(c, again, &ignored);
    assert_int_equal(ignored.n, 0);
}

#define KEYS "cve, package, repositories, reason, author and expires"

static void a_mistake_names_the_entry_and_its_line(void **state)
{
    (void)state;
    conf_must_fail("pull_policy:\n"
                   "- repositories: ['**']\n"
                   "  allow:\n"
                   "  - {cve: CVE-1, reason: x, expires: 2027-01-01}\n"
                   "  - cve: CVE-2\n"
                   "    expires: 2027-01-01\n",
                   "5: pull_policy[0].allow[1].reason: this key is missing; allowed is a text of "
                   "1 to 1024 bytes");
    conf_must_fail("pull_policy:\n"
                   "- repositories: ['**']\n"
                   "  allow: [{cve: CVE-1, reason: x}]\n",
                   "3: pull_policy[0].allow[0].expires: this key is missing; allowed is a text of "
                   "10 to 10 bytes");
    conf_must_fail("pull_policy:\n"
                   "- repositories: ['**']\n"
                   "  allow:\n"
                   "  - cve: CVE-1\n"
                   "    reason: x\n"
                   "    expires: 2027-02-32\n",
                   "6: pull_policy[0].allow[0].expires: '2027-02-32' is no day; allowed is one "
                   "such as '2027-06-30'");
    conf_must_fail("pull_policy:\n"
                   "- repositories: ['**']\n"
                   "  allow:\n"
                   "  - {cve: \"CVE-*\", reason: x, expires: 2027-01-01}\n",
                   "4: pull_policy[0].allow[0].cve: 'CVE-*' is no vulnerability; allowed is one, "
                   "without wildcards, such as 'CVE-2024-1234'");
    conf_must_fail("pull_policy:\n"
                   "- repositories: ['**']\n"
                   "  allow:\n"
                   "  - cve: CVE-1\n"
                   "    reason: x\n"
                   "    expires: 2027-01-01\n"
                   "    repositories: [A]\n",
                   "7: pull_policy[0].allow[0].repositories: 'A' can't match any repository; "
                   "allowed are the small letters, digits and ._-/ of names, and for them '*' (up "
                   "to the next slash), '**' (anything) and '?', such as 'dev/**'");
    conf_must_fail("pull_policy:\n"
                   "- repositories: ['**']\n"
                   "  allow:\n"
                   "  - cve: CVE-1\n"
                   "    resaon: x\n",
                   "5: pull_policy[0].allow[0]: 'resaon' is an unknown key; did you mean "
                   "'reason'?");
    conf_must_fail("pull_policy:\n"
                   "- repositories: ['**']\n"
                   "  allow: [CVE-1]\n",
                   "3: pull_policy[0].allow: an item of this list must be a map; allowed is a "
                   "list of 0 to 1000 maps of " KEYS);
    conf_must_fail("pull_policy:\n"
                   "- repositories: ['**']\n"
                   "  allow: CVE-1\n",
                   "3: pull_policy[0].allow: 'CVE-1' is a text; allowed is a list of 0 to 1000 "
                   "maps of " KEYS);
}

static void a_mistake_in_a_rule_is_named_too(void **state)
{
    (void)state;
    conf_must_fail("pull_policy:\n- {repositories: ['**'], unscanned: later}\n",
                   "2: pull_policy[0].unscanned: 'later' is not known here; allowed is 'allow', "
                   "'block' or 'block after DURATION', such as 'block after 2h'");
    conf_must_fail("pull_policy:\n- {repositories: ['**'], severity: severe}\n",
                   "2: pull_policy[0].severity: 'severe' is not known here; allowed is 'unknown', "
                   "'low', 'medium', 'high' or 'critical'");
    conf_must_fail("pull_policy:\n- {mode: warn}\n",
                   "2: pull_policy[0].repositories: this key is missing; allowed is a list of 1 to "
                   "1000 texts");
}

static void a_variable_holds_lists_in_lists(void **state)
{
    char *environment[] = {
        (char *)"REGISTRY_PULL_POLICY=[{\"repositories\":[\"**\"],\"allow\":[{\"cve\":\"CVE-1\","
                "\"reason\":\"x\",\"expires\":\"2027-01-01\"}]}]",
        NULL};
    AUTO(conf) struct conf *c = NULL;
    struct err e;

    (void)state;
    if (conf_load_bytes(STR(""), environment, &c, &e) != ERR_OK)
        fail_msg("%s", e.detail);
    assert_string_equal(c->pull_policy.items[0].allow.items[0].cve, "CVE-1");
}

static void a_changed_entry_needs_no_restart(void **state)
{
    AUTO(conf) struct conf *c = conf_must(RULES);
    AUTO(conf) struct conf *other = conf_must("pull_policy: [{repositories: ['**']}]\n");
    AUTO(buf) struct buf ignored = {0};

    (void)state;
    buf_init(&ignored, 1 << 16);
    conf_reload(c, other, &ignored);
    assert_int_equal(ignored.n, 0);
}

static void unscanned_images_have_a_time(void **state)
{
    uint64_t ms = 1;

    (void)state;
    assert_true(conf_unscanned(STR("allow"), &ms));
    assert_true(ms == UINT64_MAX);
    assert_true(conf_unscanned(STR("block"), &ms));
    assert_int_equal(ms, 0);
    assert_true(conf_unscanned(STR("block after 1h30m"), &ms));
    assert_int_equal(ms, 5400000);
    assert_false(conf_unscanned(STR("block after"), &ms));
    assert_false(conf_unscanned(STR("block after soon"), &ms));
}

static void the_last_day_counts_as_a_whole(void **state)
{
    char text[CLOCK_RFC3339_SIZE];
    int64_t ms;

    (void)state;
    assert_true(conf_last_day(STR("2027-12-31"), &ms));
    clock_rfc3339(ms, text);
    assert_string_equal(text, "2028-01-01T00:00:00.000Z");
    assert_false(conf_last_day(STR("2027-12"), &ms));
    assert_false(conf_last_day(STR("2027-02-29"), &ms));
    assert_false(conf_last_day(STR("tomorrow.."), &ms));
}

static void rules_are_read_alone(void **state)
{
    struct conf_pull_rules rules;
    struct err e;

    (void)state;
    assert_int_equal(
        conf_pull_rules_parse(STR("[{repositories: ['a/*'], mode: warn}]"), &rules, &e), ERR_OK);
    assert_int_equal(rules.n, 1);
    assert_int_equal(rules.items[0].mode, CONF_PULL_WARN);
    conf_pull_rules_free(&rules);
    assert_int_equal(conf_pull_rules_parse(STR("[{repositories: []}]"), &rules, &e), ERR_CONFIG);
    assert_int_equal(conf_pull_rules_parse(STR("[{repositories: [A]}]"), &rules, &e), ERR_CONFIG);
}

static void rules_are_shown_as_json_that_is_read_again(void **state)
{
    AUTO(conf) struct conf *c = conf_must(RULES);
    AUTO(buf) struct buf json = {0}, again = {0};
    struct conf_pull_rules rules;
    struct err e;

    (void)state;
    buf_init(&json, 1 << 16);
    buf_init(&again, 1 << 16);
    conf_pull_rules_json(&c->pull_policy, &json);
    assert_non_null(
        strstr(buf_text(&json), "\"severity\":\"high\",\"fixable\":false,\"grace\":\"0\""));
    if (conf_pull_rules_parse(buf_str(&json), &rules, &e) != ERR_OK)
        fail_msg("%s", e.detail);
    conf_pull_rules_json(&rules, &again);
    assert_string_equal(buf_text(&json), buf_text(&again));
    conf_pull_rules_free(&rules);
}

static void a_scanner_that_pulls_needs_a_token_where_something_is_blocked(void **state)
{
#define ADAPTER "scan: {adapter: {url: 'http://127.0.0.1:8080'}}\n"

    (void)state;
    conf_must_fail(ADAPTER "pull_policy: [{repositories: ['**']}]\n",
                   "1: scan.adapter.url: this scanner needs a token of ours to pull what "
                   "'pull_policy' blocks, and there are none; write 'auth: local' (or a section "
                   "auth, with auth.token.enabled), or leave the mode of each rule of pull_policy "
                   "at 'warn' or 'off'");
    conf_free(conf_must(ADAPTER "pull_policy: [{repositories: ['**'], mode: warn}]\n"));
    conf_free(conf_must(ADAPTER "auth: local\npull_policy: [{repositories: ['**']}]\n"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_list_in_a_map_is_read),
        cmocka_unit_test(the_defaults_enforce_against_critical_findings),
        cmocka_unit_test(what_is_printed_is_read_as_the_same),
        cmocka_unit_test(a_mistake_names_the_entry_and_its_line),
        cmocka_unit_test(a_mistake_in_a_rule_is_named_too),
        cmocka_unit_test(a_variable_holds_lists_in_lists),
        cmocka_unit_test(a_changed_entry_needs_no_restart),
        cmocka_unit_test(unscanned_images_have_a_time),
        cmocka_unit_test(the_last_day_counts_as_a_whole),
        cmocka_unit_test(rules_are_read_alone),
        cmocka_unit_test(rules_are_shown_as_json_that_is_read_again),
        cmocka_unit_test(a_scanner_that_pulls_needs_a_token_where_something_is_blocked),
    };

    return cmocka_run_group_tests(tests, conf_setup, conf_teardown);
}
