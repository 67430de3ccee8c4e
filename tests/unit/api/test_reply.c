#include "api/reply.h"

#include "api/route.h"
#include "exchange.h"

#include <jansson.h>

/* Errors as clients see them, and what other answers have in common. */

#define D "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

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

/* The first error of the body, which has no other. */
static json_t *error_of(const struct answer *a, json_t **ret_root)
{
    json_t *errors;

    *ret_root = json_loadb(a->body.p, a->body.n, JSON_REJECT_DUPLICATES, NULL);
    errors = json_object_get(*ret_root, "errors");
    assert_int_equal(json_object_size(*ret_root), 1);
    assert_int_equal(json_array_size(errors), 1);
    return json_array_get(errors, 0);
}

static const char *text_of(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));

    return text ? text : "";
}

static void an_error_says_what_the_client_may_know(void **state)
{
    static const struct {
        const char *story, *line;
        enum err_code code;
        const char *told, *kept; /* the detail: for the client, or for the log */
        int status;
        const char *wire, *message, *name, *reference, *digest;
    } rows[] = {
        {"what was wrong", "GET /v2/app/manifests/v1", ERR_MANIFEST_INVALID, "no config", NULL, 400,
         "MANIFEST_INVALID", "manifest invalid: no config", "app", "v1", ""},
        {"a cause is for the log", "GET /v2/app/manifests/v1", ERR_INTERNAL, NULL, "/var/lib/x",
         500, "UNKNOWN", "internal error", "app", "v1", ""},
        {"nothing more is known", "GET /v2/app/blobs/" D, ERR_SIZE_INVALID, NULL, NULL, 400,
         "SIZE_INVALID", "provided length did not match content length", "app", "", D},
        {"a refusal has its reason alone", "PUT /v2/app/manifests/v1", ERR_DENIED, "alice may not",
         NULL, 403, "DENIED", "alice may not", "app", "v1", ""},
        {"a refusal without a reason", "PUT /v2/app/manifests/v1", ERR_DENIED, NULL, "a rule", 403,
         "DENIED", "requested access to the resource is denied", "app", "v1", ""},
        {"who is asked to sign in", "GET /v2/_catalog", ERR_UNAUTHORIZED, "sign in first", NULL,
         401, "UNAUTHORIZED", "sign in first", "", "", ""},
        {"what is not there says no more", "GET /v2/app/manifests/" D, ERR_MANIFEST_UNKNOWN,
         "it was deleted", NULL, 404, "MANIFEST_UNKNOWN", "manifest unknown to registry", "app", D,
         ""},
        {"nor a blob", "GET /v2/app/blobs/" D, ERR_BLOB_UNKNOWN, "hidden", NULL, 404,
         "BLOB_UNKNOWN", "blob unknown to registry", "app", "", D},
        {"nor a repository", "GET /v2/app/tags/list", ERR_NAME_UNKNOWN, "hidden", NULL, 404,
         "NAME_UNKNOWN", "repository name not known to registry", "app", "", ""},
        {"what the client wrote is quoted", "GET /v2/", ERR_REQUEST_INVALID,
         "'\"\\\n\x01\xff' is wrong", NULL, 400, "UNSUPPORTED",
         "request is malformed: '\"\\\n\x01\xef\xbf\xbd' is wrong", "", "", ""},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct err e = {0};
        const json_t *error;
        json_t *root;
        struct call c;

        call_init(&c, &s, &(struct request){.line = rows[i].line});
        assert_ok(route_request(&c.q, ERR_IGNORED));
        if (rows[i].told)
            (void)err_tell(&e, rows[i].code, "%s", rows[i].told);
        if (rows[i].kept)
            (void)err_set(&e, rows[i].code, "%s", rows[i].kept);
        reply_error(&c.q, rows[i].code, &e);
        tell_status(rows[i].story, &c.a, rows[i].status);
        tell_header(rows[i].story, &c.a, "Content-Type", "application/json");
        error = error_of(&c.a, &root);
        assert_string_equal(text_of(error, "code"), rows[i].wire);
        assert_string_equal(text_of(error, "message"), rows[i].message);
        error = json_object_get(error, "detail");
        assert_string_equal(text_of(error, "name"), rows[i].name);
        assert_string_equal(text_of(error, "reference"), rows[i].reference);
        assert_string_equal(text_of(error, "digest"), rows[i].digest);
        json_decref(root);
        call_done(&c);
    }
}

static void an_error_is_whole_however_long_its_detail(void **state)
{
    char line[700], name[REPO_NAME_MAX + 1], tag[129];
    struct err e = {0};
    json_t *root;
    struct call c;

    (void)state;
    memset(name, 'a', sizeof(name));
    memset(tag, 'b', sizeof(tag));
    name[REPO_NAME_MAX] = tag[128] = '\0';
    snprintf(line, sizeof(line), "GET /v2/%s/manifests/%s", name, tag);
    call_init(&c, &s, &(struct request){.line = line});
    assert_ok(route_request(&c.q, ERR_IGNORED));
    memset(e.detail, 0x01, sizeof(e.detail) - 1); /* six bytes each in JSON */
    e.public_detail = true;
    reply_error(&c.q, ERR_MANIFEST_INVALID, &e);
    assert_string_equal(text_of(json_object_get(error_of(&c.a, &root), "detail"), "reference"),
                        tag);
    json_decref(root);
    call_done(&c);
}

static void what_passes_says_when_to_come_again(void **state)
{
    static const struct {
        enum err_code code;
        bool told; /* someone else has said so */
        const char *after;
    } rows[] = {
        {ERR_UNAVAILABLE, false, "1"},      {ERR_TOO_MANY_REQUESTS, false, "1"},
        {ERR_UNAVAILABLE, true, ""},        {ERR_TOO_MANY_REQUESTS, true, ""},
        {ERR_STORAGE_READONLY, false, "1"}, {ERR_STORAGE_FULL, false, ""},
        {ERR_INTERNAL, false, ""},          {ERR_DENIED, false, ""},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct err e = {0};
        struct call c;

        call_init(&c, &s, &(struct request){.line = "GET /v2/"});
        assert_ok(route_request(&c.q, ERR_IGNORED));
        c.q.retry_told = rows[i].told;
        reply_error(&c.q, rows[i].code, &e);
        tell_header(err_name(rows[i].code), &c.a, "Retry-After", rows[i].after);
        call_done(&c);
    }
}

static void a_method_that_is_not_allowed_is_answered_with_those_that_are(void **state)
{
    static const struct {
        const char *line, *allow;
    } rows[] = {
        {"POST /v2/", "GET, HEAD"},
        {"PATCH /v2/app/manifests/v1", "GET, HEAD, PUT, DELETE"},
        {"DELETE /v2/app/blobs/uploads/", "POST"},
        {"FROB /healthz", "GET, HEAD"},
        {"OPTIONS /v2/app/tags/list", "GET, HEAD"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct answer a = get(&s, rows[i].line);

        tell_status(rows[i].line, &a, 405);
        tell_header(rows[i].line, &a, "Allow", rows[i].allow);
        assert_error(&a, 405, "UNSUPPORTED");
        answer_done(&a);
    }
}

#define BROWSER "Accept: text/html,application/xhtml+xml,*/*;q=0.8\r\n"

static void a_browser_gets_a_page_where_no_program_asks(void **state)
{
    static const struct {
        const char *line, *accept, *type, *vary;
    } rows[] = {
        {"GET /nothing", BROWSER, "text/html; charset=utf-8", "Accept"},
        {"GET /v2x/", BROWSER, "text/html; charset=utf-8", "Accept"},
        {"GET /nothing", "Accept: application/json\r\n", "application/json", "Accept"},
        {"GET /nothing", NULL, "application/json", "Accept"},
        {"GET /v2/nothing", BROWSER, "application/json", ""},
        {"POST /v2", BROWSER, "application/json", ""},
        {"GET /v2/app/tags/list", BROWSER, "application/json", ""},
        {"GET /api/v1/nothing", BROWSER, "application/json", ""},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct answer a =
            serve(&s, &(struct request){.line = rows[i].line, .headers = rows[i].accept});

        tell_status(rows[i].line, &a, rows[i].line[0] == 'P' ? 405 : 404);
        tell_header(rows[i].line, &a, "Content-Type", rows[i].type);
        tell_header(rows[i].line, &a, "Vary", rows[i].vary);
        answer_done(&a);
    }
}

static void a_page_says_what_the_json_says_and_runs_nothing(void **state)
{
    static const char said[] = "<h1>400: request is malformed: &lt;script src=&quot;x&quot;&gt; "
                               "&amp; more</h1>\n<p>Request test</p>\n</html>\n";
    struct err e = {0};
    struct call c;

    (void)state;
    call_init(&c, &s, &(struct request){.line = "GET /", .headers = BROWSER});
    assert_ok(route_request(&c.q, ERR_IGNORED));
    (void)err_tell(&e, ERR_REQUEST_INVALID, "<script src=\"x\"> & more");
    reply_error(&c.q, ERR_REQUEST_INVALID, &e);
    assert_int_equal(c.a.status, 400);
    assert_non_null(strstr(buf_text(&c.a.body), said));
    assert_string_equal(header_of(&c.a, "Content-Security-Policy"),
                        "default-src 'none'; base-uri 'none'; form-action 'none'; "
                        "frame-ancestors 'none'");
    call_done(&c);
}

static void a_page_keeps_for_itself_what_is_for_the_log(void **state)
{
    struct err e = {0};
    struct call c;

    (void)state;
    call_init(&c, &s, &(struct request){.line = "GET /", .headers = BROWSER});
    assert_ok(route_request(&c.q, ERR_IGNORED));
    (void)err_set(&e, ERR_INTERNAL, "open /var/lib/secret");
    reply_error(&c.q, ERR_INTERNAL, &e);
    assert_int_equal(c.a.status, 500);
    assert_non_null(strstr(buf_text(&c.a.body), "<h1>500: internal error</h1>"));
    assert_null(strstr(buf_text(&c.a.body), "secret"));
    call_done(&c);
}

static void a_page_is_whole_however_long_what_it_tells(void **state)
{
    struct err e = {0};
    struct call c;

    (void)state;
    call_init(&c, &s, &(struct request){.line = "GET /", .headers = BROWSER});
    assert_ok(route_request(&c.q, ERR_IGNORED));
    memset(e.detail, '"', sizeof(e.detail) - 1); /* six bytes each */
    e.public_detail = true;
    reply_error(&c.q, ERR_REQUEST_INVALID, &e);
    assert_true(str_ends(buf_str(&c.a.body), STR("</html>\n")));
    call_done(&c);
}

static void an_answer_to_head_has_no_body(void **state)
{
    struct answer a = get(&s, "HEAD /v2/app/manifests/none");

    (void)state;
    assert_int_equal(a.status, 404);
    assert_int_equal(a.body.n, 0);
    assert_string_equal(header_of(&a, "Content-Type"), "application/json");
    answer_done(&a);
}

static void what_comes_after_an_answer_changes_nothing(void **state)
{
    struct err e = {0};
    struct call c;

    (void)state;
    call_init(&c, &s, &(struct request){.line = "GET /v2/"});
    assert_ok(route_request(&c.q, ERR_IGNORED));
    reply_json(&c.q, 200, STR("{}"));
    reply_error(&c.q, ERR_INTERNAL, &e);
    assert_int_equal(c.a.status, 200);
    assert_true(str_eq(buf_str(&c.a.body), STR("{}")));
    assert_int_equal(headers_of(&c.a, "Content-Type"), 1);
    call_done(&c);
}

static void a_page_links_to_the_next(void **state)
{
    static const struct {
        const char *line;
        size_t n;
        const char *last, *extra, *link;
    } rows[] = {
        {"GET /v2/_catalog", 10, "app", "", "</v2/_catalog?n=10&last=app>; rel=\"next\""},
        {"GET /v2/_catalog?n=3&last=x", 3, "a/b", "",
         "</v2/_catalog?n=3&last=a%2Fb>; rel=\"next\""},
        {"GET /v2/a%2Fb/tags/list", 1, "v1.0_x-y~", "",
         "</v2/a%2Fb/tags/list?n=1&last=v1.0_x-y~>; rel=\"next\""},
        {"GET /v2/app/referrers/x", 1, "sha256:ab", "&artifactType=a%2Fb",
         "</v2/app/referrers/x?n=1&last=sha256%3Aab&artifactType=a%2Fb>; rel=\"next\""},
        {"GET /v2/_catalog", 1, ">\r\n\"&", "",
         "</v2/_catalog?n=1&last=%3E%0D%0A%22%26>; rel=\"next\""},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct call c;

        call_init(&c, &s, &(struct request){.line = rows[i].line});
        reply_next(&c.q, rows[i].n, str_of(rows[i].last), str_of(rows[i].extra));
        tell_header(rows[i].line, &c.a, "Link", rows[i].link);
        call_done(&c);
    }
}

static void a_time_is_a_text_or_null(void **state)
{
    static const struct {
        int64_t ms;
        const char *json;
    } rows[] = {
        {0, ",\"at\":null"},
        {INT64_MAX, ",\"at\":null"},
        {1769903999123, ",\"at\":\"2026-01-31T23:59:59.123Z\""},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        AUTO(buf) struct buf b = {0};

        buf_init(&b, 100);
        reply_add_time(&b, "at", rows[i].ms);
        assert_string_equal(buf_text(&b), rows[i].json);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_error_says_what_the_client_may_know),
        cmocka_unit_test(an_error_is_whole_however_long_its_detail),
        cmocka_unit_test(what_passes_says_when_to_come_again),
        cmocka_unit_test(a_method_that_is_not_allowed_is_answered_with_those_that_are),
        cmocka_unit_test(a_browser_gets_a_page_where_no_program_asks),
        cmocka_unit_test(a_page_says_what_the_json_says_and_runs_nothing),
        cmocka_unit_test(a_page_keeps_for_itself_what_is_for_the_log),
        cmocka_unit_test(a_page_is_whole_however_long_what_it_tells),
        cmocka_unit_test(an_answer_to_head_has_no_body),
        cmocka_unit_test(what_comes_after_an_answer_changes_nothing),
        cmocka_unit_test(a_page_links_to_the_next),
        cmocka_unit_test(a_time_is_a_text_or_null),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
