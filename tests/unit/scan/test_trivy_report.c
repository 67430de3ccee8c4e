#include "scan/trivy_report.h"

#include "base/buf.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define HEAD                                                                                       \
    "{\"SchemaVersion\":2,\"Results\":[{\"Target\":\"t\",\"Class\":\"os-pkgs\","                   \
    "\"Vulnerabilities\":["
#define TAIL "]}]}"
#define LEAST                                                                                      \
    "\"VulnerabilityID\":\"CVE-1\",\"PkgName\":\"p\",\"InstalledVersion\":\"1\",\"Severity\":"     \
    "\"HIGH\""

static struct finding_list list;
static struct scan_facts facts;
static struct err e;

static int setup(void **state)
{
    (void)state;
    finding_list_init(&list, 100, 1 << 20);
    facts = (struct scan_facts){0};
    e = (struct err){0};
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    finding_list_done(&list);
    return 0;
}

/* In pieces of that size. */
static enum err_code read_in(const char *text, size_t piece)
{
    AUTO(trivy_report) struct trivy_report *r = trivy_report_new(&list, &facts);
    struct str rest = str_of(text);

    while (rest.n > 0) {
        size_t n = rest.n < piece ? rest.n : piece;

        TRY(trivy_report_feed(r, str_sub(rest, 0, n), &e));
        rest = str_sub(rest, n, rest.n - n);
    }
    return trivy_report_end(r, &e);
}

static enum err_code read_all(const char *text)
{
    return read_in(text, SIZE_MAX);
}

static void assert_text(const char *expected, struct str text)
{
    assert_int_equal(strlen(expected), text.n);
    if (text.n > 0)
        assert_memory_equal(expected, text.p, text.n);
}

static void assert_refused(const char *text, const char *why)
{
    assert_int_equal(read_all(text), ERR_INTERNAL);
    if (!strstr(e.detail, why))
        fail_msg("'%s' is not in '%s'", why, e.detail);
}

static const char whole[] =
    "{\"SchemaVersion\":2,\"Trivy\":{\"Version\":\"0.74.0\"},\"ReportID\":\"x\",\"Metadata\":{"
    "\"Size\":3,"
    "\"OS\":{\"Family\":\"alpine\",\"Name\":\"3.9.4\",\"EOSL\":true},\"ImageConfig\":{\"a\":[[{"
    "\"Results\":[1]}]]}},"
    "\"Results\":[{\"Target\":\"x (alpine "
    "3.9.4)\",\"Class\":\"os-pkgs\",\"Type\":\"alpine\",\"Packages\":[{\"ID\":\"a\"},"
    "{\"ID\":\"b\",\"Packages\":[{}]}],\"Vulnerabilities\":[{\"VulnerabilityID\":\"CVE-2024-1\","
    "\"PkgID\":\"musl@1\","
    "\"PkgName\":\"musl\",\"PkgIdentifier\":{\"PURL\":\"pkg:apk/alpine/"
    "musl@1\",\"UID\":\"9\"},\"InstalledVersion\":\"1-r4\","
    "\"FixedVersion\":\"1-r5\",\"Status\":\"fixed\",\"Layer\":{\"Digest\":\"sha256:aa\",\"DiffID\":"
    "\"sha256:bb\"},"
    "\"SeveritySource\":\"nvd\",\"PrimaryURL\":\"https://a/"
    "b\",\"DataSource\":{\"ID\":\"alpine\",\"Name\":\"n\"},"
    "\"Title\":\"t\\u00e4\\n\",\"Description\":\"d\",\"Severity\":\"CRITICAL\",\"VendorSeverity\":{"
    "\"nvd\":4},"
    "\"CVSS\":{\"ghsa\":{\"V3Score\":5},\"nvd\":{\"V2Vector\":\"v2\",\"V2Score\":7.5,\"V3Vector\":"
    "\"v3\",\"V3Score\":9.8}},"
    "\"References\":[\"r\"]}]}]}";

static void a_finding_has_all_that_the_report_says(void **state)
{
    const struct finding *f;

    (void)state;
    assert_int_equal(read_all(whole), ERR_OK);
    assert_int_equal(list.n, 1);
    f = &list.items[0];
    assert_int_equal(f->severity, SEVERITY_CRITICAL);
    assert_text("CVE-2024-1", f->cve);
    assert_text("musl", f->package);
    assert_text("", f->path);
    assert_text("pkg:apk/alpine/musl@1", f->purl);
    assert_text("1-r4", f->installed);
    assert_text("1-r5", f->fixed);
    assert_text("fixed", f->status);
    assert_text("t\xc3\xa4\n", f->title);
    assert_text("d", f->description);
    assert_text("https://a/b", f->link);
    assert_text("alpine", f->source);
    assert_text("sha256:aa", f->layer);
    assert_true(f->score > 9.79 && f->score < 9.81);
    assert_text("v3", f->vector);
    assert_text("nvd", f->score_source);
}

static void facts_are_of_the_system_and_the_packages(void **state)
{
    (void)state;
    assert_int_equal(read_all(whole), ERR_OK);
    assert_string_equal(facts.scanner, "trivy");
    assert_string_equal(facts.version, "0.74.0");
    assert_string_equal(facts.os_family, "alpine");
    assert_string_equal(facts.os_name, "3.9.4");
    assert_true(facts.os_ended);
    assert_int_equal(facts.packages, 2);
    assert_false(facts.partial);
    assert_false(facts.os_unread);
}

static void a_system_of_which_no_packages_were_found_is_told(void **state)
{
    (void)state;
    assert_int_equal(read_all("{\"SchemaVersion\":2,\"Metadata\":{\"OS\":{\"Family\":\"fedora\"}},"
                              "\"Results\":[{\"Packages\":[{}],\"Class\":\"lang-pkgs\"}]}"),
                     ERR_OK);
    assert_true(facts.os_unread);
    assert_int_equal(facts.packages, 1);
}

static void it_may_come_in_any_pieces(void **state)
{
    (void)state;
    for (size_t piece = 1; piece < 40; piece += 3) {
        assert_int_equal(read_in(whole, piece), ERR_OK);
        assert_text("pkg:apk/alpine/musl@1", list.items[list.n - 1].purl);
    }
}

static void without_results_nothing_is_found(void **state)
{
    (void)state;
    assert_int_equal(read_all("{\"SchemaVersion\":2,\"Metadata\":{}}"), ERR_OK);
    assert_int_equal(read_all("{\"SchemaVersion\":2,\"Results\":null}"), ERR_OK);
    assert_int_equal(read_all("{\"Results\":[],\"SchemaVersion\":2}"), ERR_OK);
    assert_int_equal(list.n, 0);
    assert_int_equal(facts.packages, 0);
    assert_string_equal(facts.os_family, "");
}

static void what_one_finding_says_is_not_of_the_next(void **state)
{
    (void)state;
    assert_int_equal(read_all(HEAD "{" LEAST
                                   ",\"FixedVersion\":\"2\",\"CVSS\":{\"nvd\":{\"V3Score\":5}}},"
                                   "{" LEAST "}" TAIL),
                     ERR_OK);
    assert_int_equal(list.n, 2);
    assert_text("2", list.items[0].fixed);
    assert_text("", list.items[1].fixed);
    assert_true(list.items[1].score < 0);
    assert_text("", list.items[1].score_source);
}

static void the_score_of_who_said_the_severity_counts(void **state)
{
    static const struct {
        const char *text, *source;
    } rows[] = {
        {"\"SeveritySource\":\"debian\",\"CVSS\":{\"nvd\":{\"V3Score\":5},\"debian\":{\"V3Score\":"
         "6}}",
         "debian"},
        {"\"CVSS\":{\"debian\":{\"V3Score\":6},\"nvd\":{\"V3Score\":5}},\"SeveritySource\":"
         "\"debian\"",
         "debian"},
        {"\"CVSS\":{\"redhat\":{\"V3Score\":5},\"ghsa\":{\"V3Score\":6}}", "ghsa"},
        {"\"CVSS\":{\"z\":{\"V3Score\":5},\"b\":{\"V3Score\":6}}", "b"},
        {"\"CVSS\":{\"nvd\":{},\"z\":{\"V40Score\":4}}", "z"},
        {"\"CVSS\":{\"nvd\":{\"V3Score\":4000}}", ""},
        {"\"CVSS\":{\"nvd\":{\"V3Score\":-1}}", ""},
        {"\"CVSS\":null", ""},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char text[1024];

        snprintf(text, sizeof(text), HEAD "{" LEAST ",%s}" TAIL, rows[i].text);
        assert_int_equal(read_all(text), ERR_OK);
        assert_text(rows[i].source, list.items[list.n - 1].score_source);
    }
}

/* Modules in a program have no path of their own. */
static void a_package_of_a_language_without_a_path_has_that_of_its_target(void **state)
{
    (void)state;
    assert_int_equal(
        read_all(
            "{\"SchemaVersion\":2,\"Results\":[{\"Target\":\"app/tool\",\"Class\":\"lang-pkgs\","
            "\"Vulnerabilities\":[{" LEAST "},{" LEAST ",\"PkgPath\":\"x\"}" TAIL),
        ERR_OK);
    assert_text("app/tool", list.items[0].path);
    assert_text("x", list.items[1].path);
}

static void a_long_text_is_cut(void **state)
{
    AUTO(buf) struct buf text = {0};

    (void)state;
    buf_init(&text, 1 << 20);
    buf_add_text(&text, HEAD "{" LEAST ",\"Description\":\"");
    for (int i = 0; i < 5000; i++)
        buf_add_text(&text, "\xc3\xa4");
    buf_add_text(&text, "\"}" TAIL);
    assert_int_equal(read_in(buf_text(&text), 100), ERR_OK);
    assert_int_equal(list.items[0].description.n, FINDING_DESCRIPTION_MAX);
}

static void what_is_no_report_is_refused(void **state)
{
    (void)state;
    assert_refused("", "is empty");
    assert_refused("{", "no JSON");
    assert_refused("{\"SchemaVersion\":2", "no JSON");
    assert_refused("{\"SchemaVersion\":2}{}", "no JSON");
    assert_refused("FATAL: no space left", "no JSON");
    assert_refused("[]", "'the report' is no object");
    assert_refused("null", "'the report' is no object");
    assert_refused("{}", "it has no 'SchemaVersion'");
    assert_refused("{\"SchemaVersion\":3}", "'SchemaVersion' is not 2");
    assert_refused("{\"SchemaVersion\":\"2\"}", "'SchemaVersion' is no number");
}

/* It would be read as an image without vulnerabilities. */
static void what_is_of_another_type_is_refused(void **state)
{
    (void)state;
    assert_refused("{\"SchemaVersion\":2,\"Results\":\"none\"}", "'Results' is no list");
    assert_refused("{\"SchemaVersion\":2,\"Results\":{}}", "'Results' is no list");
    assert_refused("{\"SchemaVersion\":2,\"Results\":[null]}", "'Results' is no object");
    assert_refused("{\"SchemaVersion\":2,\"Results\":[[]]}", "'Results' is no object");
    assert_refused("{\"SchemaVersion\":2,\"Results\":[{\"Vulnerabilities\":{}}]}", "is no list");
    assert_refused(HEAD "7" TAIL, "'Vulnerabilities' is no object");
    assert_refused(HEAD "{" LEAST ",\"Title\":1}" TAIL, "'Title' is no text");
    assert_refused(HEAD "{" LEAST ",\"CVSS\":{\"a\":1}}" TAIL, "is no object");
}

static void a_finding_without_id_package_or_severity_is_refused(void **state)
{
    (void)state;
    assert_refused(HEAD "{}" TAIL, "without an id or a package");
    assert_refused(HEAD "{\"VulnerabilityID\":\"C\",\"Severity\":\"LOW\"}" TAIL, "without an id");
    assert_refused(HEAD "{\"VulnerabilityID\":\"C\",\"PkgName\":\"p\"}" TAIL, "'Severity'");
    assert_refused(HEAD "{\"VulnerabilityID\":\"C\",\"PkgName\":\"p\",\"Severity\":\"X\"}" TAIL,
                   "'Severity'");
}

static void deep_and_endless_ones_are_refused(void **state)
{
    AUTO(buf) struct buf text = {0};

    (void)state;
    buf_init(&text, 8 << 20);
    for (int i = 0; i < 100000; i++)
        buf_add_text(&text, "{\"a\":");
    assert_refused(buf_text(&text), "nested too deeply");
    buf_clear(&text);
    buf_add_text(&text, "{\"a\":\"");
    for (int i = 0; i < (2 << 20); i++)
        buf_add_char(&text, 'x');
    assert_int_equal(read_in(buf_text(&text), 4096), ERR_INTERNAL);
    assert_non_null(strstr(e.detail, "a text of more than"));
}

static void more_findings_than_the_list_may_hold_end_it(void **state)
{
    (void)state;
    finding_list_init(&list, 1, 0);
    assert_int_equal(read_all(HEAD "{" LEAST "},{" LEAST "}" TAIL), ERR_BODY_TOO_LARGE);
}

static void a_text_may_hold_any_bytes(void **state)
{
    (void)state;
    assert_int_equal(read_all(HEAD "{" LEAST ",\"Title\":\"\\u0000\\ud800\xff\"}" TAIL), ERR_OK);
    assert_int_equal(list.items[0].title.p[0], '?');
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(a_finding_has_all_that_the_report_says),
        T(facts_are_of_the_system_and_the_packages),
        T(a_system_of_which_no_packages_were_found_is_told),
        T(it_may_come_in_any_pieces),
        T(without_results_nothing_is_found),
        T(what_one_finding_says_is_not_of_the_next),
        T(the_score_of_who_said_the_severity_counts),
        T(a_package_of_a_language_without_a_path_has_that_of_its_target),
        T(a_long_text_is_cut),
        T(what_is_no_report_is_refused),
        T(what_is_of_another_type_is_refused),
        T(a_finding_without_id_package_or_severity_is_refused),
        T(deep_and_endless_ones_are_refused),
        T(more_findings_than_the_list_may_hold_end_it),
        T(a_text_may_hold_any_bytes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
