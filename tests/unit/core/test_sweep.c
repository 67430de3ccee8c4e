#include "core/upload.h"
#include "core/upload_session.h"
#include "support.h"

static struct world w;
static struct repo_name repo;

static int set_up(void **state)
{
    (void)state;
    world_in_memory(&w);
    repo = repo_of("library/busybox");
    w.conf->registry.upload_timeout_ms = 3600 * 1000;
    return 0;
}

static int set_up_disk(void **state)
{
    (void)state;
    world_on_disk(&w);
    repo = repo_of("library/busybox");
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    world_done(&w);
    return 0;
}

static struct uuid begun(void)
{
    struct uuid id;

    struct upload *u = NULL;

    assert_ok(upload_begin(w.r, &repo, "", DIGEST_SHA256, &id, ERR_IGNORED));
    assert_ok(upload_open(w.r, &repo, "", &id, UPLOAD_MORE, &u, ERR_IGNORED));
    upload_close(u);
    return id;
}

static enum err_code try_open(const struct uuid *id)
{
    struct upload *u = NULL;
    enum err_code code = upload_open(w.r, &repo, "", id, UPLOAD_MORE, &u, ERR_IGNORED);

    upload_close(u);
    return code;
}

/* Every session is past its timeout from now on, also those begun in this millisecond. */
static void let_all_time_out(void)
{
    w.conf->registry.upload_timeout_ms = (uint64_t)-1000;
}

static void assert_nothing_left(void)
{
    assert_int_equal(session_count(w.r->uploads), 0);
    assert_int_equal(stored_uploads(&w), 0);
    assert_int_equal(known_uploads(&w), 0);
}

static void a_young_session_stays(void **state)
{
    struct uuid id = begun();

    (void)state;
    assert_ok(upload_sweep(w.r, ERR_IGNORED));
    assert_ok(try_open(&id));
}

static void an_old_session_goes_without_a_trace(void **state)
{
    struct uuid id = begun();

    (void)state;
    let_all_time_out();
    assert_ok(upload_sweep(w.r, ERR_IGNORED));
    assert_nothing_left();
    assert_code(ERR_BLOB_UPLOAD_UNKNOWN, try_open(&id));
}

static void an_old_session_that_is_held_stays(void **state)
{
    struct uuid id = begun();
    struct upload *u;

    (void)state;
    assert_ok(upload_open(w.r, &repo, "", &id, UPLOAD_MORE, &u, ERR_IGNORED));
    let_all_time_out();
    assert_ok(upload_sweep(w.r, ERR_IGNORED));
    assert_int_equal(stored_uploads(&w), 1);
    upload_close(u);
    assert_ok(upload_sweep(w.r, ERR_IGNORED));
    assert_nothing_left();
}

static void a_session_of_an_earlier_process_goes_as_well(void **state)
{
    (void)state;
    begun();
    world_restart(&w);
    let_all_time_out();
    assert_ok(upload_sweep(w.r, ERR_IGNORED));
    assert_nothing_left();
}

static void bytes_that_meta_knows_nothing_of_go(void **state)
{
    struct uuid id;

    (void)state;
    uuid_make(&id);
    assert_ok(store_upload_create(w.store, &id, ERR_IGNORED));
    let_all_time_out();
    assert_ok(upload_sweep(w.r, ERR_IGNORED));
    assert_nothing_left();
}

static void a_row_whose_bytes_are_gone_goes(void **state)
{
    struct uuid id = begun();

    (void)state;
    assert_ok(store_upload_delete(w.store, &id, ERR_IGNORED));
    let_all_time_out();
    assert_ok(upload_sweep(w.r, ERR_IGNORED));
    assert_nothing_left();
}

static struct uuid stuck;

static enum err_code delete_all_but_one(struct store *s, const struct uuid *id, struct err *e)
{
    if (strcmp(id->text, stuck.text) == 0)
        return err_set(e, ERR_STORAGE_READONLY, "this one is stuck");
    return store_upload_delete(s->inner, id, e);
}

static void one_session_that_cannot_be_removed_does_not_keep_the_others(void **state)
{
    struct err e = {0};

    (void)state;
    for (int i = 0; i < 5; i++)
        begun();
    stuck = begun();
    for (int i = 0; i < 5; i++)
        begun();
    world_patch_store(&w)->upload_delete = delete_all_but_one;
    let_all_time_out();
    assert_code(ERR_STORAGE_READONLY, upload_sweep(w.r, &e));
    assert_string_equal(e.detail, "this one is stuck");
    assert_int_equal(stored_uploads(&w), 1);
    assert_int_equal(known_uploads(&w), 0); /* nobody goes on with it */
    stuck = (struct uuid){0};
    assert_ok(upload_sweep(w.r, &e));
    assert_nothing_left();
}

/* A client comes back to its session in the very moment in which the sweep removes it. */

static struct uuid raced_id;
static enum err_code raced_code;

static enum err_code open_while_deleting(struct store *s, const struct uuid *id, struct err *e)
{
    struct upload *u = NULL;

    raced_code = upload_open(w.r, &repo, "", &raced_id, UPLOAD_MORE, &u, ERR_IGNORED);
    upload_close(u);
    return store_upload_delete(s->inner, id, e);
}

static void a_session_being_swept_is_not_revived(void **state)
{
    (void)state;
    raced_id = begun();
    world_patch_store(&w)->upload_delete = open_while_deleting;
    let_all_time_out();
    assert_ok(upload_sweep(w.r, ERR_IGNORED));
    assert_int_not_equal(raced_code, ERR_OK);
    assert_nothing_left();
}

static void a_session_of_an_earlier_process_being_swept_is_not_revived(void **state)
{
    (void)state;
    raced_id = begun();
    world_restart(&w);
    world_patch_store(&w)->upload_delete = open_while_deleting;
    let_all_time_out();
    assert_ok(upload_sweep(w.r, ERR_IGNORED));
    assert_int_not_equal(raced_code, ERR_OK);
    assert_nothing_left();
}

/* A process that is killed in the middle of a finish, and the next one. Whether the blob's file is
 * there afterwards. */
static bool survives_a_kill(bool committed)
{
    struct uuid id = begun();
    struct digest d = sha256_of(STR("hello"));
    struct meta_op link = meta_op_blob_link(&repo, &d, 5);
    struct store_upload *handle;
    uint64_t size_bytes;

    assert_ok(store_upload_open(w.r->store, &id, &handle, &size_bytes, ERR_IGNORED));
    assert_ok(store_upload_write(w.r->store, handle, "hello", 5, 0, ERR_IGNORED));
    assert_ok(store_upload_commit(w.r->store, handle, &repo, &d, NULL, ERR_IGNORED));
    if (committed)
        assert_ok(meta_commit(w.r->meta, &link, 1, 0, NULL, ERR_IGNORED));
    world_restart(&w);
    w.conf->registry.upload_timeout_ms = 3600 * 1000;
    assert_ok(upload_load_all(w.r, ERR_IGNORED));
    assert_ok(upload_sweep(w.r, ERR_IGNORED));
    assert_nothing_left();
    return store_blob_stat(w.r->store, &repo, &d, &size_bytes, ERR_IGNORED) == ERR_OK;
}

static void a_blob_that_a_kill_left_without_its_row_goes_at_the_next_start(void **state)
{
    (void)state;
    assert_false(survives_a_kill(false));
}

static void a_blob_that_was_committed_before_a_kill_stays(void **state)
{
    (void)state;
    assert_true(survives_a_kill(true));
}

static void a_finish_under_way_is_left_alone(void **state)
{
    struct uuid id = begun();
    struct digest d = sha256_of(STR(""));
    struct upload *u = NULL;
    struct store_upload *handle;
    uint64_t size_bytes;

    (void)state;
    assert_ok(upload_open(w.r, &repo, "", &id, UPLOAD_MORE, &u, ERR_IGNORED));
    assert_ok(store_upload_open(w.r->store, &id, &handle, &size_bytes, ERR_IGNORED));
    assert_ok(store_upload_commit(w.r->store, handle, &repo, &d, NULL, ERR_IGNORED));
    let_all_time_out();
    assert_ok(upload_sweep(w.r, ERR_IGNORED));
    assert_ok(store_blob_stat(w.r->store, &repo, &d, &size_bytes, ERR_IGNORED));
    upload_close(u);
}

int main(void)
{
#define TEST(f)    cmocka_unit_test_setup_teardown(f, set_up, tear_down)
#define ON_DISK(f) cmocka_unit_test_setup_teardown(f, set_up_disk, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(a_young_session_stays),
        TEST(an_old_session_goes_without_a_trace),
        TEST(an_old_session_that_is_held_stays),
        ON_DISK(a_session_of_an_earlier_process_goes_as_well),
        TEST(bytes_that_meta_knows_nothing_of_go),
        TEST(a_row_whose_bytes_are_gone_goes),
        TEST(one_session_that_cannot_be_removed_does_not_keep_the_others),
        ON_DISK(a_blob_that_a_kill_left_without_its_row_goes_at_the_next_start),
        ON_DISK(a_blob_that_was_committed_before_a_kill_stays),
        TEST(a_finish_under_way_is_left_alone),
        TEST(a_session_being_swept_is_not_revived),
        ON_DISK(a_session_of_an_earlier_process_being_swept_is_not_revived),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
