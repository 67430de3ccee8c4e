/* Which events a target wants to hear of. */
#include "notify/filter.h"

#include "conf/event_names.h"
#include "core/outbox.h"

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

static void each_event_that_is_written_is_known(void **state)
{
    static const char *const names[] = {OUTBOX_SCAN_COMPLETED,   OUTBOX_NEW_VULNERABILITIES,
                                        OUTBOX_SCAN_PUBLISHED,   OUTBOX_PULL_BLOCKED,
                                        OUTBOX_UPLOAD_ENDED,     OUTBOX_MANIFEST_PUSHED,
                                        OUTBOX_MANIFEST_DELETED, OUTBOX_TAG_MOVED,
                                        OUTBOX_TAG_DELETED,      OUTBOX_REPOSITORY_DELETED};

    (void)state;
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        assert_true(conf_event_known(names[i]));
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
        cmocka_unit_test(each_event_that_is_written_is_known),
        cmocka_unit_test(without_a_list_all_but_pulls_are_wanted),
        cmocka_unit_test(with_patterns_it_is_about_their_repositories_alone),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
