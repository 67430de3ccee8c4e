/* Requests to DynamoDB: how they are sent, and which answers are worth another try. */
#include "base/cleanup.h"
#include "base/clock.h"
#include "meta/dynamodb/item.h"
#include "meta/dynamodb/request.h"
#include "net/aws_credentials.h"
#include "small_server.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#define N(a) (sizeof(a) / sizeof((a)[0]))

#define REFUSED(status, length, type)                                                              \
    {                                                                                              \
        .text = "HTTP/1.1 " status " No\r\nContent-Length: " length "\r\n\r\n"                     \
                "{\"__type\":\"com.amazonaws.dynamodb.v20120810#" type "\",\"message\":\"words\"}" \
    }

static const struct small_server_answer ok = {
    .text = "HTTP/1.1 200 OK\r\nContent-Length: 11\r\n\r\n{\"Count\":7}"};

static struct aws_credentials *credentials;
static struct dynamo_link *l;
static json_t *answer;
static struct err err;

static enum err_code ask(struct small_server *s, uint64_t timeout_ms)
{
    static char *environment[] = {"AWS_ACCESS_KEY_ID=KEY", "AWS_SECRET_ACCESS_KEY=secret",
                                  "AWS_SESSION_TOKEN=session", NULL};
    const struct aws_credentials_options keys = {.environment = environment};
    const struct meta_dynamodb_options o = {
        .table = "registry", .region = "eu-west-1", .endpoint = small_server_url(s)};
    struct meta_dynamodb_options own = o;
    AUTO(json) json_t *body = json_pack("{s:s}", "TableName", "registry");

    credentials = aws_credentials_new(&keys);
    own.credentials = credentials;
    own.timeout_ms = timeout_ms;
    assert_int_equal(dynamo_link_new(&own, &l, &err), ERR_OK);
    return dynamo_ask(l, "GetItem", body, dynamo_link_end(l), &answer, &err);
}

static int teardown(void **state)
{
    (void)state;
    json_decref(answer);
    answer = NULL;
    dynamo_link_free(l);
    l = NULL;
    aws_credentials_free(credentials);
    credentials = NULL;
    return 0;
}

static void a_request_names_its_operation_and_is_signed(void **state)
{
    struct small_server *s = small_server_start(&ok, 1);
    const struct small_server_request *r;

    (void)state;
    assert_int_equal(ask(s, 5000), ERR_OK);
    assert_int_equal(json_integer_value(json_object_get(answer, "Count")), 7);
    r = small_server_request(s, 0);
    assert_non_null(strstr(r->head, "POST / HTTP/1.1\r\n"));
    assert_non_null(strstr(r->head, "x-amz-target: DynamoDB_20120810.GetItem\r\n"));
    assert_non_null(strstr(r->head, "Content-Type: application/x-amz-json-1.0\r\n"));
    assert_non_null(strstr(r->head, "/eu-west-1/dynamodb/aws4_request"));
    assert_non_null(
        strstr(r->head, "content-type;host;x-amz-date;x-amz-security-token;x-amz-target"));
    assert_string_equal(r->body, "{\"TableName\":\"registry\"}");
    small_server_stop(s);
}

/* All answers but the last are refusals that pass. */
static void assert_tried_again(const struct small_server_answer *answers, size_t n)
{
    struct small_server *s = small_server_start(answers, n);

    assert_int_equal(ask(s, 10000), ERR_OK);
    assert_int_equal(small_server_count(s), n);
    assert_int_equal(dynamo_link_requests(l), n);
    for (size_t i = 1; i < n; i++)
        assert_string_equal(small_server_request(s, i)->body, small_server_request(s, 0)->body);
    small_server_stop(s);
}

static void throttling_is_waited_for(void **state)
{
    const struct small_server_answer answers[] = {
        REFUSED("400", "102", "ProvisionedThroughputExceededException"),
        REFUSED("400", "83", "ThrottlingException"), ok};

    (void)state;
    assert_tried_again(answers, N(answers));
}

static void a_server_error_is_tried_again(void **state)
{
    const struct small_server_answer answers[] = {
        REFUSED("500", "83", "InternalServerError"),
        {.text = "HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n"},
        ok};

    (void)state;
    assert_tried_again(answers, N(answers));
}

static void a_lost_answer_is_asked_for_again_in_the_same_words(void **state)
{
    const struct small_server_answer answers[] = {
        {.text = "HTTP/1.1 200 OK\r\nContent-Length: 11\r\n\r\n{\"Co", .then = THEN_CLOSE}, ok};

    (void)state;
    assert_tried_again(answers, N(answers));
}

static void credentials_that_expired_are_asked_for_anew_once(void **state)
{
    const struct small_server_answer answers[] = {REFUSED("400", "85", "ExpiredTokenException"),
                                                  REFUSED("400", "85", "ExpiredTokenException"),
                                                  ok};
    struct small_server *s = small_server_start(answers, N(answers));

    (void)state;
    assert_int_equal(ask(s, 5000), ERR_STORAGE_READONLY);
    assert_int_equal(small_server_count(s), 2);
    assert_non_null(strstr(err.detail, "words"));
    assert_null(strstr(err.detail, "secret"));
    small_server_stop(s);
}

static void a_refusal_that_stays_is_not_tried_again(void **state)
{
    static const struct {
        struct small_server_answer answer;
        enum err_code code;
    } rows[] = {
        {REFUSED("400", "83", "ValidationException"), ERR_INTERNAL},
        {REFUSED("400", "85", "AccessDeniedException"), ERR_STORAGE_READONLY},
        {REFUSED("400", "89", "ResourceNotFoundException"), ERR_NOT_FOUND},
        {REFUSED("400", "95", "ConditionalCheckFailedException"), ERR_PRECONDITION},
    };

    (void)state;
    for (size_t i = 0; i < N(rows); i++) {
        const struct small_server_answer answers[] = {rows[i].answer, ok};
        struct small_server *s = small_server_start(answers, 2);

        assert_int_equal(ask(s, 5000), rows[i].code);
        assert_int_equal(small_server_count(s), 1);
        small_server_stop(s);
        teardown(NULL);
    }
}

static void tries_end_with_the_time(void **state)
{
    const struct small_server_answer hanging = {.then = THEN_HANG};
    struct small_server *s = small_server_start(&hanging, 1);
    int64_t began_ms = clock_mono_ms();

    (void)state;
    assert_int_equal(ask(s, 600), ERR_UNAVAILABLE);
    assert_true(clock_mono_ms() - began_ms < 5000);
    small_server_stop(s);
}

static void attributes_come_back_as_they_were(void **state)
{
    bool right = true;
    const char bytes[] = {0, 1, (char)0xFF, 'x'};
    AUTO(json) json_t *item = json_object();
    AUTO(buf) struct buf got = {0};

    (void)state;
    buf_init(&got, 16);
    json_object_set_new(item, "t", item_text(STR("\xC3\xA4\""), &right));
    json_object_set_new(item, "n", item_number(-9007199254740993));
    json_object_set_new(item, "b", item_bytes((struct str){bytes, sizeof(bytes)}));
    assert_true(right);
    assert_true(str_eq(item_get_text(item, "t"), STR("\xC3\xA4\"")));
    assert_int_equal(item_get_number(item, "n"), -9007199254740993);
    assert_true(item_get_bytes(item, "b", &got));
    assert_true(str_eq(buf_str(&got), (struct str){bytes, sizeof(bytes)}));
    assert_null(item_get_text(item, "n").p);
    assert_int_equal(item_get_number(item, "none"), 0);
    assert_null(item_text(STR("\xFF"), &right));
    assert_false(right);
}

#define TEST(name) cmocka_unit_test_teardown(name, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_request_names_its_operation_and_is_signed),
        TEST(throttling_is_waited_for),
        TEST(a_server_error_is_tried_again),
        TEST(a_lost_answer_is_asked_for_again_in_the_same_words),
        TEST(credentials_that_expired_are_asked_for_anew_once),
        TEST(a_refusal_that_stays_is_not_tried_again),
        TEST(tries_end_with_the_time),
        TEST(attributes_come_back_as_they_were),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
