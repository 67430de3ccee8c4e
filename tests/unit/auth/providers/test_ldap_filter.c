#include "auth/providers/ldap_filter.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static void values_are_escaped(void **state)
{
    static const struct {
        struct str value;
        const char *escaped;
    } rows[] = {
        {STR("alice"), "alice"},
        {STR(""), ""},
        {STR("a.b-c_d@e+f g=h,i"), "a.b-c_d@e+f g=h,i"},
        /* the examples of RFC 4515 section 4 */
        {STR("Parens R Us (for all your parenthetical needs)"),
         "Parens R Us \\28for all your parenthetical needs\\29"},
        {STR("*"), "\\2a"},
        {STR("C:\\MyFile"), "C:\\5cMyFile"},
        {STR("\0\0\0\4"), "\\00\\00\\00\\04"},
        {STR("Lu\xc4\x8di\xc4\x87"), "Lu\\c4\\8di\\c4\\87"},
        {STR("*)(uid=*"), "\\2a\\29\\28uid=\\2a"},
        {STR("\x7f\xff"), "\\7f\\ff"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        AUTO(buf) struct buf filter = {0};

        buf_init(&filter, 1024);
        ldap_filter_escape(&filter, rows[i].value);
        assert_string_equal(buf_text(&filter), rows[i].escaped);
    }
}

static void fill(const char *template, struct str user, struct str dn, const char *wanted)
{
    struct ldap_filter_values v = {.user = user, .dn = dn};
    AUTO(buf) struct buf filter = {0};

    buf_init(&filter, 1024);
    ldap_filter_fill(&filter, template, &v);
    assert_string_equal(buf_text(&filter), wanted);
}

static void placeholders_are_filled(void **state)
{
    (void)state;
    fill("(uid={user})", STR("alice"), STR(""), "(uid=alice)");
    fill("(|(member={dn})(memberUid={user})(owner={dn}))", STR("a"), STR("uid=a,dc=b"),
         "(|(member=uid=a,dc=b)(memberUid=a)(owner=uid=a,dc=b))");
    fill("(member={dn})", STR("a"), STR("cn=a\\2Cb (c),dc=d"),
         "(member=cn=a\\5c2Cb \\28c\\29,dc=d)");
    fill("(x={User}{user)", STR("a"), STR(""), "(x={User}{user)");
    fill("", STR("a"), STR("b"), "");
}

static void a_value_is_not_looked_at_for_placeholders(void **state)
{
    (void)state;
    fill("(uid={user})", STR("{dn}"), STR("secret"), "(uid={dn})");
    fill("(uid={user}{user})", STR("{user}"), STR(""), "(uid={user}{user})");
}

static void no_user_is_any_user(void **state)
{
    (void)state;
    fill("(|(uid={user})(mail={user}@a))", STR_NONE, STR(""), "(|(uid=*)(mail=*@a))");
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_are_escaped),
        cmocka_unit_test(placeholders_are_filled),
        cmocka_unit_test(a_value_is_not_looked_at_for_placeholders),
        cmocka_unit_test(no_user_is_any_user),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
