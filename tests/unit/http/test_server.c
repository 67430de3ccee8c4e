#include "fixture.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#define HOST "Host: test\r\n"

static struct client c;
static struct answer a;

static int setup(void **state)
{
    (void)state;
    fixture_defaults();
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    client_close(&c);
    fixture_stop();
    free(a.body);
    a = (struct answer){0};
    return 0;
}

static void start(void)
{
    fixture_start();
    client_open(&c);
}

static void a_connection_serves_many_requests(void **state)
{
    (void)state;
    start();
    for (int i = 0; i < 20; i++) {
        client_send(&c, "GET /quick HTTP/1.1\r\n" HOST "\r\n");
        client_expect(&c, 200, "quick");
        client_send(&c, "POST /echo HTTP/1.1\r\n" HOST "Content-Length: 3\r\n\r\nabc");
        client_expect(&c, 200, "abc");
    }
}

static void pipelined_requests_are_answered_in_order(void **state)
{
    (void)state;
    start();
    client_send(&c, "GET /quick HTTP/1.1\r\n" HOST "\r\n"
                    "POST /echo HTTP/1.1\r\n" HOST "Content-Length: 1\r\n\r\n1"
                    "GET /quick HTTP/1.1\r\n" HOST "\r\n"
                    "POST /echo HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n"
                    "1\r\n2\r\n0\r\n\r\n"
                    "POST /deny HTTP/1.1\r\n" HOST "Content-Length: 4\r\n\r\nskip"
                    "GET /quick HTTP/1.1\r\n" HOST "Connection: close\r\n\r\n"
                    "GET /quick HTTP/1.1\r\n" HOST "\r\n");
    client_expect(&c, 200, "quick");
    client_expect(&c, 200, "1");
    client_expect(&c, 200, "quick");
    client_expect(&c, 200, "2");
    client_expect(&c, 401, "denied");
    client_expect(&c, 200, "quick");
    client_expect_close(&c);
}

static void a_thousand_pipelined_requests_meet_a_slow_reader(void **state)
{
    (void)state;
    start();
    for (int i = 0; i < 1000; i++)
        client_send(&c, i % 10 ? "GET /quick HTTP/1.1\r\n" HOST "\r\n"
                               : "GET /large HTTP/1.1\r\n" HOST "\r\n");
    for (int i = 0; i < 1000; i++) {
        client_answer(&c, false, &a);
        assert_int_equal(a.status, 200);
        assert_int_equal(a.body_n, i % 10 ? 5 : 1 << 20);
    }
}

static void a_request_in_single_bytes_is_understood(void **state)
{
    const char *text = "POST /echo HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n"
                       "3;x=y\r\nabc\r\n2\r\nde\r\n0\r\nT: u\r\n\r\n";

    (void)state;
    start();
    for (size_t i = 0; text[i]; i++)
        client_send_n(&c, text + i, 1);
    client_expect(&c, 200, "abcde");
    client_send(&c, "GET /quick HTTP/1.1\r\n" HOST "\r\n");
    client_expect(&c, 200, "quick");
}

static void head_gets_the_head_of_get(void **state)
{
    (void)state;
    start();
    client_send(&c, "HEAD /quick HTTP/1.1\r\n" HOST "\r\nHEAD /nothing HTTP/1.1\r\n" HOST
                    "\r\nGET /quick HTTP/1.1\r\n" HOST "\r\n");
    client_answer(&c, true, &a);
    assert_true(answer_has(&a, "\r\nContent-Length: 5\r\n"));
    client_answer(&c, true, &a);
    assert_int_equal(a.status, 404);
    assert_true(answer_has(&a, "\r\nContent-Length: 12\r\n"));
    client_expect(&c, 200, "quick");
}

static void every_answer_has_the_usual_headers(void **state)
{
    struct seen s;

    (void)state;
    start();
    client_send(&c, "GET /quick HTTP/1.1\r\n" HOST "X-Request-Id: my-id_1.x\r\n\r\n");
    client_answer(&c, false, &a);
    assert_true(answer_has(&a, "\r\nDate: ") && answer_has(&a, " GMT\r\n"));
    assert_true(answer_has(&a, "\r\nX-Content-Type-Options: nosniff\r\n"));
    assert_true(answer_has(&a, "\r\nX-Request-Id: my-id_1.x\r\n"));
    client_send(&c, "GET /quick HTTP/1.1\r\n" HOST "X-Request-Id: not{ok}\r\n\r\n");
    client_answer(&c, false, &a);
    assert_false(answer_has(&a, "not{ok}"));
    assert_true(answer_has(&a, "\r\nX-Request-Id: "));
    s = fixture_seen(0);
    assert_string_equal(s.request_id, "my-id_1.x");
    assert_string_equal(s.client, "127.0.0.1");
    assert_string_equal(s.path, "/quick");
    assert_int_equal(s.sent_bytes, 5);
}

static void http_1_0_closes_unless_asked_not_to(void **state)
{
    (void)state;
    start();
    client_send(&c, "GET /quick HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
    client_answer(&c, false, &a);
    assert_true(answer_has(&a, "\r\nConnection: keep-alive\r\n"));
    client_send(&c, "GET /quick HTTP/1.0\r\n\r\n");
    client_answer(&c, false, &a);
    assert_true(answer_has(&a, "\r\nConnection: close\r\n"));
    client_expect_close(&c);
}

static void continue_is_said_when_the_body_is_wanted(void **state)
{
    (void)state;
    start();
    client_send(&c,
                "POST /echo HTTP/1.1\r\n" HOST "Content-Length: 2\r\nExpect: 100-continue\r\n\r\n");
    client_answer(&c, false, &a);
    assert_int_equal(a.status, 100);
    client_send(&c, "ok");
    client_expect(&c, 200, "ok");
    client_send(&c, "POST /early HTTP/1.1\r\n" HOST
                    "Content-Length: 2\r\nExpect: 100-continue\r\n\r\n");
    client_answer(&c, false, &a);
    assert_int_equal(a.status, 413);
    assert_true(answer_has(&a, "\r\nConnection: close\r\n"));
    client_expect_close(&c);
}

static void an_unknown_expectation_is_417(void **state)
{
    (void)state;
    start();
    client_send(&c, "GET /quick HTTP/1.1\r\n" HOST "Expect: tea\r\n\r\n");
    client_expect(&c, 417, "{\"status\":417}");
    client_expect_close(&c);
}

/* The client sends all of a body that nobody reads, and still gets the answer, not a reset. */
static void answer_before_the_body(const char *path, int status)
{
    char block[16 * 1024] = {0}, head[128];

    start();
    snprintf(head, sizeof(head), "POST %s HTTP/1.1\r\n" HOST "Content-Length: 16777216\r\n\r\n",
             path);
    client_send(&c, head);
    for (int i = 0; i < 1024; i++)
        client_send_n(&c, block, sizeof(block));
    client_answer(&c, false, &a);
    assert_int_equal(a.status, status);
    assert_true(answer_has(&a, "\r\nConnection: close\r\n"));
    client_expect_close(&c);
}

static void an_early_answer_of_a_worker_is_readable(void **state)
{
    (void)state;
    answer_before_the_body("/early", 413);
}

static void an_early_answer_of_an_io_thread_is_readable(void **state)
{
    (void)state;
    answer_before_the_body("/deny", 401);
}

static void a_small_unread_body_does_not_cost_the_connection(void **state)
{
    (void)state;
    start();
    client_send(&c, "POST /early HTTP/1.1\r\n" HOST "Content-Length: 5\r\n\r\nabcde");
    client_expect(&c, 413, "too large");
    client_send(&c, "POST /deny HTTP/1.1\r\n" HOST
                    "Transfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n");
    client_expect(&c, 401, "denied");
    client_send(&c, "GET /quick HTTP/1.1\r\n" HOST "\r\n");
    client_expect(&c, 200, "quick");
}

static void large_bodies_arrive_whole(void **state)
{
    size_t n = 1000 * 1000;
    char *body = malloc(n), chunk[32];

    (void)state;
    assert_non_null(body);
    for (size_t i = 0; i < n; i++)
        body[i] = fixture_file_byte(i * 7);
    start();
    client_send(&c, "POST /echo HTTP/1.1\r\n" HOST "Content-Length: 1000000\r\n\r\n");
    client_send_n(&c, body, n);
    client_answer(&c, false, &a);
    assert_int_equal(a.body_n, n);
    assert_memory_equal(a.body, body, n);
    client_send(&c, "POST /echo HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n");
    for (size_t at = 0, step = 1; at < n; at += step, step = step * 3 % 65521 + 1) {
        if (step > n - at)
            step = n - at;
        client_send_n(&c, chunk, (size_t)snprintf(chunk, sizeof(chunk), "%zx\r\n", step));
        client_send_n(&c, body + at, step);
        client_send(&c, "\r\n");
    }
    client_send(&c, "0\r\n\r\nGET /quick HTTP/1.1\r\n" HOST "\r\n");
    client_answer(&c, false, &a);
    assert_int_equal(a.body_n, n);
    assert_memory_equal(a.body, body, n);
    client_expect(&c, 200, "quick");
    assert_int_equal(fixture_seen(1).received_bytes, n);
    free(body);
}

static void a_malformed_chunk_is_400_and_closes(void **state)
{
    (void)state;
    start();
    client_send(&c, "POST /echo HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n"
                    "3\r\nabcX\r\n0\r\n\r\nGET /quick HTTP/1.1\r\n" HOST "\r\n");
    client_expect(&c, 400, "bad body");
    client_expect_close(&c);
}

static void a_client_that_goes_away_is_noted(void **state)
{
    struct seen s;

    (void)state;
    start();
    client_send(&c, "POST /echo HTTP/1.1\r\n" HOST "Content-Length: 10\r\n\r\nabc");
    shutdown(c.fd, SHUT_WR);
    client_answer(&c, false, &a);
    s = fixture_seen(0);
    assert_int_equal(s.received_bytes, 3);
    assert_non_null(strstr(s.note, "closed by the client"));
}

static void smuggled_requests_are_not_answered(void **state)
{
    static const char *const heads[] = {
        "POST /echo HTTP/1.1\r\n" HOST "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
        "POST /echo HTTP/1.1\r\n" HOST "Content-Length: 5\r\nContent-Length: 6\r\n\r\n",
        "POST /echo HTTP/1.1\r\n" HOST "Content-Length: 5\r\nContent-Length: 5\r\n\r\n",
        "POST /echo HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n"
        "Transfer-Encoding: identity\r\n\r\n",
        "POST /echo HTTP/1.1\r\n" HOST "Transfer-Encoding : chunked\r\n\r\n",
        "POST /echo HTTP/1.1\r\n" HOST "Transfer-Encoding:\x0b"
        "chunked\r\n\r\n",
        "POST /echo HTTP/1.1\r\n" HOST "X: y\nTransfer-Encoding: chunked\r\n\r\n",
        "POST /echo HTTP/1.1\r\n" HOST "X: y\r\n Transfer-Encoding: chunked\r\n\r\n",
        "POST /echo HTTP/1.0\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n",
        "GET /quick HTTP/1.1\r\n" HOST "Content-Length: +5\r\n\r\n",
        "GET /quick HTTP/1.1\r\n" HOST "Host: other\r\n\r\n",
    };

    (void)state;
    fixture_start();
    for (size_t i = 0; i < sizeof(heads) / sizeof(heads[0]); i++) {
        client_open(&c);
        client_send(&c, heads[i]);
        client_send(&c, "0\r\n\r\nGET /quick HTTP/1.1\r\n" HOST "\r\n");
        client_expect(&c, 400, "{\"status\":400}");
        client_expect_close(&c);
        assert_false(fixture_seen(i).had_head);
        client_close(&c);
    }
    client_open(&c);
}

static void limits_of_the_head_have_their_statuses(void **state)
{
    char text[20000];

    (void)state;
    memset(text, 'a', sizeof(text));
    text[sizeof(text) - 1] = '\0';
    start();
    client_send(&c, "GET /");
    client_send_n(&c, text, 9000);
    client_expect(&c, 414, NULL);
    client_close(&c);
    client_open(&c);
    client_send(&c, "GET /quick HTTP/1.1\r\n" HOST "A: ");
    client_send_n(&c, text, 17000);
    client_expect(&c, 431, NULL);
    client_close(&c);
    client_open(&c);
    client_send(&c, "GET /quick HTTP/1.1\r\n" HOST);
    for (int i = 0; i < 100; i++)
        client_send(&c, "A: b\r\n");
    client_expect(&c, 431, NULL);
    client_expect_close(&c);
}

static void a_refusal_has_headers_by_what_was_read(void **state)
{
    static const struct {
        const char *head;
        int status;
        const char *header;
    } rows[] = {
        {"GET /quick HTTP/1.1\r\n" HOST "A: b\r\n bad\r\n\r\n", 400, "\r\nRead: 2\r\n"},
        {"GET /quick HTTP/1.1\r\n" HOST "Expect: x\r\n\r\n", 417, "\r\nRead: 1\r\n"},
        {"GET /quick HTTP/1.1\r\nA: b\r\n\r\n", 400, "\r\nRead: 1\r\n"}, /* no Host */
        {"nothing\r\n\r\n", 400, "\r\nRead: 0\r\n"},
    };

    (void)state;
    start();
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        client_send(&c, "GET /quick HTTP/1.1\r\n" HOST "A: 1\r\nB: 2\r\nC: 3\r\n\r\n");
        client_expect(&c, 200, "quick");
        client_send(&c, rows[i].head);
        client_answer(&c, false, &a);
        assert_int_equal(a.status, rows[i].status);
        assert_true(answer_has(&a, rows[i].header));
        client_close(&c);
        client_open(&c);
    }
}

static void a_slow_head_is_cut_off_with_408(void **state)
{
    struct client other;

    (void)state;
    fixture.conf.head_timeout_ms = 1000;
    fixture.conf.io_threads = 1;
    start();
    client_open(&other);
    client_send(&c, "GET /quick HTTP/1.1\r\n");
    client_send(&other, "GET /quick HTTP/1.1\r\n" HOST "\r\n");
    client_expect(&other, 200, "quick");
    client_answer(&c, false, &a);
    assert_int_equal(a.status, 408);
    assert_string_equal(a.body, "{\"status\":408}");
    assert_true(answer_has(&a, "\r\nRead: 0\r\n")); /* nor what the other one sent */
    client_expect_close(&c);
    assert_int_equal(fixture_seen(1).status, 408);
    client_close(&other);
}

static void an_idle_connection_is_closed(void **state)
{
    (void)state;
    fixture.conf.idle_timeout_ms = 1000; /* longer than a busy machine keeps us from asking */
    start();
    client_send(&c, "GET /quick HTTP/1.1\r\n" HOST "\r\n");
    client_expect(&c, 200, "quick");
    client_expect_close(&c);
}

static void a_body_without_progress_is_cut_off(void **state)
{
    (void)state;
    fixture.conf.io_timeout_ms = 150;
    start();
    client_send(&c, "POST /echo HTTP/1.1\r\n" HOST "Content-Length: 10\r\n\r\nabc");
    client_expect(&c, 408, "bad body");
    client_expect_close(&c);
}

static void a_long_request_is_cut_off(void **state)
{
    (void)state;
    fixture.conf.request_timeout_ms = 100;
    start();
    client_send(&c, "POST /echo HTTP/1.1\r\n" HOST "Content-Length: 10\r\n\r\nabc");
    client_expect(&c, 408, "bad body");
    client_expect_close(&c);
    assert_non_null(strstr(fixture_seen(0).note, "request_timeout"));
}

static void a_full_queue_is_503_with_retry_after(void **state)
{
    struct client one, two, *refused;

    (void)state;
    fixture.conf.workers = 1;
    fixture.conf.queue = 1;
    start();
    client_open(&one);
    client_open(&two);
    client_send(&one, "GET /block HTTP/1.1\r\n" HOST "\r\n");
    fixture_wait_blocked(1);
    client_send(&two, "GET /block HTTP/1.1\r\n" HOST "\r\n");
    /* One of these two takes the place in the queue, the other is refused. */
    client_send(&c, "GET /count HTTP/1.1\r\n" HOST "\r\n");
    refused = strcmp(fixture_seen(0).path, "/count") == 0 ? &c : &two;
    client_answer(refused, false, &a);
    assert_int_equal(a.status, 503);
    assert_true(answer_has(&a, "\r\nRetry-After: 1\r\n"));
    assert_false(answer_has(&a, "\r\nConnection: close\r\n"));
    assert_string_equal(a.body, "{\"status\":503}");
    client_send(refused, "GET /quick HTTP/1.1\r\n" HOST "\r\n");
    client_expect(refused, 200, "quick");
    fixture_open_gate();
    client_expect(&one, 200, "unblocked");
    client_close(&one);
    client_close(&two);
}

/* (What was kept, too: fixture.c) */
static void headers_that_quick_set_come_with_the_answer_of_a_worker(void **state)
{
    (void)state;
    start();
    client_send(&c, "GET /count HTTP/1.1\r\n" HOST "\r\n");
    client_answer(&c, false, &a);
    assert_int_equal(a.status, 200);
    assert_true(answer_has(&a, "\r\nX-Quick: was here\r\n"));
}

static void connections_over_the_limit_are_503(void **state)
{
    struct client one;

    (void)state;
    fixture.conf.max_connections = 1;
    fixture_start();
    client_open(&one);
    client_send(&one, "GET /quick HTTP/1.1\r\n" HOST "\r\n");
    client_expect(&one, 200, "quick");
    client_open(&c);
    client_send(&c, "GET /quick HTTP/1.1\r\n" HOST "\r\n");
    client_expect(&c, 503, "{\"status\":503}");
    client_expect_close(&c);
    client_close(&one);
}

static void connections_of_one_address_over_the_limit_are_429(void **state)
{
    struct client one;

    (void)state;
    fixture.conf.max_connections_per_address = 1;
    fixture_start();
    client_open(&one);
    client_send(&one, "GET /quick HTTP/1.1\r\n" HOST "\r\n");
    client_expect(&one, 200, "quick");
    client_open(&c);
    client_expect(&c, 429, "{\"status\":429}");
    client_expect_close(&c);
    assert_int_equal(fixture_seen(1).status, 429);
    client_close(&one);
}

/* Descriptors run out while connections wait: they are turned away, and service goes on. With one
 * I/O thread: a second could take a connection in the moment in which the first has given up its
 * spare descriptor, and would rightly serve it. */
static void running_out_of_descriptors_is_survived(void **state)
{
    struct rlimit old, tight;
    struct client extra[4];
    int fill[64], n = 0;

    (void)state;
    fixture_defaults();
    fixture.conf.io_threads = 1;
    start();
    client_send(&c, "GET /quick HTTP/1.1\r\n" HOST "\r\n");
    client_expect(&c, 200, "quick");
    for (int i = 0; i < 4; i++) { /* sockets made before the limit, connected after */
        extra[i].n = 0;
        extra[i].fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    }
    getrlimit(RLIMIT_NOFILE, &old);
    tight = old;
    tight.rlim_cur = (rlim_t)extra[3].fd + 1;
    setrlimit(RLIMIT_NOFILE, &tight);
    while (n < 64 && (fill[n] = dup(c.fd)) >= 0)
        n++;
    for (int i = 0; i < 4; i++) {
        assert_true(extra[i].fd >= 0);
        client_connect(&extra[i]);
        client_expect(&extra[i], 503, "{\"status\":503}");
    }
    client_send(&c, "GET /quick HTTP/1.1\r\n" HOST "\r\n");
    client_expect(&c, 200, "quick");
    while (n > 0)
        close(fill[--n]);
    setrlimit(RLIMIT_NOFILE, &old);
    for (int i = 0; i < 4; i++)
        client_close(&extra[i]);
    client_close(&c);
    client_open(&c);
    client_send(&c, "GET /quick HTTP/1.1\r\n" HOST "\r\n");
    client_expect(&c, 200, "quick");
}

/* The other end of the client's connection: this process has both. */
static int served_end(void)
{
    struct sockaddr_in own, peer;
    socklen_t n = sizeof(own), m;

    assert_int_equal(getsockname(c.fd, (struct sockaddr *)&own, &n), 0);
    for (int fd = 3; fd < 1024; fd++) {
        m = sizeof(peer);
        if (getpeername(fd, (struct sockaddr *)&peer, &m) == 0 && peer.sin_family == AF_INET &&
            peer.sin_port == own.sin_port)
            return fd;
    }
    return -1;
}

/* Does any set of epoll have it, under whatever number? */
static bool is_watched(int held)
{
    char path[64], line[256], wanted[64];
    struct stat st;
    bool found = false;

    assert_int_equal(fstat(held, &st), 0);
    snprintf(wanted, sizeof(wanted), "ino:%lx ", (unsigned long)st.st_ino);
    for (int fd = 3; fd < 1024 && !found; fd++) {
        FILE *f;

        snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", fd);
        f = fopen(path, "re");
        while (f && fgets(line, sizeof(line), f))
            found |= strstr(line, "tfd:") && strstr(line, wanted);
        if (f)
            fclose(f);
    }
    return found;
}

/* As a child has, that is being started. */
static void a_connection_that_somebody_else_has_too_is_let_go(void **state)
{
    int served, held;

    (void)state;
    start();
    client_send(&c, "GET /quick HTTP/1.1\r\n" HOST "\r\n");
    client_expect(&c, 200, "quick");
    served = served_end();
    held = fcntl(served, F_DUPFD_CLOEXEC, 512);
    assert_true(held >= 512);
    assert_true(is_watched(held));
    client_close(&c);
    while (fcntl(served, F_GETFD) >= 0)
        sched_yield();
    assert_false(is_watched(held));
    close(held);
    client_open(&c);
    client_send(&c, "GET /quick HTTP/1.1\r\n" HOST "\r\n");
    client_expect(&c, 200, "quick");
}

static void a_handler_without_an_answer_is_500(void **state)
{
    (void)state;
    start();
    client_send(&c, "GET /mute HTTP/1.1\r\n" HOST "\r\n");
    client_expect(&c, 500, "{\"status\":500}");
}

static void a_request_that_pauses_is_answered_behind_it_and_holds_no_worker(void **state)
{
    struct client other;

    (void)state;
    fixture.conf.workers = 1;
    start();
    client_open(&other);
    client_send(&c, "GET /pause HTTP/1.1\r\n" HOST "\r\n");
    fixture_wait_blocked(1);
    client_send(&other, "GET /count HTTP/1.1\r\n" HOST "\r\n");
    client_expect(&other, 200, "0");
    fixture_wait_blocked(2); /* it was asked again, and still has nothing to say */
    fixture_open_gate();
    client_expect(&c, 200, "after a pause");
    client_send(&c, "GET /quick HTTP/1.1\r\n" HOST "\r\n");
    client_expect(&c, 200, "quick");
    client_close(&other);
}

static void a_client_that_goes_in_a_pause_is_noticed(void **state)
{
    const struct linger reset = {.l_onoff = 1};

    (void)state;
    start();
    client_send(&c, "GET /pause HTTP/1.1\r\n" HOST "\r\n");
    fixture_wait_blocked(1);
    setsockopt(c.fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
    client_close(&c);
    assert_non_null(strstr(fixture_seen(0).note, "the client has gone"));
    client_open(&c);
}

static void stopping_answers_who_pauses(void **state)
{
    (void)state;
    start();
    client_send(&c, "GET /pause HTTP/1.1\r\n" HOST "\r\n");
    fixture_wait_blocked(1);
    http_server_stop(fixture.server);
    assert_int_equal(fixture_seen(0).status, 503);
    client_expect(&c, 503, "after a pause");
}

static void a_pause_ends_with_the_time_of_the_request(void **state)
{
    (void)state;
    fixture.conf.request_timeout_ms = 100;
    start();
    client_send(&c, "GET /pause HTTP/1.1\r\n" HOST "\r\n");
    assert_non_null(strstr(fixture_seen(0).note, "longer than http.request_timeout"));
}

static void stopping_lets_running_requests_end(void **state)
{
    pthread_t stopper;
    struct client idle;

    (void)state;
    start();
    client_open(&idle);
    client_send(&idle, "GET /quick HTTP/1.1\r\n" HOST "\r\n");
    client_expect(&idle, 200, "quick");
    client_send(&c, "GET /block HTTP/1.1\r\n" HOST "\r\n");
    fixture_wait_blocked(1);
    pthread_create(&stopper, NULL, (void *(*)(void *))(void (*)(void))http_server_stop,
                   fixture.server);
    client_expect_close(&idle); /* so the drain has begun */
    fixture_open_gate();
    client_answer(&c, false, &a);
    assert_int_equal(a.status, 200);
    assert_true(answer_has(&a, "\r\nConnection: close\r\n"));
    client_expect_close(&c);
    pthread_join(stopper, NULL);
    client_close(&idle);
}

static void stopping_cuts_off_what_takes_too_long(void **state)
{
    (void)state;
    fixture.conf.drain_timeout_ms = 50;
    fixture_file(64 << 20);
    start();
    client_send(&c, "GET /big HTTP/1.1\r\n" HOST "\r\n"); /* and does not read */
    while (c.n == 0) {
        ssize_t got = recv(c.fd, c.buf, 1, 0);

        assert_int_equal(got, 1);
        c.n = 1;
    }
    http_server_stop(fixture.server);
    assert_non_null(strstr(fixture_seen(0).note, "stops"));
}

static void a_taken_address_is_named(void **state)
{
    struct http_server *second = NULL;
    struct http_app app = {0};
    struct conf_http conf;
    char where[32], *list = where;
    struct err e = {0};

    (void)state;
    start();
    snprintf(where, sizeof(where), "127.0.0.1:%u", fixture.port);
    support_conf(&conf, &list);
    assert_int_equal(http_server_new(&conf, &app, &second, &e), ERR_CONFIG);
    assert_non_null(strstr(e.detail, where));
    assert_non_null(strstr(e.detail, "address already in use"));
    for (const char **w =
             (const char *[]){"127.0.0.1", "::1:80", "a:b", "127.0.0.1:99999", "unix:", "", NULL};
         *w; w++) {
        list = (char *)*w;
        assert_int_equal(http_server_new(&conf, &app, &second, &e), ERR_CONFIG);
    }
}

static void a_unix_socket_is_listened_at_and_a_stale_one_replaced(void **state)
{
    char dir[] = "/tmp/http-test-XXXXXX", where[128];
    struct sockaddr_un sa = {.sun_family = AF_UNIX};
    int stale = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    (void)state;
    assert_non_null(mkdtemp(dir));
    snprintf(sa.sun_path, sizeof(sa.sun_path), "%s/sock", dir);
    assert_int_equal(bind(stale, (struct sockaddr *)&sa, sizeof(sa)), 0);
    close(stale);
    snprintf(where, sizeof(where), "unix:%s", sa.sun_path);
    fixture.where = where;
    fixture_start();
    c.n = 0;
    c.fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(connect(c.fd, (struct sockaddr *)&sa, sizeof(sa)), 0);
    client_send(&c, "POST /echo HTTP/1.1\r\n" HOST "Content-Length: 2\r\n\r\nhi");
    client_expect(&c, 200, "hi");
    assert_string_equal(fixture_seen(0).client, "unix");
    http_server_stop(fixture.server);
    assert_int_equal(access(sa.sun_path, F_OK), -1);
    assert_int_equal(rmdir(dir), 0);
}

static void all_addresses_are_listened_at(void **state)
{
    (void)state;
    fixture.where = ":0";
    start();
    client_send(&c, "GET /quick HTTP/1.1\r\n" HOST "\r\n");
    client_expect(&c, 200, "quick");
    assert_string_equal(fixture_seen(0).client, "127.0.0.1");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_connection_serves_many_requests),
        TEST(pipelined_requests_are_answered_in_order),
        TEST(a_thousand_pipelined_requests_meet_a_slow_reader),
        TEST(a_request_in_single_bytes_is_understood),
        TEST(head_gets_the_head_of_get),
        TEST(every_answer_has_the_usual_headers),
        TEST(http_1_0_closes_unless_asked_not_to),
        TEST(continue_is_said_when_the_body_is_wanted),
        TEST(an_unknown_expectation_is_417),
        TEST(an_early_answer_of_a_worker_is_readable),
        TEST(an_early_answer_of_an_io_thread_is_readable),
        TEST(a_small_unread_body_does_not_cost_the_connection),
        TEST(large_bodies_arrive_whole),
        TEST(a_malformed_chunk_is_400_and_closes),
        TEST(a_client_that_goes_away_is_noted),
        TEST(smuggled_requests_are_not_answered),
        TEST(limits_of_the_head_have_their_statuses),
        TEST(a_refusal_has_headers_by_what_was_read),
        TEST(a_slow_head_is_cut_off_with_408),
        TEST(an_idle_connection_is_closed),
        TEST(a_body_without_progress_is_cut_off),
        TEST(a_long_request_is_cut_off),
        TEST(a_full_queue_is_503_with_retry_after),
        TEST(headers_that_quick_set_come_with_the_answer_of_a_worker),
        TEST(connections_over_the_limit_are_503),
        TEST(connections_of_one_address_over_the_limit_are_429),
        TEST(running_out_of_descriptors_is_survived),
        TEST(a_connection_that_somebody_else_has_too_is_let_go),
        TEST(a_handler_without_an_answer_is_500),
        TEST(a_request_that_pauses_is_answered_behind_it_and_holds_no_worker),
        TEST(a_client_that_goes_in_a_pause_is_noticed),
        TEST(stopping_answers_who_pauses),
        TEST(a_pause_ends_with_the_time_of_the_request),
        TEST(stopping_lets_running_requests_end),
        TEST(stopping_cuts_off_what_takes_too_long),
        TEST(a_taken_address_is_named),
        TEST(a_unix_socket_is_listened_at_and_a_stale_one_replaced),
        TEST(all_addresses_are_listened_at),
    };

    return cmocka_run_group_tests_name("http/server", tests, NULL, NULL);
}
