/* One blob, and what a server may answer while it is pushed. */
#include "cli/blob_push.h"

#include "small_server.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define N(a) (sizeof(a) / sizeof((a)[0]))

#define EMPTY "Content-Length: 0\r\n\r\n"
#define BEGUN "HTTP/1.1 202 Accepted\r\nLocation: /v2/app/blobs/uploads/1?state=a\r\n" EMPTY
/* What comes next takes another connection: on this one it would be sent twice by itself. */
#define BEGUN_ALONE                                                                                \
    "HTTP/1.1 202 Accepted\r\nConnection: close\r\n"                                               \
    "Location: /v2/app/blobs/uploads/1?state=a\r\n" EMPTY
#define CREATED "HTTP/1.1 201 Created\r\n" EMPTY
#define LOST    "HTTP/1.1 404 Not Found\r\n" EMPTY
#define BUSY    "HTTP/1.1 503 Service Unavailable\r\nRetry-After: 0\r\n" EMPTY
#define LARGE   (2u << 20) /* more than is sent at once */

static struct small_server *server;
static struct remote_server remote;
static struct remote_registry registry;
static char url[128];
static char bytes[LARGE];
static struct err err;

static void begin(const struct small_server_answer *answers, size_t n)
{
    static struct client_options options = {.stall_ms = 60000};

    server = small_server_start(answers, n);
    remote = (struct remote_server){0};
    buf_init(&remote.url, 256);
    buf_init(&remote.authorization, 256);
    docker_auth_init(&remote.auth);
    buf_add_text(&remote.url, small_server_url(server));
    assert_int_equal(client_new(&options, &remote.client, &err), ERR_OK);
    remote_registry_init(&registry, &remote, "repository:app:pull,push");
    snprintf(url, sizeof(url), "%s/v2/app", small_server_url(server));
}

static void end(void)
{
    remote_registry_done(&registry);
    remote_server_done(&remote);
    small_server_stop(server);
}

static enum err_code push(size_t n, enum blob_result *ret)
{
    struct blob_push b = {
        .registry = &registry, .repository_url = url, .size_bytes = n, .bytes = bytes};

    digest_of(DIGEST_SHA256, bytes, n, &b.digest);
    return blob_push_run(&b, ret, &err);
}

/* The i-th request begins with these words. */
static void assert_asked(size_t i, const char *words)
{
    const struct small_server_request *r = small_server_request(server, i);

    assert_non_null(r);
    assert_int_equal(strncmp(r->head, words, strlen(words)), 0);
}

static void a_small_one_takes_two_requests(void **state)
{
    static const struct small_server_answer answers[] = {{.text = BEGUN}, {.text = CREATED}};
    enum blob_result result;

    (void)state;
    begin(answers, N(answers));
    assert_int_equal(push(100, &result), ERR_OK);
    assert_int_equal(result, BLOB_SENT);
    assert_asked(0, "POST /v2/app/blobs/uploads/?mount=sha256:");
    assert_asked(1, "PUT /v2/app/blobs/uploads/1?state=a&digest=sha256:");
    assert_int_equal(small_server_request(server, 1)->body_n, 100);
    end();
}

static void one_that_the_server_has_elsewhere_is_mounted(void **state)
{
    static const struct small_server_answer answers[] = {{.text = CREATED}};
    enum blob_result result;

    (void)state;
    begin(answers, N(answers));
    assert_int_equal(push(100, &result), ERR_OK);
    assert_int_equal(result, BLOB_MOUNTED);
    end();
}

static void who_knows_no_mounting_is_asked_for_a_session(void **state)
{
    static const struct small_server_answer answers[] = {
        {.text = "HTTP/1.1 400 Bad Request\r\n" EMPTY}, {.text = BEGUN}, {.text = CREATED}};
    enum blob_result result;

    (void)state;
    begin(answers, N(answers));
    assert_int_equal(push(100, &result), ERR_OK);
    assert_asked(1, "POST /v2/app/blobs/uploads/ HTTP/1.1");
    end();
}

static void what_is_there_of_a_large_one_is_not_sent_again(void **state)
{
    static const struct small_server_answer answers[] = {
        {.text = BEGUN_ALONE, .then = THEN_CLOSE},
        {.then = THEN_CLOSE}, /* in the middle of it */
        {.text = "HTTP/1.1 204 No Content\r\nRange: 0-2097141\r\n"
                 "Location: /v2/app/blobs/uploads/1?state=b\r\n" EMPTY},
        {.text = CREATED}};
    enum blob_result result;

    (void)state;
    begin(answers, N(answers));
    assert_int_equal(push(LARGE, &result), ERR_OK);
    assert_asked(1, "PATCH /v2/app/blobs/uploads/1?state=a");
    assert_non_null(strstr(small_server_request(server, 1)->head, "Content-Range: 0-2097151\r\n"));
    assert_asked(2, "GET /v2/app/blobs/uploads/1?state=a");
    assert_asked(3, "PUT /v2/app/blobs/uploads/1?state=b&digest=sha256:");
    assert_int_equal(small_server_request(server, 3)->body_n, 10);
    end();
}

static void a_session_that_is_gone_begins_anew_unless_the_blob_is_there(void **state)
{
    static const struct small_server_answer again[] = {{.text = BEGUN},
                                                       {.text = LOST},
                                                       {.text = LOST}, /* the blob */
                                                       {.text = BEGUN},
                                                       {.text = CREATED}};
    static const struct small_server_answer there[] = {
        {.text = BEGUN},
        {.text = LOST},
        {.text = "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n"}};
    enum blob_result result;

    (void)state;
    begin(again, N(again));
    assert_int_equal(push(100, &result), ERR_OK);
    end();
    begin(there, N(there));
    assert_int_equal(push(100, &result), ERR_OK);
    assert_int_equal(result, BLOB_SENT);
    assert_asked(2, "HEAD /v2/app/blobs/sha256:");
    end();
}

static void a_server_that_asks_for_patience_is_asked_again(void **state)
{
    static const struct small_server_answer answers[] = {
        {.text = BUSY}, {.text = BEGUN}, {.text = CREATED}};
    enum blob_result result;

    (void)state;
    begin(answers, N(answers));
    assert_int_equal(push(100, &result), ERR_OK);
    assert_int_equal(small_server_count(server), 3);
    end();
}

static void what_the_server_refuses_is_told_at_once(void **state)
{
    static const struct small_server_answer answers[] = {
        {.text = BEGUN},
        {.text = "HTTP/1.1 403 Forbidden\r\nContent-Length: 43\r\n\r\n"
                 "{\"errors\":[{\"code\":\"X\",\"message\":\"no room\"}]}"}};
    enum blob_result result;

    (void)state;
    begin(answers, N(answers));
    assert_int_not_equal(push(100, &result), ERR_OK);
    assert_int_equal(small_server_count(server), 2);
    end();
}

static void credentials_are_not_sent_to_another_server(void **state)
{
    static const struct small_server_answer answers[] = {
        {.text = "HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Basic realm=\"x\"\r\n" EMPTY},
        {.text = BEGUN},
        {.text = CREATED}};
    static const struct small_server_answer elsewhere[] = {{.text = CREATED}};
    struct small_server *other = small_server_start(elsewhere, N(elsewhere));
    struct small_server_answer sent_on[N(answers)];
    enum blob_result result;
    char begun[256];

    (void)state;
    snprintf(begun, sizeof(begun), "HTTP/1.1 202 Accepted\r\nLocation: %s/session\r\n" EMPTY,
             small_server_url(other));
    memcpy(sent_on, answers, sizeof(answers));
    sent_on[1].text = begun;
    begin(sent_on, N(sent_on));
    buf_add_text(&remote.authorization, "Authorization: Basic Ym9iOng=");
    assert_int_equal(push(100, &result), ERR_OK);
    assert_null(strstr(small_server_request(server, 0)->head, "Authorization:"));
    assert_non_null(strstr(small_server_request(server, 1)->head, "Authorization: Basic Ym9iOng="));
    assert_null(strstr(small_server_request(other, 0)->head, "Authorization:"));
    end();
    small_server_stop(other);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_small_one_takes_two_requests),
        cmocka_unit_test(one_that_the_server_has_elsewhere_is_mounted),
        cmocka_unit_test(who_knows_no_mounting_is_asked_for_a_session),
        cmocka_unit_test(what_is_there_of_a_large_one_is_not_sent_again),
        cmocka_unit_test(a_session_that_is_gone_begins_anew_unless_the_blob_is_there),
        cmocka_unit_test(a_server_that_asks_for_patience_is_asked_again),
        cmocka_unit_test(what_the_server_refuses_is_told_at_once),
        cmocka_unit_test(credentials_are_not_sent_to_another_server),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
