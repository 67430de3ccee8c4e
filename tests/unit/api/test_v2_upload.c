#include "core/upload.h"

#include "base/mem.h"
#include "core/upload_session.h"
#include "exchange.h"

/* The handlers of blobs, uploads and lists, as a client sees them. */

#define REPO    "library/busybox"
#define UPLOADS "/v2/" REPO "/blobs/uploads/"

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

static struct answer send_body(const char *method, const char *url, const char *headers,
                               const char *body)
{
    char line[2048];

    snprintf(line, sizeof(line), "%s %s", method, url);
    return serve(&s, &(struct request){
                         .line = line, .headers = headers, .body = body ? str_of(body) : STR_NONE});
}

static int status_of(struct answer a)
{
    answer_done(&a);
    return a.status;
}

/* Opens a session; its URL, valid until the next call. */
static const char *begin(void)
{
    static char url[256];
    struct answer a = send_body("POST", UPLOADS, NULL, "");

    assert_int_equal(a.status, 202);
    snprintf(url, sizeof(url), "%s", header_of(&a, "Location"));
    assert_string_equal(header_of(&a, "Range"), "0-0");
    answer_done(&a);
    return url;
}

static const char *with_digest(const char *url, const char *content)
{
    static char text[512];

    snprintf(text, sizeof(text), "%s?digest=%s", url, sha256_of(str_of(content)).text);
    return text;
}

static int blob_status(const char *method, const char *repo, const char *content)
{
    char line[512];

    snprintf(line, sizeof(line), "%s /v2/%s/blobs/%s", method, repo,
             sha256_of(str_of(content)).text);
    return status_of(get(&s, line));
}

static void assert_no_sessions(void)
{
    assert_int_equal(session_count(s.w.r->uploads), 0);
    assert_int_equal(stored_uploads(&s.w), 0);
    assert_int_equal(known_uploads(&s.w), 0);
}

/* Uploads. */

static void a_post_and_a_put_make_a_blob(void **state)
{
    struct answer a = send_body("PUT", with_digest(begin(), "hello"), NULL, "hello");
    char location[256];

    (void)state;
    assert_int_equal(a.status, 201);
    snprintf(location, sizeof(location), "/v2/" REPO "/blobs/%s", sha256_of(STR("hello")).text);
    assert_string_equal(header_of(&a, "Location"), location);
    assert_string_equal(header_of(&a, "Docker-Content-Digest"), sha256_of(STR("hello")).text);
    answer_done(&a);
    assert_int_equal(blob_status("GET", REPO, "hello"), 200);
    assert_int_equal(blob_status("HEAD", REPO, "hello"), 200);
    assert_no_sessions();
}

static void a_single_post_makes_a_blob(void **state)
{
    (void)state;
    assert_int_equal(status_of(send_body("POST", with_digest(UPLOADS, "hello"), NULL, "hello")),
                     201);
    assert_int_equal(blob_status("GET", REPO, "hello"), 200);
    assert_no_sessions();
}

static void a_single_post_of_nothing_makes_the_empty_blob(void **state)
{
    (void)state;
    assert_int_equal(status_of(send_body("POST", with_digest(UPLOADS, ""), NULL, "")), 201);
    assert_int_equal(blob_status("GET", REPO, ""), 200);
}

static void a_single_post_that_fails_leaves_nothing(void **state)
{
    struct answer a = send_body("POST", with_digest(UPLOADS, "hello"), NULL, "hallo");

    (void)state;
    assert_error(&a, 400, "DIGEST_INVALID");
    answer_done(&a);
    assert_no_sessions();
}

static void chunks_make_a_blob(void **state)
{
    const char *url = begin();
    struct answer a = send_body("PATCH", url, "Content-Range: 0-5\r\n", "hello ");

    (void)state;
    assert_int_equal(a.status, 202);
    assert_string_equal(header_of(&a, "Range"), "0-5");
    assert_string_equal(header_of(&a, "Location"), url);
    answer_done(&a);
    assert_int_equal(status_of(send_body("PATCH", url, NULL, "wor")), 202);
    a = send_body("PUT", with_digest(url, "hello world"), "Content-Range: 9-10\r\n", "ld");
    assert_int_equal(a.status, 201);
    answer_done(&a);
    assert_int_equal(blob_status("GET", REPO, "hello world"), 200);
}

static void a_chunk_out_of_order_is_told_where_the_upload_stands(void **state)
{
    const char *url = begin();
    struct answer a;

    (void)state;
    assert_int_equal(status_of(send_body("PATCH", url, NULL, "hello")), 202);
    a = send_body("PATCH", url, "Content-Range: 6-10\r\n", "world");
    assert_error(&a, 416, "BLOB_UPLOAD_INVALID");
    assert_string_equal(header_of(&a, "Range"), "0-4");
    assert_string_equal(header_of(&a, "Location"), url);
    answer_done(&a);
    a = send_body("PATCH", url, "Content-Range: 0-4\r\n", "hello");
    assert_int_equal(a.status, 416);
    answer_done(&a);
}

static void a_range_that_is_none_is_invalid(void **state)
{
    static const char *const ranges[] = {
        "Content-Range: 0\r\n",          "Content-Range: -4\r\n",
        "Content-Range: 0-\r\n",         "Content-Range: 4-0\r\n",
        "Content-Range: bytes\r\n",      "Content-Range: items 0-4/5\r\n",
        "Content-Range: bytes 0-4/\r\n", "Content-Range: bytes */5\r\n",
        "Content-Range: 0-4/five\r\n",   "Content-Range: bytes=0-4\r\n",
    };
    const char *url = begin();

    (void)state;
    for (size_t i = 0; i < sizeof(ranges) / sizeof(ranges[0]); i++) {
        struct answer a = send_body("PATCH", url, ranges[i], "hello");

        assert_error(&a, 400, "BLOB_UPLOAD_INVALID");
        answer_done(&a);
    }
}

/* As RFC 9110, 14.4, writes it, and some older clients. */
static void a_range_may_have_a_unit_and_a_total(void **state)
{
    static const char *const ranges[] = {
        "Content-Range: bytes 0-4/5\r\n", "Content-Range: bytes 0-4/99\r\n",
        "Content-Range: bytes 0-4/*\r\n", "Content-Range: 0-4/5\r\n",
        "Content-Range: bytes 0-4\r\n",
    };

    (void)state;
    for (size_t i = 0; i < sizeof(ranges) / sizeof(ranges[0]); i++)
        assert_int_equal(status_of(send_body("PATCH", begin(), ranges[i], "hello")), 202);
}

static void a_range_that_contradicts_the_length_is_invalid(void **state)
{
    struct answer a = send_body("PATCH", begin(), "Content-Range: 0-5\r\n", "hello");

    (void)state;
    assert_error(&a, 400, "SIZE_INVALID");
    assert_non_null(strstr(buf_text(&a.body), "of 6 bytes, Content-Length says 5"));
    answer_done(&a);
    a = send_body("PATCH", begin(), "Content-Range: bytes 0-4/4\r\n", "hello");
    assert_error(&a, 400, "SIZE_INVALID");
    assert_non_null(strstr(buf_text(&a.body), "byte 4 of a content of 4 bytes"));
    answer_done(&a);
    a = send_body("PATCH", begin(), "Content-Range: 0-99999999999999999999999999\r\n", "hello");
    assert_error(&a, 400, "SIZE_INVALID");
    answer_done(&a);
}

/* The chunk is refused as a whole: the next one starts where this one did. */
static void a_streamed_chunk_of_another_length_than_its_range_is_taken_back(void **state)
{
    const char *url = begin();
    struct request r = {.headers = "Content-Range: 0-9\r\n", .body = STR("hello"), .chunked = true};
    char line[512];
    struct answer a;

    (void)state;
    snprintf(line, sizeof(line), "PATCH %s", url);
    r.line = line;
    a = serve(&s, &r);
    assert_error(&a, 400, "SIZE_INVALID");
    answer_done(&a);
    r.headers = "Content-Range: 0-1\r\n";
    a = serve(&s, &r);
    assert_error(&a, 400, "SIZE_INVALID");
    answer_done(&a);
    a = send_body("GET", url, NULL, NULL);
    assert_string_equal(header_of(&a, "Range"), "0-0");
    answer_done(&a);
    assert_int_equal(status_of(send_body("PUT", with_digest(url, "hello"), NULL, "hello")), 201);
}

static void a_streamed_chunk_makes_a_blob(void **state)
{
    const char *url = begin();
    char line[512];

    (void)state;
    snprintf(line, sizeof(line), "PATCH %s", url);
    assert_int_equal(status_of(serve(&s, &(struct request){.line = line,
                                                           .body = STR("hello"),
                                                           .piece_bytes = 2,
                                                           .chunked = true})),
                     202);
    assert_int_equal(status_of(send_body("PUT", with_digest(url, "hello"), NULL, "")), 201);
}

static void a_chunk_cut_off_can_be_gone_on_from(void **state)
{
    const char *url = begin();
    char line[512];
    struct answer a;

    (void)state;
    snprintf(line, sizeof(line), "PATCH %s", url);
    a = serve(&s,
              &(struct request){.line = line, .body = STR("hello "), .cut_with = ERR_CLIENT_GONE});
    assert_int_equal(a.status, 400);
    answer_done(&a);
    a = send_body("GET", url, NULL, NULL);
    assert_int_equal(a.status, 204);
    assert_string_equal(header_of(&a, "Range"), "0-2");
    answer_done(&a);
    assert_int_equal(status_of(send_body("PATCH", url, "Content-Range: 3-4\r\n", "lo")), 202);
    assert_int_equal(status_of(send_body("PUT", with_digest(url, "hello"), NULL, "")), 201);
}

static void a_wrong_digest_ends_the_session(void **state)
{
    const char *url = begin();
    struct answer a = send_body("PUT", with_digest(url, "hello"), NULL, "hallo");

    (void)state;
    assert_error(&a, 400, "DIGEST_INVALID");
    answer_done(&a);
    assert_no_sessions();
}

static void a_put_without_digest_is_refused_and_keeps_the_session(void **state)
{
    const char *url = begin();
    char bad[512];
    struct answer a = send_body("PUT", url, NULL, "hello");

    (void)state;
    assert_error(&a, 400, "DIGEST_INVALID");
    answer_done(&a);
    snprintf(bad, sizeof(bad), "%s?digest=sha256:abc", url);
    a = send_body("PUT", bad, NULL, "hello");
    assert_error(&a, 400, "DIGEST_INVALID");
    answer_done(&a);
    assert_int_equal(status_of(send_body("PUT", with_digest(url, "hello"), NULL, "hello")), 201);
}

static void a_cancelled_session_is_gone(void **state)
{
    const char *url = begin();

    (void)state;
    assert_int_equal(status_of(send_body("DELETE", url, NULL, NULL)), 204);
    assert_int_equal(status_of(send_body("DELETE", url, NULL, NULL)), 404);
    assert_int_equal(status_of(send_body("PATCH", url, NULL, "x")), 404);
    assert_no_sessions();
}

static void an_unknown_session_is_unknown(void **state)
{
    struct answer a = get(&s, "GET " UPLOADS "123e4567-e89b-42d3-a456-426614174000");

    (void)state;
    assert_error(&a, 404, "BLOB_UPLOAD_UNKNOWN");
    answer_done(&a);
}

static void a_session_of_another_repository_is_unknown(void **state)
{
    char other[256];

    (void)state;
    snprintf(other, sizeof(other), "/v2/other%s", begin() + strlen("/v2/" REPO));
    assert_int_equal(status_of(send_body("PATCH", other, NULL, "x")), 404);
}

static void a_blob_past_the_limit_is_too_large(void **state)
{
    const char *url = begin();
    struct answer a;

    (void)state;
    s.w.conf->limits.blob_bytes = 4;
    a = send_body("PUT", with_digest(url, "hello"), NULL, "hello");
    assert_error(&a, 413, "SIZE_INVALID");
    answer_done(&a);
    a = send_body("POST", with_digest(UPLOADS, "hello"), NULL, "hello");
    assert_error(&a, 413, "SIZE_INVALID");
    answer_done(&a);
    assert_int_equal(status_of(send_body("PUT", with_digest(url, "hell"), NULL, "hell")), 201);
    assert_no_sessions();
}

static void more_sessions_than_allowed_are_too_many(void **state)
{
    struct answer a;

    (void)state;
    s.w.conf->limits.uploads = 1;
    begin();
    begin(); /* without bytes it costs nothing */
    assert_int_equal(status_of(send_body("PATCH", begin(), NULL, "hello")), 202);
    a = send_body("POST", UPLOADS, NULL, "");
    assert_error(&a, 429, "TOOMANYREQUESTS");
    assert_string_equal(header_of(&a, "Retry-After"), "1");
    answer_done(&a);
}

static void an_algorithm_that_is_not_supported_is_refused(void **state)
{
    struct answer a = send_body("POST", UPLOADS "?digest-algorithm=md5", NULL, "");

    (void)state;
    assert_error(&a, 400, "DIGEST_INVALID");
    answer_done(&a);
    assert_int_equal(status_of(send_body("POST", UPLOADS "?digest-algorithm=sha512", NULL, "")),
                     202);
}

static void the_smallest_chunk_is_told(void **state)
{
    struct answer a;

    (void)state;
    s.w.conf->registry.upload_min_chunk_bytes = 5242880;
    a = send_body("POST", UPLOADS, NULL, "");
    assert_string_equal(header_of(&a, "OCI-Chunk-Min-Length"), "5242880");
    answer_done(&a);
}

/* Mounts. */

static int mount_status(const char *from, const char *content)
{
    char url[1024];

    snprintf(url, sizeof(url), "/v2/other/blobs/uploads/?mount=%s%s",
             sha256_of(str_of(content)).text, from);
    return status_of(send_body("POST", url, NULL, ""));
}

static void a_blob_can_be_mounted(void **state)
{
    (void)state;
    blob_put(&s.w, REPO, STR("hello"));
    assert_int_equal(mount_status("&from=library/busybox", "hello"), 201);
    assert_int_equal(blob_status("GET", "other", "hello"), 200);
}

static void a_blob_can_be_mounted_from_wherever_it_is(void **state)
{
    (void)state;
    blob_put(&s.w, REPO, STR("hello"));
    assert_int_equal(mount_status("", "hello"), 201);
    assert_int_equal(blob_status("GET", "other", "hello"), 200);
}

static void what_cannot_be_mounted_becomes_a_session(void **state)
{
    (void)state;
    assert_int_equal(mount_status("&from=library/busybox", "hello"), 202);
    assert_int_equal(mount_status("", "hello"), 202);
    blob_put(&s.w, REPO, STR("hello"));
    assert_int_equal(mount_status("&from=no/such", "hello"), 202);
    assert_int_equal(blob_status("GET", "other", "hello"), 404);
}

/* Blobs. */

static void what_is_not_there_is_unknown(void **state)
{
    struct answer a;
    char line[256];

    (void)state;
    snprintf(line, sizeof(line), "GET /v2/" REPO "/blobs/%s", sha256_of(STR("x")).text);
    a = get(&s, line);
    assert_error(&a, 404, "BLOB_UNKNOWN");
    answer_done(&a);
    assert_int_equal(blob_status("DELETE", REPO, "x"), 404);
}

static void a_blob_is_no_page_for_a_browser(void **state)
{
    struct answer a;
    char line[256];

    (void)state;
    blob_put(&s.w, REPO, STR("<script>"));
    snprintf(line, sizeof(line), "GET /v2/" REPO "/blobs/%s", sha256_of(STR("<script>")).text);
    a = get(&s, line);
    assert_string_equal(header_of(&a, "Content-Type"), "application/octet-stream");
    assert_true(str_eq(buf_str(&a.body), STR("<script>")));
    answer_done(&a);
}

static void a_blob_in_use_is_not_deleted(void **state)
{
    struct answer a;
    char line[256];

    (void)state;
    image_put(&s.w, REPO, "one", "latest");
    snprintf(line, sizeof(line), "DELETE /v2/" REPO "/blobs/%s", sha256_of(STR("one")).text);
    a = get(&s, line);
    assert_error(&a, 405, "DENIED");
    assert_string_equal(header_of(&a, "Allow"), "GET, HEAD");
    answer_done(&a);
    blob_put(&s.w, REPO, STR("free"));
    assert_int_equal(blob_status("DELETE", REPO, "free"), 202);
    assert_int_equal(blob_status("GET", REPO, "free"), 404);
}

/* Lists. */

static void assert_body(const char *line, const char *body, const char *link)
{
    struct answer a = get(&s, line);

    assert_int_equal(a.status, 200);
    assert_string_equal(buf_text(&a.body), body);
    assert_string_equal(header_of(&a, "Link"), link);
    answer_done(&a);
}

static void tags_come_in_pages(void **state)
{
    (void)state;
    image_put(&s.w, "a/b", "one", "v2");
    image_put(&s.w, "a/b", "one", "v1");
    image_put(&s.w, "a/b", "one", "Z");
    assert_body("GET /v2/a/b/tags/list", "{\"name\":\"a/b\",\"tags\":[\"Z\",\"v1\",\"v2\"]}\n", "");
    assert_body("GET /v2/a/b/tags/list?n=2", "{\"name\":\"a/b\",\"tags\":[\"Z\",\"v1\"]}\n",
                "</v2/a/b/tags/list?n=2&last=v1>; rel=\"next\"");
    assert_body("GET /v2/a/b/tags/list?n=2&last=v1", "{\"name\":\"a/b\",\"tags\":[\"v2\"]}\n", "");
    assert_body("GET /v2/a/b/tags/list?n=0", "{\"name\":\"a/b\",\"tags\":[]}\n", "");
    assert_body("GET /v2/a/b/tags/list?last=zzz", "{\"name\":\"a/b\",\"tags\":[]}\n", "");
    assert_body("GET /v2/a/b/tags/list?n=99999999999999999999999",
                "{\"name\":\"a/b\",\"tags\":[\"Z\",\"v1\",\"v2\"]}\n", "");
}

static void tags_of_no_repository_are_unknown(void **state)
{
    struct answer a = get(&s, "GET /v2/no/such/tags/list");

    (void)state;
    assert_error(&a, 404, "NAME_UNKNOWN");
    answer_done(&a);
    a = get(&s, "GET /v2/no/such/tags/list?n=0");
    assert_error(&a, 404, "NAME_UNKNOWN");
    answer_done(&a);
}

static void a_page_larger_than_allowed_is_cut_and_linked(void **state)
{
    (void)state;
    s.w.conf->limits.page = 1;
    image_put(&s.w, "a", "one", "v1");
    image_put(&s.w, "a", "one", "v2");
    assert_body("GET /v2/a/tags/list?n=100", "{\"name\":\"a\",\"tags\":[\"v1\"]}\n",
                "</v2/a/tags/list?n=1&last=v1>; rel=\"next\"");
}

static void a_bad_page_size_is_refused(void **state)
{
    struct answer a = get(&s, "GET /v2/_catalog?n=x");

    (void)state;
    assert_int_equal(a.status, 400);
    answer_done(&a);
}

static void the_catalog_comes_in_pages(void **state)
{
    (void)state;
    image_put(&s.w, "b/c", "one", "v1");
    image_put(&s.w, "a", "one", "v1");
    blob_put(&s.w, "only/a/blob", STR("x"));
    assert_body("GET /v2/_catalog", "{\"repositories\":[\"a\",\"b/c\"]}\n", "");
    assert_body("GET /v2/_catalog?n=1", "{\"repositories\":[\"a\"]}\n",
                "</v2/_catalog?n=1&last=a>; rel=\"next\"");
    assert_body("GET /v2/_catalog?n=1&last=a", "{\"repositories\":[\"b/c\"]}\n", "");
    assert_body("GET /v2/_catalog?n=0", "{\"repositories\":[]}\n", "");
}

/* The rest. */

static void the_base_says_that_this_is_a_registry(void **state)
{
    struct answer a = get(&s, "GET /v2/");

    (void)state;
    assert_int_equal(a.status, 200);
    assert_true(a.quick);
    assert_string_equal(header_of(&a, "Docker-Distribution-Api-Version"), "registry/2.0");
    answer_done(&a);
}

static void health_is_told(void **state)
{
    (void)state;
    assert_int_equal(status_of(get(&s, "GET /healthz")), 200);
    assert_int_equal(status_of(get(&s, "GET /readyz")), 200);
    world_fail_meta(&s.w, 1, ERR_UNAVAILABLE);
    assert_int_equal(status_of(get(&s, "GET /readyz")), 503);
}

static void what_is_not_served_is_an_error_of_the_specification(void **state)
{
    struct answer a = get(&s, "GET /v2/a/b/c");

    (void)state;
    assert_int_equal(a.status, 404);
    answer_done(&a);
    a = get(&s, "GET /v2/a/manifests/v1");
    assert_error(&a, 404, "MANIFEST_UNKNOWN");
    assert_non_null(strstr(buf_text(&a.body), "\"message\":\"manifest unknown to registry\","
                                              "\"detail\":{\"name\":\"a\",\"reference\":\"v1\"}"));
    answer_done(&a);
    a = get(&s, "POST /v2/");
    assert_error(&a, 405, "UNSUPPORTED");
    assert_string_equal(header_of(&a, "Allow"), "GET, HEAD");
    answer_done(&a);
    a = get(&s, "GET /v2/A/tags/list");
    assert_error(&a, 400, "NAME_INVALID");
    answer_done(&a);
}

static void a_word_stands_at_the_root(void **state)
{
    struct answer a = get(&s, "GET /");

    (void)state;
    assert_int_equal(a.status, 200);
    assert_true(a.quick);
    assert_string_equal(header_of(&a, "Content-Type"), "text/plain; charset=utf-8");
    assert_non_null(strstr(buf_text(&a.body), "docker push localhost/PROJECT/IMAGE:TAG"));
    answer_done(&a);
}

static void what_went_wrong_inside_stays_inside(void **state)
{
    struct answer a;

    (void)state;
    world_fail_meta(&s.w, 1, ERR_INTERNAL);
    a = get(&s, "GET /v2/_catalog");
    assert_error(&a, 500, "UNKNOWN");
    assert_null(strstr(buf_text(&a.body), "told to fail"));
    answer_done(&a);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(a_post_and_a_put_make_a_blob),
        TEST(a_single_post_makes_a_blob),
        TEST(a_single_post_of_nothing_makes_the_empty_blob),
        TEST(a_single_post_that_fails_leaves_nothing),
        TEST(chunks_make_a_blob),
        TEST(a_chunk_out_of_order_is_told_where_the_upload_stands),
        TEST(a_range_that_is_none_is_invalid),
        TEST(a_range_may_have_a_unit_and_a_total),
        TEST(a_range_that_contradicts_the_length_is_invalid),
        TEST(a_streamed_chunk_of_another_length_than_its_range_is_taken_back),
        TEST(a_streamed_chunk_makes_a_blob),
        TEST(a_chunk_cut_off_can_be_gone_on_from),
        TEST(a_wrong_digest_ends_the_session),
        TEST(a_put_without_digest_is_refused_and_keeps_the_session),
        TEST(a_cancelled_session_is_gone),
        TEST(an_unknown_session_is_unknown),
        TEST(a_session_of_another_repository_is_unknown),
        TEST(a_blob_past_the_limit_is_too_large),
        TEST(more_sessions_than_allowed_are_too_many),
        TEST(an_algorithm_that_is_not_supported_is_refused),
        TEST(the_smallest_chunk_is_told),
        TEST(a_blob_can_be_mounted),
        TEST(a_blob_can_be_mounted_from_wherever_it_is),
        TEST(what_cannot_be_mounted_becomes_a_session),
        TEST(what_is_not_there_is_unknown),
        TEST(a_blob_is_no_page_for_a_browser),
        TEST(a_blob_in_use_is_not_deleted),
        TEST(tags_come_in_pages),
        TEST(tags_of_no_repository_are_unknown),
        TEST(a_page_larger_than_allowed_is_cut_and_linked),
        TEST(a_bad_page_size_is_refused),
        TEST(the_catalog_comes_in_pages),
        TEST(the_base_says_that_this_is_a_registry),
        TEST(health_is_told),
        TEST(what_is_not_served_is_an_error_of_the_specification),
        TEST(a_word_stands_at_the_root),
        TEST(what_went_wrong_inside_stays_inside),
    };

    int failed = cmocka_run_group_tests(tests, NULL, NULL);

    slow_clients = true;
    return failed + cmocka_run_group_tests_name("slow clients", tests, NULL, NULL);
}
