/* Content of blobs goes after its last link, and never from under one. */
#include "core/removal.h"

#include "core/blob.h"
#include "core/mount.h"
#include "core/remove.h"
#include "jobs/jobs.h"
#include "support.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>

#define REPO "library/busybox"

static struct world w;
static struct repo_name repo;

static int set_up(void **state)
{
    (void)state;
    world_in_memory(&w);
    repo = repo_of(REPO);
    return 0;
}

static int set_up_remote(void **state)
{
    (void)state;
    world_remote(&w);
    repo = repo_of(REPO);
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

    return store_blob_stat(w.store, &repo, d, &size_bytes, ERR_IGNORED) == ERR_OK;
}

static struct meta_content content_of(const struct digest *d)
{
    return (struct meta_content){w.remote ? NULL : &repo, d};
}

/* -1: there is no row. */
static int state_of(const struct digest *d)
{
    struct meta_removed row;

    return meta_removed_get(w.meta, content_of(d), &row, ERR_IGNORED) == ERR_OK ? (int)row.state
                                                                                : -1;
}

static void set_grace(uint64_t ms)
{
    w.conf->gc.grace_ms = ms;
    w.conf->gc.linger_ms = 0;
}

static void run(void)
{
    assert_ok(removal_run(w.r, NULL, ERR_IGNORED));
}

static struct digest pushed_and_deleted(void)
{
    struct digest d = blob_put(&w, REPO, STR("hello"));

    assert_ok(remove_blob(w.r, &repo, &d, ERR_IGNORED));
    return d;
}

static void a_deleted_blob_stays_until_its_grace_is_over(void **state)
{
    struct digest d = pushed_and_deleted();

    (void)state;
    set_grace(3600 * 1000);
    run();
    assert_true(stored(&d));
    assert_int_equal(state_of(&d), META_REMOVED_CONDEMNED);
    set_grace(0);
    run();
    assert_false(stored(&d));
}

static void nothing_is_remembered_of_a_file_that_is_gone(void **state)
{
    struct digest d = pushed_and_deleted();

    (void)state;
    set_grace(0);
    run();
    assert_int_equal(state_of(&d), -1);
}

static void a_deletion_in_a_bucket_is_remembered_for_a_while(void **state)
{
    struct digest d = pushed_and_deleted();

    (void)state;
    set_grace(0);
    run();
    assert_false(stored(&d));
    assert_int_equal(state_of(&d), META_REMOVED_DELETED);
    blob_put(&w, REPO, STR("hello")); /* it may have been stored before that, and is looked at */
    assert_true(blob_readable(&w, REPO, &d));
    assert_int_equal(state_of(&d), -1);
}

static void a_bucket_lingers_also_without_grace(void **state)
{
    struct digest d = pushed_and_deleted();

    (void)state;
    set_grace(0);
    w.conf->gc.linger_ms = 3600 * 1000;
    run();
    assert_true(stored(&d));
}

static void a_blob_that_is_pushed_again_stays(void **state)
{
    struct digest d = pushed_and_deleted();

    (void)state;
    blob_put(&w, REPO, STR("hello"));
    set_grace(0);
    run();
    assert_true(blob_readable(&w, REPO, &d));
    assert_int_equal(state_of(&d), -1);
}

/* ---- what is condemned is taken over */

static bool had_twin;

static enum err_code commit_watched(struct store *s, struct store_upload *u,
                                    const struct repo_name *name, const struct digest *d,
                                    const struct repo_name *twin, struct err *e)
{
    had_twin = twin != NULL;
    return store_upload_commit(s->inner, u, name, d, twin, e);
}

static void assert_pushed_again(bool asks_first, bool taken_over)
{
    struct digest d = sha256_of(STR("hello"));
    uint64_t size_bytes;

    world_patch_store(&w)->upload_commit = commit_watched;
    if (asks_first)
        assert_code(ERR_BLOB_UNKNOWN, blob_look(w.r, &repo, &d, &size_bytes, ERR_IGNORED));
    blob_put(&w, REPO, STR("hello"));
    assert_int_equal(had_twin, taken_over);
    assert_true(blob_readable(&w, REPO, &d));
    set_grace(0);
    run();
    assert_true(blob_readable(&w, REPO, &d));
}

static void what_is_condemned_in_a_bucket_is_not_written_again(void **state)
{
    (void)state;
    pushed_and_deleted();
    assert_pushed_again(false, true);
}

static void nor_when_the_client_asked_for_it_first(void **state)
{
    (void)state;
    pushed_and_deleted();
    assert_pushed_again(true, true);
}

static void what_was_deleted_in_a_bucket_is_written_again(void **state)
{
    (void)state;
    pushed_and_deleted();
    set_grace(0);
    run();
    assert_pushed_again(true, false);
}

static void more_than_a_page_goes_in_one_run(void **state)
{
    struct digest list[150];

    (void)state;
    for (unsigned i = 0; i < 150; i++) {
        char text[16];

        snprintf(text, sizeof(text), "blob %u", i);
        list[i] = blob_put(&w, REPO, str_of(text));
        assert_ok(remove_blob(w.r, &repo, &list[i], ERR_IGNORED));
    }
    set_grace(0);
    run();
    for (unsigned i = 0; i < 150; i++)
        assert_false(stored(&list[i]));
}

/* ---- a deletion by another process while this one pushes */

static bool bytes_come_back, never_ends;
static unsigned links;

/* Between the bytes and the first link. */
static enum err_code link_after_deletion(struct meta *m, const struct meta_op *ops, size_t n,
                                         unsigned flags, size_t *ret_failed, struct err *e)
{
    const struct digest *d = NULL;

    for (size_t i = 0; i < n; i++) {
        if (ops[i].kind == META_BLOB_LINK)
            d = ops[i].blob_link.digest;
    }
    if (d && links++ == 0) {
        bool gone = false;
        struct meta_op op =
            meta_op_content_condemn(content_of(d), (struct meta_removal){.once = true});

        assert_ok(meta_commit(m->inner, &op, 1, 0, NULL, e));
        op = meta_op_content_gone(content_of(d), 0, 7, 1, &gone);
        assert_ok(meta_commit(m->inner, &op, 1, 0, NULL, e));
        assert_true(gone);
        if (!bytes_come_back)
            assert_ok(store_blob_delete(w.store->inner, &repo, d, false, e));
        op = meta_op_content_deleted(content_of(d), 7, 2, false);
        if (!never_ends)
            assert_ok(meta_commit(m->inner, &op, 1, 0, NULL, e));
    }
    return meta_commit(m->inner, ops, n, flags, ret_failed, e);
}

static enum err_code refuse_links(struct meta *m, const struct meta_op *ops, size_t n,
                                  unsigned flags, size_t *ret_failed, struct err *e)
{
    for (size_t i = 0; i < n; i++) {
        if (ops[i].kind == META_BLOB_LINK)
            return err_set(e, ERR_GONE, "as told");
    }
    return meta_commit(m->inner, ops, n, flags, ret_failed, e);
}

static void race(bool come_back, bool never)
{
    bytes_come_back = come_back;
    never_ends = never;
    links = 0;
    world_patch_meta(&w)->commit = link_after_deletion;
}

static void a_push_whose_bytes_were_deleted_is_not_answered_as_done(void **state)
{
    struct digest d = sha256_of(STR("hello"));

    (void)state;
    race(false, false);
    assert_code(ERR_GONE, blob_push(&w, REPO, STR("hello"), &d, ERR_IGNORED));
    assert_false(blob_readable(&w, REPO, &d));
    assert_int_equal(err_status(ERR_GONE), 503);
    assert_ok(blob_push(&w, REPO, STR("hello"), &d, ERR_IGNORED));
    assert_true(blob_readable(&w, REPO, &d));
}

static void a_push_whose_bytes_are_there_after_the_deletion_is_done(void **state)
{
    struct digest d = sha256_of(STR("hello"));

    (void)state;
    race(true, false);
    assert_ok(blob_push(&w, REPO, STR("hello"), &d, ERR_IGNORED));
    assert_true(blob_readable(&w, REPO, &d));
    assert_int_equal(state_of(&d), -1);
}

/* What it stored may come after the DELETE. */
static void a_push_into_a_deletion_is_told_to_come_again_and_leaves_nothing(void **state)
{
    struct digest d = sha256_of(STR("hello"));
    struct meta_op end = meta_op_content_deleted(content_of(&d), 7, 2, false);

    (void)state;
    race(true, true);
    assert_code(ERR_GONE, blob_push(&w, REPO, STR("hello"), &d, ERR_IGNORED));
    world_patch_meta(&w);
    assert_int_equal(state_of(&d), META_REMOVED_GONE);
    assert_ok(meta_commit(w.meta, &end, 1, 0, NULL, ERR_IGNORED));
    assert_int_equal(state_of(&d), META_REMOVED_CONDEMNED);
    set_grace(0);
    run();
    assert_false(stored(&d));
}

static unsigned asides;

static enum err_code aside(struct store *s, const struct digest *d, struct err *e)
{
    pthread_mutex_t *mine;

    (void)s, (void)e;
    asides++;
    mine = locks_hold(&w.r->blob_locks, STR_NONE, digest_str(d)); /* it would not end */
    locks_release(mine);
    return ERR_OK;
}

static enum err_code aside_of_nothing(struct store *s, const struct digest *d, struct err *e)
{
    (void)s;
    return err_set(e, ERR_BLOB_UNKNOWN, "no %s", d->text);
}

/* The DELETE may still come: the row stays until it can't. */
static void a_push_into_a_deletion_without_an_end_puts_its_bytes_aside(void **state)
{
    struct digest d = sha256_of(STR("hello"));

    (void)state;
    race(true, true);
    asides = 0;
    world_patch_store(&w)->blob_aside = aside;
    assert_ok(blob_push(&w, REPO, STR("hello"), &d, ERR_IGNORED));
    assert_int_equal(asides, 1);
    assert_true(blob_readable(&w, REPO, &d));
    assert_int_equal(state_of(&d), META_REMOVED_GONE);
}

static void what_the_deletion_took_before_it_was_put_aside_is_to_be_pushed_again(void **state)
{
    struct digest d = sha256_of(STR("hello"));

    (void)state;
    race(true, true);
    world_patch_store(&w)->blob_aside = aside_of_nothing;
    assert_code(ERR_GONE, blob_push(&w, REPO, STR("hello"), &d, ERR_IGNORED));
    assert_false(blob_readable(&w, REPO, &d));
}

static struct digest awaited;
static pthread_t ender;
static unsigned looks;

static void *end_it_under_the_lock(void *ctx)
{
    struct meta_op end = meta_op_content_deleted(content_of(&awaited), 7, 2, false);
    pthread_mutex_t *mine = locks_hold(&w.r->blob_locks, STR_NONE, digest_str(&awaited));
    enum err_code code = meta_commit(ctx, &end, 1, 0, NULL, ERR_IGNORED);

    locks_release(mine);
    return code == ERR_OK ? NULL : ctx;
}

static enum err_code look_watched(struct meta *m, struct meta_content c,
                                  struct meta_removed *ret_row, struct err *e)
{
    enum err_code code = meta_removed_get(m->inner, c, ret_row, e);

    if (code == ERR_OK && ret_row->state == META_REMOVED_GONE && looks++ == 0)
        assert_int_equal(pthread_create(&ender, NULL, end_it_under_the_lock, m->inner), 0);
    return code;
}

static void a_deletion_is_waited_for_without_the_lock(void **state)
{
    struct meta_driver *patched;
    void *failed;

    (void)state;
    awaited = sha256_of(STR("hello"));
    race(true, true);
    patched = world_patch_meta(&w);
    patched->commit = link_after_deletion;
    patched->removed_get = look_watched;
    looks = 0;
    assert_ok(blob_push(&w, REPO, STR("hello"), &awaited, ERR_IGNORED));
    assert_int_equal(pthread_join(ender, &failed), 0);
    assert_null(failed);
    assert_true(blob_readable(&w, REPO, &awaited));
}

static void a_mount_into_a_deletion_is_none(void **state)
{
    struct repo_name from = repo_of("library/other");
    struct digest d = blob_put(&w, "library/other", STR("hello"));

    (void)state;
    world_patch_meta(&w)->commit = refuse_links;
    assert_code(ERR_BLOB_UNKNOWN, mount_blob(w.r, &repo, &from, &d, ERR_IGNORED));
}

/* A process that died in the middle has left the row. */
static void a_file_whose_deletion_was_begun_in_an_earlier_life_is_pushed_again(void **state)
{
    struct digest d = pushed_and_deleted();
    struct meta_removed row;
    struct meta_op op;
    bool gone = false;

    (void)state;
    assert_ok(meta_removed_get(w.meta, content_of(&d), &row, ERR_IGNORED));
    op = meta_op_content_gone(content_of(&d), row.since_ms, 7, 1, &gone);
    assert_ok(meta_commit(w.meta, &op, 1, 0, NULL, ERR_IGNORED));
    assert_true(gone);
    blob_put(&w, REPO, STR("hello"));
    run();
    assert_true(blob_readable(&w, REPO, &d));
    assert_int_equal(state_of(&d), -1);
}

static void a_deletion_that_was_begun_in_an_earlier_life_is_ended(void **state)
{
    struct digest d = pushed_and_deleted();
    struct meta_removed row;
    struct meta_op op;
    bool gone = false;

    (void)state;
    assert_ok(meta_removed_get(w.meta, content_of(&d), &row, ERR_IGNORED));
    op = meta_op_content_gone(content_of(&d), row.since_ms, 7, 1, &gone);
    assert_ok(meta_commit(w.meta, &op, 1, 0, NULL, ERR_IGNORED));
    run();
    assert_false(stored(&d));
    assert_int_equal(state_of(&d), -1);
}

/* ---- the job */

static enum err_code purged;
static unsigned purges;

static enum err_code purge(struct store *s, const struct digest *d, bool (*still)(void *ctx),
                           void *ctx, struct err *e)
{
    (void)s, (void)d;
    purges++;
    assert_true(still(ctx));
    return purged == ERR_OK ? ERR_OK : err_set(e, purged, "as told");
}

static void a_deletion_of_which_nothing_is_known_is_not_tried_again_at_once(void **state)
{
    struct digest d = pushed_and_deleted();

    (void)state;
    set_grace(0);
    purges = 0;
    purged = ERR_UNAVAILABLE;
    world_patch_store(&w)->blob_purge = purge;
    assert_code(ERR_UNAVAILABLE, removal_run(w.r, NULL, ERR_IGNORED));
    purged = ERR_OK;
    run();
    run();
    assert_int_equal(purges, 1);
    assert_int_equal(state_of(&d), META_REMOVED_GONE);
}

static void a_blob_that_is_on_its_way_to_its_place_is_condemned_again(void **state)
{
    struct digest d = pushed_and_deleted();

    (void)state;
    set_grace(0);
    purges = 0;
    purged = ERR_LATER;
    world_patch_store(&w)->blob_purge = purge;
    run();
    assert_int_equal(purges, 1);
    assert_int_equal(state_of(&d), META_REMOVED_CONDEMNED);
    purged = ERR_OK;
    run();
    assert_int_equal(state_of(&d), META_REMOVED_DELETED);
}

static struct jobs *jobs;
static struct job *at_work;
static pthread_t stopping;

static atomic_bool jobs_are_started, job_done;

static void *stop_jobs(void *arg)
{
    while (!atomic_load(&jobs_are_started))
        sched_yield();
    jobs_stop(arg);
    return NULL;
}

static enum err_code stop_after_gone(struct meta *m, const struct meta_op *ops, size_t n,
                                     unsigned flags, size_t *ret_failed, struct err *e)
{
    enum err_code code = meta_commit(m->inner, ops, n, flags, ret_failed, e);

    if (ops[0].kind == META_CONTENT_GONE && code == ERR_OK) {
        assert_int_equal(pthread_create(&stopping, NULL, stop_jobs, jobs), 0);
        while (job_go_on(jobs, at_work))
            sched_yield();
    }
    return code;
}

static enum err_code remove_as_job(void *ctx, struct job *job, struct err *e)
{
    enum err_code code;

    (void)ctx;
    at_work = job;
    code = removal_run(w.r, job, e);
    atomic_store(&job_done, true);
    return code;
}

static int64_t hourly(void *ctx)
{
    (void)ctx;
    return 3600 * 1000;
}

static void not_reported(const char *what, const struct err *e)
{
    (void)what, (void)e;
}

/* Else pushes of it would be refused for as long as a DELETE might still come. */
static void what_a_stop_kept_from_being_deleted_is_condemned_as_before(void **state)
{
    const struct job_kind kind = {
        .name = REGISTRY_REMOVE, .run = remove_as_job, .every_ms = hourly};
    struct digest d = pushed_and_deleted();

    (void)state;
    set_grace(0);
    purges = 0;
    world_patch_store(&w)->blob_purge = purge;
    world_patch_meta(&w)->commit = stop_after_gone;
    jobs = jobs_new(&(struct jobs_options){.meta = w.meta, .poll_ms = 20, .report = not_reported});
    jobs_kind_add(jobs, &kind);
    assert_ok(jobs_start(jobs, ERR_IGNORED));
    atomic_store(&jobs_are_started, true);
    while (!atomic_load(&job_done))
        sched_yield();
    pthread_join(stopping, NULL);
    jobs_free(jobs);
    assert_int_equal(purges, 0);
    assert_int_equal(state_of(&d), META_REMOVED_CONDEMNED);
}

static size_t held;

static enum err_code delete_watched(struct store *s, const struct repo_name *name,
                                    const struct digest *d, bool elsewhere, struct err *e)
{
    held = 0;
    for (size_t i = 0; i < LOCKS_STRIPES; i++) {
        if (pthread_mutex_trylock(&w.r->blob_locks.stripes[i]) == 0)
            pthread_mutex_unlock(&w.r->blob_locks.stripes[i]);
        else
            held++;
    }
    return store_blob_delete(s->inner, name, d, elsewhere, e);
}

static void a_file_is_deleted_under_the_lock(void **state)
{
    struct digest d = pushed_and_deleted();

    (void)state;
    set_grace(0);
    world_patch_store(&w)->blob_delete = delete_watched;
    run();
    assert_false(stored(&d));
    assert_int_equal(held, 1);
}

static void a_refused_push_leaves_nothing_in_a_bucket(void **state)
{
    struct digest d = sha256_of(STR("hello"));

    (void)state;
    world_set_quota(&w, "library", 1, 0);
    assert_code(ERR_QUOTA, blob_push(&w, REPO, STR("hello"), &d, ERR_IGNORED));
    assert_int_equal(state_of(&d), META_REMOVED_CONDEMNED);
    set_grace(0);
    run();
    assert_false(stored(&d));
}

static void a_refused_push_leaves_what_is_condemned_in_files(void **state)
{
    struct digest d = pushed_and_deleted();

    (void)state;
    world_set_quota(&w, "library", 1, 0);
    assert_code(ERR_QUOTA, blob_push(&w, REPO, STR("hello"), &d, ERR_IGNORED));
    assert_true(stored(&d));
    assert_int_equal(state_of(&d), META_REMOVED_CONDEMNED);
}

int main(void)
{
#define FILES(f)  cmocka_unit_test_setup_teardown(f, set_up, tear_down)
#define BUCKET(f) cmocka_unit_test_setup_teardown(f, set_up_remote, tear_down)
    const struct CMUnitTest tests[] = {
        FILES(a_deleted_blob_stays_until_its_grace_is_over),
        BUCKET(a_deleted_blob_stays_until_its_grace_is_over),
        FILES(nothing_is_remembered_of_a_file_that_is_gone),
        BUCKET(a_deletion_in_a_bucket_is_remembered_for_a_while),
        BUCKET(a_bucket_lingers_also_without_grace),
        FILES(a_blob_that_is_pushed_again_stays),
        BUCKET(a_blob_that_is_pushed_again_stays),
        BUCKET(what_is_condemned_in_a_bucket_is_not_written_again),
        BUCKET(nor_when_the_client_asked_for_it_first),
        BUCKET(what_was_deleted_in_a_bucket_is_written_again),
        FILES(more_than_a_page_goes_in_one_run),
        BUCKET(more_than_a_page_goes_in_one_run),
        BUCKET(a_push_whose_bytes_were_deleted_is_not_answered_as_done),
        BUCKET(a_push_whose_bytes_are_there_after_the_deletion_is_done),
        BUCKET(a_push_into_a_deletion_is_told_to_come_again_and_leaves_nothing),
        BUCKET(a_push_into_a_deletion_without_an_end_puts_its_bytes_aside),
        BUCKET(what_the_deletion_took_before_it_was_put_aside_is_to_be_pushed_again),
        BUCKET(a_deletion_is_waited_for_without_the_lock),
        BUCKET(a_mount_into_a_deletion_is_none),
        FILES(a_file_whose_deletion_was_begun_in_an_earlier_life_is_pushed_again),
        FILES(a_deletion_that_was_begun_in_an_earlier_life_is_ended),
        BUCKET(a_deletion_of_which_nothing_is_known_is_not_tried_again_at_once),
        BUCKET(a_blob_that_is_on_its_way_to_its_place_is_condemned_again),
        BUCKET(what_a_stop_kept_from_being_deleted_is_condemned_as_before),
        FILES(a_file_is_deleted_under_the_lock),
        BUCKET(a_refused_push_leaves_nothing_in_a_bucket),
        FILES(a_refused_push_leaves_what_is_condemned_in_files),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
