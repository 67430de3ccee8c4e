/*
 * A push in which the n-th call to the store fails, for every n: what was acknowledged is there,
 * what was not is there whole or not at all, and the push succeeds when it is tried again.
 */
#include "store_fixture.h"

#include <stdio.h>

struct push {
    struct repo_name a, b;
    struct tag_name tag;
    struct str layer, manifest;
    struct digest layer_digest, manifest_digest;
    struct uuid id;
    struct store_upload *upload;
    /* What succeeded. */
    bool committed, linked, put, tagged;
};

static void push_init(struct push *p)
{
    *p = (struct push){.a = repo_of("team/base"),
                       .b = repo_of("team/app"),
                       .tag = tag_of("latest"),
                       .layer = STR("the bytes of a layer"),
                       .manifest = STR("{\"a manifest\": true}")};
    p->layer_digest = sha256_of(p->layer);
    p->manifest_digest = sha256_of(p->manifest);
    p->id = new_uuid();
}

static enum err_code upload_layer(struct store *s, struct push *p, struct err *e)
{
    uint64_t size, durable;

    TRY(store_upload_create(s, &p->id, e));
    TRY(store_upload_open(s, &p->id, &p->upload, &size, e));
    TRY(store_upload_write(s, p->upload, p->layer.p, 5, 0, e));
    TRY(store_upload_sync(s, p->upload, &(struct store_note){0}, &durable, e));
    TRY(store_upload_write(s, p->upload, p->layer.p + 5, 2, 5, e));
    TRY(store_upload_truncate(s, p->upload, 5, e));
    TRY(store_upload_write(s, p->upload, p->layer.p + 5, p->layer.n - 5, 5, e));
    TRY(store_upload_prepare(s, p->upload, &p->a, &p->layer_digest, NULL, e));
    TRY(store_upload_commit(s, p->upload, &p->a, &p->layer_digest, NULL, e));
    p->upload = NULL;
    p->committed = true;
    return ERR_OK;
}

static enum err_code push_image(struct store *s, struct push *p, struct err *e)
{
    struct store_health health;

    TRY(store_health(s, &health, e));
    TRY(upload_layer(s, p, e));
    TRY(store_blob_link(s, &p->a, &p->b, &p->layer_digest, e));
    p->linked = true;
    TRY(store_manifest_put(s, &p->b, &p->manifest_digest, p->manifest, e));
    p->put = true;
    TRY(store_tag_put(s, &p->b, &p->tag, &p->manifest_digest, e));
    TRY(store_tag_sync(s, &p->b, e));
    p->tagged = true;
    return ERR_OK;
}

static bool manifest_is(struct store *s, const struct push *p)
{
    AUTO(buf) struct buf found = {0};

    buf_init(&found, 1000);
    return store_manifest_get(s, &p->b, &p->manifest_digest, &found, ERR_IGNORED) == ERR_OK &&
           str_eq(buf_str(&found), p->manifest);
}

/* Whole, or not at all; and there when `done` says that it was acknowledged. */
static void check_blob(struct store *s, const struct repo_name *r, const struct push *p, bool done)
{
    uint64_t size;

    if (!done && store_blob_stat(s, r, &p->layer_digest, &size, E) == ERR_BLOB_UNKNOWN)
        return;
    assert_true(blob_is_e(s, r, &p->layer_digest, p->layer));
}

static void check_consistent(struct store *s, const struct push *p)
{
    struct digest found;
    enum err_code code;

    check_blob(s, &p->a, p, p->committed);
    check_blob(s, &p->b, p, p->linked);
    assert_true(!p->put || manifest_is(s, p));
    code = store_tag_get(s, &p->b, &p->tag, &found, E);
    if (p->tagged || code != ERR_MANIFEST_UNKNOWN) {
        OK(code);
        assert_true(digest_eq(&found, &p->manifest_digest));
        assert_true(manifest_is(s, p)); /* a tag never points to nothing */
    }
}

/* Runs a push whose n-th call fails; false when the push has no n-th call. */
static bool fail_nth(struct store *s, uint64_t n, enum err_code want)
{
    struct push p, again;
    enum err_code code;

    push_init(&p);
    store_fault_arm(s, n, want);
    code = push_image(s, &p, E);
    if (store_fault_calls(s) < n) {
        OK(code);
        return false;
    }
    FAILS(want, code);
    store_fault_arm(s, 0, ERR_OK);
    store_upload_close(s, p.upload);
    check_consistent(s, &p);
    assert_true(count_uploads(s) <= 1);
    OK(store_upload_delete(s, &p.id, E));
    push_init(&again);
    OK(push_image(s, &again, E));
    check_consistent(s, &again);
    assert_int_equal(count_uploads(s), 0);
    return true;
}

static void push_survives_the_failure_of_any_call(void **state)
{
    static const enum err_code codes[] = {ERR_INTERNAL, ERR_STORAGE_FULL};

    (void)state;
    for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++) {
        bool more = true;

        for (uint64_t n = 1; more; n++) {
            char dir[TEMP_DIR_MAX];
            struct store *s;

            temp_dir_make(dir, TEMP_DIR_DISK);
            s = store_fault_new(variant_under_test->make(dir));
            more = fail_nth(s, n, codes[i]);
            store_free(s);
            temp_dir_remove(dir);
            assert_true(more || n > 12); /* as many calls as push_image() makes */
        }
    }
}

static void fault_counts_calls_and_fails_once(void **state)
{
    struct store *s = store_fault_new(variant_under_test->make(((struct fixture *)*state)->dir));
    struct store_health h;

    OK(store_health(s, &h, E));
    store_fault_arm(s, 2, ERR_STORAGE_READONLY);
    OK(store_health(s, &h, E));
    FAILS(ERR_STORAGE_READONLY, store_health(s, &h, E));
    OK(store_health(s, &h, E));
    assert_int_equal(store_fault_calls(s), 3);
    store_free(s);
}

static void closing_an_upload_cannot_be_made_to_fail(void **state)
{
    struct store *s = store_fault_new(variant_under_test->make(((struct fixture *)*state)->dir));
    struct store_upload *u;
    struct uuid id;
    uint64_t size;

    uuid_make(&id);
    OK(store_upload_create(s, &id, E));
    OK(store_upload_open(s, &id, &u, &size, E));
    store_fault_arm(s, 1, ERR_INTERNAL);
    store_upload_close(s, u);
    assert_int_equal(store_fault_calls(s), 0);
    store_fault_arm(s, 0, ERR_OK);
    OK(store_upload_delete(s, &id, E));
    store_free(s);
}

static int setup_dir(void **state)
{
    static struct fixture f;

    temp_dir_make(f.dir, TEMP_DIR_DISK);
    *state = &f;
    return 0;
}

static int teardown_dir(void **state)
{
    temp_dir_remove(((struct fixture *)*state)->dir);
    return 0;
}

int run_torture_suite(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(push_survives_the_failure_of_any_call),
        cmocka_unit_test_setup_teardown(fault_counts_calls_and_fails_once, setup_dir, teardown_dir),
        cmocka_unit_test_setup_teardown(closing_an_upload_cannot_be_made_to_fail, setup_dir,
                                        teardown_dir),
    };

    return cmocka_run_group_tests_name("torture", tests, NULL, NULL);
}
