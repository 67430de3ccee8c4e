#include "guarded.h"

#include "auth/core/audit.h"
#include "base/clock.h"

#include <jansson.h>
#include <stdio.h>

/* The audit trail, read over HTTP. */

static struct server s;

#define AUDIT "GET /api/v1/audit"

static int64_t day(const char *text)
{
    int64_t ms;

    assert_true(clock_parse(str_of(text), &ms));
    return ms;
}

static int set_up(void **state)
{
    const struct meta_audit entries[] = {
        {0, day("2026-01-01"), "user:alice", "push", "dev/app:v1", "10.0.0.1", "ok", "", "dev/app"},
        {0, day("2026-01-02"), "user:alice", "delete", "dev/app:v1", "10.0.0.1", "denied", "",
         "dev/app"},
        {0, day("2026-01-03"), "robot:ci", "push", "ops/x:v1", "10.0.0.2", "ok", "{\"a\":1}",
         "ops/x"},
        {0, day("2026-01-04"), "anonymous", "sign-in", "", "10.0.0.3", "failed", "", ""},
    };

    (void)state;
    guarded_init(&s);
    for (size_t i = 0; i < sizeof(entries) / sizeof(entries[0]); i++)
        audit_add(s.api.guard.audit, &entries[i]);
    guarded_end_audit(&s);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    guarded_done(&s);
    return 0;
}

/* "sign-in push delete push", newest first. */
static void actions_of(const struct answer *a, char dst[static 256])
{
    json_t *root = json_loadb(a->body.p, a->body.n, JSON_REJECT_DUPLICATES, NULL);
    const json_t *row;
    size_t i, n = 0;

    dst[0] = '\0';
    json_array_foreach(json_object_get(root, "entries"), i, row)
    {
        n += (size_t)snprintf(dst + n, 256 - n, "%s%s", i ? " " : "",
                              json_string_value(json_object_get(row, "action")));
    }
    json_decref(root);
}

static void filters_must_all_match(void **state)
{
    static const struct {
        const char *query, *actions;
    } rows[] = {
        {"", "sign-in push delete push"},
        {"?actor=user:alice", "delete push"},
        {"?action=push", "push push"},
        {"?action=push&actor=robot:ci", "push"},
        {"?result=denied", "delete"},
        {"?address=10.0.0.3", "sign-in"},
        {"?repository=dev/app", "delete push"},
        {"?repository=dev/", "delete push"},
        {"?repository=*/x", "push"},
        {"?repository=none", ""},
        {"?from=2026-01-03", "sign-in push"},
        {"?to=2026-01-03", "delete push"},
        {"?from=2026-01-02&to=2026-01-03T00:00:00Z", "delete"},
        {"?n=0", ""},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char line[256], actions[256];
        struct answer a;

        snprintf(line, sizeof(line), AUDIT "%s", rows[i].query);
        a = serve(&s, &(struct request){.line = line, .headers = ROOT});
        tell_status(line, &a, 200);
        actions_of(&a, actions);
        if (strcmp(actions, rows[i].actions) != 0)
            fail_msg("%s: '%s', not '%s'", line, actions, rows[i].actions);
        answer_done(&a);
    }
}

static void what_is_no_question_is_refused(void **state)
{
    static const struct step steps[] = {
        {"nobody", AUDIT, NOBODY, NULL, 401, "UNAUTHORIZED"},
        {"no admin", AUDIT, ALICE, NULL, 403, "DENIED"},
        {"no time", AUDIT "?from=yesterday", ROOT, NULL, 400, "UNSUPPORTED"},
        {"no place", AUDIT "?last=1", ROOT, NULL, 400, "UNSUPPORTED"},
        {"no place at all", AUDIT "?last=0.1", ROOT, NULL, 400, "UNSUPPORTED"},
        {"no number", AUDIT "?n=many", ROOT, NULL, 400, "UNSUPPORTED"},
        {"no pattern", AUDIT "?repository=%5B", ROOT, NULL, 400, "UNSUPPORTED"},
        {"nothing to change", "POST /api/v1/audit", ROOT, "{}", 405, "UNSUPPORTED"},
        {"nothing to delete", "DELETE /api/v1/audit", ROOT, NULL, 405, "UNSUPPORTED"},
    };

    (void)state;
    TELL(&s, steps);
}

static void pages_go_on_with_the_same_question(void **state)
{
    char line[512] = AUDIT "?n=1&actor=user:alice&repository=dev/app", link[400], actions[256];
    static const char *const wanted[] = {"delete", "push"};

    (void)state;
    for (size_t i = 0; i < 2; i++) {
        struct answer a = serve(&s, &(struct request){.line = line, .headers = ROOT});

        tell_status(line, &a, 200);
        actions_of(&a, actions);
        assert_string_equal(actions, wanted[i]);
        if (i == 0) {
            assert_int_equal(sscanf(header_of(&a, "Link"), "<%399[^>]>; rel=\"next\"", link), 1);
            assert_non_null(strstr(link, "&actor=user%3Aalice&repository=dev%2Fapp"));
            snprintf(line, sizeof(line), "GET %s", link);
        }
        answer_done(&a);
    }
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        T(filters_must_all_match),
        T(what_is_no_question_is_refused),
        T(pages_go_on_with_the_same_question),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
