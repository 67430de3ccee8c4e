/* Which events a target wants to hear of. */
#include "notify/filter.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static struct conf_event_filter filter(char *event, char *repository)
{
    static char *events[1], *repositories[1];

    events[0] = event;
    repositories[0] = repository;
    return (struct conf_event_filter){
        .events = {.items = events, .n = event ? 1 : 0},
        .repositories = {.items = repositories, .n = repository ? 1 : 0}};
}

static void a_name_means_itself_and_what_is_below_it(void **state)
{
    (void)state;
    assert_true(filter_names("pull.blocked", "pull.blocked"));
    assert_true(filter_names("scan", "scan.completed"));
    assert_false(filter_names("scan", "scanner.completed"));
    assert_false(filter_names("scan.completed", "scan"));
}

static void other_names_mean_the_same(void **state)
{
    (void)state;
    assert_true(filter_names("push", "manifest.pushed"));
    assert_true(filter_names("delete", "tag.deleted"));
    assert_true(filter_names("vulnerabilities.found", "scan.new_vulnerabilities"));
    assert_false(filter_names("push", "manifest.deleted"));
}

static void without_a_list_all_but_pulls_are_wanted(void **state)
{
    const struct conf_event_filter f = filter(NULL, NULL);

    (void)state;
    assert_true(filter_wants(&f, "manifest.pushed", "a"));
    assert_true(filter_wants(&f, "upload.ended", ""));
    assert_false(filter_wants(&f, "manifest.pulled", "a"));
}

static void with_patterns_it_is_about_their_repositories_alone(void **state)
{
    const struct conf_event_filter f = filter("push", "prod/**");

    (void)state;
    assert_true(filter_wants(&f, "manifest.pushed", "prod/app"));
    assert_false(filter_wants(&f, "manifest.pushed", "dev/app"));
    assert_false(filter_wants(&f, "manifest.pushed", ""));
    assert_false(filter_wants(&f, "tag.deleted", "prod/app"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_name_means_itself_and_what_is_below_it),
        cmocka_unit_test(other_names_mean_the_same),
        cmocka_unit_test(without_a_list_all_but_pulls_are_wanted),
        cmocka_unit_test(with_patterns_it_is_about_their_repositories_alone),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
