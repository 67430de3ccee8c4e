/* Content that meta does not know: a run tells of it, takes it away, and can bring it back. */
#include "base/clock.h"
#include "base/mem.h"
#include "core/removal.h"
#include "gc/collector.h"
#include "gc/undo.h"
#include "unit/core/support.h"

#include <unistd.h>

#define REPO  "library/busybox"
#define OTHER "library/alpine"

static struct world w;
static struct gc_counts counts;
static size_t told; /* items of the last run */

static int set_up_with(void (*open_world)(struct world *))
{
    open_world(&w);
    w.conf->gc.grace_ms = w.conf->gc.linger_ms = 0;
    w.conf->registry.upload_timeout_ms = 0;
    return 0;
}

static int set_up(void **state)
{
    (void)state;
    return set_up_with(world_in_memory);
}

static int set_up_disk(void **state)
{
    (void)state;
    return set_up_with(world_on_disk);
}

static int set_up_remote(void **state)
{
    (void)state;
    return set_up_with(world_remote);
}

static int tear_down(void **state)
{
    (void)state;
    world_done(&w);
    return 0;
}

/* Older than an age of 1 ms. */
static void let_all_be_old(void)
{
    int64_t until_ms = clock_wall_ms() + 3;

    while (clock_wall_ms() < until_ms)
        usleep(500);
}

/* An image in the store, of which meta knows nothing. */
static struct digest orphaned(const char *repo, const char *text)
{
    struct digest d = image_put(&w, repo, text, NULL);

    world_lose_meta(&w);
    let_all_be_old();
    return d;
}

static void tell(void *ctx, const struct gc_item *item)
{
    (void)ctx;
    told += item->why == META_WHY_UNKNOWN;
}

static void run(struct gc_options o)
{
    o.registry = w.r;
    o.children = o.referrers = true;
    o.item = tell;
    told = 0;
    assert_ok(gc_run(&o, &counts, ERR_IGNORED));
}

static bool has_manifest(const char *repo, const struct digest *d)
{
    AUTO(buf) struct buf b = {0};
    const struct repo_name name = repo_of(repo);

    buf_init(&b, 1 << 20);
    return store_manifest_get(w.store, &name, d, &b, ERR_IGNORED) == ERR_OK;
}

static bool has_blob(const char *repo, const char *text)
{
    const struct repo_name name = repo_of(repo);
    const struct digest d = sha256_of(str_of(text));
    uint64_t size_bytes;

    return store_blob_stat(w.store, &name, &d, &size_bytes, ERR_IGNORED) == ERR_OK;
}

static void what_meta_does_not_know_goes(void **state)
{
    struct digest d = orphaned(REPO, "lost"), kept = image_put(&w, REPO, "kept", "v1");

    (void)state;
    let_all_be_old();
    run((struct gc_options){.orphans_ms = 1});
    assert_ok(removal_run(w.r, NULL, ERR_IGNORED));
    assert_false(has_manifest(REPO, &d));
    assert_false(has_blob(REPO, "lost"));
    assert_true(has_manifest(REPO, &kept));
    assert_true(has_blob(REPO, "kept"));
    assert_int_equal(told, counts.deleted.manifests + counts.deleted.blobs);
    run((struct gc_options){.orphans_ms = 1});
    assert_int_equal(told, 0);
}

static void a_dry_run_tells_the_same_and_takes_nothing(void **state)
{
    struct digest d = orphaned(REPO, "lost");
    struct gc_counts looked;
    size_t n;

    (void)state;
    run((struct gc_options){.orphans_ms = 1, .dry_run = true});
    looked = counts;
    n = told;
    assert_true(n > 1);
    assert_true(has_manifest(REPO, &d));
    run((struct gc_options){.orphans_ms = 1});
    assert_int_equal(told, n);
    assert_memory_equal(&looked.deleted, &counts.deleted, sizeof(looked.deleted));
}

static void without_an_age_it_stays(void **state)
{
    struct digest d = orphaned(REPO, "lost");

    (void)state;
    run((struct gc_options){.orphans_ms = 0});
    assert_int_equal(told, 0);
    assert_true(has_manifest(REPO, &d));
    assert_true(has_blob(REPO, "lost"));
}

static void what_a_push_may_be_at_stays(void **state)
{
    struct digest d = orphaned(REPO, "lost");

    (void)state;
    w.conf->registry.upload_timeout_ms = 60000;
    run((struct gc_options){.orphans_ms = 1});
    w.conf->registry.upload_timeout_ms = 0;
    w.conf->gc.grace_ms = 60000;
    run((struct gc_options){.orphans_ms = 1});
    w.conf->gc.grace_ms = 0;
    run((struct gc_options){.orphans_ms = 60000});
    assert_int_equal(told, 0);
    assert_true(has_manifest(REPO, &d));
}

static void a_blob_stays_for_the_grace_and_a_push_takes_it_over(void **state)
{
    (void)state;
    orphaned(REPO, "lost");
    run((struct gc_options){.orphans_ms = 1, .grace_ms = 60000});
    assert_int_equal(counts.condemned.blobs, told - counts.deleted.manifests);
    assert_true(has_blob(REPO, "lost"));
    blob_put(&w, REPO, STR("lost"));
    assert_ok(removal_run(w.r, NULL, ERR_IGNORED));
    assert_true(has_blob(REPO, "lost"));
}

static void what_is_condemned_is_no_orphan(void **state)
{
    (void)state;
    orphaned(REPO, "lost");
    w.conf->gc.undo_ms = 60000;
    run((struct gc_options){.orphans_ms = 1});
    assert_true(told > 0);
    assert_true(has_blob(REPO, "lost"));
    run((struct gc_options){.orphans_ms = 1, .dry_run = true});
    assert_int_equal(told, 0);
}

static void of_one_repository_alone_the_others_stay(void **state)
{
    const struct repo_name repo = repo_of(REPO);
    struct digest d, other;

    (void)state;
    d = image_put(&w, REPO, "lost", NULL);
    other = orphaned(OTHER, "other");
    image_put(&w, REPO, "kept", "v1"); /* so that there is such a repository */
    run((struct gc_options){.orphans_ms = 1, .repo = &repo});
    assert_false(has_manifest(REPO, &d));
    assert_true(has_manifest(OTHER, &other));
    assert_true(has_blob(OTHER, "other"));
}

static void an_undo_brings_an_image_back_whole(void **state)
{
    struct gc_undo_options o = {.undo = "taken"};
    struct gc_undo_counts back;
    struct digest d = orphaned(REPO, "lost");

    (void)state;
    w.conf->gc.undo_ms = 60000;
    run((struct gc_options){.orphans_ms = 1, .id = "taken"});
    assert_false(has_manifest(REPO, &d));
    o.registry = w.r;
    assert_ok(gc_undo(&o, &back, ERR_IGNORED));
    assert_int_equal(back.lost, 0);
    assert_int_equal(back.back.manifests, 1);
    assert_true(has_manifest(REPO, &d));
    d = sha256_of(STR("lost"));
    assert_true(blob_readable(&w, REPO, &d));
}

static void an_error_of_meta_takes_nothing(void **state)
{
    struct digest d = orphaned(REPO, "lost");

    (void)state;
    for (uint64_t n = 1; n < 100; n++) {
        const struct gc_options o = {.registry = w.r, .orphans_ms = 1, .dry_run = true};

        world_fail_meta(&w, n, ERR_UNAVAILABLE);
        if (gc_run(&o, &counts, ERR_IGNORED) == ERR_OK)
            break;
        assert_true(n < 99);
    }
    world_fail_meta(&w, 0, ERR_OK);
    assert_true(has_manifest(REPO, &d));
    assert_true(has_blob(REPO, "lost"));
}

int main(void)
{
#define TEST(f)                                                                                    \
    cmocka_unit_test_setup_teardown(f, set_up, tear_down),                                         \
        cmocka_unit_test_setup_teardown(f, set_up_disk, tear_down),                                \
        cmocka_unit_test_setup_teardown(f, set_up_remote, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(what_meta_does_not_know_goes),
        TEST(a_dry_run_tells_the_same_and_takes_nothing),
        TEST(without_an_age_it_stays),
        TEST(what_a_push_may_be_at_stays),
        TEST(a_blob_stays_for_the_grace_and_a_push_takes_it_over),
        TEST(what_is_condemned_is_no_orphan),
        TEST(of_one_repository_alone_the_others_stay),
        TEST(an_undo_brings_an_image_back_whole),
        TEST(an_error_of_meta_takes_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
