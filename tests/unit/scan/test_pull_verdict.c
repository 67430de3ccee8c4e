#include "scan/pull_verdict.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#define DAY ((int64_t)86400000)
#define NOW ((int64_t)1796083200000) /* 2026-12-01 */

/* Rules in YAML, parsed as a file's are; and the verdict of the first that is about the name. */
struct fixture {
    struct conf_pull_rules rules;
    struct repo_name repo;
    struct pull_image image;
    struct pull_verdict v;
};

static void setup(struct fixture *x, const char *repo, const char *rules)
{
    struct err e;

    *x = (struct fixture){
        .image = {
            .standing = PULL_SCANNED, .reason = "", .pushed_ms = NOW - DAY, .data_ms = NOW - DAY}};
    if (conf_pull_rules_parse(str_of(rules), &x->rules, &e) != ERR_OK)
        fail_msg("%s", e.detail);
    assert_int_equal(repo_name_parse(str_of(repo), &x->repo, &e), ERR_OK);
    x->image.repo = &x->repo;
}

static inline void auto_fixture_(struct fixture *x)
{
    conf_pull_rules_free(&x->rules);
}

static void judge_at(struct fixture *x, const struct finding *findings, size_t n, int64_t now_ms)
{
    x->image.findings = findings;
    x->image.n = n;
    pull_verdict_make(pull_rule(&x->rules, &x->repo), &x->image, now_ms, &x->v);
}

#define JUDGE(x, ...)                                                                              \
    judge_at(&(x), (const struct finding[]){__VA_ARGS__},                                          \
             sizeof((const struct finding[]){__VA_ARGS__}) / sizeof(struct finding), NOW)

static struct finding finding(enum severity severity, const char *cve, const char *package)
{
    return (struct finding){.severity = severity,
                            .cve = str_of(cve),
                            .package = str_of(package),
                            .installed = STR("1.1.1k"),
                            .fixed = STR("1.1.1l"),
                            .since_ms = NOW - DAY,
                            .score = -1};
}

static struct finding known_since(struct finding f, int64_t since_ms)
{
    f.since_ms = since_ms;
    return f;
}

static struct finding without_fix(struct finding f)
{
    f.fixed = STR("");
    return f;
}

#define CRITICAL finding(SEVERITY_CRITICAL, "CVE-2024-1234", "openssl")
#define HIGH     finding(SEVERITY_HIGH, "CVE-2024-2", "zlib")

static const char *text_of(struct fixture *x)
{
    static char text[PULL_TEXT_MAX + 1];
    struct buf b;

    buf_init(&b, sizeof(text) - 1);
    pull_verdict_text(&x->v, &b);
    snprintf(text, sizeof(text), "%s", buf_text(&b));
    buf_done(&b);
    return text;
}

static void the_first_rule_about_a_repository_counts(void **state)
{
    AUTO(fixture) struct fixture x = {0};

    (void)state;
    setup(&x, "team/app",
          "[{repositories: [sandbox/**, team/app], mode: 'off'}, "
          "{repositories: ['**']}]");
    JUDGE(x, CRITICAL);
    assert_false(x.v.blocked);
    assert_int_equal(x.v.why, PULL_FINE);
}

static void a_repository_without_a_rule_is_free(void **state)
{
    AUTO(fixture) struct fixture x = {0};

    (void)state;
    setup(&x, "team/app", "[{repositories: ['other/**']}]");
    JUDGE(x, CRITICAL);
    assert_false(x.v.blocked);
    assert_true(x.v.until_ms == INT64_MAX);
}

static void findings_at_the_threshold_block(void **state)
{
    AUTO(fixture) struct fixture x = {0};

    (void)state;
    setup(&x, "a", "[{repositories: ['**'], severity: high}]");
    JUDGE(x, CRITICAL, HIGH, HIGH, finding(SEVERITY_MEDIUM, "CVE-3", "x"));
    assert_true(x.v.blocked);
    assert_int_equal(x.v.counts[SEVERITY_CRITICAL], 1);
    assert_int_equal(x.v.counts[SEVERITY_HIGH], 2);
    assert_int_equal(x.v.counts[SEVERITY_MEDIUM], 0);
    JUDGE(x, finding(SEVERITY_MEDIUM, "CVE-3", "x"), finding(SEVERITY_UNKNOWN, "CVE-4", "x"));
    assert_false(x.v.blocked);
}

static void findings_that_cannot_be_read_block_by_their_number(void **state)
{
    AUTO(fixture) struct fixture x = {0};

    (void)state;
    setup(&x, "a", "[{repositories: ['**'], severity: high}]");
    x.image.unread[SEVERITY_MEDIUM] = 5;
    judge_at(&x, NULL, 0, NOW);
    assert_false(x.v.blocked);
    x.image.unread[SEVERITY_CRITICAL] = 2;
    x.image.unread[SEVERITY_HIGH] = 1;
    judge_at(&x, NULL, 0, NOW);
    assert_true(x.v.blocked);
    assert_int_equal(x.v.counts[SEVERITY_CRITICAL], 2);
    assert_int_equal(x.v.counts[SEVERITY_MEDIUM], 0);
    assert_string_equal(text_of(&x), "image blocked due to 2 critical and 1 high vulnerabilities, "
                                     "whose list can't be read");
}

static void findings_that_cannot_be_read_have_their_grace(void **state)
{
    AUTO(fixture) struct fixture x = {0};

    (void)state;
    setup(&x, "a", "[{repositories: ['**'], grace: 7d}]");
    x.image.unread[SEVERITY_CRITICAL] = 1;
    x.image.unread_ms = NOW - 6 * DAY;
    judge_at(&x, NULL, 0, NOW);
    assert_false(x.v.blocked);
    assert_true(x.v.until_ms == NOW + DAY);
    judge_at(&x, NULL, 0, NOW + DAY);
    assert_true(x.v.blocked);
}

static void nothing_found_is_nothing_blocked(void **state)
{
    AUTO(fixture) struct fixture x = {0};

    (void)state;
    setup(&x, "a", "[{repositories: ['**'], severity: unknown, unscanned: block}]");
    judge_at(&x, NULL, 0, NOW);
    assert_false(x.v.blocked);
}

static void only_what_has_a_fix_blocks_where_that_is_asked(void **state)
{
    AUTO(fixture) struct fixture x = {0};

    (void)state;
    setup(&x, "a", "[{repositories: ['**'], fixable: true}]");
    JUDGE(x, without_fix(CRITICAL));
    assert_false(x.v.blocked);
    JUDGE(x, CRITICAL);
    assert_true(x.v.blocked);
}

static void a_finding_has_days_of_grace(void **state)
{
    AUTO(fixture) struct fixture x = {0};
    struct finding f = known_since(CRITICAL, NOW - DAY);

    (void)state;
    setup(&x, "a", "[{repositories: ['**'], grace: 7d}]");
    judge_at(&x, &f, 1, NOW);
    assert_false(x.v.blocked);
    assert_true(x.v.until_ms == NOW + 6 * DAY);
    judge_at(&x, &f, 1, NOW + 6 * DAY - 1);
    assert_false(x.v.blocked);
    judge_at(&x, &f, 1, NOW + 6 * DAY);
    assert_true(x.v.blocked);
}

#define ALLOW(more)                                                                                \
    "[{repositories: ['**'], allow: [{cve: CVE-2024-1234, reason: x, expires: 2026-12-31" more     \
    "}]}]"

static void an_allowed_vulnerability_does_not_block_until_its_day_is_over(void **state)
{
    AUTO(fixture) struct fixture x = {0};
    struct finding f = CRITICAL;

    (void)state;
    setup(&x, "a", ALLOW(""));
    judge_at(&x, &f, 1, NOW);
    assert_false(x.v.blocked);
    assert_int_equal(x.v.allowed, 1);
    assert_true(x.v.until_ms == NOW + 31 * DAY); /* 2027-01-01 */
    judge_at(&x, &f, 1, NOW + 31 * DAY);
    assert_true(x.v.blocked);
}

static void an_entry_allows_its_vulnerability_alone(void **state)
{
    AUTO(fixture) struct fixture x = {0};

    (void)state;
    setup(&x, "a", ALLOW(""));
    JUDGE(x, CRITICAL, finding(SEVERITY_CRITICAL, "CVE-2024-12345", "openssl"));
    assert_true(x.v.blocked);
    assert_int_equal(x.v.counts[SEVERITY_CRITICAL], 1);
    assert_string_equal(x.v.cve, "CVE-2024-12345");
}

static void an_entry_may_be_about_a_package_or_repositories(void **state)
{
    AUTO(fixture) struct fixture package = {0}, other = {0}, mine = {0};

    (void)state;
    setup(&package, "a", ALLOW(", package: lib*"));
    JUDGE(package, finding(SEVERITY_CRITICAL, "CVE-2024-1234", "libssl3"));
    assert_false(package.v.blocked);
    JUDGE(package, CRITICAL);
    assert_true(package.v.blocked);
    setup(&mine, "team/a", ALLOW(", repositories: [team/**]"));
    JUDGE(mine, CRITICAL);
    assert_false(mine.v.blocked);
    setup(&other, "teams/a", ALLOW(", repositories: [team/**]"));
    JUDGE(other, CRITICAL);
    assert_true(other.v.blocked);
}

static void of_two_entries_the_later_day_counts(void **state)
{
    AUTO(fixture) struct fixture x = {0};

    (void)state;
    setup(&x, "a",
          "[{repositories: ['**'], allow: ["
          "{cve: CVE-2024-1234, reason: x, expires: 2026-11-01},"
          "{cve: cve-2024-1234, reason: x, expires: 2026-12-02}]}]");
    JUDGE(x, CRITICAL);
    assert_false(x.v.blocked);
    assert_true(x.v.until_ms == NOW + 2 * DAY);
}

static void unscanned_images_pass_wait_or_are_blocked(void **state)
{
    AUTO(fixture) struct fixture allow = {0}, block = {0}, after = {0};

    (void)state;
    setup(&allow, "a", "[{repositories: ['**']}]");
    setup(&block, "a", "[{repositories: ['**'], unscanned: block}]");
    setup(&after, "a", "[{repositories: ['**'], unscanned: block after 2d}]");
    allow.image.standing = block.image.standing = after.image.standing = PULL_UNSCANNED;
    judge_at(&allow, NULL, 0, NOW);
    assert_false(allow.v.blocked);
    judge_at(&block, NULL, 0, NOW);
    assert_true(block.v.blocked);
    assert_string_equal(text_of(&block),
                        "image blocked because it has not been scanned for vulnerabilities yet");
    judge_at(&after, NULL, 0, NOW);
    assert_false(after.v.blocked);
    assert_true(after.v.until_ms == NOW + DAY);
    judge_at(&after, NULL, 0, NOW + DAY);
    assert_true(after.v.blocked);
}

static void what_cannot_be_scanned_is_not_taken_for_clean(void **state)
{
    AUTO(fixture) struct fixture x = {0};

    (void)state;
    setup(&x, "a", "[{repositories: ['**'], unscanned: block}]");
    x.image.standing = PULL_UNSCANNABLE;
    x.image.reason = "unknown distribution\x1b[31m";
    judge_at(&x, NULL, 0, NOW);
    assert_true(x.v.blocked);
    assert_string_equal(text_of(&x), "image blocked because it could not be scanned for "
                                     "vulnerabilities: unknown distribution?[31m");
}

static void what_was_found_in_a_part_of_an_image_blocks_all_the_same(void **state)
{
    AUTO(fixture) struct fixture x = {0};

    (void)state;
    setup(&x, "a", "[{repositories: ['**']}]");
    x.image.standing = PULL_UNSCANNABLE;
    x.image.reason = "layer 1 is not in this registry";
    judge_at(&x, NULL, 0, NOW);
    assert_false(x.v.blocked);
    JUDGE(x, CRITICAL);
    assert_true(x.v.blocked);
    assert_int_equal(x.v.why, PULL_VULNERABLE);
}

static void old_data_make_a_scan_worth_nothing(void **state)
{
    AUTO(fixture) struct fixture x = {0}, lenient = {0};

    (void)state;
    setup(&x, "a", "[{repositories: ['**'], data_max_age: 3d, unscanned: block}]");
    judge_at(&x, NULL, 0, NOW);
    assert_false(x.v.blocked);
    assert_true(x.v.until_ms == NOW + 2 * DAY);
    judge_at(&x, NULL, 0, NOW + 2 * DAY);
    assert_true(x.v.blocked);
    assert_int_equal(x.v.why, PULL_OLD);
    setup(&lenient, "a", "[{repositories: ['**'], data_max_age: 3d}]");
    judge_at(&lenient, NULL, 0, NOW + 9 * DAY);
    assert_false(lenient.v.blocked);
}

static void findings_of_old_data_block_all_the_same(void **state)
{
    AUTO(fixture) struct fixture x = {0};
    struct finding f = CRITICAL;

    (void)state;
    setup(&x, "a", "[{repositories: ['**'], data_max_age: 3d}]");
    judge_at(&x, &f, 1, NOW + 9 * DAY);
    assert_true(x.v.blocked);
    assert_int_equal(x.v.why, PULL_VULNERABLE);
}

static void a_warning_is_no_block(void **state)
{
    AUTO(fixture) struct fixture x = {0};

    (void)state;
    setup(&x, "a", "[{repositories: ['**'], mode: warn}]");
    JUDGE(x, CRITICAL);
    assert_false(x.v.blocked);
    assert_int_equal(x.v.why, PULL_VULNERABLE);
}

static void a_document_dismisses_a_finding_where_documents_count(void **state)
{
    static const struct str document =
        STR("{\"@context\":\"https://openvex.dev/ns/v0.2.0\",\"statements\":[{\"vulnerability\":"
            "{\"name\":\"CVE-2024-1234\"},\"status\":\"not_affected\",\"justification\":"
            "\"vulnerable_code_not_present\"}]}");
    AUTO(fixture) struct fixture honour = {0}, ignore = {0};
    AUTO(vex) struct vex *vex = NULL;
    struct digest image;
    struct err e;

    (void)state;
    digest_of(DIGEST_SHA256, "x", 1, &image);
    vex = vex_new(&image);
    assert_int_equal(vex_add(vex, document, &e), ERR_OK);
    setup(&honour, "a", "[{repositories: ['**']}]");
    setup(&ignore, "a", "[{repositories: ['**'], vex: false}]");
    honour.image.vex = ignore.image.vex = vex;
    JUDGE(honour, CRITICAL);
    assert_false(honour.v.blocked);
    assert_int_equal(honour.v.allowed, 1);
    JUDGE(ignore, CRITICAL);
    assert_true(ignore.v.blocked);
}

static void people_read_how_many_the_worst_and_its_fix(void **state)
{
    AUTO(fixture) struct fixture x = {0};

    (void)state;
    setup(&x, "a", "[{repositories: ['**'], severity: medium}]");
    JUDGE(x, CRITICAL);
    assert_string_equal(text_of(&x), "image blocked due to 1 critical vulnerability: "
                                     "CVE-2024-1234 in openssl 1.1.1k, fixed in 1.1.1l");
    JUDGE(x, HIGH, CRITICAL, HIGH, finding(SEVERITY_MEDIUM, "CVE-9", "y"));
    assert_string_equal(text_of(&x),
                        "image blocked due to 1 critical, 2 high and 1 medium vulnerabilities: "
                        "the worst is CVE-2024-1234 in openssl 1.1.1k, fixed in 1.1.1l");
    JUDGE(x, without_fix(CRITICAL), without_fix(CRITICAL));
    assert_string_equal(text_of(&x),
                        "image blocked due to 2 critical vulnerabilities: the worst is "
                        "CVE-2024-1234 in openssl 1.1.1k, without a fix");
}

static void texts_of_images_are_cut_and_printable(void **state)
{
    AUTO(fixture) struct fixture x = {0};
    struct finding f = CRITICAL;
    char longest[600];

    (void)state;
    setup(&x, "a", "[{repositories: ['**']}]");
    memset(longest, 'p', sizeof(longest));
    f.package = (struct str){longest, sizeof(longest)};
    f.cve = (struct str){longest, sizeof(longest)};
    f.installed = STR("1\x1b[2J\n\"\xc3\xa4");
    f.fixed = STR("1.2.6, 0.2.4");
    judge_at(&x, &f, 1, NOW);
    assert_int_equal(strlen(x.v.package), PULL_PACKAGE_MAX);
    assert_string_equal(x.v.package + PULL_PACKAGE_MAX - 4, "p...");
    assert_string_equal(x.v.installed, "1?[2J?\"??");
    assert_string_equal(x.v.fixed, "1.2.6");
    assert_true(strlen(text_of(&x)) < PULL_TEXT_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_first_rule_about_a_repository_counts),
        cmocka_unit_test(a_repository_without_a_rule_is_free),
        cmocka_unit_test(findings_at_the_threshold_block),
        cmocka_unit_test(findings_that_cannot_be_read_block_by_their_number),
        cmocka_unit_test(findings_that_cannot_be_read_have_their_grace),
        cmocka_unit_test(nothing_found_is_nothing_blocked),
        cmocka_unit_test(only_what_has_a_fix_blocks_where_that_is_asked),
        cmocka_unit_test(a_finding_has_days_of_grace),
        cmocka_unit_test(an_allowed_vulnerability_does_not_block_until_its_day_is_over),
        cmocka_unit_test(an_entry_allows_its_vulnerability_alone),
        cmocka_unit_test(an_entry_may_be_about_a_package_or_repositories),
        cmocka_unit_test(of_two_entries_the_later_day_counts),
        cmocka_unit_test(unscanned_images_pass_wait_or_are_blocked),
        cmocka_unit_test(what_cannot_be_scanned_is_not_taken_for_clean),
        cmocka_unit_test(what_was_found_in_a_part_of_an_image_blocks_all_the_same),
        cmocka_unit_test(old_data_make_a_scan_worth_nothing),
        cmocka_unit_test(findings_of_old_data_block_all_the_same),
        cmocka_unit_test(a_warning_is_no_block),
        cmocka_unit_test(a_document_dismisses_a_finding_where_documents_count),
        cmocka_unit_test(people_read_how_many_the_worst_and_its_fix),
        cmocka_unit_test(texts_of_images_are_cut_and_printable),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
