#include "conf/conf.h"
#include "exchange.h"

/* Pages of other origins: what a browser is told, and which of its requests count. */

#define LISTED  "Origin: https://ui.example\r\n"
#define OTHER   "Origin: https://other.example\r\n"
#define ASKS    "Access-Control-Request-Method: DELETE\r\n"
#define UPLOAD  "POST /v2/app/blobs/uploads/"
#define DELETES "DELETE /v2/app/manifests/none"
#define BASIC   "Authorization: Basic YWxpY2U6c2VjcmV0\r\n"

static struct server s;
static char *listed[] = {"http://localhost:8080", "https://ui.example"}, *all[] = {"*"},
            *both[] = {"*", "https://ui.example"}, *reads[] = {"HEAD", "GET"};

static int set_up(void **state)
{
    (void)state;
    server_init(&s);
    s.w.conf->auth.mode = CONF_AUTH_NONE;
    s.w.conf->auth.certificate.enabled = true;
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    s.w.conf->http.cors = (struct conf_cors){0};
    server_done(&s);
    return 0;
}

#define NOBODY                                                                                     \
    {                                                                                              \
        {NULL, 0}, false                                                                           \
    }
#define LIST(a)                                                                                    \
    {                                                                                              \
        (a), sizeof(a) / sizeof((a)[0])                                                            \
    }

static struct answer ask(struct conf_cors cors, const char *line, const char *headers,
                         enum http_certificate certificate)
{
    s.w.conf->http.cors = cors;
    return serve(&s, &(struct request){.line = line,
                                       .headers = headers,
                                       .tls = certificate != HTTP_CERTIFICATE_NONE,
                                       .certificate = certificate});
}

static void a_browser_is_told_which_page_may_read(void **state)
{
    static const struct {
        const char *story;
        struct conf_cors cors;
        const char *headers, *vary, *origin, *credentials;
    } rows[] = {
        {"nobody is listed", NOBODY, LISTED, "", "", ""},
        {"a listed page", {LIST(listed), false}, LISTED, "Origin", "https://ui.example", ""},
        {"with credentials", {LIST(listed), true}, LISTED, "Origin", "https://ui.example", "true"},
        {"another page", {LIST(listed), true}, OTHER, "Origin", "", ""},
        {"no page", {LIST(listed), true}, NULL, "Origin", "", ""},
        {"a name without a name", {LIST(listed), true}, "Origin:\r\n", "Origin", "", ""},
        {"a page in a sandbox", {LIST(listed), true}, "Origin: null\r\n", "Origin", "", ""},
        {"two in one field",
         {LIST(listed), true},
         "Origin: https://ui.example, https://ui.example\r\n",
         "Origin",
         "",
         ""},
        {"the name of a listed one goes on",
         {LIST(listed), true},
         "Origin: https://ui.example.evil.example\r\n",
         "Origin",
         "",
         ""},
        {"any page", {LIST(all), false}, OTHER, "Origin", "*", ""},
        {"any page, in a sandbox", {LIST(all), false}, "Origin: null\r\n", "Origin", "*", ""},
        {"any page, but no page asks", {LIST(all), false}, NULL, "Origin", "", ""},
        {"a listed one among all", {LIST(both), false}, LISTED, "Origin", "https://ui.example", ""},
        {"the star is no page", {LIST(all), false}, "Origin: *\r\n", "Origin", "*", ""},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct answer a = ask(rows[i].cors, "GET /v2/", rows[i].headers, HTTP_CERTIFICATE_NONE);

        tell_status(rows[i].story, &a, 200);
        tell_header(rows[i].story, &a, "Vary", rows[i].vary);
        tell_header(rows[i].story, &a, "Access-Control-Allow-Origin", rows[i].origin);
        tell_header(rows[i].story, &a, "Access-Control-Allow-Credentials", rows[i].credentials);
        tell_header(rows[i].story, &a, "Access-Control-Allow-Methods", "");
        assert_int_equal(headers_of(&a, "Access-Control-Expose-Headers"), rows[i].origin[0] != 0);
        answer_done(&a);
    }
}

static void a_preflight_is_answered_before_all_else(void **state)
{
    static const struct {
        const char *story;
        struct conf_cors cors;
        const char *line, *headers;
        int status;
        const char *methods;
    } rows[] = {
        {"a listed page",
         {LIST(listed), false},
         "OPTIONS /v2/app/manifests/v1",
         LISTED ASKS,
         204,
         "GET, HEAD, POST, PUT, PATCH, DELETE"},
        {"a listed page that may read",
         {LIST(listed), false, LIST(reads)},
         "OPTIONS /v2/app/manifests/v1",
         LISTED ASKS,
         204,
         "GET, HEAD"},
        {"where nothing is",
         {LIST(listed), false},
         "OPTIONS /nowhere",
         LISTED ASKS,
         204,
         "GET, HEAD, POST, PUT, PATCH, DELETE"},
        {"any page",
         {LIST(all), false},
         "OPTIONS /v2/app/manifests/v1",
         OTHER ASKS,
         204,
         "GET, HEAD"},
        {"another page",
         {LIST(listed), false},
         "OPTIONS /v2/app/manifests/v1",
         OTHER ASKS,
         405,
         ""},
        {"no page", {LIST(listed), false}, "OPTIONS /v2/app/manifests/v1", ASKS, 405, ""},
        {"nothing is asked for",
         {LIST(listed), false},
         "OPTIONS /v2/app/manifests/v1",
         LISTED,
         405,
         ""},
        {"another method", {LIST(listed), false}, "GET /v2/", LISTED ASKS, 200, ""},
        {"nobody is listed", NOBODY, "OPTIONS /v2/app/manifests/v1", LISTED ASKS, 405, ""},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct answer a = ask(rows[i].cors, rows[i].line, rows[i].headers, HTTP_CERTIFICATE_NONE);

        tell_status(rows[i].story, &a, rows[i].status);
        tell_header(rows[i].story, &a, "Access-Control-Allow-Methods", rows[i].methods);
        assert_true(a.quick);
        assert_int_equal(headers_of(&a, "Access-Control-Max-Age"), rows[i].methods[0] != 0);
        answer_done(&a);
    }
}

static void a_refusal_can_be_read_by_the_page(void **state)
{
    struct answer a = ask((struct conf_cors){LIST(listed), false}, "GET /v2/app/manifests/none",
                          LISTED, HTTP_CERTIFICATE_NONE);

    (void)state;
    assert_error(&a, 404, "MANIFEST_UNKNOWN");
    assert_string_equal(header_of(&a, "Access-Control-Allow-Origin"), "https://ui.example");
    assert_int_equal(headers_of(&a, "Access-Control-Allow-Origin"), 1);
    answer_done(&a);
}

/* All that is read of it may be its first fields. */
static void a_head_that_is_refused_can_be_read_by_the_page(void **state)
{
    struct call c;

    (void)state;
    s.w.conf->http.cors = (struct conf_cors){LIST(listed), true};
    call_init(&c, &s, &(struct request){.line = "OPTIONS /", .headers = LISTED ASKS});
    s.api.app.refusal_headers(s.api.app.ctx, c.x);
    assert_int_equal(c.a.status, 0); /* no preflight is answered */
    assert_string_equal(header_of(&c.a, "Vary"), "Origin");
    assert_string_equal(header_of(&c.a, "Access-Control-Allow-Origin"), "https://ui.example");
    assert_string_equal(header_of(&c.a, "Access-Control-Allow-Credentials"), "true");
    assert_int_equal(headers_of(&c.a, "Access-Control-Expose-Headers"), 1);
    call_done(&c);
}

/* 202 and 404: it was let through. */
static void only_what_a_page_sends_itself_counts(void **state)
{
    static const struct {
        const char *story;
        struct conf_cors cors;
        const char *line, *headers;
        enum http_certificate certificate;
        int status;
    } rows[] = {
        {"a listed page", {LIST(listed), false}, DELETES, LISTED, 0, 404},
        {"a listed page uploads", {LIST(listed), false}, UPLOAD, LISTED, 0, 202},
        {"of another site",
         {LIST(listed), false},
         UPLOAD,
         LISTED "Sec-Fetch-Site: cross-site\r\n",
         0,
         202},
        {"that may only read", {LIST(listed), false, LIST(reads)}, DELETES, LISTED, 0, 403},
        {"that may only read uploads", {LIST(listed), true, LIST(reads)}, UPLOAD, LISTED, 0, 403},
        {"with its own header", {LIST(listed), false}, DELETES, LISTED BASIC, 0, 404},
        {"with a cookie", {LIST(listed), false}, DELETES, LISTED "Cookie: a=b\r\n", 0, 403},
        {"with a cookie of no content",
         {LIST(listed), false},
         DELETES,
         LISTED "Cookie:\r\n",
         0,
         403},
        {"with a certificate", {LIST(listed), false}, UPLOAD, LISTED, HTTP_CERTIFICATE_GOOD, 403},
        {"with a certificate that its header goes before",
         {LIST(listed), false},
         UPLOAD,
         LISTED BASIC,
         HTTP_CERTIFICATE_GOOD,
         202},
        {"with a certificate and a cookie",
         {LIST(listed), false},
         UPLOAD,
         LISTED BASIC "Cookie: a=b\r\n",
         HTTP_CERTIFICATE_GOOD,
         403},
        {"with a cookie, and credentials count",
         {LIST(listed), true},
         DELETES,
         LISTED "Cookie: a=b\r\n",
         0,
         404},
        {"with a certificate, and credentials count",
         {LIST(listed), true},
         UPLOAD,
         LISTED,
         HTTP_CERTIFICATE_GOOD,
         202},
        {"another page", {LIST(listed), true}, UPLOAD, OTHER, 0, 403},
        {"another page with its own header", {LIST(listed), true}, UPLOAD, OTHER BASIC, 0, 403},
        {"any page", {LIST(all), false}, UPLOAD, OTHER, 0, 403},
        {"the star is no page", {LIST(all), false}, UPLOAD, "Origin: *\r\n", 0, 403},
        {"a client that is no page, with a certificate",
         {LIST(listed), false},
         UPLOAD,
         NULL,
         HTTP_CERTIFICATE_GOOD,
         202},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct answer a = ask(rows[i].cors, rows[i].line, rows[i].headers, rows[i].certificate);

        tell_status(rows[i].story, &a, rows[i].status);
        answer_done(&a);
    }
}

static void a_certificate_that_says_nothing_is_no_matter(void **state)
{
    struct answer a;

    (void)state;
    s.w.conf->auth.certificate.enabled = false;
    a = ask((struct conf_cors){LIST(listed), false}, UPLOAD, LISTED, HTTP_CERTIFICATE_GOOD);
    assert_int_equal(a.status, 202);
    answer_done(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_browser_is_told_which_page_may_read, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_preflight_is_answered_before_all_else, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_refusal_can_be_read_by_the_page, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_head_that_is_refused_can_be_read_by_the_page, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(only_what_a_page_sends_itself_counts, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_certificate_that_says_nothing_is_no_matter, set_up,
                                        tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
