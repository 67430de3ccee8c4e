/* The registry over a store that keeps a blob once for all repositories, and gives uploads not
 * back. */
#include "base/buf.h"
#include "base/cleanup.h"
#include "base/mem.h"
#include "core/mount.h"
#include "core/remove.h"
#include "core/upload.h"
#include "core/upload_session.h"
#include "support.h"

#define OWNER "anna"

static struct world w;
static struct repo_name a, b;

static int set_up(void **state)
{
    (void)state;
    world_remote(&w);
    a = repo_of("a");
    b = repo_of("b");
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    world_done(&w);
    return 0;
}

static bool stored(const struct digest *d)
{
    uint64_t size_bytes;

    return store_blob_stat(w.store, &a, d, &size_bytes, ERR_IGNORED) == ERR_OK;
}

static struct upload *opened(const struct uuid *id)
{
    struct upload *u = NULL;

    assert_ok(upload_open(w.r, &a, OWNER, id, UPLOAD_MORE, &u, ERR_IGNORED));
    return u;
}

static enum err_code append(struct upload *u, struct str bytes, uint64_t exact_bytes)
{
    struct source s = source_of(bytes);
    struct upload_body body = {.expected_bytes = bytes.n, .exact_bytes = exact_bytes};

    return upload_append(u, &s.reader, &body, ERR_IGNORED);
}

/* A session with those bytes. */
static struct uuid begun(struct str bytes)
{
    struct upload *u;
    struct uuid id;

    assert_ok(upload_begin(w.r, &a, OWNER, DIGEST_SHA256, &id, ERR_IGNORED));
    u = opened(&id);
    assert_ok(append(u, bytes, UINT64_MAX));
    upload_close(u);
    return id;
}

/* As in a process that has just been started. */
static void forget(const struct uuid *id)
{
    struct session *s;

    assert_int_equal(session_take(w.r->uploads, id, &s), SESSION_TAKEN);
    session_drop(w.r->uploads, s);
}

static void another_process_goes_on_with_the_hash(void **state)
{
    struct digest d = sha256_of(STR("hello world"));
    struct uuid id = begun(STR("hello "));
    struct upload *u;

    (void)state;
    forget(&id);
    u = opened(&id);
    assert_int_equal(upload_offset(u), 6);
    assert_ok(append(u, STR("world"), UINT64_MAX));
    upload_close(u);
    forget(&id);
    assert_ok(upload_finish(opened(&id), &d, NULL, ERR_IGNORED));
    assert_true(blob_readable(&w, "a", &d));
}

static void another_process_sees_a_wrong_digest(void **state)
{
    struct digest d = sha256_of(STR("hello world"));
    struct uuid id = begun(STR("hello there"));

    (void)state;
    forget(&id);
    assert_code(ERR_DIGEST_INVALID, upload_finish(opened(&id), &d, NULL, ERR_IGNORED));
    assert_false(stored(&d));
}

static void a_chunk_that_fails_leaves_the_hash_as_it_was(void **state)
{
    struct source cut = failing_source(STR("wor"), 2, ERR_INTERNAL);
    struct digest d = sha256_of(STR("hello world"));
    struct uuid id = begun(STR("hello "));
    struct upload *u = opened(&id);

    (void)state;
    assert_code(ERR_INTERNAL, upload_append(u, &cut.reader, BODY(5), ERR_IGNORED));
    assert_code(ERR_SIZE_INVALID, append(u, STR("wor"), 5));
    assert_int_equal(upload_offset(u), 6);
    assert_ok(append(u, STR("world"), 5));
    assert_ok(upload_finish(u, &d, NULL, ERR_IGNORED));
    assert_true(blob_readable(&w, "a", &d));
}

static void a_blob_goes_with_the_last_repository_that_has_it(void **state)
{
    struct digest d = blob_put(&w, "a", STR("shared"));

    (void)state;
    assert_ok(mount_blob(w.r, &b, &a, &d, ERR_IGNORED));
    assert_ok(remove_blob(w.r, &a, &d, ERR_IGNORED));
    assert_false(blob_readable(&w, "a", &d));
    assert_true(blob_readable(&w, "b", &d));
    world_let_go(&w);
    assert_true(blob_readable(&w, "b", &d));
    assert_ok(remove_blob(w.r, &b, &d, ERR_IGNORED));
    world_let_go(&w);
    assert_false(stored(&d));
}

/* Another process deletes the blob as soon as this one has seen that it is there. */
static enum err_code stat_and_lose(struct meta *m, const struct repo_name *repo,
                                   const struct digest *d, uint64_t *ret_size_bytes, struct err *e)
{
    struct meta_op op = meta_op_blob_unlink(repo, d, (struct meta_removal){.once = true});

    TRY(meta_blob_stat(m->inner, repo, d, ret_size_bytes, e));
    return meta_commit(m->inner, &op, 1, 0, NULL, e);
}

static void a_mount_whose_source_goes_meanwhile_is_none(void **state)
{
    struct digest d = blob_put(&w, "a", STR("shared"));
    uint64_t size_bytes;

    (void)state;
    world_patch_meta(&w)->blob_stat = stat_and_lose;
    assert_code(ERR_BLOB_UNKNOWN, mount_blob(w.r, &b, &a, &d, ERR_IGNORED));
    world_patch_meta(&w);
    assert_code(ERR_BLOB_UNKNOWN, meta_blob_stat(w.r->meta, &b, &d, &size_bytes, ERR_IGNORED));
}

/* Another process pushes the manifest just before it is taken away. */
static enum err_code push_and_delete(struct store *s, const struct repo_name *repo,
                                     const struct digest *d, struct err *e)
{
    AUTO(mem) char *json = image_json("one", "the layer of all", "");
    struct meta_manifest *m = meta_manifest_new(d, STR("a/b"), str_of(json));
    struct meta_op op =
        meta_op_manifest_put((struct meta_manifest_put){.repo = repo, .manifest = m});

    assert_ok(meta_commit(w.r->meta, &op, 1, 0, NULL, e));
    meta_manifest_unref(m);
    return store_manifest_delete(s->inner, repo, d, e);
}

static void a_manifest_that_others_push_while_it_is_deleted_is_put_back(void **state)
{
    struct digest d = image_put(&w, "a", "one", NULL);
    struct reference ref = digest_ref(&d);
    AUTO(buf) struct buf bytes = {0};

    (void)state;
    world_patch_store(&w)->manifest_delete = push_and_delete;
    assert_ok(remove_manifest(w.r, &a, &ref, ERR_IGNORED));
    world_patch_store(&w);
    buf_init(&bytes, 4096);
    assert_ok(store_manifest_get(w.r->store, &a, &d, &bytes, ERR_IGNORED));
}

static void a_push_that_is_refused_leaves_the_blob_to_others(void **state)
{
    struct digest d = blob_put(&w, "a", STR("shared")), own = sha256_of(STR("own"));

    (void)state;
    world_set_quota(&w, "b", 1, 0);
    assert_code(ERR_QUOTA, blob_push(&w, "b", STR("shared"), &d, ERR_IGNORED));
    assert_code(ERR_QUOTA, mount_blob(w.r, &b, &a, &d, ERR_IGNORED));
    assert_code(ERR_QUOTA, blob_push(&w, "b", STR("own"), &own, ERR_IGNORED));
    world_let_go(&w);
    assert_true(blob_readable(&w, "a", &d));
    assert_false(stored(&own));
}

static void a_session_that_never_had_bytes_is_swept(void **state)
{
    struct uuid id;

    (void)state;
    assert_ok(upload_begin(w.r, &a, OWNER, DIGEST_SHA256, &id, ERR_IGNORED));
    w.conf->registry.upload_timeout_ms = 0;
    assert_ok(upload_sweep(w.r, ERR_IGNORED));
    assert_int_equal(known_uploads(&w), 0);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(another_process_goes_on_with_the_hash),
        TEST(another_process_sees_a_wrong_digest),
        TEST(a_chunk_that_fails_leaves_the_hash_as_it_was),
        TEST(a_blob_goes_with_the_last_repository_that_has_it),
        TEST(a_mount_whose_source_goes_meanwhile_is_none),
        TEST(a_manifest_that_others_push_while_it_is_deleted_is_put_back),
        TEST(a_push_that_is_refused_leaves_the_blob_to_others),
        TEST(a_session_that_never_had_bytes_is_swept),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
