#include "core/stray.h"

#include "base/clock.h"
#include "base/mem.h"
#include "core/life.h"
#include "support.h"

#include <stdatomic.h>
#include <unistd.h>

#define REPO "library/busybox"

static struct world w;
static struct repo_name repo;

/* Everything there is is older than upload.timeout. */
static void let_all_be_old(void)
{
    w.conf->registry.upload_timeout_ms = (uint64_t)-60000;
}

static int set_up(void **state)
{
    (void)state;
    world_in_memory(&w);
    repo = repo_of(REPO);
    let_all_be_old();
    return 0;
}

static int set_up_disk(void **state)
{
    (void)state;
    world_on_disk(&w);
    repo = repo_of(REPO);
    let_all_be_old();
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    world_done(&w);
    return 0;
}

static struct digest stray_put_in(const char *in, const char *bytes)
{
    struct digest d = sha256_of(str_of(bytes));
    struct repo_name name = repo_of(in);

    assert_ok(store_manifest_put(w.store, &name, &d, str_of(bytes), ERR_IGNORED));
    return d;
}

static struct digest stray_put(const char *bytes)
{
    return stray_put_in(REPO, bytes);
}

static void tag_put(const char *name, const struct digest *d)
{
    struct tag_name tag = tag_of(name);

    assert_ok(store_tag_put(w.store, &repo, &tag, d, ERR_IGNORED));
}

static bool stored(const struct digest *d)
{
    AUTO(buf) struct buf b = {0};

    buf_init(&b, 1 << 20);
    return store_manifest_get(w.store, &repo, d, &b, ERR_IGNORED) == ERR_OK;
}

static enum err_code count(void *ctx, const struct store_item *item, struct err *e)
{
    (void)e;
    stray_count_add(ctx, item);
    return ERR_OK;
}

static struct stray_count counted(void)
{
    struct stray_count c = {0};
    const struct stray_walk walk = {.found = count, .ctx = &c};

    assert_ok(stray_each(w.r, &walk, ERR_IGNORED));
    return c;
}

static enum err_code remove_it(void *ctx, const struct store_item *item, struct err *e)
{
    (void)ctx;
    return stray_remove(w.r, item, e);
}

static void remove_all(void)
{
    const struct stray_walk walk = {.tags = true, .found = remove_it};

    assert_ok(stray_each(w.r, &walk, ERR_IGNORED));
}

static void what_was_pushed_is_no_stray(void **state)
{
    (void)state;
    image_put(&w, REPO, "one", "v1");
    assert_int_equal(counted().manifests, 0);
}

static void manifests_without_rows_are_counted_with_their_repositories(void **state)
{
    struct stray_count c;

    (void)state;
    image_put(&w, REPO, "one", "v1");
    stray_put("five!");
    stray_put("seven..");
    stray_put_in("other", "three");
    c = counted();
    assert_int_equal(c.manifests, 3);
    assert_int_equal(c.bytes, 5 + 7 + 5);
    assert_int_equal(c.n_repos, 2);
    assert_false(c.more_repos);
}

static void only_so_many_repositories_are_named(void **state)
{
    struct stray_count c;

    (void)state;
    for (int i = 0; i <= STRAY_REPOS_NAMED; i++) {
        char name[16];

        snprintf(name, sizeof(name), "repo%d", i);
        stray_put_in(name, "stray");
    }
    c = counted();
    assert_int_equal(c.manifests, STRAY_REPOS_NAMED + 1);
    assert_int_equal(c.n_repos, STRAY_REPOS_NAMED);
    assert_true(c.more_repos);
}

static void what_a_push_may_be_about_to_commit_is_no_stray(void **state)
{
    (void)state;
    w.conf->registry.upload_timeout_ms = 60000;
    stray_put("stray");
    assert_int_equal(counted().manifests, 0);
}

static void what_is_removed_is_strays_alone(void **state)
{
    struct digest kept = image_put(&w, REPO, "one", "v1"), gone = stray_put("stray");

    (void)state;
    remove_all();
    assert_true(stored(&kept));
    assert_false(stored(&gone));
    assert_int_equal(counted().manifests, 0);
}

static void what_got_its_row_meanwhile_is_not_removed(void **state)
{
    struct digest d = image_put(&w, REPO, "one", "v1");
    const struct store_item item = {.kind = STORE_MANIFEST, .repo = repo, .digest = d};

    (void)state;
    assert_ok(stray_remove(w.r, &item, ERR_IGNORED));
    assert_true(stored(&d));
}

/* As after the database was put back from an older backup. */
static void tags_that_point_to_strays_become_what_meta_says(void **state)
{
    struct digest old = image_put(&w, REPO, "one", "moved"), stray = stray_put("stray"), now;

    (void)state;
    tag_put("moved", &stray);
    tag_put("new", &stray);
    remove_all();
    now = projected_tag(&w, REPO, "moved");
    assert_digest_equal(&now, &old);
    now = projected_tag(&w, REPO, "new");
    assert_string_equal(now.text, "");
}

static void an_error_of_meta_is_no_stray(void **state)
{
    struct stray_count c = {0};
    const struct stray_walk walk = {.found = count, .ctx = &c};

    (void)state;
    image_put(&w, REPO, "one", "v1");
    world_fail_meta(&w, 1, ERR_UNAVAILABLE);
    assert_code(ERR_UNAVAILABLE, stray_each(w.r, &walk, ERR_IGNORED));
    assert_int_equal(c.manifests, 0);
}

static pthread_mutex_t told_lock = PTHREAD_MUTEX_INITIALIZER;
static unsigned told;
static uint64_t told_manifests;

static void tell(const struct stray_count *c)
{
    pthread_mutex_lock(&told_lock);
    told++;
    told_manifests = c->manifests;
    pthread_mutex_unlock(&told_lock);
}

static unsigned times_told(void)
{
    unsigned n;

    pthread_mutex_lock(&told_lock);
    n = told;
    pthread_mutex_unlock(&told_lock);
    return n;
}

static void ignore(const char *what, const struct err *e)
{
    (void)what;
    (void)e;
}

static void start_looking(void)
{
    told = 0;
    w.conf->registry.sweep_interval_ms = 100;
    w.r->tell_strays = tell;
    assert_ok(registry_start(w.r, ignore, ERR_IGNORED));
}

static void a_job_tells_of_strays_and_removes_none(void **state)
{
    int64_t deadline = clock_mono_ms() + 20000;
    struct digest d = stray_put("stray");

    (void)state;
    image_put(&w, REPO, "one", "v1");
    start_looking();
    while (times_told() == 0 && clock_mono_ms() < deadline)
        usleep(5000);
    assert_int_equal(times_told(), 1);
    assert_int_equal(told_manifests, 1);
    assert_true(stored(&d));
}

/* The look takes long: it rests in between, and then a tag is carried. */

static atomic_uint asked;

static enum err_code slow_manifest_by_digest(struct meta *m, const struct repo_name *in,
                                             const struct digest *d,
                                             struct meta_manifest **ret_manifest, struct err *e)
{
    atomic_fetch_add(&asked, 1);
    usleep(20000);
    return meta_manifest_by_digest(m->inner, in, d, ret_manifest, e);
}

static void a_look_that_takes_long_keeps_neither_tags_nor_the_end(void **state)
{
    int64_t deadline = clock_mono_ms() + 20000;
    struct tag_name tag = tag_of("later");
    struct digest d = image_put(&w, REPO, "one", "v1"), now;
    struct meta_op op = meta_op_tag_set(&repo, &tag, &d, META_ANY);

    (void)state;
    for (int i = 0; i < 200; i++) {
        char bytes[16];

        snprintf(bytes, sizeof(bytes), "stray %d", i);
        stray_put(bytes);
    }
    world_patch_meta(&w)->manifest_by_digest = slow_manifest_by_digest;
    atomic_store(&asked, 0);
    start_looking(); /* it would take 40 s */
    while (atomic_load(&asked) == 0 && clock_mono_ms() < deadline)
        usleep(1000);
    assert_ok(meta_commit(w.r->meta, &op, 1, 0, NULL, ERR_IGNORED));
    registry_wake(w.r);
    do {
        now = projected_tag(&w, REPO, "later");
        usleep(5000);
    } while (!now.text[0] && clock_mono_ms() < deadline);
    assert_digest_equal(&now, &d);
    assert_int_equal(times_told(), 0);
    /* The end is world_done()'s, which waits for the thread. */
}

int main(void)
{
#define TEST(f)    cmocka_unit_test_setup_teardown(f, set_up, tear_down)
#define ON_DISK(f) cmocka_unit_test_setup_teardown(f, set_up_disk, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(what_was_pushed_is_no_stray),
        TEST(manifests_without_rows_are_counted_with_their_repositories),
        ON_DISK(manifests_without_rows_are_counted_with_their_repositories),
        TEST(only_so_many_repositories_are_named),
        TEST(what_a_push_may_be_about_to_commit_is_no_stray),
        TEST(what_is_removed_is_strays_alone),
        ON_DISK(what_is_removed_is_strays_alone),
        TEST(what_got_its_row_meanwhile_is_not_removed),
        TEST(tags_that_point_to_strays_become_what_meta_says),
        ON_DISK(tags_that_point_to_strays_become_what_meta_says),
        TEST(an_error_of_meta_is_no_stray),
        TEST(a_job_tells_of_strays_and_removes_none),
        TEST(a_look_that_takes_long_keeps_neither_tags_nor_the_end),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
