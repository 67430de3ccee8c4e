/* net/sigv4.h before a server that checks signatures. What it is asked for is the list of buckets,
 * with a query that means nothing but has to be signed. */
#include "base/clock.h"
#include "net/fetch.h"
#include "net/sigv4.h"
#include "s3_place.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static struct s3_place place;

/* In the order in which they are sent. */
static const struct sigv4_field query[] = {
    {STR("x-id"), STR("b/ü +&=~*")},
    {STR("x-je"), STR("")},
};
#define SENT_QUERY "x-id=b%2F%C3%BC%20%2B%26%3D~%2A&x-je="

static struct sigv4_key key_of(const char *secret_key)
{
    return (struct sigv4_key){.access_key = place.access_key,
                              .secret_key = secret_key,
                              .region = place.region,
                              .service = "s3"};
}

static struct str host(void)
{
    return str_of(strstr(place.endpoint, "://") + 3);
}

static int get(const char *sent_query, const char *const *headers)
{
    AUTO(buf) struct buf url = {0};
    AUTO(buf) struct buf body = {0};
    struct err e = {0};
    struct fetch f = {.headers = headers};
    int status = 0;

    buf_init(&url, 4096);
    buf_init(&body, 1 << 20);
    buf_addf(&url, "%s/?%s", place.endpoint, sent_query);
    f.url = buf_text(&url);
    if (fetch_run(&f, &status, &body, &e) != ERR_OK)
        fail_msg("%s", e.detail);
    return status;
}

static int get_with_header(const char *secret_key)
{
    AUTO(buf) struct buf value = {0};
    char date[32], date_line[64], authorization[1024];
    int64_t now_ms = clock_wall_ms();
    time_t now_s = (time_t)(now_ms / 1000);
    struct tm tm;

    gmtime_r(&now_s, &tm);
    strftime(date, sizeof(date), "%Y%m%dT%H%M%SZ", &tm);
    const struct sigv4_field fields[] = {
        {STR("host"), host()},
        {STR("x-amz-content-sha256"), STR(SIGV4_EMPTY_BODY)},
        {STR("x-amz-date"), str_of(date)},
    };
    struct sigv4_key key = key_of(secret_key);

    buf_init(&value, 512);
    sigv4_authorization(&key,
                        &(struct sigv4_request){.method = "GET",
                                                .path = STR("/"),
                                                .query = query,
                                                .n_query = 2,
                                                .headers = fields,
                                                .n_headers = 3,
                                                .payload = SIGV4_EMPTY_BODY,
                                                .time_ms = now_ms},
                        &value);
    snprintf(date_line, sizeof(date_line), "x-amz-date: %s", date);
    snprintf(authorization, sizeof(authorization), "Authorization: %s", buf_text(&value));
    return get(SENT_QUERY, (const char *[]){date_line, authorization,
                                            "x-amz-content-sha256: " SIGV4_EMPTY_BODY, NULL});
}

static int get_presigned(const char *secret_key, int64_t made_ms)
{
    AUTO(buf) struct buf sent = {0};
    const struct sigv4_field fields[] = {{STR("host"), host()}};
    struct sigv4_key key = key_of(secret_key);

    buf_init(&sent, 2048);
    sigv4_presign(&key,
                  &(struct sigv4_request){.method = "GET",
                                          .path = STR("/"),
                                          .query = query,
                                          .n_query = 2,
                                          .headers = fields,
                                          .n_headers = 1,
                                          .payload = "UNSIGNED-PAYLOAD",
                                          .time_ms = made_ms},
                  60, &sent);
    return get(buf_text(&sent), NULL);
}

static void signature_in_a_header_is_accepted(void **state)
{
    (void)state;
    assert_int_equal(get_with_header(place.secret_key), 200);
}

static void signature_in_a_header_by_another_secret_is_refused(void **state)
{
    (void)state;
    assert_int_equal(get_with_header("another secret"), 403);
}

static void presigned_url_is_accepted(void **state)
{
    (void)state;
    assert_int_equal(get_presigned(place.secret_key, clock_wall_ms()), 200);
}

static void presigned_url_by_another_secret_is_refused(void **state)
{
    (void)state;
    assert_int_equal(get_presigned("another secret", clock_wall_ms()), 403);
}

static void presigned_url_is_refused_after_its_time(void **state)
{
    (void)state;
    assert_int_equal(get_presigned(place.secret_key, clock_wall_ms() - 120000), 403);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(signature_in_a_header_is_accepted),
        cmocka_unit_test(signature_in_a_header_by_another_secret_is_refused),
        cmocka_unit_test(presigned_url_is_accepted),
        cmocka_unit_test(presigned_url_by_another_secret_is_refused),
        cmocka_unit_test(presigned_url_is_refused_after_its_time),
    };

    place = s3_place();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
