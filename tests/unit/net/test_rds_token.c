/* What AWS's own SDK for Python (botocore 1.29.27, generate_db_auth_token()) makes at that time. */
#include "net/rds_token.h"

#include "base/cleanup.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define HOST    "db.abc.eu-central-1.rds.amazonaws.com"
#define TIME_MS 1769903999000 /* 2026-01-31T23:59:59Z */
#define SCOPE   "AKIDEXAMPLE%2F20260131%2Feu-central-1%2Frds-db%2Faws4_request"

static void assert_token(const char *session_token, const char *user, const char *want)
{
    const struct sigv4_key key = {
        .access_key = "AKIDEXAMPLE",
        .secret_key = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY",
        .session_token = session_token,
        .region = "eu-central-1",
    };
    AUTO(buf) struct buf token = {0};

    buf_init(&token, 4096);
    rds_token(&key, HOST, "5432", user, TIME_MS, &token);
    assert_string_equal(buf_text(&token), want);
}

static void a_key_that_lasts_makes_the_token_of_the_sdk(void **state)
{
    (void)state;
    assert_token(NULL, "registry",
                 HOST ":5432/?Action=connect&DBUser=registry&X-Amz-Algorithm=AWS4-HMAC-SHA256"
                      "&X-Amz-Credential=" SCOPE "&X-Amz-Date=20260131T235959Z&X-Amz-Expires=900"
                      "&X-Amz-SignedHeaders=host&X-Amz-Signature="
                      "c4fff3bebadb7a331b2a40eeb4b3f9b6d85a1fe8a8511905b30c5a4f4909809b");
}

/* The order of the parameters is another one there, which means nothing. */
static void a_temporary_key_brings_its_session_token(void **state)
{
    (void)state;
    assert_token("FwoGZXIvYXdzE/+==", "regi stry@x",
                 HOST ":5432/?Action=connect&DBUser=regi%20stry%40x"
                      "&X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=" SCOPE
                      "&X-Amz-Date=20260131T235959Z&X-Amz-Expires=900"
                      "&X-Amz-Security-Token=FwoGZXIvYXdzE%2F%2B%3D%3D&X-Amz-SignedHeaders=host"
                      "&X-Amz-Signature="
                      "9d58165d264d2b1524b5df95e07043144905d2381a3531adab9013ec0c209326");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_key_that_lasts_makes_the_token_of_the_sdk),
        cmocka_unit_test(a_temporary_key_brings_its_session_token),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
