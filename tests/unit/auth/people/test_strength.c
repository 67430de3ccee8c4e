#include "auth/people/strength.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void refused(const char *user, const char *password, const char *why)
{
    struct err e = {0};

    assert_int_equal(strength_check(str_of(user), str_of(password), &e), ERR_REQUEST_INVALID);
    assert_true(e.public_detail);
    assert_non_null(strstr(e.detail, why));
    assert_null(strstr(e.detail, password));
}

static void a_good_password_passes(void **state)
{
    struct err e;

    (void)state;
    assert_int_equal(strength_check(STR("alice"), STR("k9-Vexing.Llama"), &e), ERR_OK);
    assert_int_equal(strength_check(STR("alice"), STR("fünf große Überraschungen"), &e), ERR_OK);
}

static void a_short_one_is_refused(void **state)
{
    (void)state;
    refused("alice", "xK9-Vexin", "shorter than 10");
}

static void the_name_of_the_user_is_refused(void **state)
{
    (void)state;
    refused("alice.liddell", "alice.liddell", "user name");
    refused("alice.liddell", "Alice.Liddell1", "user name");
}

static void what_repeats_itself_is_refused(void **state)
{
    (void)state;
    refused("alice", "qazxswwsxzaq", "palindrome");
}

static void a_common_word_is_refused_where_there_is_a_dictionary(void **state)
{
    (void)state;
    if (strength_has_dictionary())
        refused("alice", "basketball", "dictionary");
}

static void what_can_not_be_typed_is_refused(void **state)
{
    struct err e;

    (void)state;
    assert_int_equal(strength_check(STR("a"), STR("k9-Vexing\0Llama"), &e), ERR_REQUEST_INVALID);
    assert_int_equal(strength_check(STR("a"), STR("k9-Vexing\nLlama"), &e), ERR_REQUEST_INVALID);
    assert_int_equal(strength_check(STR("a"), STR("k9-Vexing\xff.Llama"), &e), ERR_REQUEST_INVALID);
}

static void a_password_longer_than_is_hashed_is_refused(void **state)
{
    char text[600];
    struct err e;

    (void)state;
    for (size_t i = 0; i < sizeof(text); i++)
        text[i] = (char)('!' + i * 7 % 90);
    assert_int_equal(strength_check(STR("a"), (struct str){text, sizeof(text)}, &e),
                     ERR_REQUEST_INVALID);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_good_password_passes),
        cmocka_unit_test(a_short_one_is_refused),
        cmocka_unit_test(the_name_of_the_user_is_refused),
        cmocka_unit_test(what_repeats_itself_is_refused),
        cmocka_unit_test(a_common_word_is_refused_where_there_is_a_dictionary),
        cmocka_unit_test(what_can_not_be_typed_is_refused),
        cmocka_unit_test(a_password_longer_than_is_hashed_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
