#include "auth/core/identity.h"
#include "base/cleanup.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

static void the_subject_has_its_kind(void **state)
{
    AUTO(identity) struct identity *user = identity_new(IDENTITY_USER, STR("alice"), "local");
    AUTO(identity) struct identity *robot = identity_new(IDENTITY_ROBOT, STR("ci"), "local");
    AUTO(identity) struct identity *nobody = identity_anonymous();
    char text[160];

    (void)state;
    identity_subject(user, text, sizeof(text));
    assert_string_equal(text, "user:alice");
    identity_subject(robot, text, sizeof(text));
    assert_string_equal(text, "robot:ci");
    identity_subject(nobody, text, sizeof(text));
    assert_string_equal(text, "anonymous");
}

static void a_new_identity_has_no_rights_of_its_own(void **state)
{
    AUTO(identity) struct identity *id = identity_new(IDENTITY_USER, STR("a"), "ldap");

    (void)state;
    assert_false(id->admin);
    assert_false(id->scoped);
    assert_int_equal(id->n_groups, 0);
    assert_string_equal(id->provider, "ldap");
    assert_true(id->expires_ms == INT64_MAX);
}

static void groups_and_scopes_are_copied(void **state)
{
    AUTO(identity) struct identity *id = identity_new(IDENTITY_USER, STR("a"), "ldap");
    char text[] = "dev";

    (void)state;
    identity_add_group(id, str_of(text));
    identity_add_scope(id, str_of(text), ACTION_PULL);
    text[0] = 'x';
    assert_string_equal(id->groups[0], "dev");
    assert_string_equal(id->scopes[0].repository, "dev");
    assert_true(id->scoped);
}

static void groups_are_bounded(void **state)
{
    AUTO(identity) struct identity *id = identity_new(IDENTITY_USER, STR("a"), "ldap");

    (void)state;
    for (size_t i = 0; i < IDENTITY_GROUPS_MAX + 10; i++)
        identity_add_group(id, STR("g"));
    assert_int_equal(id->n_groups, IDENTITY_GROUPS_MAX);
}

static void an_identity_lives_as_long_as_its_last_reference(void **state)
{
    struct identity *id = identity_new(IDENTITY_USER, STR("a"), "ldap"), *again = identity_ref(id);

    (void)state;
    identity_unref(id);
    assert_string_equal(again->name, "a"); /* a sanitizer would object */
    identity_unref(again);
    identity_unref(NULL);
}

static void names_are_plain(void **state)
{
    static const char *const good[] = {"a", "alice", "alice@example.org", "A-b_c.d+e", "0"};
    static const char *const bad[] = {"",    "-rf",  ".hidden", "a b",      "a:b",
                                      "a/b", "a\nb", "*",       "\xc3\xa4", "a\x7f",
                                      "a,b", "a=b",  "a\"b",    "<a>",      "a%41"};
    char text[129];

    (void)state;
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
        assert_true(identity_name_valid(str_of(good[i])));
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        if (identity_name_valid(str_of(bad[i])))
            fail_msg("'%s'", bad[i]);
    }
    assert_false(identity_name_valid((struct str){"a\0b", 3}));
    memset(text, 'a', sizeof(text));
    assert_true(identity_name_valid((struct str){text, IDENTITY_NAME_MAX}));
    assert_false(identity_name_valid((struct str){text, IDENTITY_NAME_MAX + 1}));
}

static void actions_have_names(void **state)
{
    static const char *const names[] = {"pull", "push", "overwrite", "delete", "scan", "admin"};
    unsigned all = 0;

    (void)state;
    for (size_t i = 0; i < 6; i++) {
        unsigned action = action_parse(str_of(names[i]));

        assert_int_equal(__builtin_popcount(action), 1);
        assert_string_equal(action_name((enum action)action), names[i]);
        all |= action;
    }
    assert_int_equal(all, ACTION_ALL);
    assert_int_equal(action_parse(STR("*")), ACTION_ALL);
    assert_int_equal(action_parse(STR("Pull")), 0);
    assert_int_equal(action_parse(STR("")), 0);
    assert_int_equal(action_parse(STR("pull,push")), 0);
}

static void a_set_of_actions_has_the_names_of_each(void **state)
{
    static const struct {
        unsigned set;
        const char *names;
    } rows[] = {
        {0, ""},
        {ACTION_PULL, "pull "},
        {ACTION_DELETE | ACTION_PULL | ACTION_ADMIN, "pull delete admin "},
        {ACTION_ALL & ~ACTION_SCAN, "pull push overwrite delete admin "},
        {ACTION_ALL, "* "},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        unsigned left = rows[i].set;
        char text[64] = "";
        const char *name;

        while ((name = action_next(&left)))
            strcat(strcat(text, name), " ");
        assert_string_equal(text, rows[i].names);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_subject_has_its_kind),
        cmocka_unit_test(a_new_identity_has_no_rights_of_its_own),
        cmocka_unit_test(groups_and_scopes_are_copied),
        cmocka_unit_test(groups_are_bounded),
        cmocka_unit_test(an_identity_lives_as_long_as_its_last_reference),
        cmocka_unit_test(names_are_plain),
        cmocka_unit_test(actions_have_names),
        cmocka_unit_test(a_set_of_actions_has_the_names_of_each),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
