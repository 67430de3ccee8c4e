#include "api/dispatch.h"

#include "exchange.h"

/* What is answered before any route is known, and by the routes that need nobody. */

static struct server s;

static int set_up(void **state)
{
    (void)state;
    server_init(&s);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    server_done(&s);
    return 0;
}

/* response.c, content.c, serving.c and accept.c say why. */
static void what_the_server_refuses_is_told_in_the_same_form(void **state)
{
    static const struct {
        int status;
        const char *why, *code, *told; /* part of the message */
    } rows[] = {
        {400, "bare LF", "UNSUPPORTED", "request is malformed: bare LF"},
        {408, "the head took too long", "UNSUPPORTED", "the request did not arrive in time"},
        {412, "If-Match", "UNSUPPORTED", "precondition failed: If-Match"},
        {413, "x", "SIZE_INVALID", "larger than this registry accepts"},
        {414, "target is too long", "UNSUPPORTED", "http.max_url_size"},
        {416, "no such bytes", "RANGE_INVALID", "no such bytes"},
        {417, "unknown expectation", "UNSUPPORTED", "unknown expectation"},
        {429, "too many connections from this address", "TOOMANYREQUESTS", "too many connections"},
        {431, "too many header lines", "UNSUPPORTED", "http.max_headers"},
        {500, "serve() did not answer", "UNKNOWN", "internal error"},
        {501, "CONNECT is not supported", "UNSUPPORTED", "CONNECT is not supported"},
        {503, "the queue for a worker is full", "UNKNOWN", "service is unavailable"},
        {505, "version is not HTTP/1", "UNSUPPORTED", "version is not HTTP/1"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct answer a = {.status = rows[i].status};

        buf_init(&a.headers, 100);
        buf_init(&a.body, 4096);
        buf_add_text(&a.headers, "Content-Type: application/json\r\n");
        s.api.app.refusal(s.api.app.ctx, rows[i].status, rows[i].why, &a.body);
        assert_error(&a, rows[i].status, rows[i].code);
        if (!strstr(buf_text(&a.body), rows[i].told))
            fail_msg("%d: %s", rows[i].status, buf_text(&a.body));
        if (rows[i].status >= 500 && rows[i].status != 501 && rows[i].status != 505)
            assert_null(strstr(buf_text(&a.body), rows[i].why)); /* it is for the log */
        answer_done(&a);
    }
}

static void what_needs_no_worker_is_answered_at_once(void **state)
{
    static const struct {
        const char *line;
        int status;
        bool quick;
        const char *body;
    } rows[] = {
        {"GET /healthz", 200, true,
         "{\"status\":\"ok\",\"structure\":\"unknown\",\"symlinks\":\"unknown\","
         "\"disk_space\":\"unknown\",\"resources\":\"unknown\"}\n"},
        {"HEAD /healthz", 200, true, ""},
        {"GET /readyz", 200, false,
         "{\"status\":\"ready\",\"structure\":\"ok\",\"symlinks\":\"unknown\","
         "\"disk_space\":\"ok\",\"resources\":\"ok\"}\n"},
        {"GET /healthz", 200, true,
         "{\"status\":\"ok\",\"structure\":\"ok\",\"symlinks\":\"unknown\","
         "\"disk_space\":\"ok\",\"resources\":\"ok\"}\n"},
        {"GET /v2/", 200, true, "{}"},
        {"GET /v2", 200, true, "{}"},
        {"HEAD /v2/", 200, true, ""},
        {"GET /nowhere", 404, true, NULL},
        {"POST /healthz", 405, true, NULL},
        {"GET /v2/UPPER/tags/list", 400, true, NULL},
        {"OPTIONS *", 404, true, NULL},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct answer a = get(&s, rows[i].line);

        tell_status(rows[i].line, &a, rows[i].status);
        tell_header(rows[i].line, &a, "Content-Type", "application/json");
        assert_int_equal(a.quick, rows[i].quick);
        if (rows[i].body)
            assert_string_equal(buf_text(&a.body), rows[i].body);
        answer_done(&a);
    }
}

static void a_registry_is_ready_as_long_as_it_can_work(void **state)
{
    static const struct {
        enum err_code trouble;
        int status;
    } rows[] = {
        {ERR_STORAGE_FULL, 507},
        {ERR_STORAGE_READONLY, 503},
        {ERR_INTERNAL, 503},
        {ERR_CORRUPT, 503},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct answer a;

        world_fail_store(&s.w, 1, rows[i].trouble);
        a = get(&s, "GET /readyz");
        world_fail_store(&s.w, 0, ERR_OK);
        tell_status(err_name(rows[i].trouble), &a, rows[i].status);
        answer_done(&a);
        a = get(&s, "GET /healthz");
        assert_int_equal(a.status, 200);
        answer_done(&a);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_the_server_refuses_is_told_in_the_same_form),
        cmocka_unit_test(what_needs_no_worker_is_answered_at_once),
        cmocka_unit_test(a_registry_is_ready_as_long_as_it_can_work),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
