#include "net/client.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/mem.h"
#include "small_server.h"

#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define WAIT_MS 10000
#define OK_HEAD "HTTP/1.1 200 OK\r\n"
#define ANSWER  OK_HEAD "Content-Length: 4\r\n\r\nabcd"
#define N(a)    (sizeof(a) / sizeof((a)[0]))

/* What a test has: a client and what its last request was answered. */
static struct client *client;
static int status;
static struct buf body, headers; /* headers: "Name=value;" each */
static struct err err;

static void add_header(void *ctx, struct str name, struct str value)
{
    assert_ptr_equal(ctx, &headers);
    buf_addf(&headers, STR_FMT "=" STR_FMT ";", STR_ARG(name), STR_ARG(value));
}

static enum err_code ask(const char *url, const char *path, struct client_request r)
{
    char where[512];

    snprintf(where, sizeof(where), "%s%s", url, path);
    r.url = where;
    r.method = r.method ? r.method : "GET";
    buf_clear(&body);
    buf_clear(&headers);
    body.full = false;
    return client_run(client, &r, add_header, &headers, &status, &body, &err);
}

static enum err_code get(struct small_server *s)
{
    return ask(small_server_url(s), "/", (struct client_request){.body = STR_NONE});
}

static void assert_answer(enum err_code code, int want_status, const char *want_body)
{
    if (code != ERR_OK)
        fail_msg("%s", err.detail);
    assert_int_equal(status, want_status);
    assert_string_equal(buf_text(&body), want_body);
}

static const char *head_of(struct small_server *s, size_t i)
{
    const struct small_server_request *q = small_server_request(s, i);

    assert_non_null(q);
    return q->head;
}

static void renew(const struct client_options *o)
{
    client_free(client);
    client = NULL;
    assert_int_equal(client_new(o, &client, &err), ERR_OK);
}

/* ---- whole requests */

static void an_answer_is_collected_with_its_headers(void **state)
{
    static const struct small_server_answer answers[] = {
        {.text = "HTTP/1.1 404 Not Found\r\nETag:  \"a\" \r\nContent-Length: 4\r\n\r\nabcd"}};
    struct small_server *s = small_server_start(answers, N(answers));

    (void)state;
    assert_answer(get(s), 404, "abcd");
    assert_string_equal(buf_text(&headers), "ETag=\"a\";Content-Length=4;");
    small_server_stop(s);
}

static void headers_of_an_interim_answer_are_not_told(void **state)
{
    static const struct small_server_answer answers[] = {
        {.text = "HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" ANSWER}};
    struct small_server *s = small_server_start(answers, N(answers));

    (void)state;
    assert_answer(get(s), 200, "abcd");
    assert_string_equal(buf_text(&headers), "Content-Length=4;");
    small_server_stop(s);
}

static void a_request_is_sent_as_it_is_given(void **state)
{
    static const struct small_server_answer answers[] = {{.text = ANSWER}};
    struct small_server *s = small_server_start(answers, N(answers));
    const char *const lines[] = {"x-amz-date: now", "authorization: secret", NULL};
    const char *head;

    (void)state;
    assert_answer(ask(small_server_url(s), "/a/../b%2f%C3%BC?x=&y=%20",
                      (struct client_request){.method = "DELETE", .headers = lines}),
                  200, "abcd");
    head = head_of(s, 0);
    assert_ptr_equal(strstr(head, "DELETE /a/../b%2f%C3%BC?x=&y=%20 HTTP/1.1\r\n"), head);
    assert_non_null(strstr(head, "\r\nx-amz-date: now\r\n"));
    assert_non_null(strstr(head, "\r\nauthorization: secret\r\n"));
    assert_non_null(strstr(head, "\r\nUser-Agent: registry\r\n"));
    small_server_stop(s);
}

static void a_body_is_sent_at_once_with_its_length(void **state)
{
    static const struct small_server_answer answers[] = {{.text = ANSWER}, {.text = ANSWER}};
    struct small_server *s = small_server_start(answers, N(answers));
    size_t n = 3u << 20;
    AUTO(mem) char *bytes = mem_alloc(n);

    (void)state;
    memset(bytes, 'x', n);
    assert_answer(
        ask(small_server_url(s), "/", (struct client_request){.method = "PUT", .body = {bytes, n}}),
        200, "abcd");
    assert_int_equal(small_server_request(s, 0)->body_n, n);
    assert_null(strcasestr(head_of(s, 0), "\r\nExpect:"));
    assert_answer(
        ask(small_server_url(s), "/", (struct client_request){.method = "PUT", .body = STR("")}),
        200, "abcd");
    assert_non_null(strstr(head_of(s, 1), "\r\nContent-Length: 0\r\n"));
    small_server_stop(s);
}

static void HEAD_has_no_body_whatever_its_length_is(void **state)
{
    static const struct small_server_answer answers[] = {
        {.text = OK_HEAD "Content-Length: 1000\r\n\r\n"}};
    struct small_server *s = small_server_start(answers, N(answers));

    (void)state;
    assert_answer(ask(small_server_url(s), "/", (struct client_request){.method = "HEAD"}), 200,
                  "");
    assert_string_equal(buf_text(&headers), "Content-Length=1000;");
    small_server_stop(s);
}

static void redirects_are_not_followed(void **state)
{
    static const struct small_server_answer answers[] = {
        {.text = "HTTP/1.1 307 x\r\nLocation: /elsewhere\r\nContent-Length: 0\r\n\r\n"}};
    struct small_server *s = small_server_start(answers, N(answers));

    (void)state;
    assert_answer(get(s), 307, "");
    assert_int_equal(small_server_count(s), 1);
    small_server_stop(s);
}

static void an_answer_that_is_too_large_is_an_error(void **state)
{
    static const struct small_server_answer answers[] = {{.text = ANSWER}};
    struct small_server *s = small_server_start(answers, N(answers));
    struct client_request r = {.method = "GET", .url = small_server_url(s)};
    AUTO(buf) struct buf small = {0};

    (void)state;
    buf_init(&small, 3);
    assert_int_equal(client_run(client, &r, NULL, NULL, &status, &small, &err), ERR_UNAVAILABLE);
    small_server_stop(s);
}

static void a_server_that_is_not_there_is_unavailable(void **state)
{
    struct small_server *s = small_server_start(NULL, 0);
    char url[SMALL_SERVER_URL];

    (void)state;
    snprintf(url, sizeof(url), "%s", small_server_url(s));
    small_server_stop(s);
    assert_int_equal(ask(url, "/", (struct client_request){.body = STR_NONE}), ERR_UNAVAILABLE);
    assert_int_equal(status, 0);
}

static void a_server_that_says_nothing_is_given_up(void **state)
{
    static const struct small_server_answer answers[] = {{.then = THEN_HANG}};
    struct small_server *s = small_server_start(answers, N(answers));
    int64_t start_ms = clock_mono_ms();

    (void)state;
    renew(&(struct client_options){.stall_ms = 1000});
    assert_int_equal(get(s), ERR_UNAVAILABLE);
    assert_non_null(strstr(err.detail, ": no answer in time"));
    assert_in_range(clock_mono_ms() - start_ms, 900, 5000);
    small_server_stop(s);
}

static void *hurry_when_asked(void *s)
{
    while (small_server_count(s) == 0)
        poll(NULL, 0, 1);
    client_hurry(client, 100);
    return NULL;
}

static void a_request_that_runs_when_the_program_ends_has_little_time_left(void **state)
{
    static const struct small_server_answer answers[] = {{.then = THEN_HANG}};
    struct small_server *s = small_server_start(answers, N(answers));
    pthread_t thread;

    (void)state;
    assert_int_equal(pthread_create(&thread, NULL, hurry_when_asked, s), 0);
    assert_int_equal(get(s), ERR_UNAVAILABLE);
    assert_string_equal(err.detail, "the program ends");
    pthread_join(thread, NULL);
    assert_false(client_pause(client, WAIT_MS));
    small_server_stop(s);
}

static void other_schemes_than_those_of_HTTP_are_refused(void **state)
{
    (void)state;
    assert_int_equal(ask("file://", "/etc/hostname", (struct client_request){.body = STR_NONE}),
                     ERR_UNAVAILABLE);
}

static void note_sent(void *ctx, uint64_t sent_bytes)
{
    *(uint64_t *)ctx = sent_bytes;
}

static void a_part_of_a_file_is_a_body(void **state)
{
    static const struct small_server_answer answers[] = {{.text = ANSWER}};
    struct small_server *s = small_server_start(answers, N(answers));
    AUTO(file) FILE *f = tmpfile();
    uint64_t sent_bytes = 0;
    struct client_file part = {.bytes = 4, .at_bytes = 3, .sent = note_sent, .ctx = &sent_bytes};

    (void)state;
    assert_non_null(f);
    fputs("0123456789", f);
    fflush(f);
    part.fd = fileno(f);
    assert_answer(
        ask(small_server_url(s), "/", (struct client_request){.method = "PUT", .file = &part}), 200,
        "abcd");
    assert_int_equal(small_server_request(s, 0)->body_n, 4);
    assert_memory_equal(small_server_request(s, 0)->body, "3456", 4);
    assert_int_equal(sent_bytes, 4);
    small_server_stop(s);
}

/* ---- connections */

static void a_connection_is_used_again(void **state)
{
    static const struct small_server_answer answers[] = {{.text = ANSWER}, {.text = ANSWER}};
    struct small_server *s = small_server_start(answers, N(answers));

    (void)state;
    assert_answer(get(s), 200, "abcd");
    assert_answer(get(s), 200, "abcd");
    assert_int_equal(small_server_request(s, 1)->connection, 1);
    small_server_stop(s);
}

static void a_kept_connection_that_the_server_has_closed_is_no_error(void **state)
{
    static const struct small_server_answer answers[] = {{.text = ANSWER, .then = THEN_CLOSE},
                                                         {.text = ANSWER}};
    struct small_server *s = small_server_start(answers, N(answers));

    (void)state;
    assert_answer(get(s), 200, "abcd");
    assert_true(small_server_closed(s, 1));
    assert_answer(
        ask(small_server_url(s), "/", (struct client_request){.method = "PUT", .body = STR("xyz")}),
        200, "abcd");
    assert_int_equal(small_server_request(s, 1)->connection, 2);
    small_server_stop(s);
}

static struct client_stream *open_stream(struct small_server *s)
{
    struct client_request r = {.method = "GET", .url = small_server_url(s)};
    struct client_stream *stream = NULL;

    assert_int_equal(client_stream_new(client, &r, NULL, NULL, &stream, &err), ERR_OK);
    return stream;
}

/* All that is still to come, read by pieces of so many bytes. */
static enum err_code drain(struct client_stream *stream, size_t piece)
{
    AUTO(mem) char *p = mem_alloc(piece);
    enum err_code code;
    size_t n = 0;

    do {
        code = client_stream_read(stream, p, piece, &n, &err);
        if (code == ERR_OK)
            buf_add(&body, p, n);
        else if (code == ERR_LATER)
            client_stream_wait(stream);
    } while (code == ERR_LATER || (code == ERR_OK && n > 0));
    return code;
}

static void no_more_connections_are_kept_than_may_be(void **state)
{
    static const struct small_server_answer answers[] = {{.text = ANSWER}, {.text = ANSWER}};
    struct small_server *s = small_server_start(answers, N(answers));
    struct client_stream *a, *b;

    (void)state;
    renew(&(struct client_options){.idle = 1});
    a = open_stream(s);
    b = open_stream(s);
    assert_int_equal(drain(a, 100), ERR_OK);
    assert_int_equal(drain(b, 100), ERR_OK);
    client_stream_free(a);
    client_stream_free(b);
    assert_true(small_server_closed(s, 1));
    assert_int_equal(small_server_count(s), 2);
    small_server_stop(s);
}

static void a_connection_in_the_middle_of_an_answer_is_closed(void **state)
{
    static const struct small_server_answer answers[] = {
        {.text = OK_HEAD "Content-Length: 8\r\n\r\nabcd", .rest = "efgh"}, {.text = ANSWER}};
    struct small_server *s = small_server_start(answers, N(answers));
    struct client_stream *stream = open_stream(s);
    char p[4];
    size_t n;

    (void)state;
    while (client_stream_read(stream, p, sizeof(p), &n, &err) == ERR_LATER)
        client_stream_wait(stream);
    client_stream_free(stream);
    small_server_go(s);
    assert_answer(get(s), 200, "abcd");
    assert_int_equal(small_server_request(s, 1)->connection, 2);
    small_server_stop(s);
}

/* ---- streams */

static void nothing_is_sent_before_the_first_read(void **state)
{
    static const struct small_server_answer answers[] = {{.text = ANSWER}};
    struct small_server *s = small_server_start(answers, N(answers));
    struct client_stream *stream = open_stream(s);

    (void)state;
    assert_int_equal(client_stream_status(stream), 0);
    client_stream_free(stream);
    assert_answer(get(s), 200, "abcd");
    assert_int_equal(small_server_count(s), 1);
    assert_int_equal(small_server_request(s, 0)->connection, 1);
    small_server_stop(s);
}

static void a_read_does_not_wait_and_has_a_descriptor_that_does(void **state)
{
    static const struct small_server_answer answers[] = {
        {.text = OK_HEAD "Content-Length: 8\r\n\r\nabcd", .rest = "efgh"}};
    struct small_server *s = small_server_start(answers, N(answers));
    struct client_stream *stream = open_stream(s);
    struct pollfd p = {.fd = client_stream_fd(stream), .events = POLLIN};
    char bytes[100];
    size_t n = 0;

    (void)state;
    while (client_stream_read(stream, bytes, sizeof(bytes), &n, &err) == ERR_LATER)
        assert_int_equal(poll(&p, 1, WAIT_MS), 1);
    assert_int_equal(client_stream_status(stream), 200);
    assert_memory_equal(bytes, "abcd", n);
    assert_int_equal(client_stream_read(stream, bytes, sizeof(bytes), &n, &err), ERR_LATER);
    small_server_go(s);
    while (client_stream_read(stream, bytes, sizeof(bytes), &n, &err) == ERR_LATER)
        assert_int_equal(poll(&p, 1, WAIT_MS), 1);
    assert_memory_equal(bytes, "efgh", n);
    assert_int_equal(client_stream_read(stream, bytes, sizeof(bytes), &n, &err), ERR_OK);
    assert_int_equal(n, 0);
    client_stream_free(stream);
    small_server_stop(s);
}

static void all_bytes_come_in_order_whatever_the_size_of_reads(void **state)
{
    static const size_t pieces[] = {1000, 7001, 65536, 200000, 4u << 20};
    size_t n = 3000000;
    AUTO(buf) struct buf text = {0};

    (void)state;
    buf_init(&text, SIZE_MAX);
    buf_addf(&text, OK_HEAD "Content-Length: %zu\r\n\r\n", n);
    for (size_t i = 0; i < n; i++)
        buf_add_char(&text, (char)(i * 2654435761u >> 16));
    for (size_t i = 0; i < N(pieces); i++) {
        struct small_server_answer answer = {.text = text.p, .n = text.n};
        struct small_server *s = small_server_start(&answer, 1);
        struct client_stream *stream = open_stream(s);

        buf_clear(&body);
        assert_int_equal(drain(stream, pieces[i]), ERR_OK);
        assert_int_equal(body.n, n);
        assert_memory_equal(body.p, text.p + text.n - n, n);
        client_stream_free(stream);
        small_server_stop(s);
    }
}

static void what_came_before_a_connection_broke_is_read(void **state)
{
    static const struct small_server_answer answers[] = {
        {.text = OK_HEAD "Content-Length: 8\r\n\r\nabcd", .then = THEN_CLOSE}};
    struct small_server *s = small_server_start(answers, N(answers));
    struct client_stream *stream = open_stream(s);

    (void)state;
    buf_clear(&body);
    assert_int_equal(drain(stream, 100), ERR_UNAVAILABLE);
    assert_string_equal(buf_text(&body), "abcd");
    client_stream_free(stream);
    small_server_stop(s);
}

static void a_stream_that_nobody_read_for_long_goes_on(void **state)
{
    static const struct small_server_answer answers[] = {
        {.text = OK_HEAD "Content-Length: 8\r\n\r\nabcd", .rest = "efgh"}};
    struct small_server *s = small_server_start(answers, N(answers));
    struct client_stream *stream;
    char bytes[4];
    size_t n;

    (void)state;
    renew(&(struct client_options){.stall_ms = 1000});
    stream = open_stream(s);
    while (client_stream_read(stream, bytes, sizeof(bytes), &n, &err) == ERR_LATER)
        client_stream_wait(stream);
    small_server_go(s);
    poll(NULL, 0, 2500); /* more than twice what a server may take */
    buf_clear(&body);
    assert_int_equal(drain(stream, 100), ERR_OK);
    assert_string_equal(buf_text(&body), "efgh");
    client_stream_free(stream);
    small_server_stop(s);
}

static int setup(void **state)
{
    (void)state;
    renew(&(struct client_options){.idle = 0});
    buf_init(&body, SIZE_MAX);
    buf_init(&headers, 1 << 20);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    client_free(client);
    client = NULL;
    buf_done(&body);
    buf_done(&headers);
    return 0;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(an_answer_is_collected_with_its_headers),
        TEST(headers_of_an_interim_answer_are_not_told),
        TEST(a_request_is_sent_as_it_is_given),
        TEST(a_body_is_sent_at_once_with_its_length),
        TEST(HEAD_has_no_body_whatever_its_length_is),
        TEST(redirects_are_not_followed),
        TEST(an_answer_that_is_too_large_is_an_error),
        TEST(a_server_that_is_not_there_is_unavailable),
        TEST(a_server_that_says_nothing_is_given_up),
        TEST(a_request_that_runs_when_the_program_ends_has_little_time_left),
        TEST(other_schemes_than_those_of_HTTP_are_refused),
        TEST(a_part_of_a_file_is_a_body),
        TEST(a_connection_is_used_again),
        TEST(a_kept_connection_that_the_server_has_closed_is_no_error),
        TEST(no_more_connections_are_kept_than_may_be),
        TEST(a_connection_in_the_middle_of_an_answer_is_closed),
        TEST(nothing_is_sent_before_the_first_read),
        TEST(a_read_does_not_wait_and_has_a_descriptor_that_does),
        TEST(all_bytes_come_in_order_whatever_the_size_of_reads),
        TEST(what_came_before_a_connection_broke_is_read),
        TEST(a_stream_that_nobody_read_for_long_goes_on),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
