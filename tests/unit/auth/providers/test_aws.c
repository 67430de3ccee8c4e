#include "auth/providers/aws_request.h"
#include "base/mem.h"

#include <openssl/evp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#define NOW_MS 1767225600000 /* 2026-01-01T00:00:00Z */
#define HOST   "https://sts.example.com/?"
#define HEAD   "Action=GetCallerIdentity&Version=2011-06-15&X-Amz-Algorithm=AWS4-HMAC-SHA256"
#define WHO    "&X-Amz-Credential=AK%2F20260101%2Fus-east-1%2Fsts%2Faws4_request"
#define WHEN   "&X-Amz-Date=20260101T000000Z&X-Amz-Expires=900"
#define HEX    "abcdef0123456789abcdef0123456789abcdef0123456789abcdef012345678"
#define SIGN   "&X-Amz-SignedHeaders=host%3Bx-registry-id&X-Amz-Signature=" HEX "9"
#define GOOD   HOST HEAD WHO WHEN SIGN

static char *endpoints[] = {(char[]){"https://sts.example.com"},
                            (char[]){"https://sts.eu.example.com"}};

static const struct conf_aws conf = {
    .sts_endpoints = {endpoints, 2},
    .max_age_ms = 900000,
};

/* prefix and the base64url of url; the caller frees */
static char *token_of(const char *prefix, const char *url)
{
    size_t n = strlen(url);
    char *text = mem_alloc(strlen(prefix) + n * 2 + 8), *at = text + strlen(prefix);

    memcpy(text, prefix, strlen(prefix) + 1);
    EVP_EncodeBlock((unsigned char *)at, (const unsigned char *)url, (int)n);
    for (; *at; at++) {
        if (*at == '+')
            *at = '-';
        if (*at == '/')
            *at = '_';
    }
    return text;
}

static enum err_code parse(const char *token, struct buf *url, int64_t *until_ms, struct err *e)
{
    return aws_request_parse(str_of(token), &conf, NOW_MS, url, until_ms, e);
}

static void assert_good(const char *url, const char *want, int64_t life_ms)
{
    AUTO(mem) char *token = token_of("cyberdock-aws-v1.", url);
    AUTO(buf) struct buf made = {0};
    int64_t until_ms;
    struct err e;

    buf_init(&made, 8192);
    assert_int_equal(parse(token, &made, &until_ms, &e), ERR_OK);
    assert_string_equal(buf_text(&made), want);
    assert_int_equal(until_ms - NOW_MS, life_ms);
    for (size_t n = strlen(token); token[n - 1] == '='; n--) /* without padding too */
        token[n - 1] = '\0';
    buf_clear(&made);
    assert_int_equal(parse(token, &made, &until_ms, &e), ERR_OK);
}

static void assert_wrong(const char *prefix, const char *url, const char *why)
{
    AUTO(mem) char *token = token_of(prefix, url);
    AUTO(buf) struct buf made = {0};
    int64_t until_ms;
    struct err e;

    buf_init(&made, 8192);
    assert_int_equal(parse(token, &made, &until_ms, &e), ERR_UNAUTHORIZED);
    assert_true(e.public_detail);
    if (!strstr(e.detail, why))
        fail_msg("%s: '%s', not '%s'", url, e.detail, why);
}

static void a_request_is_made_anew_from_what_was_checked(void **state)
{
    (void)state;
    assert_good(GOOD, GOOD, 900000);
    /* whatever the order and the spelling of the values */
    assert_good(HOST "X-Amz-Signature=" HEX
                     "%39&X-Amz-SignedHeaders=host;x-registry-id&" HEAD WHO WHEN,
                GOOD, 900000);
    assert_good("https://sts.eu.example.com/?" HEAD WHO WHEN SIGN "&X-Amz-Security-Token=a%2Fb%3D",
                "https://sts.eu.example.com/?" HEAD WHO WHEN SIGN "&X-Amz-Security-Token=a%2Fb%3D",
                900000);
}

static void what_is_no_token_is_refused(void **state)
{
    struct buf none;
    int64_t until_ms;
    struct err e;

    (void)state;
    buf_init(&none, 10);
    assert_wrong("k8s-aws-v1.", GOOD, "begins otherwise");
    assert_wrong("cyberdock-aws-v1.!", GOOD, "no base64url");
    assert_int_equal(parse("cyberdock-aws-v1.", &none, &until_ms, &e), ERR_UNAUTHORIZED);
    assert_int_equal(parse("cyberdock-aws-v1.YQ+/", &none, &until_ms, &e), ERR_UNAUTHORIZED);
    assert_int_equal(parse("cyberdock-aws-v1.YQ=a", &none, &until_ms, &e), ERR_UNAUTHORIZED);
    assert_int_equal(parse("cyberdock-aws-v1.AAAA", &none, &until_ms, &e), ERR_UNAUTHORIZED);
}

static void no_other_server_is_asked(void **state)
{
    static const char *const urls[] = {
        "https://evil.example.com/?" HEAD,
        "https://sts.example.com.evil.org/?" HEAD,
        "https://sts.example.com@evil.org/?" HEAD,
        "https://sts.example.com:8443/?" HEAD,
        "https://sts.example.com\\@evil.org/?" HEAD,
        "https://sts.example.com/x?" HEAD,
        "https://sts.example.com//?" HEAD,
        "https://sts.example.com/#?" HEAD,
        "https://sts.example.com?" HEAD,
        "http://sts.example.com/?" HEAD,
        "HTTPS://sts.example.com/?" HEAD,
        "//sts.example.com/?" HEAD,
        "",
    };

    (void)state;
    for (size_t i = 0; i < sizeof(urls) / sizeof(urls[0]); i++)
        assert_wrong("cyberdock-aws-v1.", urls[i], "auth.aws.sts_endpoints");
}

static void nothing_but_the_one_request_is_sent(void **state)
{
    static const char *const rows[][2] = {
        {GOOD "&RoleArn=x", "does not belong"},
        {GOOD "&action=GetCallerIdentity", "does not belong"},
        {GOOD "&", "no value"},
        {GOOD "&Action=GetCallerIdentity", "twice"},
        {GOOD "&X-Amz-Security-Token=", "malformed"},
        {GOOD "&X-Amz-Security-Token=%zz", "malformed"},
        {GOOD "&X-Amz-Security-Token=a%00b", "malformed"},
        {HOST "Action=AssumeRole", "must be 'GetCallerIdentity'"},
        {HOST "Action=GetCallerIdentity%26Action=AssumeRole", "must be 'GetCallerIdentity'"},
        {HOST "Action=GetCallerIdentity&Version=2010-01-01", "must be '2011-06-15'"},
        {HOST HEAD "-x", "must be 'AWS4-HMAC-SHA256'"},
        {HOST HEAD WHO WHEN "&X-Amz-SignedHeaders=host&X-Amz-Signature=a", "SignedHeaders"},
        {HOST HEAD WHO WHEN "&X-Amz-SignedHeaders=host%3Bx-k8s-aws-id", "SignedHeaders"},
        {HOST HEAD WHO WHEN "&X-Amz-SignedHeaders=host%3Bx-registry-id", "lacks X-Amz-Signature"},
        {GOOD "0", "X-Amz-Signature is none"},
        {GOOD "#x", "X-Amz-Signature is none"},
        {HOST HEAD WHO SIGN "&X-Amz-Expires=900", "lacks X-Amz-Date"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        assert_wrong("cyberdock-aws-v1.", rows[i][0], rows[i][1]);
}

#define SIGNED(date, expires) HOST HEAD WHO "&X-Amz-Date=" date "&X-Amz-Expires=" expires SIGN

static void a_request_is_of_now(void **state)
{
    (void)state;
    assert_good(SIGNED("20251231T234600Z", "900"), SIGNED("20251231T234600Z", "900"), 60000);
    assert_good(SIGNED("20260101T000000Z", "60"), SIGNED("20260101T000000Z", "60"), 60000);
    assert_good(SIGNED("20260101T000000Z", "604800"), SIGNED("20260101T000000Z", "604800"), 900000);
    assert_wrong("cyberdock-aws-v1.", SIGNED("20251231T234500Z", "900"), "has expired");
    assert_wrong("cyberdock-aws-v1.", SIGNED("20251231T235859Z", "60"), "has expired");
    assert_wrong("cyberdock-aws-v1.", SIGNED("20260101T000000Z", "0"), "has expired");
    assert_wrong("cyberdock-aws-v1.", SIGNED("20260101T000501Z", "900"), "future");
    assert_wrong("cyberdock-aws-v1.", SIGNED("20260101T000000Z", "604801"), "Expires");
    assert_wrong("cyberdock-aws-v1.", SIGNED("20260101T000000Z", "-1"), "Expires");
    assert_wrong("cyberdock-aws-v1.", SIGNED("20260101T000000", "900"), "Date");
    assert_wrong("cyberdock-aws-v1.", SIGNED("20261301T000000Z", "900"), "Date");
    assert_wrong("cyberdock-aws-v1.", SIGNED("2026%201 1T000000Z", "900"), "Date");
}

#define ANSWER(account, arn)                                                                       \
    "{\"GetCallerIdentityResponse\":{\"GetCallerIdentityResult\":{\"Account\":\"" account          \
    "\",\"Arn\":\"" arn "\",\"UserId\":\"AIDA\"}}}"

static void a_session_is_its_role(void **state)
{
    static const char *const rows[][2] = {
        {ANSWER("123456789012", "arn:aws:sts::123456789012:assumed-role/ci/build-7"),
         "arn:aws:iam::123456789012:role/ci"},
        {ANSWER("123456789012", "arn:aws-cn:sts::123456789012:assumed-role/ci/a"),
         "arn:aws-cn:iam::123456789012:role/ci"},
        {ANSWER("123456789012", "arn:aws:iam::123456789012:user/team/eve"),
         "arn:aws:iam::123456789012:user/team/eve"},
        {ANSWER("123456789012", "arn:aws:sts::123456789012:federated-user/bob"),
         "arn:aws:sts::123456789012:federated-user/bob"},
        {ANSWER("123456789012", "arn:aws:iam::123456789012:root"),
         "arn:aws:iam::123456789012:root"},
    };
    struct aws_caller caller;
    struct err e;

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        assert_int_equal(aws_caller_parse(str_of(rows[i][0]), &caller, &e), ERR_OK);
        assert_string_equal(caller.arn, rows[i][1]);
        assert_string_equal(caller.account, "123456789012");
    }
}

static void an_answer_that_is_no_identity_is_none(void **state)
{
    static const char *const rows[] = {
        "",
        "<GetCallerIdentityResponse/>",
        "{}",
        "[]",
        "{\"GetCallerIdentityResponse\":{}}",
        ANSWER("123456789012", ""),
        ANSWER("123456789012", "arn:aws:iam::210987654321:user/eve"),
        ANSWER("1234567890123", "arn:aws:iam::1234567890123:user/eve"),
        ANSWER("123456789012", "arn:aws:sts::123456789012:assumed-role/ci"),
        ANSWER("123456789012", "arn:aws:sts::123456789012:assumed-role//a"),
        ANSWER("123456789012", "arn:aws:sts::123456789012:assumed-role/ci/"),
        ANSWER("123456789012", "arn:aws:iam::123456789012:user/e ve"),
        ANSWER("123456789012", "arn:aws:iam::123456789012:"),
        ANSWER("123456789012\",\"Account\":\"1", "arn:aws:iam::123456789012:user/eve"),
    };
    struct aws_caller caller;
    struct err e;

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        assert_int_equal(aws_caller_parse(str_of(rows[i]), &caller, &e), ERR_UNAVAILABLE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_request_is_made_anew_from_what_was_checked),
        cmocka_unit_test(what_is_no_token_is_refused),
        cmocka_unit_test(no_other_server_is_asked),
        cmocka_unit_test(nothing_but_the_one_request_is_sent),
        cmocka_unit_test(a_request_is_of_now),
        cmocka_unit_test(a_session_is_its_role),
        cmocka_unit_test(an_answer_that_is_no_identity_is_none),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
