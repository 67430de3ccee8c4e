#include "auth/policy/policy.h"
#include "base/cleanup.h"
#include "base/mem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

/* A rule as texts separated by blanks; NULL: none. */
struct rule {
    const char *subjects, *actions, *repositories, *tags;
    bool deny;
};

static char **split(const char *text, size_t *ret_n)
{
    struct str rest = str_of(text), item;
    char **list = mem_alloc(16 * sizeof(char *));

    *ret_n = 0;
    while (rest.n) {
        str_cut(&rest, ' ', &item);
        assert_true(*ret_n < 16);
        list[(*ret_n)++] = str_dup(item);
    }
    return list;
}

static struct policy *policy_of(const struct rule *rules, size_t n)
{
    struct policy_rule *made = mem_zero(n * sizeof(*made));

    for (size_t i = 0; i < n; i++) {
        char **actions;
        size_t n_actions;

        made[i].deny = rules[i].deny;
        made[i].subjects = split(rules[i].subjects, &made[i].n_subjects);
        made[i].repositories = split(rules[i].repositories, &made[i].n_repositories);
        made[i].tags = split(rules[i].tags, &made[i].n_tags);
        actions = split(rules[i].actions, &n_actions);
        for (size_t k = 0; k < n_actions; k++) {
            made[i].actions |= action_parse(str_of(actions[k]));
            free(actions[k]);
        }
        free(actions);
    }
    return policy_new(made, n, false);
}

#define POLICY(...)                                                                                \
    policy_of((const struct rule[]){__VA_ARGS__},                                                  \
              sizeof((const struct rule[]){__VA_ARGS__}) / sizeof(struct rule))

static inline void auto_policy_(struct policy **p)
{
    policy_unref(*p);
}

static struct identity *user(const char *name, const char *group)
{
    struct identity *id = identity_new(IDENTITY_USER, str_of(name), "test");

    if (group)
        identity_add_group(id, str_of(group));
    return id;
}

/* May id do the action on "repo", "repo:tag", or the registry itself (NULL)? */
static bool may(const struct policy *p, const struct identity *id, enum action action,
                const char *on)
{
    struct str tag_text = str_of(on), repo_text;
    struct repo_name repo;
    struct tag_name tag;
    bool tagged;

    if (!on)
        return policy_allows(p, id, action, NULL, NULL, NULL);
    tagged = str_cut(&tag_text, ':', &repo_text);
    assert_int_equal(repo_name_parse(repo_text, &repo, ERR_IGNORED), ERR_OK);
    if (tagged)
        assert_int_equal(tag_name_parse(tag_text, &tag, ERR_IGNORED), ERR_OK);
    return policy_allows(p, id, action, &repo, tagged ? &tag : NULL, NULL);
}

static bool sees(const struct policy *p, const struct identity *id, const char *name)
{
    struct repo_name repo;

    assert_int_equal(repo_name_parse(str_of(name), &repo, ERR_IGNORED), ERR_OK);
    return policy_sees(p, id, &repo);
}

static void what_no_rule_allows_is_denied(void **state)
{
    AUTO(policy) struct policy *p = POLICY({"user:alice", "pull", "dev/**"});
    AUTO(identity) struct identity *alice = user("alice", NULL), *bob = user("bob", NULL);

    (void)state;
    assert_true(may(p, alice, ACTION_PULL, "dev/app"));
    assert_true(may(p, alice, ACTION_PULL, "dev"));
    assert_false(may(p, alice, ACTION_PUSH, "dev/app"));
    assert_false(may(p, alice, ACTION_PULL, "prod/app"));
    assert_false(may(p, bob, ACTION_PULL, "dev/app"));
    assert_false(may(p, alice, ACTION_ADMIN, NULL));
}

static void deny_wins_wherever_it_stands(void **state)
{
    AUTO(policy)
    struct policy *first = POLICY({"*", "pull", "secret/**", .deny = true}, {"*", "*", "**"});
    AUTO(policy)
    struct policy *last = POLICY({"*", "*", "**"}, {"*", "pull", "secret/**", .deny = true});
    AUTO(identity) struct identity *alice = user("alice", NULL);

    (void)state;
    assert_false(may(first, alice, ACTION_PULL, "secret/app"));
    assert_false(may(last, alice, ACTION_PULL, "secret/app"));
    assert_false(may(last, alice, ACTION_PULL, "secret"));
    assert_true(may(last, alice, ACTION_PUSH, "secret/app"));
    assert_true(may(last, alice, ACTION_PULL, "app"));
}

static void deny_wins_over_admins_too(void **state)
{
    AUTO(policy)
    struct policy *p = POLICY({"*", "overwrite", "prod/**", "v*", .deny = true});
    AUTO(identity) struct identity *root = user("root", NULL);

    (void)state;
    root->admin = true;
    assert_true(may(p, root, ACTION_ADMIN, NULL));
    assert_true(may(p, root, ACTION_DELETE, "prod/app:v1"));
    assert_true(may(p, root, ACTION_OVERWRITE, "prod/app:latest"));
    assert_false(may(p, root, ACTION_OVERWRITE, "prod/app:v1"));
}

static void subjects_name_kinds_groups_and_patterns(void **state)
{
    static const struct {
        const char *subject;
        bool alice, robot, nobody;
    } rows[] = {
        {"*", true, true, true},
        {"authenticated", true, true, false},
        {"anonymous", false, false, true},
        {"user:alice", true, false, false},
        {"user:al*", true, false, false},
        {"user:*", true, false, false},
        {"robot:alice", false, true, false},
        {"robot:*", false, true, false},
        {"group:dev", true, false, false},
        {"group:d?v", true, false, false},
        {"group:alice", false, false, false},
        {"user:dev", false, false, false},
        {"user:alic", false, false, false},
        {"user:Alice", false, false, false},
        {"user:", false, false, false},
        {"alice", false, false, false},
        {"user:anonymous", false, false, false},
        {"nonsense", false, false, false},
    };
    AUTO(identity) struct identity *alice = user("alice", "dev");
    AUTO(identity) struct identity *robot = identity_new(IDENTITY_ROBOT, STR("alice"), "test");
    AUTO(identity) struct identity *nobody = identity_anonymous();

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        AUTO(policy) struct policy *p = POLICY({rows[i].subject, "pull", "**"});

        if (may(p, alice, ACTION_PULL, "a") != rows[i].alice ||
            may(p, robot, ACTION_PULL, "a") != rows[i].robot ||
            may(p, nobody, ACTION_PULL, "a") != rows[i].nobody)
            fail_msg("%s", rows[i].subject);
    }
}

/* A user can be called "anonymous" or "authenticated": that is only a name. */
static void names_are_no_subjects(void **state)
{
    AUTO(policy) struct policy *p = POLICY({"anonymous", "pull", "**"});
    AUTO(identity) struct identity *odd = user("anonymous", "anonymous");

    (void)state;
    assert_false(may(p, odd, ACTION_PULL, "a"));
}

/* CVE-2025-23208: rights ended only when the process did. Here a group is asked at each decision */
static void who_left_a_group_has_its_rights_no_more(void **state)
{
    AUTO(policy) struct policy *p = POLICY({"group:dev", "pull", "**"});
    AUTO(identity) struct identity *before = user("alice", "dev"), *after = user("alice", NULL);

    (void)state;
    assert_true(may(p, before, ACTION_PULL, "a"));
    assert_false(may(p, after, ACTION_PULL, "a"));
}

static void each_action_is_a_right_of_its_own(void **state)
{
    static const enum action actions[] = {ACTION_PULL,   ACTION_PUSH, ACTION_OVERWRITE,
                                          ACTION_DELETE, ACTION_SCAN, ACTION_ADMIN};
    AUTO(identity) struct identity *alice = user("alice", NULL);

    (void)state;
    for (size_t i = 0; i < 6; i++) {
        AUTO(policy) struct policy *p = POLICY({"*", action_name(actions[i]), "**"});

        for (size_t k = 0; k < 6; k++)
            assert_int_equal(may(p, alice, actions[k], "a:b"), i == k);
    }
}

static void a_rule_without_repositories_is_about_all(void **state)
{
    AUTO(policy) struct policy *p = POLICY({"*", "pull admin"});
    AUTO(identity) struct identity *alice = user("alice", NULL);

    (void)state;
    assert_true(may(p, alice, ACTION_PULL, "a/b/c"));
    assert_true(may(p, alice, ACTION_ADMIN, NULL));
}

static void the_registry_itself_is_in_no_namespace(void **state)
{
    AUTO(policy) struct policy *one = POLICY({"*", "*", "dev/** *"});
    AUTO(policy) struct policy *all = POLICY({"*", "*", "**"});
    AUTO(identity) struct identity *alice = user("alice", NULL);

    (void)state;
    assert_false(may(one, alice, ACTION_ADMIN, NULL));
    assert_true(may(all, alice, ACTION_ADMIN, NULL));
}

static void tags_are_matched_by_pattern(void **state)
{
    AUTO(policy) struct policy *p = POLICY({"*", "*", "**", "dev-* latest"});
    AUTO(identity) struct identity *alice = user("alice", NULL);

    (void)state;
    assert_true(may(p, alice, ACTION_PULL, "a:dev-1"));
    assert_true(may(p, alice, ACTION_OVERWRITE, "a:latest"));
    assert_false(may(p, alice, ACTION_PULL, "a:v1"));
    assert_false(may(p, alice, ACTION_PUSH, "a:v1"));
}

/* Blobs and digests have no tag; who deletes one deletes it for every tag. */
static void a_right_to_some_tags_moves_content_but_deletes_none(void **state)
{
    AUTO(policy) struct policy *p = POLICY({"*", "*", "**", "dev-*"});
    AUTO(identity) struct identity *alice = user("alice", NULL);

    (void)state;
    assert_true(may(p, alice, ACTION_PULL, "a"));
    assert_true(may(p, alice, ACTION_PUSH, "a"));
    assert_false(may(p, alice, ACTION_OVERWRITE, "a"));
    assert_false(may(p, alice, ACTION_DELETE, "a"));
    assert_false(may(p, alice, ACTION_SCAN, "a"));
    assert_false(may(p, alice, ACTION_ADMIN, NULL));
    assert_true(may(p, alice, ACTION_DELETE, "a:dev-1"));
}

static void a_tag_that_is_denied_denies_no_content(void **state)
{
    AUTO(policy)
    struct policy *p = POLICY({"*", "*", "**"}, {"*", "overwrite push", "**", "v*", .deny = true});
    AUTO(identity) struct identity *alice = user("alice", NULL);

    (void)state;
    assert_false(may(p, alice, ACTION_OVERWRITE, "a:v1"));
    assert_false(may(p, alice, ACTION_PUSH, "a:v1"));
    assert_true(may(p, alice, ACTION_PUSH, "a:w1"));
    assert_true(may(p, alice, ACTION_PUSH, "a"));
}

static void without_rules_people_push_and_pull_and_admins_do_all(void **state)
{
    AUTO(policy) struct policy *p = policy_new(NULL, 0, true);
    AUTO(identity) struct identity *alice = user("alice", NULL), *root = user("root", NULL);
    AUTO(identity) struct identity *nobody = identity_anonymous();

    (void)state;
    root->admin = true;
    assert_true(may(p, alice, ACTION_PULL, "a:b"));
    assert_true(may(p, alice, ACTION_PUSH, "a:b"));
    assert_true(may(p, alice, ACTION_OVERWRITE, "a:b"));
    assert_false(may(p, alice, ACTION_DELETE, "a:b"));
    assert_false(may(p, alice, ACTION_ADMIN, NULL));
    assert_true(may(p, root, ACTION_DELETE, "a:b"));
    assert_true(may(p, root, ACTION_ADMIN, NULL));
    assert_false(may(p, nobody, ACTION_PULL, "a:b"));
    assert_false(policy_shows_all(p));
}

static void admins_are_named_by_subject(void **state)
{
    AUTO(policy) struct policy *p = POLICY({"*", "pull", "**"});
    AUTO(identity) struct identity *alice = user("alice", NULL), *bob = user("bob", "admins");
    AUTO(identity) struct identity *eve = user("eve", "users"), *nobody = identity_anonymous();
    size_t n;
    char **admins = split("user:alice group:admins", &n);

    (void)state;
    policy_set_admins(p, admins, n);
    assert_true(policy_is_admin(p, alice));
    assert_true(may(p, bob, ACTION_DELETE, "a"));
    assert_true(may(p, bob, ACTION_ADMIN, NULL));
    assert_false(policy_is_admin(p, eve));
    assert_false(may(p, eve, ACTION_DELETE, "a"));
    assert_false(policy_is_admin(p, nobody));
}

static void a_scope_narrows_and_never_widens(void **state)
{
    AUTO(policy) struct policy *p = POLICY({"user:alice", "pull push", "dev/**"});
    AUTO(identity) struct identity *alice = user("alice", NULL), *root = user("root", NULL);
    AUTO(identity) struct identity *none = user("alice", NULL);

    (void)state;
    identity_add_scope(alice, STR("dev/app"), ACTION_PULL);
    identity_add_scope(alice, STR("prod/app"), ACTION_ALL);
    assert_true(may(p, alice, ACTION_PULL, "dev/app"));
    assert_false(may(p, alice, ACTION_PUSH, "dev/app"));
    assert_false(may(p, alice, ACTION_PULL, "dev/other"));
    assert_false(may(p, alice, ACTION_PULL, "prod/app"));
    root->admin = true;
    identity_add_scope(root, STR("dev/app"), ACTION_PULL);
    assert_false(may(p, root, ACTION_DELETE, "dev/app"));
    assert_false(may(p, root, ACTION_ADMIN, NULL));
    none->scoped = true; /* a token for nothing */
    assert_false(may(p, none, ACTION_PULL, "dev/app"));
}

static void who_may_nothing_nowhere_is_known_without_a_repository(void **state)
{
    static const unsigned push = ACTION_PUSH | ACTION_OVERWRITE;
    AUTO(policy)
    struct policy *p = POLICY({"user:alice", "push", "dev/**", "v*"}, {"user:bob", "pull", "**"},
                              {"user:eve", "push", "a"}, {"user:eve", "push", .deny = true},
                              {"user:dan", "push", "a"}, {"user:dan", "push", "b", .deny = true});
    AUTO(policy) struct policy *none = policy_new(NULL, 0, true);
    AUTO(identity) struct identity *alice = user("alice", NULL), *bob = user("bob", NULL);
    AUTO(identity) struct identity *eve = user("eve", NULL), *dan = user("dan", NULL);
    AUTO(identity) struct identity *root = user("root", NULL), *nobody = identity_anonymous();

    (void)state;
    root->admin = true;
    assert_true(policy_allows_somewhere(p, alice, push));
    assert_false(policy_allows_somewhere(p, bob, push));
    assert_false(policy_allows_somewhere(p, eve, push));
    assert_true(policy_allows_somewhere(p, dan, push));
    assert_true(policy_allows_somewhere(p, root, push));
    assert_false(policy_allows_somewhere(p, nobody, push));
    assert_true(policy_allows_somewhere(none, bob, push));
    assert_false(policy_allows_somewhere(none, nobody, push));
    identity_add_scope(alice, STR("dev/**"), ACTION_PULL | SCOPE_SHOWN(ACTION_PUSH));
    identity_add_scope(alice, STR(""), ACTION_ALL);
    assert_false(policy_allows_somewhere(p, alice, push));
    identity_add_scope(alice, STR("dev/app"), ACTION_PUSH);
    assert_true(policy_allows_somewhere(p, alice, push));
}

static void the_catalog_is_a_scope_of_its_own(void **state)
{
    AUTO(policy) struct policy *p = POLICY({"*", "*", "**"});
    AUTO(identity) struct identity *lists = user("a", NULL), *pulls = user("b", NULL);

    (void)state;
    identity_add_scope(lists, STR(""), ACTION_ALL);
    identity_add_scope(pulls, STR("**"), ACTION_ALL);
    assert_true(may(p, lists, ACTION_ADMIN, NULL));
    assert_false(may(p, lists, ACTION_PULL, "a"));
    assert_false(may(p, pulls, ACTION_ADMIN, NULL));
    assert_true(may(p, pulls, ACTION_PULL, "a"));
}

static void any_right_shows_that_a_repository_exists(void **state)
{
    AUTO(policy)
    struct policy *p =
        POLICY({"*", "scan", "a"}, {"*", "delete", "b", "v*"}, {"*", "*", "c", .deny = true},
               {"*", "delete", "d", "v*"}, {"*", "delete", "d", .deny = true});
    AUTO(identity) struct identity *alice = user("alice", NULL), *narrow = user("alice", NULL);

    (void)state;
    assert_true(sees(p, alice, "a"));
    assert_true(sees(p, alice, "b"));
    assert_false(sees(p, alice, "c"));
    assert_false(sees(p, alice, "d"));
    assert_false(sees(p, alice, "e"));
    identity_add_scope(narrow, STR("a"), ACTION_ALL);
    assert_true(sees(p, narrow, "a"));
    assert_false(sees(p, narrow, "b"));
}

static void everyone_sees_all_only_by_a_rule_without_limits(void **state)
{
    AUTO(policy) struct policy *some = POLICY({"anonymous", "pull", "public/**"});
    AUTO(policy) struct policy *all = POLICY({"*", "pull"});
    AUTO(policy) struct policy *named = POLICY({"anonymous", "pull", "**"});
    AUTO(policy) struct policy *not_people = POLICY({"authenticated", "pull"});
    AUTO(policy)
    struct policy *less = POLICY({"*", "pull"}, {"anonymous", "pull", "secret", .deny = true});
    AUTO(policy) struct policy *push = POLICY({"*", "push"});

    (void)state;
    assert_false(policy_shows_all(some));
    assert_true(policy_shows_all(all));
    assert_true(policy_shows_all(named));
    assert_false(policy_shows_all(not_people));
    assert_false(policy_shows_all(less));
    assert_false(policy_shows_all(push));
}

static void everyone_sees_all_tags_only_by_a_rule_without_tags(void **state)
{
    AUTO(policy) struct policy *some = POLICY({"anonymous", "pull", "app", "v*"});
    AUTO(policy) struct policy *all = POLICY({"anonymous", "pull", "app"});
    AUTO(policy)
    struct policy *less = POLICY({"*", "pull"}, {"*", "pull", "app", "dev", .deny = true});
    struct repo_name app, other;

    (void)state;
    assert_int_equal(repo_name_parse(STR("app"), &app, ERR_IGNORED), ERR_OK);
    assert_int_equal(repo_name_parse(STR("other"), &other, ERR_IGNORED), ERR_OK);
    assert_false(policy_shows_all_tags(some, &app));
    assert_true(policy_shows_all_tags(all, &app));
    assert_false(policy_shows_all_tags(all, &other));
    assert_false(policy_shows_all_tags(less, &app));
    assert_true(policy_shows_all_tags(less, &other));
}

static void a_decision_names_its_rule(void **state)
{
    AUTO(policy)
    struct policy *p = POLICY({"user:x", "*", "**"}, {"*", "pull", "**"}, {"*", "pull", "**"},
                              {"*", "push", "**", .deny = true});
    AUTO(identity) struct identity *alice = user("alice", NULL);
    struct repo_name repo;
    struct decision d;

    (void)state;
    assert_int_equal(repo_name_parse(STR("a"), &repo, ERR_IGNORED), ERR_OK);
    assert_true(policy_allows(p, alice, ACTION_PULL, &repo, NULL, &d));
    assert_true(d.allowed);
    assert_int_equal(d.rule, 1);
    assert_string_equal(d.why, "allowed by rule 2 of the policy");
    assert_false(policy_allows(p, alice, ACTION_PUSH, &repo, NULL, &d));
    assert_false(d.allowed);
    assert_int_equal(d.rule, 3);
    assert_string_equal(d.why, "denied by rule 4 of the policy");
    assert_false(policy_allows(p, alice, ACTION_SCAN, &repo, NULL, &d));
    assert_int_equal(d.rule, -1);
    assert_string_equal(d.why, "denied: no rule of the policy allows it");
}

static void a_policy_lives_as_long_as_its_last_reference(void **state)
{
    struct policy *p = POLICY({"*", "pull", "**"}), *again = policy_ref(p);
    AUTO(identity) struct identity *alice = user("alice", NULL);

    (void)state;
    policy_unref(p);
    assert_true(may(again, alice, ACTION_PULL, "a"));
    policy_unref(again);
    policy_unref(NULL);
}

static bool allows(const struct policy *p, const struct identity *id, enum action action,
                   const char *name)
{
    struct repo_name repo;

    assert_int_equal(repo_name_parse(str_of(name), &repo, ERR_IGNORED), ERR_OK);
    return policy_allows(p, id, action, &repo, NULL, NULL);
}

static void what_is_granted_needs_no_rule_and_can_be_denied(void **state)
{
    AUTO(policy)
    struct policy *p = POLICY(
        {.subjects = "*", .actions = "*", .repositories = "open/**"},
        {.subjects = "user:alice", .actions = "push", .repositories = "dev/locked", .deny = true});
    AUTO(identity) struct identity *id = identity_new(IDENTITY_USER, STR("alice"), "token");
    struct repo_name repo;

    (void)state;
    id->granted = true;
    identity_add_scope(id, STR("dev/app"), ACTION_PULL);
    identity_add_scope(id, STR("dev/locked"), ACTION_PULL | ACTION_PUSH);
    assert_true(allows(p, id, ACTION_PULL, "dev/app"));
    assert_false(allows(p, id, ACTION_PUSH, "dev/app"));
    assert_false(allows(p, id, ACTION_PULL, "open/app"));
    assert_true(allows(p, id, ACTION_PULL, "dev/locked"));
    assert_false(allows(p, id, ACTION_PUSH, "dev/locked"));
    assert_false(policy_allows(p, id, ACTION_ADMIN, NULL, NULL, NULL));
    assert_int_equal(repo_name_parse(STR("open/app"), &repo, ERR_IGNORED), ERR_OK);
    assert_false(policy_sees(p, id, &repo));
    identity_add_scope(id, STR(""), ACTION_PULL);
    assert_true(policy_sees(p, id, &repo));
    assert_false(allows(p, id, ACTION_PULL, "open/app"));
    assert_false(policy_allows(p, id, ACTION_ADMIN, NULL, NULL, NULL));
}

static void nobody_bypasses_the_pull_policy_but_by_a_rule_that_says_so(void **state)
{
    AUTO(policy)
    struct policy *p = POLICY({"user:sec", "bypass", "team/**"}, {"user:*", "*", "**"},
                              {"user:sec", "bypass", "team/secret", .deny = true});
    AUTO(identity) struct identity *sec = identity_new(IDENTITY_USER, STR("sec"), "local");
    AUTO(identity) struct identity *admin = identity_new(IDENTITY_USER, STR("root"), "local");

    (void)state;
    admin->admin = true;
    assert_true(may(p, sec, ACTION_BYPASS, "team/app"));
    assert_false(may(p, sec, ACTION_BYPASS, "team/secret"));
    assert_false(may(p, admin, ACTION_BYPASS, "team/app"));
}

static void a_token_that_may_pull_bypasses_as_its_owner_does(void **state)
{
    AUTO(policy) struct policy *p = POLICY({"user:sec", "bypass", "**"});
    AUTO(identity) struct identity *pulls = identity_new(IDENTITY_USER, STR("sec"), "token");
    AUTO(identity) struct identity *pushes = identity_new(IDENTITY_USER, STR("sec"), "token");

    (void)state;
    pulls->scoped = pushes->scoped = true;
    identity_add_scope(pulls, STR("team/app"), ACTION_PULL);
    identity_add_scope(pushes, STR("team/app"), ACTION_PUSH);
    assert_true(may(p, pulls, ACTION_BYPASS, "team/app"));
    assert_false(may(p, pushes, ACTION_BYPASS, "team/app"));
}

static void a_scanner_bypasses_the_pull_policy_where_its_token_is_for(void **state)
{
    AUTO(policy) struct policy *p = POLICY({"user:a", "pull", "**"});
    AUTO(identity) struct identity *scanner = identity_new(IDENTITY_ROBOT, STR("scanner"), "token");

    (void)state;
    scanner->scoped = scanner->granted = scanner->scans = true;
    identity_add_scope(scanner, STR("team/app"), ACTION_PULL);
    assert_true(may(p, scanner, ACTION_BYPASS, "team/app"));
    assert_false(may(p, scanner, ACTION_BYPASS, "team/other"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nobody_bypasses_the_pull_policy_but_by_a_rule_that_says_so),
        cmocka_unit_test(a_token_that_may_pull_bypasses_as_its_owner_does),
        cmocka_unit_test(a_scanner_bypasses_the_pull_policy_where_its_token_is_for),
        cmocka_unit_test(what_no_rule_allows_is_denied),
        cmocka_unit_test(deny_wins_wherever_it_stands),
        cmocka_unit_test(deny_wins_over_admins_too),
        cmocka_unit_test(subjects_name_kinds_groups_and_patterns),
        cmocka_unit_test(names_are_no_subjects),
        cmocka_unit_test(who_left_a_group_has_its_rights_no_more),
        cmocka_unit_test(each_action_is_a_right_of_its_own),
        cmocka_unit_test(a_rule_without_repositories_is_about_all),
        cmocka_unit_test(the_registry_itself_is_in_no_namespace),
        cmocka_unit_test(tags_are_matched_by_pattern),
        cmocka_unit_test(a_right_to_some_tags_moves_content_but_deletes_none),
        cmocka_unit_test(a_tag_that_is_denied_denies_no_content),
        cmocka_unit_test(without_rules_people_push_and_pull_and_admins_do_all),
        cmocka_unit_test(admins_are_named_by_subject),
        cmocka_unit_test(a_scope_narrows_and_never_widens),
        cmocka_unit_test(who_may_nothing_nowhere_is_known_without_a_repository),
        cmocka_unit_test(the_catalog_is_a_scope_of_its_own),
        cmocka_unit_test(any_right_shows_that_a_repository_exists),
        cmocka_unit_test(everyone_sees_all_only_by_a_rule_without_limits),
        cmocka_unit_test(everyone_sees_all_tags_only_by_a_rule_without_tags),
        cmocka_unit_test(a_decision_names_its_rule),
        cmocka_unit_test(what_is_granted_needs_no_rule_and_can_be_denied),
        cmocka_unit_test(a_policy_lives_as_long_as_its_last_reference),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
