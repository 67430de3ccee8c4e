/* Findings of an image, as they are kept and given page by page. */
#include "scan/findings_blob.h"

#include "base/clock.h"
#include "core/own_repo.h"
#include "unit/core/support.h"

#include <stdio.h>

static struct world w;
static struct scan_result result;
static struct finding_list list;

static int set_up(void **state)
{
    (void)state;
    world_in_memory(&w);
    result = (struct scan_result){.status = SCAN_COMPLETED};
    finding_list_init(&list, 0, 0);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    finding_list_done(&list);
    world_done(&w);
    return 0;
}

/* n of each severity; every third has a fix. */
static void add(size_t n)
{
    char cve[32], text[700];

    memset(text, 'd', sizeof(text));
    for (size_t i = 0; i < n * SEVERITIES; i++) {
        struct finding f = {.severity = (enum severity)(i % SEVERITIES),
                            .package = STR("open\"ssl"),
                            .installed = STR("1.1.1k"),
                            .fixed = i % 3 == 0 ? STR("1.1.1l") : STR(""),
                            .description = {text, sizeof(text)},
                            .vector = STR("CVSS:3.1/AV:N"),
                            .score_source = STR("nvd"),
                            .score = 9.8,
                            .since_ms = 1700000000000};

        snprintf(cve, sizeof(cve), "CVE-%06zu", i);
        text[i % sizeof(text)] = (char)('a' + i % 26);
        f.cve = str_of(cve);
        assert_ok(finding_list_add(&list, &f, ERR_IGNORED));
        result.counts[f.severity]++;
    }
    finding_list_sort(&list);
}

static void keep(void)
{
    struct digest image;

    digest_of(DIGEST_SHA256, "image", 5, &image);
    assert_ok(
        findings_write(w.r, &image, &list, &result.findings, &result.findings_bytes, ERR_IGNORED));
}

static void what_was_written_is_read(void **state)
{
    AUTO(finding_list) struct finding_list back = {0};

    (void)state;
    add(30);
    keep();
    assert_ok(findings_read(w.r, &result, SEVERITY_HIGH, &back, ERR_IGNORED));
    assert_int_equal(back.n, 60);
    for (size_t i = 0; i < back.n; i++) {
        assert_int_equal(finding_cmp(&back.items[i], &list.items[i]), 0);
        assert_true(str_eq(back.items[i].fixed, list.items[i].fixed));
        assert_true(str_eq(back.items[i].description, list.items[i].description));
        assert_true(back.items[i].since_ms == 1700000000000);
        assert_true(back.items[i].score > 9.7 && back.items[i].score < 9.9);
    }
}

static void texts_with_a_nul_are_read_again(void **state)
{
    AUTO(finding_list) struct finding_list back = {0};
    struct finding f = {.severity = SEVERITY_CRITICAL,
                        .cve = STR("CVE-1"),
                        .package = {"open\0ssl", 8},
                        .title = {"a\0b", 3},
                        .score = -1};

    (void)state;
    assert_ok(finding_list_add(&list, &f, ERR_IGNORED));
    result.counts[SEVERITY_CRITICAL] = 1;
    keep();
    assert_ok(findings_read(w.r, &result, SEVERITY_HIGH, &back, ERR_IGNORED));
    assert_int_equal(back.n, 1);
}

static enum err_code count(void *ctx, struct str line, struct err *e)
{
    size_t *n = ctx;

    (void)e;
    assert_true(line.n > 0 && line.p[line.n - 1] == '}');
    (*n)++;
    return ERR_OK;
}

static void pages_have_what_is_asked_for_once(void **state)
{
    struct findings_query q = {.severities = 1u << SEVERITY_CRITICAL | 1u << SEVERITY_LOW,
                               .fix = FINDINGS_FIXABLE,
                               .limit = 7};
    size_t n = 0, pages = 0, fixable = 0;

    (void)state;
    add(200);
    keep();
    for (size_t i = 0; i < list.n; i++) {
        fixable += (list.items[i].severity == SEVERITY_CRITICAL ||
                    list.items[i].severity == SEVERITY_LOW) &&
                   finding_is_fixable(&list.items[i]);
    }
    for (; q.from != UINT64_MAX; pages++)
        assert_ok(findings_page(w.r, &result, &q, count, &n, &q.from, ERR_IGNORED));
    assert_int_equal(n, fixable);
    assert_true(pages == (fixable + 6) / 7 || pages == fixable / 7 + 1);
    q = (struct findings_query){.fix = FINDINGS_UNFIXABLE, .limit = FINDINGS_PAGE_MAX};
    n = 0;
    while (q.from != UINT64_MAX)
        assert_ok(findings_page(w.r, &result, &q, count, &n, &q.from, ERR_IGNORED));
    assert_int_equal(n, 1000 - (1000 + 2) / 3);
}

static void an_image_without_findings_has_one_empty_page(void **state)
{
    struct findings_query q = {.limit = 10};
    size_t n = 0;
    uint64_t next;

    (void)state;
    keep();
    assert_ok(findings_page(w.r, &result, &q, count, &n, &next, ERR_IGNORED));
    assert_int_equal(n, 0);
    assert_true(next == UINT64_MAX);
}

static void a_place_behind_the_end_has_nothing(void **state)
{
    struct findings_query q = {.limit = 10, .from = 1000000};
    size_t n = 0;
    uint64_t next;

    (void)state;
    add(3);
    keep();
    assert_ok(findings_page(w.r, &result, &q, count, &n, &next, ERR_IGNORED));
    assert_int_equal(n, 0);
    assert_true(next == UINT64_MAX);
}

static void counts_that_do_not_fit_the_blob_are_damage(void **state)
{
    struct findings_query q = {.limit = 10};
    size_t n = 0;
    uint64_t next;

    (void)state;
    add(3);
    keep();
    result.counts[SEVERITY_CRITICAL] += 1000000;
    assert_code(ERR_CORRUPT, findings_page(w.r, &result, &q, count, &n, &next, ERR_IGNORED));
}

/* The figure: 12,800 findings are taken in with under 32 MiB, and a page comes at once. */
static void a_large_report_is_cheap(void **state)
{
    struct findings_query q = {.limit = 100};
    size_t n = 0;
    int64_t most_us = 0;

    (void)state;
    add(2560);
    assert_true(list.bytes + list.cap * sizeof(*list.items) < 24u << 20);
    keep();
    while (q.from != UINT64_MAX) {
        int64_t since_us = clock_mono_us();

        assert_ok(findings_page(w.r, &result, &q, count, &n, &q.from, ERR_IGNORED));
        if (clock_mono_us() - since_us > most_us)
            most_us = clock_mono_us() - since_us;
    }
    assert_int_equal(n, 12800);
    print_message("the slowest of 128 pages took %lld us\n", (long long)most_us);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(what_was_written_is_read),
        TEST(texts_with_a_nul_are_read_again),
        TEST(pages_have_what_is_asked_for_once),
        TEST(an_image_without_findings_has_one_empty_page),
        TEST(a_place_behind_the_end_has_nothing),
        TEST(counts_that_do_not_fit_the_blob_are_damage),
        TEST(a_large_report_is_cheap),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
