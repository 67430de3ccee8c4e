#include "exchange.h"

#include <jansson.h>
#include <stdio.h>

/* The list of what refers to a manifest: its rows, pages and filter. */

#define REPO "library/busybox"
#define OCI  "application/vnd.oci.image.manifest.v1+json"

static struct server s;
static struct digest subject;

static void push(const char *type, const char *note)
{
    char json[1024], line[256];
    struct answer a;

    snprintf(json, sizeof(json),
             "{\"schemaVersion\":2,\"mediaType\":\"" OCI "\",\"artifactType\":\"%s\","
             "\"config\":{\"mediaType\":\"application/vnd.oci.empty.v1+json\","
             "\"digest\":\"%s\",\"size\":2},\"layers\":[],"
             "\"subject\":{\"mediaType\":\"" OCI "\",\"digest\":\"%s\",\"size\":1},"
             "\"annotations\":{\"note\":\"%s\"}}",
             type, sha256_of(STR("{}")).text, subject.text, note);
    snprintf(line, sizeof(line), "PUT /v2/" REPO "/manifests/%s", sha256_of(str_of(json)).text);
    a = serve(&s, &(struct request){
                      .line = line, .headers = "Content-Type: " OCI "\r\n", .body = str_of(json)});
    tell_status(note, &a, 201);
    assert_string_equal(header_of(&a, "OCI-Subject"), subject.text);
    answer_done(&a);
}

static int set_up(void **state)
{
    (void)state;
    server_init(&s);
    subject = image_put(&s.w, REPO, "one", NULL);
    blob_put(&s.w, REPO, STR("{}"));
    push("x/sbom", "first");
    push("x/sbom", "second \\\"quoted\\\"");
    push("x/y+z", "third");
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    server_done(&s);
    return 0;
}

static struct answer list(const char *repo, const char *query)
{
    char line[1024];

    snprintf(line, sizeof(line), "GET /v2/%s/referrers/%s%s", repo, subject.text, query);
    return get(&s, line);
}

/* How many rows; each is whole, and of that type when one is given. */
static size_t rows_of(const struct answer *a, const char *type)
{
    json_t *root = json_loadb(a->body.p, a->body.n, JSON_REJECT_DUPLICATES, NULL);
    const json_t *rows = json_object_get(root, "manifests"), *row;
    size_t i, n;

    assert_string_equal(header_of(a, "Content-Type"), "application/vnd.oci.image.index.v1+json");
    assert_int_equal(json_integer_value(json_object_get(root, "schemaVersion")), 2);
    assert_true(json_is_array(rows));
    json_array_foreach(rows, i, row)
    {
        assert_string_equal(json_string_value(json_object_get(row, "mediaType")), OCI);
        assert_int_equal(json_string_length(json_object_get(row, "digest")), 71);
        assert_true(json_integer_value(json_object_get(row, "size")) > 0);
        assert_int_equal(json_object_size(json_object_get(row, "annotations")), 1);
        if (type)
            assert_string_equal(json_string_value(json_object_get(row, "artifactType")), type);
    }
    n = json_array_size(rows);
    json_decref(root);
    return n;
}

static void a_list_has_what_was_asked_for(void **state)
{
    static const struct {
        const char *repo, *query;
        size_t n;
        const char *type, *filter;
        bool more;
    } rows[] = {
        {REPO, "", 3, NULL, "", false},
        {REPO, "?artifactType=x/sbom", 2, "x/sbom", "artifactType", false},
        {REPO, "?artifactType=x/y%2Bz", 1, "x/y+z", "artifactType", false},
        {REPO, "?artifactType=x/y+z", 1, "x/y+z", "artifactType", false},
        {REPO, "?artifactType=other", 0, NULL, "artifactType", false},
        {REPO, "?n=2", 2, NULL, "", true},
        {REPO, "?n=3", 3, NULL, "", false},
        {REPO, "?n=0", 0, NULL, "", false},
        {REPO, "?n=1&artifactType=x/sbom", 1, "x/sbom", "artifactType", true},
        {"library/none", "", 0, NULL, "", false},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct answer a = list(rows[i].repo, rows[i].query);

        tell_status(rows[i].query, &a, 200);
        tell_header(rows[i].query, &a, "OCI-Filters-Applied", rows[i].filter);
        assert_int_equal(rows_of(&a, rows[i].type), rows[i].n);
        assert_int_equal(headers_of(&a, "Link"), rows[i].more);
        answer_done(&a);
    }
}

static void pages_have_each_row_once(void **state)
{
    char line[1024], link[900];
    size_t n = 0, pages = 0;

    (void)state;
    snprintf(line, sizeof(line), "GET /v2/" REPO "/referrers/%s?n=1&artifactType=x/sbom",
             subject.text);
    for (bool more = true; more; pages++) {
        struct answer a = get(&s, line);

        assert_int_equal(a.status, 200);
        n += rows_of(&a, "x/sbom");
        more = sscanf(header_of(&a, "Link"), "<%899[^>]>; rel=\"next\"", link) == 1;
        snprintf(line, sizeof(line), "GET %s", link);
        answer_done(&a);
        assert_true(pages < 3);
    }
    assert_int_equal(n, 2);
}

static void what_can_not_be_asked_for_is_refused(void **state)
{
    static const char *const queries[] = {"?n=x", "?n=-1", "?artifactType=%zz"};

    (void)state;
    for (size_t i = 0; i < sizeof(queries) / sizeof(queries[0]); i++) {
        struct answer a = list(REPO, queries[i]);

        tell_status(queries[i], &a, 400);
        assert_error(&a, 400, "UNSUPPORTED");
        answer_done(&a);
    }
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        T(a_list_has_what_was_asked_for),
        T(pages_have_each_row_once),
        T(what_can_not_be_asked_for_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
