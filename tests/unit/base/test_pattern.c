#include "base/clock.h"
#include "base/mem.h"
#include "base/pattern.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

struct row {
    const char *pattern, *text;
    bool matches;
};

static void assert_rows(const struct row *rows, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (pattern_matches(str_of(rows[i].pattern), str_of(rows[i].text)) != rows[i].matches)
            fail_msg("'%s' '%s'", rows[i].pattern, rows[i].text);
    }
}

static void everything_else_stands_for_itself(void **state)
{
    static const struct row rows[] = {
        {"dev/app", "dev/app", true},
        {"dev/app", "dev/ap", false},
        {"dev/app", "dev/appx", false},
        {"dev", "dev/app", false},
        {"a.b", "axb", false},
        {"a+", "aa", false},
        {"", "", true},
        {"", "a", false},
        {"a", "", false},
    };

    (void)state;
    assert_rows(rows, sizeof(rows) / sizeof(rows[0]));
}

static void one_star_stops_at_a_slash(void **state)
{
    static const struct row rows[] = {
        {"*", "app", true},           {"*", "", true},
        {"*", "dev/app", false},      {"dev/*", "dev/app", true},
        {"dev/*", "dev/a/b", false},  {"dev/*", "dev", false},
        {"*/app", "dev/app", true},   {"*/app", "a/b/app", false},
        {"a*c", "abbbc", true},       {"a*c", "ac", true},
        {"a*c", "ab/c", false},       {"v*.*", "v1.2", true},
        {"v*.*", "v1", false},        {"*a*b*", "xxaxxbxx", true},
        {"*a*b*", "xxbxxaxx", false},
    };

    (void)state;
    assert_rows(rows, sizeof(rows) / sizeof(rows[0]));
}

static void two_stars_are_anything(void **state)
{
    static const struct row rows[] = {
        {"**", "", true},         {"**", "a/b/c", true},       {"**/app", "a/b/app", true},
        {"**/app", "app", false}, {"a/**/c", "a/b/b/c", true}, {"a/**/c", "a/c", false},
        {"a**", "a/b", true},     {"***", "a/b", true},        {"**a", "b/b", false},
    };

    (void)state;
    assert_rows(rows, sizeof(rows) / sizeof(rows[0]));
}

static void below_a_namespace_is_the_namespace_too(void **state)
{
    static const struct row rows[] = {
        {"dev/**", "dev", true},
        {"dev/**", "dev/a/b", true},
        {"dev/**", "device", false},
        {"dev/**", "de", false},
        {"dev/**", "dex", false},
        {"team-*/**", "team-a", true},
        {"team-*/**", "team-a/b", true},
        {"team-*/**", "team", false},
        {"**/**", "a", true},
        {"a/**/**", "a/b", true},
        {"/**", "", false},
    };

    (void)state;
    assert_rows(rows, sizeof(rows) / sizeof(rows[0]));
}

static void a_question_mark_is_one_character_but_a_slash(void **state)
{
    static const struct row rows[] = {
        {"v?", "v1", true}, {"v?", "v", false}, {"v?", "v12", false}, {"a?b", "a/b", false},
        {"??", "ab", true}, {"?*", "", false},  {"?*", "a", true},    {"*?", "abc", true},
    };

    (void)state;
    assert_rows(rows, sizeof(rows) / sizeof(rows[0]));
}

static void well_formed_patterns_are_told_from_others(void **state)
{
    static const char *const good[] = {"a", "**", "a/b-c_d.e/*", "v?.?", "user@example.org", "a:b"};
    static const char *const bad[] = {"", "a b", "a\n", "[ab]", "(a+)+", "a|b", "\\*", "\xc3\xa4"};
    char text[514];

    (void)state;
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
        assert_true(pattern_valid(str_of(good[i])));
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_false(pattern_valid(str_of(bad[i])));
    assert_false(pattern_valid((struct str){"a\0b", 3}));
    memset(text, '*', sizeof(text));
    assert_true(pattern_valid((struct str){text, 512}));
    assert_false(pattern_valid((struct str){text, 513}));
}

static void a_text_longer_than_any_name_matches_nothing(void **state)
{
    char *text = mem_alloc(5000);

    (void)state;
    memset(text, 'a', 5000);
    assert_true(pattern_matches(STR("**"), (struct str){text, 1024}));
    assert_false(pattern_matches(STR("**"), (struct str){text, 1025}));
    assert_false(pattern_matches(STR("**"), (struct str){text, 5000}));
    free(text);
}

/*
 * Patterns that take a matcher that goes back an exponential time: as a policy, or as the scope of
 * a token, they would stop the server. Ours takes pattern times text steps; a thousandth of a
 * second each, and the limit leaves room for a busy machine and sanitizers.
 */
static void no_pattern_backtracks_catastrophically(void **state)
{
    static const char *const units[] = {"*a", "**a", "?*", "*?*", "a*", "**/", "*a*b", "**?"};
    char pattern[512], text[1024];
    int64_t before_ms = clock_mono_ms();

    (void)state;
    memset(text, 'a', sizeof(text));
    for (size_t u = 0; u < sizeof(units) / sizeof(units[0]); u++) {
        size_t n = 0, unit = strlen(units[u]);

        while (n + unit < sizeof(pattern)) {
            memcpy(pattern + n, units[u], unit);
            n += unit;
        }
        pattern[n++] = 'X'; /* so that it fails at the very end */
        assert_false(pattern_matches((struct str){pattern, n}, (struct str){text, sizeof(text)}));
    }
    assert_true(clock_mono_ms() - before_ms < 5000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(everything_else_stands_for_itself),
        cmocka_unit_test(one_star_stops_at_a_slash),
        cmocka_unit_test(two_stars_are_anything),
        cmocka_unit_test(below_a_namespace_is_the_namespace_too),
        cmocka_unit_test(a_question_mark_is_one_character_but_a_slash),
        cmocka_unit_test(well_formed_patterns_are_told_from_others),
        cmocka_unit_test(a_text_longer_than_any_name_matches_nothing),
        cmocka_unit_test(no_pattern_backtracks_catastrophically),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
