#include "guarded.h"

/* Rules over HTTP: made, removed, in force at once, and explained. */

static struct server s;

static int set_up(void **state)
{
    (void)state;
    guarded_init(&s);
    image_put(&s.w, "dev/app", "one", "v1");
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    guarded_done(&s);
    return 0;
}

#define POLICY "/api/v1/policy"
#define RULE   "{\"subjects\":[\"user:alice\"],\"actions\":[\"pull\"],\"repositories\":[\"dev/**\"]}"

static void only_an_admin_reaches_rules(void **state)
{
    static const char *const lines[] = {"GET " POLICY, "POST " POLICY, "POST " POLICY "/test",
                                        "DELETE " POLICY "/0123456789abcdef"};

    (void)state;
    for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
        const struct step steps[] = {
            {lines[i], lines[i], NOBODY, "{}", 401, "UNAUTHORIZED"},
            {lines[i], lines[i], ALICE, "{}", 403, "DENIED"},
        };

        TELL(&s, steps);
    }
}

static void a_rule_holds_from_its_making_to_its_removal(void **state)
{
    static const struct step before[] = {
        {"no rules", "GET " POLICY, ROOT, NULL, 200, "\"rules\":[]"},
        {"may not", "GET /v2/dev/app/manifests/v1", ALICE, NULL, 404, "MANIFEST_UNKNOWN"},
    };
    static const struct step during[] = {
        {"shown", "GET " POLICY, ROOT, NULL, 200, "\"user:alice\""},
        {"may", "GET /v2/dev/app/manifests/v1", ALICE, NULL, 200, NULL},
        {"may not elsewhere", "GET /v2/ops/app/manifests/v1", ALICE, NULL, 404, NULL},
    };
    static const struct step after[] = {
        {"no rules again", "GET " POLICY, ROOT, NULL, 200, "\"rules\":[]"},
        {"may not again", "GET /v2/dev/app/manifests/v1", ALICE, NULL, 404, "MANIFEST_UNKNOWN"},
    };
    struct answer a;
    char line[256];

    (void)state;
    TELL(&s, before);
    a = serve(&s, &(struct request){.line = "POST " POLICY,
                                    .headers = ROOT "Content-Type: application/json\r\n",
                                    .body = STR(RULE)});
    tell_status("made", &a, 201);
    assert_true(strncmp(header_of(&a, "Location"), POLICY "/", strlen(POLICY "/")) == 0);
    snprintf(line, sizeof(line), "DELETE %s", header_of(&a, "Location"));
    answer_done(&a);
    TELL(&s, during);
    tell(&s, &(struct step){"removed", line, ROOT, NULL, 204, NULL}, 1);
    tell(&s, &(struct step){"removed again", line, ROOT, NULL, 404, "UNSUPPORTED"}, 1);
    TELL(&s, after);
}

static void what_is_no_rule_is_refused(void **state)
{
    static const struct step steps[] = {
        {"nothing", "POST " POLICY, ROOT, "{}", 400, "UNSUPPORTED"},
        {"no JSON", "POST " POLICY, ROOT, "subjects: []", 400, "UNSUPPORTED"},
        {"an unknown action", "POST " POLICY, ROOT,
         "{\"subjects\":[\"*\"],\"actions\":[\"fly\"],\"repositories\":[\"**\"]}", 400,
         "UNSUPPORTED"},
        {"an unknown key", "POST " POLICY, ROOT,
         "{\"subjects\":[\"*\"],\"actions\":[\"pull\"],\"repositories\":[\"**\"],\"x\":1}", 400,
         "UNSUPPORTED"},
        {"none was made", "GET " POLICY, ROOT, NULL, 200, "\"rules\":[]"},
    };

    (void)state;
    TELL(&s, steps);
}

static void a_decision_is_explained(void **state)
{
#define ASK(subject, action, more) "{\"subject\":\"" subject "\",\"action\":\"" action "\"" more "}"
#define TEST                       "POST " POLICY "/test"
#define APP                        ",\"repository\":\"dev/app\""
    static const struct step steps[] = {
        {"a rule", "POST " POLICY, ROOT, RULE, 201, NULL},
        {"by the rule", TEST, ROOT, ASK("user:alice", "pull", APP), 200, "{\"allowed\":true"},
        {"the rule is told", TEST, ROOT, ASK("alice", "pull", APP), 200, "\"dev/**\""},
        {"not that", TEST, ROOT, ASK("alice", "push", APP), 200, "{\"allowed\":false"},
        {"no rule says so", TEST, ROOT, ASK("alice", "push", APP), 200, "\"rule\":null"},
        {"an admin", TEST, ROOT, ASK("root", "push", APP), 200, "{\"allowed\":true"},
        {"would they as an admin", TEST, ROOT, ASK("alice", "push", APP ",\"admin\":true"), 200,
         "{\"allowed\":true"},
        {"a robot", TEST, ROOT, ASK("robot:ci", "pull", APP), 200, "{\"allowed\":false"},
        {"nobody", TEST, ROOT, ASK("anonymous", "pull", APP), 200, "{\"allowed\":false"},
        {"a tag", TEST, ROOT, ASK("alice", "pull", APP ",\"tag\":\"v1\""), 200,
         "{\"allowed\":true"},
        {"a tag of nothing", TEST, ROOT, ASK("alice", "pull", ",\"tag\":\"v1\""), 400,
         "UNSUPPORTED"},
        {"no action", TEST, ROOT, ASK("alice", "fly", APP), 400, "UNSUPPORTED"},
        {"no repository", TEST, ROOT, ASK("alice", "pull", ",\"repository\":\"A\""), 400,
         "NAME_INVALID"},
        {"everybody", TEST, ROOT, ASK("user:*", "pull", APP), 400, "UNSUPPORTED"},
        {"no name", TEST, ROOT, ASK("robot:", "pull", APP), 400, "UNSUPPORTED"},
    };

    (void)state;
    TELL(&s, steps);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        T(only_an_admin_reaches_rules),
        T(a_rule_holds_from_its_making_to_its_removal),
        T(what_is_no_rule_is_refused),
        T(a_decision_is_explained),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
