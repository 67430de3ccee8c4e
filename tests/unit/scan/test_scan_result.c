#include "scan/result.h"

#include "base/buf.h"
#include "unit/core/support.h"

static void a_result_is_read_as_it_was_written(void **state)
{
    AUTO(buf) struct buf b = {0};
    struct scan_result s = {.status = SCAN_COMPLETED,
                            .counts = {1, 2, 3, 4, 5},
                            .fixable = {0, 1, 2, 3, 4},
                            .distinct = 9,
                            .scanned_ms = 1234,
                            .took_ms = 5,
                            .failures = 2,
                            .failed_ms = 77,
                            .findings_bytes = 99,
                            .stale = true,
                            .facts = {.scanner = "trivy",
                                      .version = "0.74.0",
                                      .data_ms = 42,
                                      .os_family = "alpine",
                                      .os_name = "3.20",
                                      .os_ended = true,
                                      .packages = 11,
                                      .partial = true,
                                      .note = "a \"note\""},
                            .failure = "it broke",
                            .n_repos = 2};
    struct scan_result back;

    (void)state;
    s.repos[0] = repo_of("team/app");
    s.repos[1] = repo_of("other");
    digest_of(DIGEST_SHA256, "x", 1, &s.findings);
    buf_init(&b, 4096);
    scan_result_print(&s, &b);
    assert_ok(scan_result_parse(buf_str(&b), &back, ERR_IGNORED));
    assert_int_equal(back.status, SCAN_COMPLETED);
    assert_memory_equal(back.counts, s.counts, sizeof(s.counts));
    assert_memory_equal(back.fixable, s.fixable, sizeof(s.fixable));
    assert_int_equal(back.distinct, 9);
    assert_int_equal(back.failures, 2);
    assert_int_equal(back.findings_bytes, 99);
    assert_int_equal(back.facts.data_ms, 42);
    assert_int_equal(back.facts.packages, 11);
    assert_true(back.stale && back.facts.os_ended && back.facts.partial);
    assert_string_equal(back.facts.note, "a \"note\"");
    assert_string_equal(back.failure, "it broke");
    assert_string_equal(back.findings.text, s.findings.text);
    assert_string_equal(back.sboms[SBOM_CYCLONEDX].text, "");
    assert_int_equal(back.n_repos, 2);
    assert_string_equal(back.repos[1].text, "other");
    assert_int_equal(scan_result_total(&back), 15);
    assert_int_equal(scan_result_worst(&back), SEVERITY_CRITICAL);
}

static void what_is_no_result_is_refused(void **state)
{
    struct scan_result s;

    (void)state;
    assert_code(ERR_CORRUPT, scan_result_parse(STR("{}"), &s, ERR_IGNORED));
    assert_code(ERR_CORRUPT, scan_result_parse(STR("[1"), &s, ERR_IGNORED));
    assert_ok(scan_result_parse(STR("{\"status\":\"failed\"}"), &s, ERR_IGNORED));
    assert_int_equal(scan_result_worst(&s), SEVERITIES);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_result_is_read_as_it_was_written),
        cmocka_unit_test(what_is_no_result_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
