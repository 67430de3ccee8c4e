#include "core/manifest.h"

#include "base/mem.h"
#include "exchange.h"

/* The manifest handlers and the referrers, as a client sees them. */

#define REPO "library/busybox"
#define PATH "/v2/" REPO "/manifests/"

static struct server s;

static int set_up(void **state)
{
    (void)state;
    server_init(&s);
    image_put(&s.w, REPO, "one", NULL);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    server_done(&s);
    return 0;
}

static struct answer put(const char *where, const char *json, const char *headers)
{
    char line[2048];

    snprintf(line, sizeof(line), "PUT " PATH "%s", where);
    return serve(&s, &(struct request){.line = line, .headers = headers, .body = str_of(json)});
}

static int get_status(const char *where)
{
    char line[512];
    struct answer a;

    snprintf(line, sizeof(line), "GET " PATH "%s", where);
    a = get(&s, line);
    answer_done(&a);
    return a.status;
}

static int delete_status(const char *where)
{
    char line[512];
    struct answer a;

    snprintf(line, sizeof(line), "DELETE " PATH "%s", where);
    a = get(&s, line);
    answer_done(&a);
    return a.status;
}

static void a_push_by_tag_answers_where_it_is(void **state)
{
    AUTO(mem) char *json = image_json("one", "the layer of all", " ");
    struct digest d = sha256_of(str_of(json));
    struct answer a = put("latest", json, NULL);
    char location[256];

    (void)state;
    assert_int_equal(a.status, 201);
    snprintf(location, sizeof(location), PATH "%s", d.text);
    assert_string_equal(header_of(&a, "Location"), location);
    assert_string_equal(header_of(&a, "Docker-Content-Digest"), d.text);
    assert_int_equal(headers_of(&a, "OCI-Tag"), 0);
    assert_int_equal(headers_of(&a, "OCI-Subject"), 0);
    answer_done(&a);
}

static void a_pull_gives_the_bytes_and_what_they_are(void **state)
{
    AUTO(mem) char *json = image_json("one", "the layer of all", "\n ");
    struct digest d = sha256_of(str_of(json));
    struct answer a = put("latest", json, NULL);

    (void)state;
    answer_done(&a);
    a = get(&s, "GET " PATH "latest");
    assert_int_equal(a.status, 200);
    assert_true(str_eq(buf_str(&a.body), str_of(json)));
    assert_string_equal(header_of(&a, "Content-Type"), MEDIA_OCI_MANIFEST);
    assert_string_equal(header_of(&a, "Docker-Content-Digest"), d.text);
    answer_done(&a);
    a = get(&s, "HEAD " PATH "latest");
    assert_int_equal(a.status, 200);
    assert_int_equal(a.body.n, 0);
    assert_string_equal(header_of(&a, "Docker-Content-Digest"), d.text);
    answer_done(&a);
}

static void what_the_client_has_already_is_not_sent(void **state)
{
    AUTO(mem) char *json = image_json("one", "the layer of all", "");
    struct digest d = sha256_of(str_of(json));
    char headers[256];
    struct answer a = put("latest", json, NULL);

    (void)state;
    answer_done(&a);
    snprintf(headers, sizeof(headers), "If-None-Match: \"%s\"\r\n", d.text);
    a = serve(&s, &(struct request){.line = "GET " PATH "latest", .headers = headers});
    assert_int_equal(a.status, 304);
    assert_int_equal(a.body.n, 0);
    answer_done(&a);
}

static void what_is_not_there_is_unknown(void **state)
{
    struct answer a = get(&s, "GET " PATH "none");

    (void)state;
    assert_error(&a, 404, "MANIFEST_UNKNOWN");
    answer_done(&a);
    a = get(&s, "GET /v2/no/such/manifests/latest");
    assert_error(&a, 404, "MANIFEST_UNKNOWN");
    answer_done(&a);
    a = get(&s, "DELETE " PATH "none");
    assert_error(&a, 404, "MANIFEST_UNKNOWN");
    answer_done(&a);
}

static void what_is_no_manifest_is_invalid(void **state)
{
    struct answer a = put("latest", "{}", NULL);

    (void)state;
    assert_error(&a, 400, "MANIFEST_INVALID");
    answer_done(&a);
    a = put("latest", "", NULL);
    assert_error(&a, 400, "MANIFEST_INVALID");
    answer_done(&a);
}

static void two_content_types_are_one_too_many(void **state)
{
    AUTO(mem) char *json = image_json("one", "the layer of all", "");
    struct answer a = serve(&s, &(struct request){
                                    .line = "PUT " PATH "latest",
                                    .headers = "Content-Type: " MEDIA_OCI_MANIFEST "\r\n"
                                               "Content-Type: " MEDIA_OCI_MANIFEST "\r\n",
                                    .body = str_of(json),
                                });

    (void)state;
    assert_error(&a, 400, "MANIFEST_INVALID");
    assert_non_null(strstr(buf_text(&a.body), "2 Content-Type fields"));
    answer_done(&a);
}

static void a_missing_blob_is_unknown(void **state)
{
    AUTO(mem) char *json = image_json("one", "no such layer", "");
    struct answer a = put("latest", json, NULL);

    (void)state;
    assert_error(&a, 404, "MANIFEST_BLOB_UNKNOWN");
    answer_done(&a);
}

static void a_wrong_digest_is_invalid(void **state)
{
    AUTO(mem) char *json = image_json("one", "the layer of all", "");
    struct digest d = sha256_of(STR("other"));
    struct answer a = put(d.text, json, NULL);

    (void)state;
    assert_error(&a, 400, "DIGEST_INVALID");
    answer_done(&a);
}

/* Bytes. */

static char *padded_json(size_t n)
{
    AUTO(mem) char *json = image_json("one", "the layer of all", "");
    char *padded = mem_alloc(n + 1);

    memset(padded, ' ', n);
    memcpy(padded, json, strlen(json));
    padded[n] = '\0';
    return padded;
}

static void assert_put_in_pieces(size_t n, size_t piece_bytes, bool chunked)
{
    AUTO(mem) char *json = padded_json(n);
    struct answer a = serve(&s, &(struct request){.line = "PUT " PATH "latest",
                                                  .body = {json, n},
                                                  .piece_bytes = piece_bytes,
                                                  .chunked = chunked});

    assert_int_equal(a.status, 201);
    answer_done(&a);
}

static void the_largest_manifest_is_taken_in_any_pieces(void **state)
{
    size_t max = (size_t)s.w.conf->limits.manifest_bytes;

    (void)state;
    assert_put_in_pieces(max, 0, false);
    assert_put_in_pieces(max, 100 * 1000, false);
    assert_put_in_pieces(max, 1000, false);
    assert_put_in_pieces(max, 0, true);
    assert_put_in_pieces(max, 1000, true);
    assert_put_in_pieces(max / 2 + 1, 1000, true);
}

static void a_larger_manifest_is_refused(void **state)
{
    size_t max = (size_t)s.w.conf->limits.manifest_bytes;
    AUTO(mem) char *json = padded_json(max + 1);
    struct request r = {.line = "PUT " PATH "latest", .body = {json, max + 1}};
    struct answer a = serve(&s, &r);

    (void)state;
    assert_error(&a, 413, "MANIFEST_INVALID");
    answer_done(&a);
    r.chunked = true;
    r.piece_bytes = 70000;
    a = serve(&s, &r);
    assert_error(&a, 413, "MANIFEST_INVALID");
    answer_done(&a);
}

static void a_body_that_breaks_off_is_no_manifest(void **state)
{
    AUTO(mem) char *json = padded_json(5000);
    struct answer a = serve(&s, &(struct request){.line = "PUT " PATH "latest",
                                                  .body = {json, 5000},
                                                  .cut_with = ERR_CLIENT_GONE});

    (void)state;
    assert_int_equal(a.status, 400);
    answer_done(&a);
    assert_int_equal(get_status("latest"), 404);
}

/* dist-spec end-7b. */

static void tags_of_the_query_are_set_and_told(void **state)
{
    AUTO(mem) char *json = image_json("one", "the layer of all", "");
    struct digest d = sha256_of(str_of(json));
    char where[512];
    struct answer a;

    (void)state;
    snprintf(where, sizeof(where), "%s?tag=v1&tag=v%%32&x=y", d.text);
    a = put(where, json, NULL);
    assert_int_equal(a.status, 201);
    assert_string_equal(header_of(&a, "OCI-Tag"), "v1, v2");
    answer_done(&a);
    assert_int_equal(get_status("v1"), 200);
    assert_int_equal(get_status("v2"), 200);
}

static void a_bad_tag_of_the_query_refuses_all(void **state)
{
    static const char *const bad[] = {"tag=v1&tag=.x", "tag=", "tag=v1&tag=a/b", "tag=%zz"};
    AUTO(mem) char *json = image_json("one", "the layer of all", "");
    struct digest d = sha256_of(str_of(json));

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        char where[512];
        struct answer a;

        snprintf(where, sizeof(where), "%s?%s", d.text, bad[i]);
        a = put(where, json, NULL);
        assert_int_equal(a.status, 400);
        answer_done(&a);
    }
    assert_int_equal(get_status("v1"), 404);
}

static void more_tags_than_allowed_are_too_many(void **state)
{
    AUTO(mem) char *json = image_json("one", "the layer of all", "");
    struct digest d = sha256_of(str_of(json));
    char where[512];
    struct answer a;

    (void)state;
    s.w.conf->limits.tags_per_push = 2;
    snprintf(where, sizeof(where), "%s?tag=a&tag=b&tag=c", d.text);
    a = put(where, json, NULL);
    assert_int_equal(a.status, 414);
    answer_done(&a);
    snprintf(where, sizeof(where), "%s?tag=a&tag=b", d.text);
    a = put(where, json, NULL);
    assert_int_equal(a.status, 201);
    answer_done(&a);
}

/* Conditions. */

static void if_none_match_star_does_not_overwrite(void **state)
{
    AUTO(mem) char *one = image_json("one", "the layer of all", "");
    AUTO(mem) char *two = image_json("one", "the layer of all", " ");
    struct answer a = put("v1", one, "If-None-Match: *\r\n");

    (void)state;
    assert_int_equal(a.status, 201);
    answer_done(&a);
    a = put("v1", two, "If-None-Match: *\r\n");
    assert_int_equal(a.status, 412);
    answer_done(&a);
}

static void if_match_moves_only_what_it_names(void **state)
{
    AUTO(mem) char *one = image_json("one", "the layer of all", "");
    AUTO(mem) char *two = image_json("one", "the layer of all", " ");
    struct digest d = sha256_of(str_of(one));
    struct answer a = put("v1", one, NULL);
    char headers[256];

    (void)state;
    answer_done(&a);
    a = put("v1", two, "If-Match: \"sha256:00\"\r\n");
    assert_int_equal(a.status, 412);
    answer_done(&a);
    snprintf(headers, sizeof(headers), "If-Match: \"%s\"\r\n", d.text);
    a = put("v1", two, headers);
    assert_int_equal(a.status, 201);
    answer_done(&a);
    a = put("v1", one, headers);
    assert_int_equal(a.status, 412);
    answer_done(&a);
}

/* RFC 9110, 13.1.1: "*" is true when there is something. */
static void if_match_star_moves_only_a_tag_that_is_there(void **state)
{
    AUTO(mem) char *one = image_json("one", "the layer of all", "");
    AUTO(mem) char *two = image_json("one", "the layer of all", " ");
    struct answer a = put("v1", one, "If-Match: *\r\n");

    (void)state;
    assert_int_equal(a.status, 412);
    answer_done(&a);
    a = put("v1", one, NULL);
    answer_done(&a);
    a = put("v1", two, "If-Match: *\r\n");
    assert_int_equal(a.status, 201);
    answer_done(&a);
}

/* Deleting. */

static void a_deleted_manifest_is_gone(void **state)
{
    AUTO(mem) char *json = image_json("one", "the layer of all", "");
    struct digest d = sha256_of(str_of(json));
    struct answer a = put("v1", json, NULL);

    (void)state;
    answer_done(&a);
    assert_int_equal(delete_status(d.text), 202);
    assert_int_equal(get_status(d.text), 404);
    assert_int_equal(get_status("v1"), 404);
    assert_int_equal(delete_status(d.text), 404);
}

static void where_deleting_is_turned_off_it_is_unsupported(void **state)
{
    AUTO(mem) char *json = image_json("one", "the layer of all", "");
    struct answer a = put("v1", json, NULL);

    (void)state;
    answer_done(&a);
    s.w.conf->registry.delete_enabled = false;
    a = get(&s, "DELETE " PATH "v1");
    assert_error(&a, 405, "UNSUPPORTED");
    assert_string_equal(header_of(&a, "Allow"), "GET, HEAD, PUT");
    answer_done(&a);
}

/* Referrers. */

static struct answer push_referrer(const char *subject)
{
    AUTO(mem) char *more = NULL, *json = NULL;

    assert_true(asprintf(&more,
                         ",\"artifactType\":\"x/y+z\",\"annotations\":{\"a\":\"b\"},"
                         "\"subject\":{\"mediaType\":\"a/b\",\"digest\":\"%s\",\"size\":1}",
                         subject) > 0);
    json = image_json("one", "the layer of all", more);
    return put(sha256_of(str_of(json)).text, json, NULL);
}

static void a_referrer_is_told_and_listed(void **state)
{
    struct digest subject = sha256_of(STR("subject"));
    struct answer a = push_referrer(subject.text);
    char line[512];

    (void)state;
    assert_int_equal(a.status, 201);
    assert_string_equal(header_of(&a, "OCI-Subject"), subject.text);
    answer_done(&a);
    snprintf(line, sizeof(line), "GET /v2/" REPO "/referrers/%s", subject.text);
    a = get(&s, line);
    assert_int_equal(a.status, 200);
    assert_string_equal(header_of(&a, "Content-Type"), MEDIA_OCI_INDEX);
    assert_int_equal(headers_of(&a, "OCI-Filters-Applied"), 0);
    assert_non_null(strstr(buf_text(&a.body), "\"artifactType\":\"x/y+z\""));
    assert_non_null(strstr(buf_text(&a.body), "\"annotations\":{\"a\":\"b\"}"));
    answer_done(&a);
}

static void the_filter_of_referrers_is_told(void **state)
{
    struct digest subject = sha256_of(STR("subject"));
    struct answer a = push_referrer(subject.text);
    char line[512];

    (void)state;
    answer_done(&a);
    snprintf(line, sizeof(line), "GET /v2/" REPO "/referrers/%s?artifactType=x/y%%2Bz",
             subject.text);
    a = get(&s, line);
    assert_string_equal(header_of(&a, "OCI-Filters-Applied"), "artifactType");
    assert_non_null(strstr(buf_text(&a.body), "x/y+z"));
    answer_done(&a);
    snprintf(line, sizeof(line), "GET /v2/" REPO "/referrers/%s?artifactType=other", subject.text);
    a = get(&s, line);
    assert_int_equal(a.status, 200);
    assert_null(strstr(buf_text(&a.body), "x/y+z"));
    answer_done(&a);
}

static void what_has_no_referrers_has_an_empty_index(void **state)
{
    struct digest d = sha256_of(STR("x"));
    char line[512];
    struct answer a;

    (void)state;
    snprintf(line, sizeof(line), "GET /v2/no/such/referrers/%s", d.text);
    a = get(&s, line);
    assert_int_equal(a.status, 200);
    assert_string_equal(buf_text(&a.body), "{\"schemaVersion\":2,\"mediaType\":\"" MEDIA_OCI_INDEX
                                           "\",\"manifests\":[]}\n");
    answer_done(&a);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(a_push_by_tag_answers_where_it_is),
        TEST(a_pull_gives_the_bytes_and_what_they_are),
        TEST(what_the_client_has_already_is_not_sent),
        TEST(what_is_not_there_is_unknown),
        TEST(what_is_no_manifest_is_invalid),
        TEST(two_content_types_are_one_too_many),
        TEST(a_missing_blob_is_unknown),
        TEST(a_wrong_digest_is_invalid),
        TEST(the_largest_manifest_is_taken_in_any_pieces),
        TEST(a_larger_manifest_is_refused),
        TEST(a_body_that_breaks_off_is_no_manifest),
        TEST(tags_of_the_query_are_set_and_told),
        TEST(a_bad_tag_of_the_query_refuses_all),
        TEST(more_tags_than_allowed_are_too_many),
        TEST(if_none_match_star_does_not_overwrite),
        TEST(if_match_moves_only_what_it_names),
        TEST(if_match_star_moves_only_a_tag_that_is_there),
        TEST(a_deleted_manifest_is_gone),
        TEST(where_deleting_is_turned_off_it_is_unsupported),
        TEST(a_referrer_is_told_and_listed),
        TEST(the_filter_of_referrers_is_told),
        TEST(what_has_no_referrers_has_an_empty_index),
    };

    int failed = cmocka_run_group_tests(tests, NULL, NULL);

    slow_clients = true;
    return failed + cmocka_run_group_tests_name("slow clients", tests, NULL, NULL);
}
