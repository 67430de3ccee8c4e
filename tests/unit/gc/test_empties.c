/* Repositories that runs have found empty for long enough. */
#include "base/clock.h"
#include "core/remove.h"
#include "gc/collector.h"
#include "gc/empties.h"
#include "unit/core/support.h"

#include <unistd.h>

#define REPO  "library/busybox"
#define OTHER "library/alpine"

static struct world w;
static struct gc_counts counts;
static char told[REPO_NAME_MAX + 1];

static int set_up(void **state)
{
    (void)state;
    world_in_memory(&w);
    w.conf->gc.grace_ms = w.conf->gc.linger_ms = 0;
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    world_done(&w);
    return 0;
}

static void let_time_pass(void)
{
    int64_t until_ms = clock_wall_ms() + 3;

    while (clock_wall_ms() < until_ms)
        usleep(500);
}

static void emptied(const char *repo)
{
    const struct repo_name name = repo_of(repo);
    struct digest d = blob_put(&w, repo, STR("a blob"));

    assert_ok(remove_link(w.r, &name, &d, ERR_IGNORED));
    image_put(&w, OTHER, "later", "v1"); /* the one that was made last may stay */
}

static bool exists(const char *repo)
{
    const struct repo_name name = repo_of(repo);
    bool is;

    assert_ok(meta_repo_exists(w.r->meta, &name, &is, ERR_IGNORED));
    return is;
}

static void tell(void *ctx, const struct repo_name *repo)
{
    (void)ctx;
    strcpy(told, repo->text);
}

/* Later than the one before. */
static void run_with(struct gc_options o)
{
    let_time_pass();
    o.registry = w.r;
    o.children = o.referrers = true;
    o.repo_gone = tell;
    told[0] = '\0';
    assert_ok(gc_run(&o, &counts, ERR_IGNORED));
}

static void run(int64_t empty_ms)
{
    run_with((struct gc_options){.empty_ms = empty_ms});
}

static size_t noted(void)
{
    AUTO(records) struct meta_record_list l = {0};

    assert_ok(meta_records(w.r->meta, GC_EMPTY, STR(""), 10, &l, ERR_IGNORED));
    return l.n;
}

static void one_that_two_runs_found_empty_goes(void **state)
{
    (void)state;
    emptied(REPO);
    run(1);
    assert_int_equal(counts.empty, 0);
    assert_true(exists(REPO));
    run(1);
    assert_int_equal(counts.empty, 1);
    assert_string_equal(told, REPO);
    assert_false(exists(REPO));
    assert_true(exists(OTHER));
    assert_int_equal(noted(), 0);
}

static void one_is_empty_for_a_time_and_stays_without_one(void **state)
{
    (void)state;
    emptied(REPO);
    run(0);
    run(0);
    assert_int_equal(noted(), 0);
    run(60000);
    run(60000);
    assert_int_equal(noted(), 1);
    assert_true(exists(REPO));
}

static void one_that_was_in_use_in_between_begins_anew(void **state)
{
    (void)state;
    emptied(REPO);
    run(1);
    image_put(&w, REPO, "image", "v1");
    run(1);
    assert_int_equal(noted(), 0);
    assert_true(exists(REPO));
}

static void one_into_which_something_is_pushed_stays(void **state)
{
    const struct repo_name repo = repo_of(REPO);
    struct meta_upload u = {.repo = repo, .algorithm = DIGEST_SHA256, .started_ms = 1};
    struct meta_op op;
    int64_t turn;

    (void)state;
    emptied(REPO);
    run(1);
    uuid_make(&u.id);
    op = meta_op_upload_take(&u, &turn);
    assert_ok(meta_commit(w.r->meta, &op, 1, 0, NULL, ERR_IGNORED));
    run(1);
    assert_true(exists(REPO));
    assert_int_equal(noted(), 0);
}

static void a_dry_run_tells_and_takes_nothing(void **state)
{
    (void)state;
    emptied(REPO);
    run_with((struct gc_options){.empty_ms = 1, .dry_run = true});
    assert_int_equal(noted(), 0);
    run(1);
    run_with((struct gc_options){.empty_ms = 1, .dry_run = true});
    assert_int_equal(counts.empty, 1);
    assert_true(exists(REPO));
    assert_int_equal(noted(), 1);
}

static void a_run_of_one_repository_takes_none(void **state)
{
    const struct repo_name repo = repo_of(REPO);

    (void)state;
    emptied(REPO);
    run(1);
    run_with((struct gc_options){.empty_ms = 1, .repo = &repo});
    assert_true(exists(REPO));
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(one_that_two_runs_found_empty_goes),
        TEST(one_is_empty_for_a_time_and_stays_without_one),
        TEST(one_that_was_in_use_in_between_begins_anew),
        TEST(one_into_which_something_is_pushed_stays),
        TEST(a_dry_run_tells_and_takes_nothing),
        TEST(a_run_of_one_repository_takes_none),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
