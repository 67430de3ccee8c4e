#include "base/buf.h"
#include "scan/vex.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define CONTEXT "\"@context\":\"https://openvex.dev/ns/v0.2.0\","
#define WHY     "\"justification\":\"vulnerable_code_not_present\""
#define PURL    "pkg:apk/alpine/libssl3@3.0.8-r0"

static const char *hex; /* of the image's digest */

/* What statements say of CVE-1 in PURL; a quote is written as ' and the image's digest as DIGEST.
 */
static struct vex *vex_of(const char *documents[], size_t n)
{
    static struct digest image;
    struct vex *v;
    struct err e;

    digest_of(DIGEST_SHA256, "image", 5, &image);
    hex = digest_hex(&image).p;
    v = vex_new(&image);
    for (size_t i = 0; i < n; i++) {
        char text[4096], *p = text;

        for (const char *from = documents[i]; *from;) {
            if (strncmp(from, "DIGEST", 6) == 0) {
                p += sprintf(p, "%s", hex);
                from += 6;
            } else {
                *p++ = (char)(*from == '\'' ? '"' : *from);
                from++;
            }
        }
        *p = '\0';
        if (vex_add(v, str_of(text), &e) != ERR_OK)
            fail_msg("%s: %s", text, e.detail);
    }
    return v;
}

static bool dismisses(const struct vex *v, const char *purl)
{
    const struct finding f = {.cve = STR("CVE-1"), .package = STR("libssl3"), .purl = str_of(purl)};

    return vex_dismisses(v, &f);
}

static bool says(const char *statement, const char *purl)
{
    AUTO(vex) struct vex *v = NULL;
    char document[2048];
    const char *one = document;

    snprintf(document, sizeof(document), "{" CONTEXT "\"statements\":[{%s}]}", statement);
    v = vex_of(&one, 1);
    return dismisses(v, purl);
}

#define CVE "'vulnerability':{'name':'CVE-1'},"
#define NOT "'status':'not_affected'," WHY

static void not_affected_and_fixed_dismiss(void **state)
{
    (void)state;
    assert_true(says(CVE NOT, PURL));
    assert_true(says(CVE "'status':'fixed'", PURL));
    assert_true(says("'vulnerability':'CVE-1'," NOT, PURL));
    assert_true(says("'vulnerability':{'name':'GHSA-1','aliases':['cve-1']}," NOT, PURL));
    assert_false(says(CVE "'status':'affected'", PURL));
    assert_false(says(CVE "'status':'under_investigation'", PURL));
    assert_false(says("'vulnerability':{'name':'CVE-11'}," NOT, PURL));
}

static void not_affected_needs_a_reason(void **state)
{
    (void)state;
    assert_false(says(CVE "'status':'not_affected'", PURL));
    assert_true(says(CVE "'status':'not_affected','impact_statement':'not reachable'", PURL));
}

static void a_product_is_the_image_or_a_package(void **state)
{
    (void)state;
    assert_true(says(CVE NOT ",'products':[{'@id':'pkg:oci/app@sha256%3ADIGEST'}]", PURL));
    assert_true(says(CVE NOT ",'products':[{'@id':'pkg:oci/app'}]", PURL));
    assert_false(says(CVE NOT ",'products':[{'@id':'pkg:oci/app@sha256%3A00'}]", PURL));
    assert_true(says(CVE NOT ",'products':['" PURL "']", PURL));
    assert_true(says(CVE NOT ",'products':[{'identifiers':{'purl':'" PURL "'}}]", PURL));
    assert_false(says(CVE NOT ",'products':[{'@id':'pkg:apk/alpine/zlib@1'}]", PURL));
    assert_false(says(CVE NOT ",'products':[{}]", PURL));
}

static void components_narrow_it_to_packages(void **state)
{
#define OF(package)                                                                                \
    CVE NOT ",'products':[{'@id':'pkg:oci/app@sha256%3ADIGEST','subcomponents':[{'@id':'" package  \
            "'}]}]"
    (void)state;
    assert_true(says(OF(PURL), PURL));
    assert_true(says(OF("pkg:apk/alpine/libssl3"), PURL));
    assert_true(says(OF(PURL), PURL "?arch=x86_64&distro=3.18"));
    assert_false(says(OF("pkg:apk/alpine/libssl3@3.0.9-r0"), PURL));
    assert_false(says(OF("pkg:apk/alpine/libssl"), PURL));
    assert_false(says(OF(PURL), ""));
}

static void lists_that_are_none_dismiss_nothing(void **state)
{
#define IMAGE "'@id':'pkg:oci/app@sha256%3ADIGEST'"
    (void)state;
    assert_false(says(CVE NOT ",'products':{'@id':'pkg:oci/other@sha256%3A00'}", PURL));
    assert_false(says(CVE NOT ",'products':'pkg:apk/alpine/zlib'", PURL));
    assert_false(
        says(CVE NOT ",'products':[{" IMAGE ",'subcomponents':{'@id':'pkg:apk/x'}}]", PURL));
    assert_false(says(CVE NOT ",'products':[{" IMAGE "}],'subcomponents':'pkg:apk/x'", PURL));
    assert_true(says(CVE NOT ",'products':[{" IMAGE ",'subcomponents':[]}]", PURL));
}

static void what_is_affected_by_a_list_that_is_none_may_be_all(void **state)
{
    const char *documents[] = {"{" CONTEXT
                               "'timestamp':'2026-01-01T00:00:00Z','statements':[{" CVE NOT "}]}",
                               "{" CONTEXT "'timestamp':'2026-02-01T00:00:00Z','statements':[{" CVE
                               "'status':'affected','products':'" PURL "'}]}"};
    AUTO(vex) struct vex *v = vex_of(documents, 2);

    (void)state;
    assert_false(dismisses(v, PURL));
}

static void what_is_not_all_read_dismisses_nothing(void **state)
{
    const char *one = "{" CONTEXT "'statements':[{" CVE NOT "}]}";
    AUTO(vex) struct vex *v = vex_of(&one, 1);

    (void)state;
    assert_true(dismisses(v, PURL));
    vex_overflow(v);
    assert_false(dismisses(v, PURL));
}

#define DOCUMENT(time, statement)                                                                  \
    "{" CONTEXT "'timestamp':'" time "','statements':[{" statement "}]}"

static void the_latest_statement_counts(void **state)
{
    const char *documents[] = {DOCUMENT("2026-02-01T00:00:00Z", CVE NOT),
                               DOCUMENT("2026-01-01T00:00:00Z", CVE "'status':'affected'")};
    const char *later[] = {DOCUMENT("2026-02-01T00:00:00Z", CVE NOT),
                           DOCUMENT("2026-03-01T00:00:00Z", CVE "'status':'affected'")};
    AUTO(vex) struct vex *dismissed = vex_of(documents, 2);
    AUTO(vex) struct vex *affected = vex_of(later, 2);

    (void)state;
    assert_true(dismisses(dismissed, PURL));
    assert_false(dismisses(affected, PURL));
}

static void of_two_at_one_time_the_careful_one_counts(void **state)
{
    const char *documents[] = {DOCUMENT("2026-02-01T00:00:00Z", CVE NOT),
                               DOCUMENT("2026-02-01T00:00:00Z", CVE "'status':'affected'")};
    AUTO(vex) struct vex *v = vex_of(documents, 2);

    (void)state;
    assert_false(dismisses(v, PURL));
}

static void an_envelope_is_opened(void **state)
{
    /* {"predicateType":"https://openvex.dev/ns/v0.2.0","predicate":{"@context":
       "https://openvex.dev/ns","statements":[{"vulnerability":{"name":"CVE-1"},"status":"fixed"}]}}
     */
    const char *document =
        "{'payloadType':'application/vnd.in-toto+json','payload':'"
        "eyJwcmVkaWNhdGVUeXBlIjoiaHR0cHM6Ly9vcGVudmV4LmRldi9ucy92MC4yLjAiLCJwcmVkaWNhdGUiOnsi"
        "QGNvbnRleHQiOiJodHRwczovL29wZW52ZXguZGV2L25zIiwic3RhdGVtZW50cyI6W3sidnVsbmVyYWJpbGl0"
        "eSI6eyJuYW1lIjoiQ1ZFLTEifSwic3RhdHVzIjoiZml4ZWQifV19fQ==','signatures':[]}";
    AUTO(vex) struct vex *v = vex_of(&document, 1);

    (void)state;
    assert_true(dismisses(v, PURL));
}

static void what_is_no_document_is_refused(void **state)
{
    static const char *const wrong[] = {"",
                                        "x",
                                        "[]",
                                        "{}",
                                        "{\"@context\":\"https://openvex.dev\"}",
                                        "{\"payload\":\"!\"}",
                                        "{\"payload\":\"e30=\"}",
                                        "{\"@context\":1,\"statements\":[]}"};
    struct digest image;
    AUTO(vex) struct vex *v = NULL;
    struct err e;

    (void)state;
    digest_of(DIGEST_SHA256, "x", 1, &image);
    v = vex_new(&image);
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
        assert_int_equal(vex_add(v, str_of(wrong[i]), &e), ERR_MANIFEST_INVALID);
    assert_false(dismisses(v, PURL));
    assert_false(dismisses(NULL, PURL));
}

static void statements_are_bounded(void **state)
{
    AUTO(buf) struct buf document = {0};
    AUTO(vex) struct vex *v = NULL;
    struct digest image;
    struct err e;

    (void)state;
    digest_of(DIGEST_SHA256, "x", 1, &image);
    v = vex_new(&image);
    buf_init(&document, VEX_DOCUMENT_MAX);
    buf_add_text(&document, "{" CONTEXT "\"statements\":[");
    for (size_t i = 0; i <= VEX_STATEMENTS_MAX; i++)
        buf_addf(&document, "%s{\"vulnerability\":\"CVE-%zu\",\"status\":\"fixed\"}", i ? "," : "",
                 i);
    buf_add_text(&document, "]}");
    assert_int_equal(vex_add(v, buf_str(&document), &e), ERR_MANIFEST_INVALID);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(not_affected_and_fixed_dismiss),
        cmocka_unit_test(not_affected_needs_a_reason),
        cmocka_unit_test(a_product_is_the_image_or_a_package),
        cmocka_unit_test(components_narrow_it_to_packages),
        cmocka_unit_test(lists_that_are_none_dismiss_nothing),
        cmocka_unit_test(what_is_affected_by_a_list_that_is_none_may_be_all),
        cmocka_unit_test(what_is_not_all_read_dismisses_nothing),
        cmocka_unit_test(the_latest_statement_counts),
        cmocka_unit_test(of_two_at_one_time_the_careful_one_counts),
        cmocka_unit_test(an_envelope_is_opened),
        cmocka_unit_test(what_is_no_document_is_refused),
        cmocka_unit_test(statements_are_bounded),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
