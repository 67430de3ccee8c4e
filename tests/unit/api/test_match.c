#include "api/match.h"

#include "base/file.h"

#include "api/handlers.h"
#include "api/routes.h"
#include "api/routes_page.h"
#include "unit/core/support.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>

#define HEX64 "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define D256  "sha256:" HEX64
#define UUID  "123e4567-e89b-42d3-a456-426614174000"

/* MATCH_NONE, or what Allow lists. */
static const char *allowed(enum http_method method, const char *path)
{
    static char text[512];
    AUTO(buf) struct buf allow = {0};
    enum match_result result;
    struct match m;

    buf_init(&allow, sizeof(text) - 1);
    result = match_path(method, str_of(path), &m);
    if (result == MATCH_FOUND)
        return "found";
    if (result == MATCH_NONE)
        return "none";
    match_allow(str_of(path), method, &allow);
    snprintf(text, sizeof(text), "%s", buf_text(&allow));
    return text;
}

static enum err_code route(enum http_method method, const char *path, struct req *ret_req)
{
    struct err e = {0};
    enum err_code code;
    struct match m;

    *ret_req = (struct req){0};
    assert_int_equal(match_path(method, str_of(path), &m), MATCH_FOUND);
    code = match_settle(&m, REPO_NAME_MAX, ret_req, &e);
    if (code != ERR_OK)
        assert_true(e.public_detail);
    return code;
}

static void assert_route(enum http_method method, const char *path, api_handler serve,
                         const char *name)
{
    struct req q;

    assert_ok(route(method, path, &q));
    assert_ptr_equal(q.route->serve, serve);
    assert_string_equal(q.name.text, name);
}

static void assert_refused(enum err_code code, enum http_method method, const char *path)
{
    struct req q;

    assert_code(code, route(method, path, &q));
}

/* dist-spec "Endpoints". */
static void every_endpoint_has_its_handler(void **state)
{
    (void)state;
    assert_route(HTTP_GET, "/v2/", api_base_get, "");
    assert_route(HTTP_GET, "/v2", api_base_get, "");
    assert_route(HTTP_GET, "/v2/a/blobs/" D256, api_blob_get, "a");
    assert_route(HTTP_HEAD, "/v2/a/blobs/" D256, api_blob_get, "a");
    assert_route(HTTP_GET, "/v2/a/manifests/latest", api_manifest_get, "a");
    assert_route(HTTP_HEAD, "/v2/a/manifests/" D256, api_manifest_get, "a");
    assert_route(HTTP_POST, "/v2/a/blobs/uploads/", api_upload_post, "a");
    assert_route(HTTP_POST, "/v2/a/blobs/uploads", api_upload_post, "a");
    assert_route(HTTP_PATCH, "/v2/a/blobs/uploads/" UUID, api_upload_patch, "a");
    assert_route(HTTP_PUT, "/v2/a/blobs/uploads/" UUID, api_upload_put, "a");
    assert_route(HTTP_GET, "/v2/a/blobs/uploads/" UUID, api_upload_get, "a");
    assert_route(HTTP_DELETE, "/v2/a/blobs/uploads/" UUID, api_upload_delete, "a");
    assert_route(HTTP_PUT, "/v2/a/manifests/latest", api_manifest_put, "a");
    assert_route(HTTP_DELETE, "/v2/a/manifests/latest", api_manifest_delete, "a");
    assert_route(HTTP_DELETE, "/v2/a/blobs/" D256, api_blob_delete, "a");
    assert_route(HTTP_GET, "/v2/a/tags/list", api_tag_list, "a");
    assert_route(HTTP_GET, "/v2/a/referrers/" D256, api_referrer_list, "a");
    assert_route(HTTP_GET, "/v2/_catalog", api_catalog_list, "");
    assert_route(HTTP_GET, "/healthz", api_healthz_get, "");
    assert_route(HTTP_GET, "/readyz", api_readyz_get, "");
}

static void a_name_may_hold_the_words_of_the_table(void **state)
{
    static const char *const names[] = {
        "manifests",
        "blobs",
        "tags",
        "uploads",
        "list",
        "referrers",
        "v2",
        "blobs/uploads",
        "tags/list",
        "a/manifests",
        "a/blobs/uploads",
        "manifests/manifests/manifests",
        "a/manifests/blobs",
        "tags/list/tags",
        "a/referrers/b",
        "blobs/blobs",
        "catalog",
        "healthz",
    };

    (void)state;
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        char path[512];

        snprintf(path, sizeof(path), "/v2/%s/manifests/latest", names[i]);
        assert_route(HTTP_GET, path, api_manifest_get, names[i]);
        snprintf(path, sizeof(path), "/v2/%s/manifests/list", names[i]);
        assert_route(HTTP_PUT, path, api_manifest_put, names[i]);
        snprintf(path, sizeof(path), "/v2/%s/manifests/manifests", names[i]);
        assert_route(HTTP_GET, path, api_manifest_get, names[i]);
        snprintf(path, sizeof(path), "/v2/%s/blobs/" D256, names[i]);
        assert_route(HTTP_GET, path, api_blob_get, names[i]);
        snprintf(path, sizeof(path), "/v2/%s/blobs/uploads/", names[i]);
        assert_route(HTTP_POST, path, api_upload_post, names[i]);
        snprintf(path, sizeof(path), "/v2/%s/blobs/uploads/" UUID, names[i]);
        assert_route(HTTP_PATCH, path, api_upload_patch, names[i]);
        snprintf(path, sizeof(path), "/v2/%s/tags/list", names[i]);
        assert_route(HTTP_GET, path, api_tag_list, names[i]);
        snprintf(path, sizeof(path), "/v2/%s/referrers/" D256, names[i]);
        assert_route(HTTP_GET, path, api_referrer_list, names[i]);
    }
}

static void what_the_path_names_is_parsed(void **state)
{
    struct req q;

    (void)state;
    assert_ok(route(HTTP_GET, "/v2/a/b/manifests/v1.0", &q));
    assert_false(q.ref.is_digest);
    assert_string_equal(q.ref.tag.text, "v1.0");
    assert_ok(route(HTTP_GET, "/v2/a/b/manifests/" D256, &q));
    assert_true(q.ref.is_digest);
    assert_string_equal(q.ref.digest.text, D256);
    assert_ok(route(HTTP_GET, "/v2/a/b/blobs/" D256, &q));
    assert_string_equal(q.digest.text, D256);
    assert_ok(route(HTTP_GET, "/v2/a/b/blobs/uploads/" UUID, &q));
    assert_string_equal(q.upload.text, UUID);
}

static void an_image_is_a_name_and_a_tag_or_a_digest(void **state)
{
    struct req q;

    (void)state;
    assert_route(HTTP_GET, "/api/v1/archive/team/app:v1", api_archive_get, "team/app");
    assert_ok(route(HTTP_HEAD, "/api/v1/archive/team/app:v1", &q));
    assert_false(q.ref.is_digest);
    assert_string_equal(q.ref.tag.text, "v1");
    assert_ok(route(HTTP_GET, "/api/v1/archive/team/app@" D256, &q));
    assert_string_equal(q.name.text, "team/app");
    assert_string_equal(q.ref.digest.text, D256);
}

static void an_image_without_a_tag_is_refused(void **state)
{
    (void)state;
    assert_refused(ERR_REQUEST_INVALID, HTTP_GET, "/api/v1/archive/team/app");
    assert_refused(ERR_REQUEST_INVALID, HTTP_GET, "/api/v1/archive/team/app:");
    assert_refused(ERR_REQUEST_INVALID, HTTP_GET, "/api/v1/archive/team/app@");
    assert_refused(ERR_NAME_INVALID, HTTP_GET, "/api/v1/archive/host:5000/app:v1");
    assert_refused(ERR_NAME_INVALID, HTTP_GET, "/api/v1/archive/app:v1@" D256);
    assert_refused(ERR_REQUEST_INVALID, HTTP_GET, "/api/v1/archive/:v1");
    assert_refused(ERR_REQUEST_INVALID, HTTP_GET, "/api/v1/archive/@" D256);
    assert_refused(ERR_REQUEST_INVALID, HTTP_GET, "/api/v1/archive/a:v1/x");
    assert_refused(ERR_DIGEST_MALFORMED, HTTP_GET, "/api/v1/archive/app@v1");
    assert_refused(ERR_MANIFEST_UNKNOWN, HTTP_GET, "/api/v1/archive/app:.x");
}

static void a_digest_may_be_percent_encoded(void **state)
{
    struct req q;

    (void)state;
    assert_ok(route(HTTP_GET, "/v2/a/blobs/sha256%3A" HEX64, &q));
    assert_string_equal(q.digest.text, D256);
    assert_ok(route(HTTP_GET, "/v2/a/blobs/sha256%3a" HEX64, &q));
    assert_string_equal(q.digest.text, D256);
    assert_ok(route(HTTP_GET, "/v2/a/manifests/sha256%3A" HEX64, &q));
    assert_string_equal(q.ref.digest.text, D256);
}

static void encoding_gives_no_other_names(void **state)
{
    (void)state;
    assert_refused(ERR_NAME_INVALID, HTTP_GET, "/v2/a%2Fb/manifests/latest");
    assert_refused(ERR_NAME_INVALID, HTTP_GET, "/v2/a%2fb/manifests/latest");
    assert_refused(ERR_NAME_INVALID, HTTP_GET, "/v2/a%00/manifests/latest");
    assert_refused(ERR_NAME_INVALID, HTTP_GET, "/v2/%2e%2e/manifests/latest");
    assert_refused(ERR_NAME_INVALID, HTTP_GET, "/v2/a/%2E/manifests/latest");
    assert_refused(ERR_NAME_INVALID, HTTP_GET, "/v2/a%/manifests/latest");
    assert_refused(ERR_NAME_INVALID, HTTP_GET, "/v2/a%2/manifests/latest");
    assert_refused(ERR_NAME_INVALID, HTTP_GET, "/v2/a%zz/manifests/latest");
    assert_refused(ERR_NAME_INVALID, HTTP_GET, "/v2/a%20b/manifests/latest");
    assert_refused(ERR_MANIFEST_UNKNOWN, HTTP_GET, "/v2/a/manifests/b%2Fc");
    assert_refused(ERR_MANIFEST_UNKNOWN, HTTP_GET, "/v2/a/manifests/%2e%2e");
    assert_refused(ERR_TAG_INVALID, HTTP_PUT, "/v2/a/manifests/b%2Fc");
    assert_refused(ERR_TAG_INVALID, HTTP_PUT, "/v2/a/manifests/b%00");
    assert_refused(ERR_TAG_INVALID, HTTP_PUT, "/v2/a/manifests/%2e");
    assert_refused(ERR_DIGEST_MALFORMED, HTTP_GET, "/v2/a/blobs/sha256:%2F");
}

static void a_bad_name_is_refused(void **state)
{
    char long_name[REPO_NAME_MAX + 64];

    (void)state;
    assert_refused(ERR_NAME_INVALID, HTTP_GET, "/v2/A/manifests/latest");
    assert_refused(ERR_NAME_INVALID, HTTP_GET, "/v2/../manifests/latest");
    assert_refused(ERR_NAME_INVALID, HTTP_GET, "/v2/a/../b/manifests/latest");
    assert_refused(ERR_NAME_INVALID, HTTP_GET, "/v2/a//b/manifests/latest");
    assert_refused(ERR_NAME_INVALID, HTTP_GET, "/v2/./manifests/latest");
    assert_refused(ERR_NAME_INVALID, HTTP_GET, "/v2//a/manifests/latest");
    assert_refused(ERR_NAME_INVALID, HTTP_GET, "/v2/a:b/tags/list");
    memset(long_name, 'a', sizeof(long_name));
    memcpy(long_name, "/v2/", 4);
    strcpy(long_name + 4 + REPO_NAME_MAX + 1, "/tags/list");
    assert_refused(ERR_NAME_INVALID, HTTP_GET, long_name);
    strcpy(long_name + 4 + REPO_NAME_MAX, "/tags/list");
    assert_ok(route(HTTP_GET, long_name, &(struct req){0}));
}

static void a_name_longer_than_the_limit_is_refused(void **state)
{
    struct req q = {0};
    struct match m;

    (void)state;
    assert_int_equal(match_path(HTTP_GET, STR("/v2/abcd/tags/list"), &m), MATCH_FOUND);
    assert_ok(match_settle(&m, 4, &q, ERR_IGNORED));
    assert_code(ERR_NAME_INVALID, match_settle(&m, 3, &q, ERR_IGNORED));
}

static void a_bad_digest_is_refused(void **state)
{
    (void)state;
    assert_refused(ERR_DIGEST_MALFORMED, HTTP_GET, "/v2/a/blobs/latest");
    assert_refused(ERR_DIGEST_MALFORMED, HTTP_GET, "/v2/a/blobs/sha256:abc");
    assert_refused(ERR_DIGEST_MALFORMED, HTTP_DELETE, "/v2/a/blobs/md5:" HEX64);
    assert_refused(ERR_DIGEST_MALFORMED, HTTP_GET, "/v2/a/referrers/latest");
    assert_refused(ERR_DIGEST_MALFORMED, HTTP_GET, "/v2/a/manifests/sha256:abc");
}

/* A tag that can't be is one that is not there; to push or delete it is a mistake. */
static void a_bad_tag_is_unknown_to_readers(void **state)
{
    (void)state;
    assert_refused(ERR_MANIFEST_UNKNOWN, HTTP_GET, "/v2/a/manifests/.x");
    assert_refused(ERR_MANIFEST_UNKNOWN, HTTP_HEAD, "/v2/a/manifests/.x");
    assert_refused(ERR_TAG_INVALID, HTTP_PUT, "/v2/a/manifests/.x");
    assert_refused(ERR_TAG_INVALID, HTTP_DELETE, "/v2/a/manifests/.x");
}

static void an_upload_is_named_by_a_uuid(void **state)
{
    (void)state;
    assert_refused(ERR_BLOB_UPLOAD_UNKNOWN, HTTP_PATCH, "/v2/a/blobs/uploads/x");
    assert_refused(ERR_BLOB_UPLOAD_UNKNOWN, HTTP_GET, "/v2/a/blobs/uploads/" UUID "0");
    assert_refused(ERR_BLOB_UPLOAD_UNKNOWN, HTTP_GET, "/v2/a/blobs/uploads/..");
}

static void another_method_is_told_what_is_allowed(void **state)
{
    (void)state;
    assert_string_equal(allowed(HTTP_PUT, "/v2/"), "GET, HEAD");
    assert_string_equal(allowed(HTTP_POST, "/v2/a/manifests/latest"), "GET, HEAD, PUT, DELETE");
    assert_string_equal(allowed(HTTP_PUT, "/v2/a/blobs/" D256), "GET, HEAD, DELETE");
    assert_string_equal(allowed(HTTP_POST, "/v2/a/blobs/uploads/" UUID),
                        "GET, HEAD, PATCH, PUT, DELETE");
    assert_string_equal(allowed(HTTP_GET, "/v2/a/blobs/uploads/"), "POST");
    assert_string_equal(allowed(HTTP_DELETE, "/v2/a/tags/list"), "GET, HEAD");
    assert_string_equal(allowed(HTTP_OPTIONS, "/v2/_catalog"), "GET, HEAD");
    assert_string_equal(allowed(HTTP_OTHER, "/healthz"), "GET, HEAD");
}

static void other_paths_are_not_served(void **state)
{
    static const char *const paths[] = {
        "",
        "*",
        "v2",
        "v2/",
        "healthz",
        "//",
        "//v2/",
        "/v1/",
        "/v2x",
        "/v3/a/tags/list",
        "/healthz/",
        "/healthz/x",
        "/v2/_catalog/",
        "/v2/a",
        "/v2/a/tags",
        "/v2/a/tags/list/",
        "/v2/a/tags/x",
        "/v2/tags/list",
        "/v2//tags/list",
        "/v2/a/manifests",
        "/v2/a/manifests/",
        "/v2/manifests/latest",
        "/v2/a/blobs",
        "/v2/a/blobs/",
        "/v2/a/referrers/",
        "/v2/a/blobs/uploads/" UUID "/",
        "/v2/a/blobs/uploads/" UUID "/x",
        "/V2/a/tags/list",
        "/v2/a/Tags/list",
        "/v2/a/tags%2Flist",
        "/v2/a/t%61gs/list",
        "/x/v2/",
    };

    (void)state;
    for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
        if (strcmp(allowed(HTTP_GET, paths[i]), "none") != 0)
            fail_msg("'%s' is served", paths[i]);
    }
}

/* The right stands beside the route: what changes anything needs more than the right to pull. */
static void every_route_asks_for_the_right_it_needs(void **state)
{
    (void)state;
    for (size_t i = 0; i < api_routes_n; i++) {
        const struct route *r = &api_routes[i];

        /* the token service and a session find out themselves who asks; an account changes what is
         * its own */
        if (strncmp(r->pattern, "/auth/", 6) == 0 || strcmp(r->pattern, "/api/v1/session") == 0 ||
            r->access == ACCESS_ACCOUNT || r->access == ACCESS_ADMIN)
            continue;
        if (r->method == HTTP_DELETE)
            assert_true(r->access == ACCESS_DELETE || strstr(r->pattern, "/uploads/"));
        if (r->method == HTTP_PUT || r->method == HTTP_POST || r->method == HTTP_PATCH)
            assert_int_equal(r->access, strstr(r->pattern, "/delete-")               ? ACCESS_DELETE
                                        : str_ends(str_of(r->pattern), STR("/scan")) ? ACCESS_SCAN
                                                                                     : ACCESS_PUSH);
        if (strstr(r->pattern, "{name}"))
            assert_int_not_equal(r->access, ACCESS_NONE);
    }
}

static void the_page_of_routes_is_up_to_date(void **state)
{
    AUTO(buf) struct buf want = {0};
    AUTO(buf) struct buf page = {0};
    char path[4096];
    struct err e;

    (void)state;
    snprintf(path, sizeof(path), "%s/docs/routes.md", getenv("TOP"));
    buf_init(&want, 1 << 20);
    buf_init(&page, 1 << 20);
    routes_page(&want);
    if (file_read_at(AT_FDCWD, path, &page, &e) != ERR_OK)
        fail_msg("%s", e.detail);
    if (!str_eq(buf_str(&want), buf_str(&page)))
        fail_msg("run: build/registry routes > docs/routes.md");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_page_of_routes_is_up_to_date),
        cmocka_unit_test(every_endpoint_has_its_handler),
        cmocka_unit_test(a_name_may_hold_the_words_of_the_table),
        cmocka_unit_test(what_the_path_names_is_parsed),
        cmocka_unit_test(an_image_is_a_name_and_a_tag_or_a_digest),
        cmocka_unit_test(an_image_without_a_tag_is_refused),
        cmocka_unit_test(a_digest_may_be_percent_encoded),
        cmocka_unit_test(encoding_gives_no_other_names),
        cmocka_unit_test(a_bad_name_is_refused),
        cmocka_unit_test(a_name_longer_than_the_limit_is_refused),
        cmocka_unit_test(a_bad_digest_is_refused),
        cmocka_unit_test(a_bad_tag_is_unknown_to_readers),
        cmocka_unit_test(an_upload_is_named_by_a_uuid),
        cmocka_unit_test(another_method_is_told_what_is_allowed),
        cmocka_unit_test(other_paths_are_not_served),
        cmocka_unit_test(every_route_asks_for_the_right_it_needs),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
