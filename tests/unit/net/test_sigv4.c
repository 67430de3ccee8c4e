#include "net/sigv4.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

/*
 * The vectors that AWS publishes: its Signature Version 4 test suite (a service named "service"),
 * and the examples of "Authenticating Requests" in the reference of S3.
 */
#define SUITE_MS 1440938160000 /* 2015-08-30T12:36:00Z */
#define S3_MS    1369353600000 /* 2013-05-24T00:00:00Z */
#define PREFIX                                                                                     \
    "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, "            \
    "SignedHeaders="
#define N(array) (sizeof(array) / sizeof((array)[0]))
#define FIELD(n, v)                                                                                \
    {                                                                                              \
        STR(n), STR(v)                                                                             \
    }
#define HOST FIELD("host", "example.amazonaws.com")
#define DATE FIELD("x-amz-date", "20150830T123600Z")

static const struct sigv4_key suite = {
    .access_key = "AKIDEXAMPLE",
    .secret_key = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY",
    .region = "us-east-1",
    .service = "service",
};

static const struct sigv4_key s3 = {
    .access_key = "AKIAIOSFODNN7EXAMPLE",
    .secret_key = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
    .region = "us-east-1",
    .service = "s3",
};

static const struct sigv4_field plain[] = {HOST, DATE};

static void assert_authorization(const struct sigv4_key *key, const struct sigv4_request *r,
                                 const char *want)
{
    AUTO(buf) struct buf value = {0};

    buf_init(&value, 4096);
    sigv4_authorization(key, r, &value);
    assert_string_equal(buf_text(&value), want);
}

static struct sigv4_request suite_request(const char *method, const struct sigv4_field *headers,
                                          size_t n)
{
    return (struct sigv4_request){.method = method,
                                  .path = STR("/"),
                                  .headers = headers,
                                  .n_headers = n,
                                  .payload = SIGV4_EMPTY_BODY,
                                  .time_ms = SUITE_MS};
}

static void requests_of_the_suite_are_signed_as_it_says(void **state)
{
    struct sigv4_request get = suite_request("GET", plain, N(plain));
    struct sigv4_request post = suite_request("POST", plain, N(plain));

    (void)state;
    assert_authorization(&suite, &get,
                         PREFIX
                         "host;x-amz-date, Signature=5fa00fa31553b73ebf1942676e86291e8372ff2a"
                         "2260956d9b8aae1d763fbf31");
    assert_authorization(&suite, &post,
                         PREFIX
                         "host;x-amz-date, Signature=5da7c1a2acd57cee7505fc6676e4e544621c3086"
                         "2966e37dddb68e92efbe5d6b");
}

static void headers_of_the_suite_are_signed_as_it_says(void **state)
{
    static const struct sigv4_field twice[] = {HOST, FIELD("my-header1", "value2,value2,value1"),
                                               DATE};
    static const struct sigv4_field lines[] = {HOST, FIELD("my-header1", "value1,value2,value3"),
                                               DATE};
    struct sigv4_request one = suite_request("GET", twice, N(twice));
    struct sigv4_request two = suite_request("GET", lines, N(lines));

    (void)state;
    assert_authorization(&suite, &one,
                         PREFIX
                         "host;my-header1;x-amz-date, Signature=c9d5ea9f3f72853aea855b47ea873"
                         "832890dbdd183b4468f858259531a5138ea");
    assert_authorization(&suite, &two,
                         PREFIX
                         "host;my-header1;x-amz-date, Signature=ba17b383a53190154eb5fa66a1b83"
                         "6cc297cc0a3d70a5d00705980573d8ff790");
}

static void parameters_are_signed_in_their_order(void **state)
{
    static const struct sigv4_field query[] = {FIELD("Param2", "value2"),
                                               FIELD("Param1", "value1")};
    struct sigv4_request r = suite_request("GET", plain, N(plain));

    (void)state;
    r.query = query;
    r.n_query = N(query);
    assert_authorization(&suite, &r,
                         PREFIX
                         "host;x-amz-date, Signature=b97d918cfa904a5beff61c982a1b6f458b799221"
                         "646efd99d3219ec94cdf2500");
}

static void the_get_of_s3_is_signed_as_its_reference_says(void **state)
{
    static const struct sigv4_field headers[] = {
        FIELD("host", "examplebucket.s3.amazonaws.com"), FIELD("range", "bytes=0-9"),
        FIELD("x-amz-content-sha256", SIGV4_EMPTY_BODY), FIELD("x-amz-date", "20130524T000000Z")};
    const struct sigv4_request r = {.method = "GET",
                                    .path = STR("/test.txt"),
                                    .headers = headers,
                                    .n_headers = N(headers),
                                    .payload = SIGV4_EMPTY_BODY,
                                    .time_ms = S3_MS};

    (void)state;
    assert_authorization(&s3, &r,
                         "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/"
                         "aws4_request, SignedHeaders=host;range;x-amz-content-sha256;x-amz-date, "
                         "Signature=f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb4"
                         "1");
}

static void the_presigned_get_of_s3_is_as_its_reference_says(void **state)
{
    static const struct sigv4_field headers[] = {FIELD("host", "examplebucket.s3.amazonaws.com")};
    const struct sigv4_request r = {.method = "GET",
                                    .path = STR("/test.txt"),
                                    .headers = headers,
                                    .n_headers = N(headers),
                                    .payload = "UNSIGNED-PAYLOAD",
                                    .time_ms = S3_MS};
    AUTO(buf) struct buf query = {0};

    (void)state;
    buf_init(&query, 4096);
    sigv4_presign(&s3, &r, 86400, &query);
    assert_string_equal(
        buf_text(&query),
        "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20130524%2Fus-"
        "east-1%2Fs3%2Faws4_request&X-Amz-Date=20130524T000000Z&X-Amz-Expires=86400&X-Amz-"
        "SignedHeaders=host&X-Amz-Signature="
        "aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404");
}

/* A name that begins another one comes first, though '=' sorts behind '-'. */
static void a_shorter_name_comes_first(void **state)
{
    static const struct sigv4_field query[] = {FIELD("a-b", "1"), FIELD("a", "2"), FIELD("a", "1"),
                                               FIELD("a b", "\xc3\xa4")};
    struct sigv4_request r = suite_request("GET", plain, N(plain));
    AUTO(buf) struct buf made = {0};

    (void)state;
    r.query = query;
    r.n_query = N(query);
    buf_init(&made, 4096);
    sigv4_presign(&suite, &r, 1, &made);
    assert_non_null(strstr(buf_text(&made), "&a=1&a=2&a%20b=%C3%A4&a-b=1&"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(requests_of_the_suite_are_signed_as_it_says),
        cmocka_unit_test(headers_of_the_suite_are_signed_as_it_says),
        cmocka_unit_test(parameters_are_signed_in_their_order),
        cmocka_unit_test(the_get_of_s3_is_signed_as_its_reference_says),
        cmocka_unit_test(the_presigned_get_of_s3_is_as_its_reference_says),
        cmocka_unit_test(a_shorter_name_comes_first),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
