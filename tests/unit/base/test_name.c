#include "base/name.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void names_of_the_specification_are_valid(void **state)
{
    static const char *const names[] = {
        "a",
        "0",
        "library/alpine",
        "a.b",
        "a_b",
        "a__b",
        "a-b",
        "a---b",
        "a/b/c/d",
        "a0.1-2__3/x",
        "manifests/blobs",
        "my-org/my.app_v2",
    };

    (void)state;
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (!repo_name_valid(str_of(names[i])))
            fail_msg("'%s' should be valid", names[i]);
    }
}

static void other_names_are_not(void **state)
{
    static const char *const names[] = {
        "",   "/",     "a/",   "/a",  "a//b", "A",        "a/B",  "a b",  ".a",    "a.",
        "-a", "a-",    "_a",   "a_",  "a..b", "a___b",    "a.-b", "a-_b", "..",    "a/../b",
        "%a", "a%2fb", "a\\b", "a:b", "a@b",  "\xc3\xa4", "a\n",  "a/.",  "a/./b",
    };

    (void)state;
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (repo_name_valid(str_of(names[i])))
            fail_msg("'%s' should not be valid", names[i]);
    }
    assert_false(repo_name_valid(STR("a\0b")));
    assert_false(repo_name_valid(STR_NONE));
}

static void a_name_has_at_most_255_characters(void **state)
{
    char text[REPO_NAME_MAX + 1];
    struct repo_name name;
    struct err e;

    (void)state;
    memset(text, 'a', sizeof(text));
    assert_int_equal(repo_name_parse((struct str){text, REPO_NAME_MAX}, &name, &e), ERR_OK);
    assert_int_equal(name.n, REPO_NAME_MAX);
    assert_int_equal(strlen(name.text), REPO_NAME_MAX);
    assert_int_equal(repo_name_parse((struct str){text, REPO_NAME_MAX + 1}, &name, &e),
                     ERR_NAME_INVALID);
}

static void parsing_copies_or_tells_the_client(void **state)
{
    struct repo_name name = {.text = "before"};
    struct err e;

    (void)state;
    assert_int_equal(repo_name_parse(STR("a/b"), &name, &e), ERR_OK);
    assert_string_equal(name.text, "a/b");
    assert_true(str_eq(repo_name_str(&name), STR("a/b")));
    assert_int_equal(repo_name_parse(STR("A"), &name, &e), ERR_NAME_INVALID);
    assert_true(e.public_detail);
    assert_string_equal(name.text, "a/b");
}

static void tags_follow_the_specification(void **state)
{
    static const char *const good[] = {"a", "_", "latest", "v1.2.3", "A_b-C.d", "1", "_x"};
    static const char *const bad[] = {"",    ".a",  "-a",  "a b",     "a/b",
                                      "a:b", "a+b", "a\n", "\xc3\xa4"};
    struct tag_name tag;
    struct err e;

    (void)state;
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        assert_int_equal(tag_name_parse(str_of(good[i]), &tag, &e), ERR_OK);
        assert_string_equal(tag.text, good[i]);
        assert_int_equal(tag_name_str(&tag).n, strlen(good[i]));
    }
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        if (tag_name_parse(str_of(bad[i]), &tag, &e) != ERR_TAG_INVALID || !e.public_detail)
            fail_msg("'%s' should not be valid", bad[i]);
    }
}

static void a_tag_has_at_most_128_characters(void **state)
{
    char text[TAG_NAME_MAX + 1];

    (void)state;
    memset(text, 'a', sizeof(text));
    assert_true(tag_name_valid((struct str){text, TAG_NAME_MAX}));
    assert_false(tag_name_valid((struct str){text, TAG_NAME_MAX + 1}));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_of_the_specification_are_valid),
        cmocka_unit_test(other_names_are_not),
        cmocka_unit_test(a_name_has_at_most_255_characters),
        cmocka_unit_test(parsing_copies_or_tells_the_client),
        cmocka_unit_test(tags_follow_the_specification),
        cmocka_unit_test(a_tag_has_at_most_128_characters),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
