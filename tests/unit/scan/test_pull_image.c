/* What the pull policy goes by, out of a registry: manifests, results, documents. */
#include "base/cleanup.h"
#include "core/scan_wish.h"
#include "scan/findings_blob.h"
#include "scan/pull_image.h"
#include "scan/result.h"
#include "unit/core/support.h"

#include <stdio.h>

#define NOW ((int64_t)1796083200000)

#define IMAGE_CONFIG "application/vnd.oci.image.config.v1+json"

static void documents_are_known_by_their_type(void **state)
{
    (void)state;
    assert_true(pull_image_says(STR("{\"artifactType\":\"application/vnd.openvex+json\"}")));
    assert_true(
        pull_image_says(STR("{\"config\":{\"mediaType\":\"application/vnd.openvex+json\"}}")));
    assert_false(pull_image_says(STR("{\"artifactType\":\"application/spdx+json\"}")));
}

/* ---- in a registry */

struct scene {
    struct world w;
    struct repo_name repo;
    struct digest image;
    struct conf_pull_rules rules;
};

static void push_text(struct scene *s, const char *text, struct digest *ret)
{
    assert_ok(manifest_push(&s->w, s->repo.text, text, NULL, ret, ERR_IGNORED));
}

static void blob(struct scene *s, const char *bytes, struct digest *ret)
{
    *ret = blob_put(&s->w, s->repo.text, str_of(bytes));
}

static void set(struct scene *s, const char *rules)
{
    struct digest config;
    char text[1024];

    world_in_memory(&s->w);
    assert_ok(repo_name_parse(STR("team/app"), &s->repo, ERR_IGNORED));
    assert_ok(conf_pull_rules_parse(str_of(rules), &s->rules, ERR_IGNORED));
    blob(s, "{}", &config);
    snprintf(text, sizeof(text),
             "{\"schemaVersion\":2,\"mediaType\":\"application/vnd.oci.image.manifest.v1+json\","
             "\"config\":{\"mediaType\":\"" IMAGE_CONFIG "\",\"digest\":\"%s\",\"size\":2},"
             "\"layers\":[]}",
             config.text);
    push_text(s, text, &s->image);
}

static void unset(struct scene *s)
{
    conf_pull_rules_free(&s->rules);
    world_done(&s->w);
}

static void look_at(struct scene *s, int64_t now_ms, struct gate_image *ret)
{
    *ret = (struct gate_image){0};
    assert_ok(
        pull_image_look(s->w.r, &s->repo, &s->image, &s->rules.items[0], now_ms, ret, ERR_IGNORED));
}

static void put_result(struct scene *s, struct scan_result *result)
{
    AUTO(buf) struct buf json = {0};
    struct meta_op op;

    buf_init(&json, 65536);
    scan_result_print(result, &json);
    op = meta_op_record_put(SCAN_RESULTS, digest_str(&s->image), buf_str(&json), META_ANY);
    assert_ok(meta_commit(s->w.meta, &op, 1, 0, NULL, ERR_IGNORED));
}

/* A critical and a low finding. */
static void scanned(struct scene *s)
{
    AUTO(finding_list) struct finding_list l = {0};
    struct finding f = {.severity = SEVERITY_CRITICAL,
                        .cve = STR("CVE-1"),
                        .package = STR("zlib"),
                        .purl = STR("pkg:apk/alpine/zlib@1"),
                        .installed = STR("1"),
                        .fixed = STR("2"),
                        .score = -1,
                        .since_ms = NOW - 5};
    struct scan_result r = {.status = SCAN_COMPLETED, .scanned_ms = NOW - 7};

    assert_ok(finding_list_add(&l, &f, ERR_IGNORED));
    f.severity = SEVERITY_LOW;
    assert_ok(finding_list_add(&l, &f, ERR_IGNORED));
    finding_list_sort(&l);
    r.counts[SEVERITY_CRITICAL] = r.counts[SEVERITY_LOW] = 1;
    r.oldest_ms = NOW - 5;
    assert_ok(findings_write(s->w.r, &s->image, &l, &r.findings, &r.findings_bytes, ERR_IGNORED));
    put_result(s, &r);
}

static void findings_that_can_block_are_read(void **state)
{
    struct scene s = {0};
    struct gate_image i;

    (void)state;
    set(&s, "[{repositories: ['**']}]");
    scanned(&s);
    look_at(&s, NOW, &i);
    assert_int_equal(i.image.standing, PULL_SCANNED);
    assert_int_equal(i.image.n, 1);
    assert_int_equal(i.image.findings[0].severity, SEVERITY_CRITICAL);
    assert_true(str_eq(i.image.findings[0].cve, STR("CVE-1")));
    assert_true(str_eq(i.image.findings[0].fixed, STR("2")));
    assert_true(i.image.findings[0].since_ms == NOW - 5);
    assert_true(i.image.data_ms == NOW - 7);
    gate_image_done(&i);
    unset(&s);
}

static void an_image_without_a_result_is_unscanned(void **state)
{
    static const enum scan_status others[] = {SCAN_FAILED, SCAN_UNSUPPORTED, SCAN_NOT_APPLICABLE};
    struct scene s = {0};
    struct gate_image i;

    (void)state;
    set(&s, "[{repositories: ['**']}]");
    look_at(&s, NOW, &i);
    assert_int_equal(i.image.standing, PULL_UNSCANNED);
    gate_image_done(&i);
    for (size_t k = 0; k < sizeof(others) / sizeof(others[0]); k++) {
        struct scan_result r = {.status = others[k], .reason = "no packages"};

        put_result(&s, &r);
        look_at(&s, NOW, &i);
        assert_int_equal(i.image.standing, PULL_UNSCANNABLE);
        assert_string_equal(i.image.reason, "no packages");
        gate_image_done(&i);
    }
    unset(&s);
}

/* What was found in the rest blocks all the same. */
static void an_image_that_was_scanned_in_part_is_unscannable(void **state)
{
    AUTO(finding_list) struct finding_list none = {0};
    struct scan_result r = {.status = SCAN_COMPLETED,
                            .facts = {.partial = true, .note = "layer 1 is not in this registry"}};
    struct scene s = {0};
    struct gate_image i;

    (void)state;
    set(&s, "[{repositories: ['**']}]");
    assert_ok(findings_write(s.w.r, &s.image, &none, &r.findings, &r.findings_bytes, ERR_IGNORED));
    put_result(&s, &r);
    look_at(&s, NOW, &i);
    assert_int_equal(i.image.standing, PULL_UNSCANNABLE);
    assert_string_equal(i.image.reason, "layer 1 is not in this registry");
    gate_image_done(&i);
    unset(&s);
}

static void a_failure_after_a_good_result_changes_nothing(void **state)
{
    struct scene s = {0};
    struct scan_result r = {.status = SCAN_COMPLETED,
                            .scanned_ms = NOW,
                            .stale = true,
                            .failures = 3,
                            .failed_ms = NOW,
                            .failure = "down"};
    struct gate_image i;

    (void)state;
    set(&s, "[{repositories: ['**']}]");
    put_result(&s, &r);
    look_at(&s, NOW, &i);
    assert_int_equal(i.image.standing, PULL_SCANNED);
    gate_image_done(&i);
    unset(&s);
}

/* Three critical ones, of which one has a fix, in a blob that is not there. */
static void lose(struct scene *s)
{
    struct scan_result r = {.status = SCAN_COMPLETED,
                            .scanned_ms = NOW,
                            .oldest_ms = NOW - 9,
                            .findings_bytes = 100,
                            .counts[SEVERITY_CRITICAL] = 3,
                            .fixable[SEVERITY_CRITICAL] = 1};

    digest_of(DIGEST_SHA256, "x", 1, &r.findings);
    put_result(s, &r);
}

static void findings_that_are_lost_count_by_their_number(void **state)
{
    struct scene s = {0};
    struct gate_image i;

    (void)state;
    set(&s, "[{repositories: ['**']}]");
    lose(&s);
    look_at(&s, NOW, &i);
    assert_int_equal(i.image.unread[SEVERITY_CRITICAL], 3);
    assert_true(i.image.unread_ms == NOW - 9);
    gate_image_done(&i);
    unset(&s);
    set(&s, "[{repositories: ['**'], fixable: true}]");
    lose(&s);
    look_at(&s, NOW, &i);
    assert_int_equal(i.image.unread[SEVERITY_CRITICAL], 1);
    gate_image_done(&i);
    unset(&s);
}

static void findings_that_nobody_says_the_place_of_count_too(void **state)
{
    struct scan_result r = {.status = SCAN_COMPLETED, .counts[SEVERITY_CRITICAL] = 2};
    struct scene s = {0};
    struct gate_image i;

    (void)state;
    set(&s, "[{repositories: ['**']}]");
    put_result(&s, &r);
    look_at(&s, NOW, &i);
    assert_int_equal(i.image.unread[SEVERITY_CRITICAL], 2);
    gate_image_done(&i);
    unset(&s);
}

static void an_image_whose_findings_are_lost_is_to_be_scanned_again(void **state)
{
    AUTO(meta_job) struct meta_job job = {0};
    char key[SCAN_KEY_MAX + 1];
    struct scan_result r;
    struct scene s = {0};
    struct gate_image i;

    (void)state;
    set(&s, "[{repositories: ['**']}]");
    world_add_jobs(&s.w);
    lose(&s);
    look_at(&s, NOW, &i);
    gate_image_done(&i);
    assert_ok(scan_result_get(s.w.r, &s.image, &r, NULL, ERR_IGNORED));
    assert_true(r.stale);
    scan_key(&s.repo, &s.image, key);
    assert_ok(meta_job_get(s.w.meta, STR(SCAN_AGAIN), str_of(key), &job, ERR_IGNORED));
    unset(&s);
}

static void an_image_waits_from_the_first_look_on(void **state)
{
    struct scene s = {0};
    struct gate_image i;

    (void)state;
    set(&s, "[{repositories: ['**'], unscanned: block after 1h}]");
    look_at(&s, NOW, &i);
    assert_true(i.image.pushed_ms == NOW);
    gate_image_done(&i);
    look_at(&s, NOW + 1000, &i);
    assert_true(i.image.pushed_ms == NOW);
    gate_image_done(&i);
    scanned(&s);
    look_at(&s, NOW + 2000, &i); /* which ends it */
    gate_image_done(&i);
    put_result(&s, &(struct scan_result){.status = SCAN_FAILED});
    look_at(&s, NOW + 3000, &i);
    assert_true(i.image.pushed_ms == NOW + 3000);
    gate_image_done(&i);
    unset(&s);
}

#define VEX                                                                                        \
    "{\"@context\":\"https://openvex.dev/ns/v0.2.0\",\"statements\":[{\"vulnerability\":"          \
    "{\"name\":\"CVE-1\"},\"status\":\"fixed\"}]}"

static void attach(struct scene *s, const char *bytes)
{
    struct digest layer, config, unused;
    char text[2048];

    blob(s, bytes, &layer);
    blob(s, "{}", &config);
    snprintf(text, sizeof(text),
             "{\"schemaVersion\":2,\"mediaType\":\"application/vnd.oci.image.manifest.v1+json\","
             "\"artifactType\":\"application/vnd.openvex+json\","
             "\"config\":{\"mediaType\":\"application/vnd.oci.empty.v1+json\",\"digest\":\"%s\","
             "\"size\":2},\"layers\":[{\"mediaType\":\"application/vnd.openvex+json\",\"digest\":"
             "\"%s\",\"size\":%zu}],\"subject\":{\"mediaType\":"
             "\"application/vnd.oci.image.manifest.v1+json\",\"digest\":\"%s\",\"size\":1}}",
             config.text, layer.text, strlen(bytes), s->image.text);
    push_text(s, text, &unused);
}

static void documents_of_an_image_are_read(void **state)
{
    struct scene s = {0};
    struct gate_image i;

    (void)state;
    set(&s, "[{repositories: ['**']}]");
    scanned(&s);
    attach(&s, "no document");
    attach(&s, VEX);
    look_at(&s, NOW, &i);
    assert_int_equal(i.image.n, 1);
    assert_true(vex_dismisses(i.image.vex, &i.image.findings[0]));
    assert_true(i.until_ms == NOW + 60000);
    gate_image_done(&i);
    unset(&s);
}

/* Nth of n: each says of its own id that it is fixed. */
static void attach_nth(struct scene *s, unsigned i)
{
    char text[512];

    snprintf(text, sizeof(text),
             "{\"@context\":\"https://openvex.dev/ns/v0.2.0\",\"statements\":[{\"vulnerability\":"
             "{\"name\":\"CVE-%u\"},\"status\":\"fixed\"}]}",
             i);
    attach(s, text);
}

static size_t dismissed(const struct gate_image *i, unsigned n)
{
    size_t found = 0;
    char cve[32];

    for (unsigned k = 1; k <= n; k++) {
        snprintf(cve, sizeof(cve), "CVE-%u", k);
        found += vex_dismisses(i->image.vex, &(struct finding){.cve = str_of(cve)});
    }
    return found;
}

static void all_documents_are_read_or_none_counts(void **state)
{
    struct scene s = {0};
    struct gate_image i;

    (void)state;
    set(&s, "[{repositories: ['**']}]");
    scanned(&s);
    for (unsigned k = 1; k <= 64; k++)
        attach_nth(&s, k);
    look_at(&s, NOW, &i);
    assert_int_equal(dismissed(&i, 64), 64);
    gate_image_done(&i);
    attach_nth(&s, 65);
    look_at(&s, NOW, &i);
    assert_int_equal(dismissed(&i, 65), 0);
    gate_image_done(&i);
    unset(&s);
}

static void documents_do_not_count_where_the_rule_says_so(void **state)
{
    struct scene s = {0};
    struct gate_image i;

    (void)state;
    set(&s, "[{repositories: ['**'], vex: false}]");
    scanned(&s);
    attach(&s, VEX);
    look_at(&s, NOW, &i);
    assert_null(i.image.vex);
    gate_image_done(&i);
    unset(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(documents_are_known_by_their_type),
        cmocka_unit_test(findings_that_can_block_are_read),
        cmocka_unit_test(an_image_without_a_result_is_unscanned),
        cmocka_unit_test(an_image_that_was_scanned_in_part_is_unscannable),
        cmocka_unit_test(a_failure_after_a_good_result_changes_nothing),
        cmocka_unit_test(findings_that_are_lost_count_by_their_number),
        cmocka_unit_test(findings_that_nobody_says_the_place_of_count_too),
        cmocka_unit_test(an_image_whose_findings_are_lost_is_to_be_scanned_again),
        cmocka_unit_test(an_image_waits_from_the_first_look_on),
        cmocka_unit_test(documents_of_an_image_are_read),
        cmocka_unit_test(all_documents_are_read_or_none_counts),
        cmocka_unit_test(documents_do_not_count_where_the_rule_says_so),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
