#include "fixture.h"

#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#define HOST    "Host: test\r\n"
#define BYTES   (8 * 1000 * 1000 + 17)
#define READERS 24

static struct client c;
static struct answer a;

static int setup(void **state)
{
    (void)state;
    fixture_defaults();
    fixture_file(BYTES);
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

static void assert_pattern(const char *p, size_t from, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (p[i] != fixture_file_byte(from + i))
            fail_msg("byte %zu differs", from + i);
    }
}

static void get(const char *path, const char *fields)
{
    char text[1024];

    snprintf(text, sizeof(text), "GET %s HTTP/1.1\r\n" HOST "%s\r\n", path, fields);
    client_send(&c, text);
    client_answer(&c, false, &a);
}

static void all_of_it(const char *path)
{
    start();
    for (int i = 0; i < 3; i++) {
        get(path, "");
        assert_int_equal(a.status, 200);
        assert_int_equal(a.body_n, BYTES);
        assert_pattern(a.body, 0, BYTES);
        assert_true(answer_has(&a, "\r\nETag: \"tag\"\r\n"));
        assert_true(answer_has(&a, "\r\nAccept-Ranges: bytes\r\n"));
        assert_true(answer_has(&a, "\r\nContent-Type: application/x-test\r\n"));
    }
    assert_int_equal(fixture_seen(2).sent_bytes, BYTES);
    assert_string_equal(fixture_seen(2).note, "");
}

static void large_content_comes_whole_by_sendfile(void **state)
{
    (void)state;
    all_of_it("/big");
}

static void large_content_comes_whole_by_copying(void **state)
{
    (void)state;
    all_of_it("/copy");
}

/* Of an archive: text, and blobs that are files. */
static void content_of_files_and_what_is_between_comes_whole(void **state)
{
    (void)state;
    start();
    get("/parts", "");
    assert_int_equal(a.status, 200);
    assert_int_equal(a.body_n, BYTES);
    assert_pattern(a.body, 0, BYTES);
    assert_true(fixture_spans() >= BYTES / 100000 / 2);
}

static void ranges_of_such_content_are_right(void **state)
{
    static const size_t places[] = {0,      12344,  99999,  100000,  100001,
                                    150000, 199999, 200000, 7999999, BYTES - 1};

    (void)state;
    start();
    for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
        char field[64];

        snprintf(field, sizeof(field), "Range: bytes=%zu-\r\n", places[i]);
        get("/parts", field);
        assert_int_equal(a.status, 206);
        assert_int_equal(a.body_n, BYTES - places[i]);
        assert_pattern(a.body, places[i], a.body_n);
    }
    get("/parts", "Range: bytes=150000-250000,7000000-7999999\r\n");
    assert_int_equal(a.status, 206);
    assert_true(a.body_n > 100001 + 1000000);
}

static void what_can_not_be_read_from_a_file_is_read_from_the_reader(void **state)
{
    (void)state;
    start();
    get("/cracked", "");
    assert_int_equal(a.status, 200);
    assert_int_equal(a.body_n, BYTES);
    assert_pattern(a.body, 0, BYTES);
    assert_int_equal(fixture_spans(), 1);
}

static void small_and_empty_content_comes_whole(void **state)
{
    static const size_t sizes[] = {0, 1, 65535, 65536, 65537};

    (void)state;
    start();
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        fixture_file(sizes[i]);
        for (int k = 0; k < 2; k++) {
            get(k ? "/copy" : "/big", "");
            assert_int_equal(a.status, 200);
            assert_int_equal(a.body_n, sizes[i]);
            assert_pattern(a.body, 0, sizes[i]);
        }
    }
}

static void head_of_content_has_its_length(void **state)
{
    (void)state;
    start();
    client_send(&c, "HEAD /big HTTP/1.1\r\n" HOST "Range: bytes=0-1\r\n\r\n");
    client_answer(&c, true, &a);
    assert_int_equal(a.status, 200);
    assert_true(answer_has(&a, "\r\nContent-Length: 8000017\r\n"));
    assert_true(answer_has(&a, "\r\nAccept-Ranges: bytes\r\n"));
    get("/quick", "");
    assert_string_equal(a.body, "quick");
}

static void one_range_is_206(void **state)
{
    (void)state;
    start();
    for (int k = 0; k < 2; k++) {
        const char *path = k ? "/copy" : "/big";

        get(path, "Range: bytes=1000-1999\r\n");
        assert_int_equal(a.status, 206);
        assert_true(answer_has(&a, "\r\nContent-Range: bytes 1000-1999/8000017\r\n"));
        assert_int_equal(a.body_n, 1000);
        assert_pattern(a.body, 1000, 1000);
        get(path, "Range: bytes=7000000-\r\n");
        assert_int_equal(a.status, 206);
        assert_int_equal(a.body_n, BYTES - 7000000);
        assert_pattern(a.body, 7000000, a.body_n);
        get(path, "Range: bytes=-17\r\n");
        assert_int_equal(a.body_n, 17);
        assert_pattern(a.body, BYTES - 17, 17);
    }
}

static void an_unsatisfiable_range_is_416(void **state)
{
    (void)state;
    start();
    get("/big", "Range: bytes=8000017-\r\n");
    assert_int_equal(a.status, 416);
    assert_true(answer_has(&a, "\r\nContent-Range: bytes */8000017\r\n"));
    assert_true(answer_has(&a, "\r\nContent-Type: application/json\r\n"));
    assert_false(answer_has(&a, "application/x-test"));
    assert_string_equal(a.body, "{\"status\":416}");
}

static void several_ranges_come_in_parts(void **state)
{
    static const struct {
        size_t first, n;
    } want[] = {{10, 10}, {100000, 300000}, {BYTES - 5, 5}};
    const char *at, *end;
    char boundary[80];

    (void)state;
    start();
    for (int k = 0; k < 2; k++) {
        get(k ? "/copy" : "/big", "Range: bytes=10-19, 100000-399999, -5\r\n");
        assert_int_equal(a.status, 206);
        at = strstr(a.head, "\r\nContent-Type: multipart/byteranges; boundary=");
        assert_non_null(at);
        boundary[0] = boundary[1] = '-';
        assert_int_equal(sscanf(strchr(at, '=') + 1, "%70[^\r]", boundary + 2), 1);
        at = a.body;
        end = a.body + a.body_n;
        for (size_t i = 0; i < 3; i++) {
            char line[200];

            snprintf(line, sizeof(line),
                     "%s\r\nContent-Type: application/x-test\r\n"
                     "Content-Range: bytes %zu-%zu/8000017\r\n\r\n",
                     boundary, want[i].first, want[i].first + want[i].n - 1);
            assert_true((size_t)(end - at) > strlen(line) + want[i].n);
            assert_memory_equal(at, line, strlen(line));
            at += strlen(line);
            assert_pattern(at, want[i].first, want[i].n);
            at += want[i].n;
            assert_memory_equal(at, "\r\n", 2);
            at += 2;
        }
        assert_int_equal(end - at, strlen(boundary) + 4);
        assert_memory_equal(at, boundary, strlen(boundary));
        assert_memory_equal(at + strlen(boundary), "--\r\n", 4);
    }
}

static void conditions_are_honoured(void **state)
{
    static const struct {
        const char *fields;
        int status;
    } rows[] = {
        {"If-None-Match: \"tag\"\r\n", 304},
        {"If-None-Match: \"x\", W/\"tag\"\r\n", 304},
        {"If-None-Match: *\r\n", 304},
        {"If-None-Match: \"x\"\r\n", 200},
        {"If-Match: \"tag\"\r\n", 200},
        {"If-Match: *\r\n", 200},
        {"If-Match: \"x\"\r\n", 412},
        {"If-Match: W/\"tag\"\r\n", 412},
        {"Range: bytes=0-0\r\nIf-Range: \"tag\"\r\n", 206},
        {"Range: bytes=0-0\r\nIf-Range: \"x\"\r\n", 200},
        {"Range: bytes=0-0\r\nIf-Range: W/\"tag\"\r\n", 200},
        {"Range: bytes=0-0\r\nIf-Range: Sat, 31 Jan 2026 23:59:59 GMT\r\n", 200},
        {"Range: bytes=0-0\r\nIf-None-Match: \"tag\"\r\n", 304},
        {"Range: bytes=x\r\n", 200},
    };

    (void)state;
    start();
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        get("/big", rows[i].fields);
        if (a.status != rows[i].status)
            fail_msg("%d instead of %d: %s", a.status, rows[i].status, rows[i].fields);
        if (a.status == 304) {
            assert_true(answer_has(&a, "\r\nETag: \"tag\"\r\n"));
            assert_false(answer_has(&a, "\r\nContent-Length:"));
        }
    }
}

/* One worker serves them all, so a transfer that waits can't be holding it. */
static void wait_without_worker(const char *request, size_t release_bytes)
{
    struct client readers[READERS];

    fixture.conf.workers = 1;
    start();
    for (int i = 0; i < READERS; i++) {
        client_open(&readers[i]);
        client_send(&readers[i], request);
    }
    client_send(&c, "POST /echo HTTP/1.1\r\n" HOST "Content-Length: 2\r\n\r\nok");
    client_expect(&c, 200, "ok");
    fixture_release(release_bytes);
    for (int i = READERS - 1; i >= 0; i--) {
        client_answer(&readers[i], false, &a);
        assert_int_equal(a.body_n, BYTES);
        assert_pattern(a.body, 0, BYTES);
        client_send(&readers[i], "GET /quick HTTP/1.1\r\n" HOST "\r\n");
        client_expect(&readers[i], 200, "quick");
        client_close(&readers[i]);
    }
}

static void slow_readers_cost_no_worker(void **state)
{
    (void)state;
    wait_without_worker("GET /big HTTP/1.1\r\n" HOST "\r\n", 0);
}

static void slow_readers_of_what_is_copied_cost_no_worker(void **state)
{
    (void)state;
    wait_without_worker("GET /copy HTTP/1.1\r\n" HOST "\r\n", 0);
}

static void a_source_that_has_nothing_yet_costs_no_worker(void **state)
{
    (void)state;
    wait_without_worker("GET /piped HTTP/1.1\r\n" HOST "\r\n", BYTES);
}

static void content_is_sent_as_it_comes(void **state)
{
    static const size_t steps[] = {1, 2, 1000, 65536, 65537, 500000, BYTES - 1, BYTES};
    size_t at = 0, n = 0;
    char *end;

    (void)state;
    start();
    client_send(&c, "GET /piped HTTP/1.1\r\n" HOST "\r\n");
    for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
        fixture_wait_starved((unsigned)i + 1);
        fixture_release(steps[i]);
        while (at < steps[i]) {
            ssize_t got = recv(c.fd, c.buf + n, sizeof(c.buf) - n, 0);

            assert_true(got > 0);
            n += (size_t)got;
            if (at == 0) { /* the head, and what came with it */
                end = memmem(c.buf, n, "\r\n\r\n", 4);
                if (!end || (size_t)(end + 4 - c.buf) == n)
                    continue;
                n -= (size_t)(end + 4 - c.buf);
                memmove(c.buf, end + 4, n);
            }
            assert_pattern(c.buf, at, n);
            at += n;
            n = 0;
        }
    }
    get("/quick", "");
    assert_string_equal(a.body, "quick");
}

static void ranges_of_a_slow_source_are_its_bytes(void **state)
{
    (void)state;
    start();
    client_send(&c, "GET /piped HTTP/1.1\r\n" HOST "Range: bytes=5000-5999\r\n\r\n");
    fixture_wait_starved(1);
    fixture_release(5500);
    fixture_wait_starved(2);
    fixture_release(BYTES);
    client_answer(&c, false, &a);
    assert_int_equal(a.status, 206);
    assert_int_equal(a.body_n, 1000);
    assert_pattern(a.body, 5000, 1000);
}

static void a_descriptor_that_an_earlier_source_had_can_be_waited_for(void **state)
{
    (void)state;
    start();
    for (unsigned i = 0; i < 3; i++) {
        fixture_release(1000);
        client_send(&c, "GET /piped HTTP/1.1\r\n" HOST "\r\n");
        fixture_wait_starved(i + 1);
        fixture_release(BYTES);
        client_answer(&c, false, &a);
        assert_int_equal(a.status, 200);
        assert_int_equal(a.body_n, BYTES);
    }
}

static void a_source_that_fails_before_its_first_byte_is_an_answer(void **state)
{
    static const struct {
        enum err_code code;
        int status;
    } rows[] = {{ERR_BLOB_UNKNOWN, 404}, {ERR_UNAVAILABLE, 503}, {ERR_CORRUPT, 500}};

    (void)state;
    start();
    for (size_t i = 0; i < 2 * sizeof(rows) / sizeof(rows[0]); i++) {
        bool waits = i % 2; /* or it fails at once */

        fixture_break(waits ? ERR_OK : rows[i / 2].code);
        client_send(&c, "GET /piped HTTP/1.1\r\n" HOST "\r\n");
        if (waits) {
            fixture_wait_starved((unsigned)i / 2 + 1);
            fixture_break(rows[i / 2].code);
        }
        client_answer(&c, false, &a);
        assert_int_equal(a.status, rows[i / 2].status);
        assert_string_equal(a.body, "broken");
        assert_true(answer_has(&a, "\r\nX-Quick: was here\r\n"));
        assert_false(answer_has(&a, "\r\nETag:"));
        assert_false(answer_has(&a, "application/x-test"));
    }
    get("/quick", "");
    assert_string_equal(a.body, "quick");
}

static void a_source_that_fails_later_closes_the_connection(void **state)
{
    struct seen s;
    ssize_t got;

    (void)state;
    start();
    fixture_release(100000);
    client_send(&c, "GET /piped HTTP/1.1\r\n" HOST "\r\n");
    fixture_wait_starved(1);
    fixture_break(ERR_UNAVAILABLE);
    do {
        got = recv(c.fd, c.buf, sizeof(c.buf), 0);
    } while (got > 0);
    assert_int_equal(got, 0);
    s = fixture_seen(0);
    assert_int_equal(s.status, 200);
    assert_int_equal(s.sent_bytes, 100000);
    assert_int_equal(s.error, ERR_UNAVAILABLE);
    assert_non_null(strstr(s.note, "the pipe says so"));
}

/* Longer than http.io_timeout, and slower than http.min_rate. */
static void a_source_that_is_slow_is_not_the_clients_fault(void **state)
{
    (void)state;
    fixture.conf.io_timeout_ms = 2000; /* which a busy machine's reader keeps */
    fixture.conf.min_rate_bytes = 1 << 30;
    start();
    fixture_release(100000);
    client_send(&c, "GET /piped HTTP/1.1\r\n" HOST "\r\n");
    fixture_wait_starved(1);
    assert_int_equal(poll(NULL, 0, 2500), 0); /* the watch looks once a second */
    fixture_release(BYTES);
    client_answer(&c, false, &a);
    assert_int_equal(a.body_n, BYTES);
    assert_pattern(a.body, 0, BYTES);
}

/* Has so much of /piped, and waits for more; or for the first byte. */
static void starve(size_t n_bytes)
{
    start();
    fixture_release(n_bytes);
    client_send(&c, "GET /piped HTTP/1.1\r\n" HOST "\r\n");
    fixture_wait_starved(1);
}

static void a_wait_for_the_source_ends_when_the_server_stops(void **state)
{
    static const size_t there[] = {0, 100000};

    (void)state;
    for (size_t i = 0; i < sizeof(there) / sizeof(there[0]); i++) {
        fixture.conf.drain_timeout_ms = 50;
        starve(there[i]);
        http_server_stop(fixture.server);
        assert_int_equal(fixture_seen(0).error, there[i] ? ERR_TIMEOUT : ERR_OK);
        teardown(state);
        setup(state);
    }
}

static void who_waits_for_the_source_and_is_gone_is_waited_for_no_longer(void **state)
{
    static const struct {
        size_t there;
        bool reset;
    } rows[] = {{0, true}, {100000, true}, {100000, false}};

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        starve(rows[i].there);
        if (rows[i].reset)
            setsockopt(c.fd, SOL_SOCKET, SO_LINGER, &(struct linger){1, 0}, sizeof(struct linger));
        client_close(&c);
        fixture_seen(0);
        teardown(state);
        setup(state);
    }
}

static void who_only_hangs_up_its_side_gets_what_a_slow_source_brings(void **state)
{
    (void)state;
    starve(0);
    shutdown(c.fd, SHUT_WR);
    assert_int_equal(poll(NULL, 0, 2500), 0); /* the watch looks once a second */
    fixture_release(BYTES);
    client_answer(&c, false, &a);
    assert_int_equal(a.body_n, BYTES);
}

static void stop_reading(const char *request)
{
    struct seen s;

    fixture.conf.io_timeout_ms = 300;
    fixture_file(64 << 20);
    start();
    client_send(&c, request);
    s = fixture_seen(0);
    assert_int_equal(s.status, 200);
    assert_true(s.sent_bytes < 64 << 20);
    assert_non_null(strstr(s.note, "io_timeout"));
}

static void a_reader_that_stops_is_cut_off(void **state)
{
    (void)state;
    stop_reading("GET /big HTTP/1.1\r\n" HOST "\r\n");
}

static void a_reader_of_what_is_copied_that_stops_is_cut_off(void **state)
{
    (void)state;
    stop_reading("GET /copy HTTP/1.1\r\n" HOST "\r\n");
}

static void a_reader_that_goes_away_is_noted(void **state)
{
    struct seen s;

    (void)state;
    fixture_file(64 << 20);
    start();
    client_send(&c, "GET /big HTTP/1.1\r\n" HOST "\r\n");
    assert_int_equal(recv(c.fd, c.buf, 100, 0), 100);
    client_close(&c);
    s = fixture_seen(0);
    assert_true(s.sent_bytes < 64 << 20);
    assert_non_null(strstr(s.note, "send"));
    client_open(&c);
    get("/quick", "");
    assert_int_equal(a.status, 200);
}

static void content_shorter_than_its_size_closes_the_connection(void **state)
{
    struct seen s;
    ssize_t got;

    (void)state;
    start();
    assert_int_equal(ftruncate(fixture.file, BYTES / 2), 0);
    client_send(&c, "GET /big HTTP/1.1\r\n" HOST "\r\n");
    do {
        got = recv(c.fd, c.buf, sizeof(c.buf), 0);
    } while (got > 0);
    s = fixture_seen(0);
    assert_int_equal(s.sent_bytes, BYTES / 2);
    assert_non_null(strstr(s.note, "shorter"));
}

static void content_after_a_pipelined_answer_keeps_the_order(void **state)
{
    (void)state;
    start();
    client_send(&c, "GET /quick HTTP/1.1\r\n" HOST "\r\nGET /large HTTP/1.1\r\n" HOST
                    "\r\nGET /big HTTP/1.1\r\n" HOST "\r\nGET /quick HTTP/1.1\r\n" HOST "\r\n");
    client_expect(&c, 200, "quick");
    client_answer(&c, false, &a);
    assert_int_equal(a.body_n, 1 << 20);
    client_answer(&c, false, &a);
    assert_int_equal(a.body_n, BYTES);
    assert_pattern(a.body, 0, BYTES);
    client_expect(&c, 200, "quick");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(large_content_comes_whole_by_sendfile),
        TEST(large_content_comes_whole_by_copying),
        TEST(content_of_files_and_what_is_between_comes_whole),
        TEST(ranges_of_such_content_are_right),
        TEST(what_can_not_be_read_from_a_file_is_read_from_the_reader),
        TEST(small_and_empty_content_comes_whole),
        TEST(head_of_content_has_its_length),
        TEST(one_range_is_206),
        TEST(an_unsatisfiable_range_is_416),
        TEST(several_ranges_come_in_parts),
        TEST(conditions_are_honoured),
        TEST(slow_readers_cost_no_worker),
        TEST(slow_readers_of_what_is_copied_cost_no_worker),
        TEST(a_source_that_has_nothing_yet_costs_no_worker),
        TEST(content_is_sent_as_it_comes),
        TEST(ranges_of_a_slow_source_are_its_bytes),
        TEST(a_descriptor_that_an_earlier_source_had_can_be_waited_for),
        TEST(a_source_that_fails_before_its_first_byte_is_an_answer),
        TEST(a_source_that_fails_later_closes_the_connection),
        TEST(a_source_that_is_slow_is_not_the_clients_fault),
        TEST(a_wait_for_the_source_ends_when_the_server_stops),
        TEST(who_waits_for_the_source_and_is_gone_is_waited_for_no_longer),
        TEST(who_only_hangs_up_its_side_gets_what_a_slow_source_brings),
        TEST(a_reader_that_stops_is_cut_off),
        TEST(a_reader_of_what_is_copied_that_stops_is_cut_off),
        TEST(a_reader_that_goes_away_is_noted),
        TEST(content_shorter_than_its_size_closes_the_connection),
        TEST(content_after_a_pipelined_answer_keeps_the_order),
    };

    return cmocka_run_group_tests_name("http/content", tests, NULL, NULL);
}
