#include "auth/people/totp.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* RFC 6238, appendix B: "12345678901234567890", and the last six digits of its codes. */
#define SECRET "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"

static void the_codes_of_the_standard_are_right(void **state)
{
    static const struct {
        int64_t s;
        const char *code;
    } vectors[] = {{59, "287082"},         {1111111109, "081804"}, {1111111111, "050471"},
                   {1234567890, "005924"}, {2000000000, "279037"}, {20000000000, "353130"}};
    int64_t step;

    (void)state;
    for (size_t i = 0; i < 6; i++) {
        assert_true(totp_matches(SECRET, str_of(vectors[i].code), vectors[i].s * 1000, 0, &step));
        assert_int_equal(step, vectors[i].s / 30);
    }
}

static void a_code_is_good_half_a_minute_around_its_time(void **state)
{
    int64_t step;

    (void)state;
    assert_true(totp_matches(SECRET, STR("050471"), (1111111111 + 29) * 1000LL, 0, &step));
    assert_true(totp_matches(SECRET, STR("050471"), (1111111111 - 30) * 1000LL, 0, &step));
    assert_int_equal(step, 1111111111 / 30);
    assert_false(totp_matches(SECRET, STR("050471"), (1111111111 + 60) * 1000LL, 0, &step));
    assert_false(totp_matches(SECRET, STR("050471"), (1111111111 - 60) * 1000LL, 0, &step));
}

static void a_code_is_good_for_once(void **state)
{
    int64_t now_ms = 1111111111 * 1000LL, step;

    (void)state;
    assert_true(totp_matches(SECRET, STR("050471"), now_ms, 0, &step));
    assert_false(totp_matches(SECRET, STR("050471"), now_ms, step, &step));
    assert_false(totp_matches(SECRET, STR("081804"), now_ms, step, &step)); /* the one before */
}

static void what_is_no_code_is_refused(void **state)
{
    static const char *const codes[] = {"", "05047", "0504710", "05047a", "-50471", " 50471"};
    int64_t step;

    (void)state;
    for (size_t i = 0; i < 6; i++)
        assert_false(totp_matches(SECRET, str_of(codes[i]), 1111111111 * 1000LL, 0, &step));
    assert_false(totp_matches("not base32!", STR("050471"), 1111111111 * 1000LL, 0, &step));
}

static void a_setup_has_all_that_an_app_needs(void **state)
{
    struct totp_setup one, two;
    char uri[256];
    struct err e;

    (void)state;
    assert_int_equal(totp_make("Cyber Dock", STR("al+ice@x"), &one, &e), ERR_OK);
    assert_int_equal(totp_make("Cyber Dock", STR("al+ice@x"), &two, &e), ERR_OK);
    assert_int_equal(strlen(one.secret), TOTP_SECRET_TEXT);
    assert_string_not_equal(one.secret, two.secret);
    snprintf(uri, sizeof(uri),
             "otpauth://totp/Cyber%%20Dock:al%%2Bice%%40x?secret=%s&issuer=Cyber%%20Dock",
             one.secret);
    assert_string_equal(one.uri, uri);
    for (size_t i = 0; i < TOTP_RECOVERY_N; i++) {
        assert_int_equal(strlen(one.recovery[i]), TOTP_RECOVERY_TEXT);
        assert_string_not_equal(one.recovery[i], two.recovery[i]);
    }
}

static void a_recovery_code_may_be_typed_in_many_ways(void **state)
{
    char one[TOTP_HASH_TEXT + 1], two[TOTP_HASH_TEXT + 1];

    (void)state;
    assert_true(totp_recovery_hash(STR("abcd-efgh-2345-mnop"), one));
    assert_true(totp_recovery_hash(STR(" ABCDEFGH 2345mnop"), two));
    assert_string_equal(one, two);
    assert_false(totp_recovery_hash(STR("abcd-efgh-2345-mno"), two));
    assert_false(totp_recovery_hash(STR("abcd-efgh-2345-mnopq"), two));
    assert_false(totp_recovery_hash(STR("abcd-efgh-2345-mno1"), two));
    assert_false(totp_recovery_hash(STR("050471"), two));
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_codes_of_the_standard_are_right),
        cmocka_unit_test(a_code_is_good_half_a_minute_around_its_time),
        cmocka_unit_test(a_code_is_good_for_once),
        cmocka_unit_test(what_is_no_code_is_refused),
        cmocka_unit_test(a_setup_has_all_that_an_app_needs),
        cmocka_unit_test(a_recovery_code_may_be_typed_in_many_ways),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
