#include "net/aws_ini.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static void read_text(const char *text, struct aws_ini *ret_ini)
{
    struct buf b;

    buf_init(&b, 4096);
    buf_add_text(&b, text);
    aws_ini_read(b, ret_ini);
}

static void assert_setting(const char *text, const char *section, const char *name,
                           const char *value)
{
    struct aws_ini ini;
    struct str found;

    read_text(text, &ini);
    found = aws_ini_find(&ini, str_of(section), name);
    if (!value)
        assert_null(found.p);
    else if (!str_eq(found, str_of(value)))
        fail_msg("'" STR_FMT "' is not '%s'", STR_ARG(found), value);
    aws_ini_done(&ini);
}

static void a_setting_belongs_to_its_section(void **state)
{
    static const char text[] = "k = outside\n[a]\nk = 1\n[b]\nk=2\r\n";

    (void)state;
    assert_setting(text, "a", "k", "1");
    assert_setting(text, "b", "K", "2");
    assert_setting(text, "c", "k", NULL);
    assert_setting(text, "", "k", NULL);
}

static void the_last_of_two_counts(void **state)
{
    (void)state;
    assert_setting("[a]\nk = 1\n[b]\n[a]\nk = 2\n", "a", "k", "2");
}

static void comments_are_no_values(void **state)
{
    (void)state;
    assert_setting("[a]\n# k = 1\n; k = 1\nk = 2 # two\n", "a", "k", "2");
    assert_setting("[a]\nk = x#y;z ; two\n", "a", "k", "x#y;z");
}

static void settings_below_a_setting_are_passed_over(void **state)
{
    (void)state;
    assert_setting("[a]\ns3 =\n  k = 1\nregion = r\n", "a", "k", NULL);
    assert_setting("[a]\ns3 =\n  k = 1\nregion = r\n", "a", "region", "r");
}

static void a_profile_is_written_with_blanks_and_quotes(void **state)
{
    (void)state;
    assert_setting("[profile dev]\nk = 1\n", "profile dev", "k", "1");
    assert_setting("[ profile   dev ]\nk = 1\n", "profile dev", "k", "1");
    assert_setting("[profile \"my dev\"]\nk = 1\n", "profile my dev", "k", "1");
    assert_setting("[profiledev]\nk = 1\n", "profile dev", "k", NULL);
}

static void what_is_no_setting_is_passed_over(void **state)
{
    (void)state;
    assert_setting("[a\nk\n=\n]\n[b]\nk = 1", "b", "k", "1");
    assert_setting("", "b", "k", NULL);
    assert_setting("[]\nk = 1", "", "k", "1");
}

static void an_empty_section_is_there(void **state)
{
    struct aws_ini ini;

    (void)state;
    read_text("[a]\n", &ini);
    assert_true(aws_ini_has(&ini, STR("a")));
    assert_false(aws_ini_has(&ini, STR("b")));
    aws_ini_done(&ini);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_setting_belongs_to_its_section),
        cmocka_unit_test(the_last_of_two_counts),
        cmocka_unit_test(comments_are_no_values),
        cmocka_unit_test(settings_below_a_setting_are_passed_over),
        cmocka_unit_test(a_profile_is_written_with_blanks_and_quotes),
        cmocka_unit_test(what_is_no_setting_is_passed_over),
        cmocka_unit_test(an_empty_section_is_there),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
