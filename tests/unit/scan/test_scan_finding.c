#include "scan/finding.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static struct finding finding(enum severity severity, const char *cve, const char *package)
{
    return (struct finding){.severity = severity,
                            .cve = str_of(cve),
                            .package = str_of(package),
                            .installed = STR("1.0"),
                            .score = -1};
}

static void names_are_read_in_any_case(void **state)
{
    enum severity s;

    (void)state;
    for (size_t i = 0; i < SEVERITIES; i++) {
        assert_true(severity_parse(str_of(severity_name((enum severity)i)), &s));
        assert_int_equal(s, i);
    }
    assert_true(severity_parse(STR("CRITICAL"), &s));
    assert_int_equal(s, SEVERITY_CRITICAL);
    assert_true(severity_parse(STR("Negligible"), &s));
    assert_int_equal(s, SEVERITY_LOW);
    assert_false(severity_parse(STR("severe"), &s));
}

static void the_worst_comes_first_and_doubles_go(void **state)
{
    AUTO(finding_list) struct finding_list l = {0};
    struct finding f[] = {
        finding(SEVERITY_LOW, "CVE-1", "a"), finding(SEVERITY_CRITICAL, "CVE-3", "b"),
        finding(SEVERITY_CRITICAL, "CVE-2", "b"), finding(SEVERITY_CRITICAL, "CVE-2", "a"),
        finding(SEVERITY_CRITICAL, "CVE-2", "b")};

    (void)state;
    for (size_t i = 0; i < 5; i++)
        assert_int_equal(finding_list_add(&l, &f[i], ERR_IGNORED), ERR_OK);
    finding_list_sort(&l);
    assert_int_equal(l.n, 4);
    assert_true(str_eq(l.items[0].package, STR("a")));
    assert_true(str_eq(l.items[1].cve, STR("CVE-2")));
    assert_true(str_eq(l.items[2].cve, STR("CVE-3")));
    assert_int_equal(l.items[3].severity, SEVERITY_LOW);
}

static void what_differs_in_address_or_fix_is_no_double(void **state)
{
    AUTO(finding_list) struct finding_list l = {0};
    struct finding f = finding(SEVERITY_CRITICAL, "CVE-1", "a");

    (void)state;
    f.purl = STR("pkg:deb/debian/a@1.0");
    assert_int_equal(finding_list_add(&l, &f, ERR_IGNORED), ERR_OK);
    assert_int_equal(finding_list_add(&l, &f, ERR_IGNORED), ERR_OK);
    f.purl = STR("pkg:deb/debian/a@1.0?arch=amd64");
    assert_int_equal(finding_list_add(&l, &f, ERR_IGNORED), ERR_OK);
    f.fixed = STR("1.1");
    assert_int_equal(finding_list_add(&l, &f, ERR_IGNORED), ERR_OK);
    finding_list_sort(&l);
    assert_int_equal(l.n, 3);
}

static void texts_are_copies_cut_at_a_character(void **state)
{
    AUTO(finding_list) struct finding_list l = {0};
    char text[FINDING_TEXT_MAX + 2];
    struct finding f = finding(SEVERITY_LOW, "CVE-1", "a");

    (void)state;
    memset(text, 'x', sizeof(text));
    memcpy(text + FINDING_TEXT_MAX - 1, "\xc3\xa4", 2);
    f.title = (struct str){text, sizeof(text)};
    assert_int_equal(finding_list_add(&l, &f, ERR_IGNORED), ERR_OK);
    memset(text, 'y', sizeof(text));
    assert_int_equal(l.items[0].title.n, FINDING_TEXT_MAX - 1);
    assert_int_equal(l.items[0].title.p[0], 'x');
}

static void a_nul_and_what_is_no_score_are_replaced(void **state)
{
    static const double scores[] = {11, 1e300, __builtin_inf(), __builtin_nan(""), -3};
    AUTO(finding_list) struct finding_list l = {0};
    struct finding f = finding(SEVERITY_LOW, "CVE-1", "a");

    (void)state;
    f.title = (struct str){"a\0b", 3};
    for (size_t i = 0; i < sizeof(scores) / sizeof(scores[0]); i++) {
        f.score = scores[i];
        assert_int_equal(finding_list_add(&l, &f, ERR_IGNORED), ERR_OK);
        assert_true(str_eq(l.items[i].title, STR("a?b")));
        assert_true(l.items[i].score < 0);
    }
}

static void a_list_holds_no_more_than_it_may(void **state)
{
    AUTO(finding_list) struct finding_list l = {0};
    AUTO(finding_list) struct finding_list small = {0};
    struct finding f = finding(SEVERITY_LOW, "CVE-1", "a");
    struct err e;

    (void)state;
    finding_list_init(&l, 2, 0);
    finding_list_init(&small, 0, 8);
    assert_int_equal(finding_list_add(&l, &f, &e), ERR_OK);
    assert_int_equal(finding_list_add(&l, &f, &e), ERR_OK);
    assert_int_equal(finding_list_add(&l, &f, &e), ERR_BODY_TOO_LARGE);
    assert_int_equal(finding_list_add(&small, &f, &e), ERR_BODY_TOO_LARGE);
}

static void the_same_is_known_again_by_its_address_or_its_place(void **state)
{
    struct finding a = finding(SEVERITY_LOW, "CVE-1", "a"), b = a;

    (void)state;
    b.severity = SEVERITY_HIGH; /* it was learned to be worse */
    assert_true(finding_same(&a, &b));
    a.purl = STR("pkg:npm/a@1.0");
    assert_true(finding_same(&a, &b));
    b.purl = STR("pkg:npm/a@1.1");
    assert_false(finding_same(&a, &b));
    b = a;
    b.cve = STR("CVE-2");
    assert_false(finding_same(&a, &b));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_are_read_in_any_case),
        cmocka_unit_test(the_worst_comes_first_and_doubles_go),
        cmocka_unit_test(what_differs_in_address_or_fix_is_no_double),
        cmocka_unit_test(texts_are_copies_cut_at_a_character),
        cmocka_unit_test(a_nul_and_what_is_no_score_are_replaced),
        cmocka_unit_test(a_list_holds_no_more_than_it_may),
        cmocka_unit_test(the_same_is_known_again_by_its_address_or_its_place),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
