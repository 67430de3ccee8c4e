#include "exchange.h"

#include <stdio.h>

/* Blobs: pulled, asked for, deleted. */

#define REPO  "library/busybox"
#define BYTES "the bytes of a blob"

static struct server s;
static struct digest blob;

static int set_up(void **state)
{
    (void)state;
    server_init(&s);
    blob = blob_put(&s.w, REPO, STR(BYTES));
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    server_done(&s);
    return 0;
}

static struct answer ask(const char *method, const char *repo, const char *digest)
{
    char line[512];

    snprintf(line, sizeof(line), "%s /v2/%s/blobs/%s", method, repo, digest);
    return get(&s, line);
}

static void a_pull_gives_the_bytes_and_never_what_they_claim_to_be(void **state)
{
    static const struct {
        const char *method, *body;
    } rows[] = {{"GET", BYTES}, {"HEAD", ""}};
    char etag[DIGEST_TEXT_MAX + 3];

    (void)state;
    snprintf(etag, sizeof(etag), "\"%s\"", blob.text);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct answer a = ask(rows[i].method, REPO, blob.text);

        tell_status(rows[i].method, &a, 200);
        tell_header(rows[i].method, &a, "Docker-Content-Digest", blob.text);
        tell_header(rows[i].method, &a, "Content-Type", "application/octet-stream");
        tell_header(rows[i].method, &a, "ETag", etag);
        assert_string_equal(buf_text(&a.body), rows[i].body);
        answer_done(&a);
    }
}

#define NONE "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

static void what_is_not_there_is_unknown(void **state)
{
    const struct {
        const char *method, *repo, *digest;
        int status;
        const char *code;
    } rows[] = {
        {"GET", REPO, NONE, 404, "BLOB_UNKNOWN"},
        {"GET", "library/other", blob.text, 404, "BLOB_UNKNOWN"},
        {"GET", REPO, "sha256:0123", 400, "DIGEST_INVALID"},
        {"GET", REPO, "md5:0123456789abcdef0123456789abcdef", 400, "DIGEST_INVALID"},
        {"GET", "A", blob.text, 400, "NAME_INVALID"},
        {"DELETE", REPO, NONE, 404, "BLOB_UNKNOWN"},
        {"DELETE", "library/other", blob.text, 404, "BLOB_UNKNOWN"},
        {"DELETE", REPO, "sha256:0123", 400, "DIGEST_INVALID"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct answer a = ask(rows[i].method, rows[i].repo, rows[i].digest);

        tell_status(rows[i].digest, &a, rows[i].status);
        assert_error(&a, rows[i].status, rows[i].code);
        answer_done(&a);
    }
}

static void a_deleted_blob_is_gone(void **state)
{
    struct answer a = ask("DELETE", REPO, blob.text);

    (void)state;
    assert_int_equal(a.status, 202);
    assert_int_equal(a.body.n, 0);
    answer_done(&a);
    a = ask("GET", REPO, blob.text);
    assert_error(&a, 404, "BLOB_UNKNOWN");
    answer_done(&a);
    a = ask("DELETE", REPO, blob.text);
    assert_error(&a, 404, "BLOB_UNKNOWN");
    answer_done(&a);
}

static void what_a_manifest_names_stays(void **state)
{
    struct digest layer;
    struct answer a;

    (void)state;
    image_put(&s.w, REPO, "one", "v1");
    layer = sha256_of(STR("the layer of all"));
    a = ask("DELETE", REPO, layer.text);
    assert_error(&a, 405, "DENIED");
    answer_done(&a);
    a = ask("GET", REPO, layer.text);
    assert_int_equal(a.status, 200);
    answer_done(&a);
}

static enum err_code damaged(struct store *store, const struct repo_name *repo,
                             const struct digest *d, uint64_t known_bytes, struct reader **ret,
                             uint64_t *ret_bytes, struct err *e)
{
    (void)store, (void)repo, (void)d, (void)known_bytes, (void)ret, (void)ret_bytes;
    return err_set(e, ERR_CORRUPT, "the file is gone");
}

/* Who asks before a push is told that it is missing, and mends it; who wants it is told the truth.
 */
static void a_damaged_blob_is_asked_to_be_pushed_again(void **state)
{
    struct answer a;

    (void)state;
    world_patch_store(&s.w)->blob_open = damaged;
    a = ask("HEAD", REPO, blob.text);
    assert_int_equal(a.status, 404);
    answer_done(&a);
    a = ask("GET", REPO, blob.text);
    assert_error(&a, 500, "UNKNOWN");
    assert_null(strstr(buf_text(&a.body), "file"));
    answer_done(&a);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        T(a_pull_gives_the_bytes_and_never_what_they_claim_to_be),
        T(what_is_not_there_is_unknown),
        T(a_deleted_blob_is_gone),
        T(what_a_manifest_names_stays),
        T(a_damaged_blob_is_asked_to_be_pushed_again),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
