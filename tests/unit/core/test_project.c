#include "core/project.h"

#include "base/clock.h"
#include "base/mem.h"
#include "core/life.h"
#include "core/remove.h"
#include "support.h"

#include <pthread.h>
#include <unistd.h>

#define REPO "library/busybox"

static struct world w;

static int set_up(void **state)
{
    (void)state;
    world_in_memory(&w);
    return 0;
}

static int set_up_disk(void **state)
{
    (void)state;
    world_on_disk(&w);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    world_done(&w);
    return 0;
}

static void assert_projected(const char *tag, const struct digest *d)
{
    struct digest there = projected_tag(&w, REPO, tag);

    assert_digest_equal(&there, d);
}

static void assert_not_projected(const char *tag)
{
    struct digest there = projected_tag(&w, REPO, tag);

    assert_string_equal(there.text, "");
}

static void carry_all(void)
{
    struct err e = {0};
    bool more;

    assert_ok(project_pending(w.r, 100, &more, &e));
    assert_false(more);
    assert_int_equal(pending_projections(&w), 0);
}

static enum err_code full(struct store *s, const struct repo_name *repo, const struct tag_name *tag,
                          const struct digest *d, struct err *e)
{
    (void)s, (void)repo, (void)tag, (void)d;
    return err_set(e, ERR_STORAGE_FULL, "the disk is full");
}

static void a_push_whose_tag_cannot_be_carried_succeeds_and_stays_pending(void **state)
{
    struct digest d, now;

    (void)state;
    world_patch_store(&w)->tag_put = full;
    d = image_put(&w, REPO, "one", "latest");
    now = tag_get(&w, REPO, "latest");
    assert_digest_equal(&now, &d);
    assert_not_projected("latest");
    assert_int_equal(pending_projections(&w), 1);
}

static void what_is_pending_is_carried_later(void **state)
{
    struct err e = {0};
    struct digest d;
    bool more;

    (void)state;
    world_patch_store(&w)->tag_put = full;
    d = image_put(&w, REPO, "one", "latest");
    assert_code(ERR_STORAGE_FULL, project_pending(w.r, 100, &more, &e));
    assert_string_equal(e.detail, "the disk is full");
    assert_int_equal(pending_projections(&w), 1);
    world_patch_store(&w);
    carry_all();
    assert_projected("latest", &d);
}

static void a_deleted_tag_is_carried_later(void **state)
{
    struct repo_name repo = repo_of(REPO);
    struct digest d = image_put(&w, REPO, "one", "latest");
    struct reference ref = digest_ref(&d);

    (void)state;
    assert_projected("latest", &d);
    assert_ok(remove_manifest(w.r, &repo, &ref, ERR_IGNORED));
    carry_all();
    assert_not_projected("latest");
}

static void what_was_carried_is_the_newest_not_what_the_row_says(void **state)
{
    struct digest d;

    (void)state;
    world_patch_store(&w)->tag_put = full;
    image_put(&w, REPO, "one", "latest");
    d = image_put(&w, REPO, "two", "latest");
    world_patch_store(&w);
    carry_all();
    assert_projected("latest", &d);
}

static struct digest moved_to;
static bool moved;

/* The tag moves while its former place is carried. */
static enum err_code put_then_move(struct store *s, const struct repo_name *repo,
                                   const struct tag_name *tag, const struct digest *d,
                                   struct err *e)
{
    AUTO(mem) char *json = NULL;

    if (!moved) {
        struct meta_manifest *m;
        struct meta_op ops[2];

        moved = true;
        json = image_json("one", "the layer of all", " ");
        moved_to = sha256_of(str_of(json));
        m = meta_manifest_new(&moved_to, STR("a/b"), str_of(json));
        ops[0] = meta_op_manifest_put((struct meta_manifest_put){.repo = repo, .manifest = m});
        ops[1] = meta_op_tag_set(repo, tag, &moved_to, META_ANY);
        assert_ok(meta_commit(w.r->meta, ops, 2, 0, NULL, ERR_IGNORED));
        meta_manifest_unref(m);
    }
    return store_tag_put(s->inner, repo, tag, d, e);
}

static void a_change_during_the_carrying_stays_pending(void **state)
{
    bool more;

    (void)state;
    world_patch_store(&w)->tag_put = full;
    image_put(&w, REPO, "one", "latest");
    moved = false;
    world_patch_store(&w)->tag_put = put_then_move;
    assert_ok(project_pending(w.r, 1, &more, ERR_IGNORED));
    assert_int_equal(pending_projections(&w), 1);
    carry_all();
    assert_projected("latest", &moved_to);
}

static enum err_code full_for_one(struct store *s, const struct repo_name *repo,
                                  const struct tag_name *tag, const struct digest *d, struct err *e)
{
    if (strcmp(tag->text, "v100") == 0 || strcmp(repo->text, "no/room") == 0)
        return full(s, repo, tag, d, e);
    return store_tag_put(s->inner, repo, tag, d, e);
}

/* More than one batch of them. */
static void one_tag_that_cannot_be_carried_does_not_keep_the_others(void **state)
{
    AUTO(mem) char *json = image_json("one", "the layer of all", "");
    struct digest d = sha256_of(str_of(json)), elsewhere, unused;
    bool more;

    (void)state;
    world_patch_store(&w)->tag_put = full;
    image_put(&w, "no/room", "one", "a");
    image_put(&w, REPO, "one", NULL);
    for (int i = 100; i < 500; i++) {
        char tag[16];

        snprintf(tag, sizeof(tag), "v%d", i);
        assert_ok(manifest_push(&w, REPO, json, tag, &unused, ERR_IGNORED));
    }
    elsewhere = image_put(&w, "some/where", "one", "a");
    world_patch_store(&w)->tag_put = full_for_one;
    assert_code(ERR_STORAGE_FULL, project_pending(w.r, 100, &more, ERR_IGNORED));
    assert_false(more);
    assert_int_equal(pending_projections(&w), 2);
    assert_not_projected("v100");
    assert_projected("v101", &d);
    assert_projected("v499", &d);
    unused = projected_tag(&w, "some/where", "a");
    assert_digest_equal(&unused, &elsewhere);
}

static enum err_code no_sync(struct store *s, const struct repo_name *repo, struct err *e)
{
    if (strcmp(repo->text, REPO) != 0)
        return store_tag_sync(s->inner, repo, e);
    return err_set(e, ERR_INTERNAL, "the disk is broken");
}

static void what_could_not_be_synced_stays_pending(void **state)
{
    bool more;

    (void)state;
    image_put(&w, REPO, "one", "a");
    image_put(&w, "some/where", "one", "b");
    world_patch_store(&w)->tag_sync = no_sync;
    assert_code(ERR_INTERNAL, project_pending(w.r, 100, &more, ERR_IGNORED));
    assert_int_equal(pending_projections(&w), 1);
    world_patch_store(&w);
    carry_all();
}

static void what_is_left_after_so_many_batches_is_told(void **state)
{
    AUTO(mem) char *json = image_json("one", "the layer of all", "");
    struct digest d;
    bool more;

    (void)state;
    image_put(&w, REPO, "one", NULL);
    for (int i = 0; i < 300; i++) {
        char tag[16];

        snprintf(tag, sizeof(tag), "v%d", i);
        assert_ok(manifest_push(&w, REPO, json, tag, &d, ERR_IGNORED));
    }
    assert_ok(project_pending(w.r, 2, &more, ERR_IGNORED));
    assert_true(more);
    assert_true(pending_projections(&w) > 0);
    assert_ok(project_pending(w.r, 2, &more, ERR_IGNORED));
    assert_false(more);
    assert_int_equal(pending_projections(&w), 0);
}

/* Crashes: the transaction was committed, and then nothing more happened. */

static pthread_mutex_t reports_lock = PTHREAD_MUTEX_INITIALIZER;
static unsigned reports;

static void count_report(const char *what, const struct err *e)
{
    (void)what, (void)e;
    pthread_mutex_lock(&reports_lock);
    reports++;
    pthread_mutex_unlock(&reports_lock);
}

/* Other processes, as long as this one stood still within its first write to the store. */
static bool stood_still;

static bool is_on(void *ctx)
{
    (void)ctx;
    return !stood_still;
}

static enum err_code put_late(struct store *s, const struct repo_name *repo,
                              const struct tag_name *tag, const struct digest *d, struct err *e)
{
    const struct meta_op remove = meta_op_tag_delete(repo, tag, META_ANY);

    if (!stood_still) {
        stood_still = true;
        assert_ok(meta_commit(w.meta, &remove, 1, 0, NULL, ERR_IGNORED));
    }
    return store_tag_put(s->inner, repo, tag, d, e);
}

static void what_is_written_late_is_made_up_for(void **state)
{
    const struct project_run run = {.holder = STR(""), .max_batches = 1, .goes_on = is_on};
    struct store_driver *store;
    bool more;

    (void)state;
    store = world_patch_store(&w);
    store->tag_put = full;
    image_put(&w, REPO, "one", "latest");
    store->tag_put = put_late;
    stood_still = false;
    assert_ok(project_run(w.r, &run, &more, ERR_IGNORED));
    assert_true(stood_still);
    assert_not_projected("latest");
}

static void a_restart_carries_what_a_crash_left(void **state)
{
    struct digest d;

    (void)state;
    world_patch_store(&w)->tag_put = full;
    d = image_put(&w, REPO, "one", "latest");
    assert_not_projected("latest");
    world_restart(&w);
    assert_int_equal(pending_projections(&w), 1);
    reports = 0;
    assert_ok(registry_start(w.r, count_report, ERR_IGNORED));
    assert_projected("latest", &d);
    assert_int_equal(pending_projections(&w), 0);
    assert_int_equal(reports, 0);
}

static void a_full_disk_does_not_keep_the_registry_from_starting(void **state)
{
    struct digest d, now;

    (void)state;
    world_patch_store(&w)->tag_put = full;
    d = image_put(&w, REPO, "one", "latest");
    world_restart(&w);
    world_patch_store(&w)->tag_put = full;
    reports = 0;
    assert_ok(registry_start(w.r, count_report, ERR_IGNORED));
    now = tag_get(&w, REPO, "latest");
    assert_digest_equal(&now, &d);
    pthread_mutex_lock(&reports_lock);
    assert_true(reports > 0);
    pthread_mutex_unlock(&reports_lock);
}

/* A tag that is deleted with its manifest is carried by nobody else. */
static void what_requests_leave_is_carried_in_the_background(void **state)
{
    struct repo_name repo = repo_of(REPO);
    int64_t deadline = clock_mono_ms() + 20000;
    struct digest d, there;
    struct reference ref;

    (void)state;
    assert_ok(registry_start(w.r, count_report, ERR_IGNORED));
    d = image_put(&w, REPO, "one", "latest");
    ref = digest_ref(&d);
    assert_ok(remove_manifest(w.r, &repo, &ref, ERR_IGNORED));
    do {
        there = projected_tag(&w, REPO, "latest");
        usleep(5000);
    } while (there.text[0] && clock_mono_ms() < deadline);
    assert_string_equal(there.text, "");
}

int main(void)
{
#define TEST(f)    cmocka_unit_test_setup_teardown(f, set_up, tear_down)
#define ON_DISK(f) cmocka_unit_test_setup_teardown(f, set_up_disk, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(a_push_whose_tag_cannot_be_carried_succeeds_and_stays_pending),
        TEST(what_is_pending_is_carried_later),
        TEST(a_deleted_tag_is_carried_later),
        TEST(what_was_carried_is_the_newest_not_what_the_row_says),
        TEST(a_change_during_the_carrying_stays_pending),
        TEST(one_tag_that_cannot_be_carried_does_not_keep_the_others),
        TEST(what_could_not_be_synced_stays_pending),
        TEST(what_is_left_after_so_many_batches_is_told),
        TEST(what_is_written_late_is_made_up_for),
        ON_DISK(a_restart_carries_what_a_crash_left),
        ON_DISK(a_full_disk_does_not_keep_the_registry_from_starting),
        TEST(what_requests_leave_is_carried_in_the_background),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
