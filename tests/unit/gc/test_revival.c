/* What a run revives: referrers of what is there again, and none of what goes just then. */
#include "base/clock.h"
#include "base/mem.h"
#include "core/remove.h"
#include "gc/collector.h"
#include "unit/core/support.h"

#include <unistd.h>

#define REPO "library/busybox"

static struct world w;
static struct gc_counts counts;
static const struct digest *goes; /* just before something is revived */

static int set_up(void **state)
{
    (void)state;
    world_in_memory(&w);
    w.conf->gc.grace_ms = w.conf->gc.linger_ms = 0;
    goes = NULL;
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

static void delete (const struct digest *d)
{
    struct repo_name repo = repo_of(REPO);
    struct reference ref = digest_ref(d);

    assert_ok(remove_manifest(w.r, &repo, &ref, ERR_IGNORED));
}

static enum err_code commit(struct meta *m, const struct meta_op *ops, size_t n_ops, unsigned flags,
                            size_t *ret_failed, struct err *e)
{
    const struct digest *now = goes;

    if (ops[0].kind == META_REVIVE && now) {
        goes = NULL;
        delete (now);
    }
    return meta_commit(m->inner, ops, n_ops, flags, ret_failed, e);
}

static void run(void)
{
    const struct gc_options o = {
        .registry = w.r, .children = true, .referrers = true, .actor = "test"};

    let_time_pass();
    assert_ok(gc_run(&o, &counts, ERR_IGNORED));
}

/* An image, and what refers to it. */
static struct digest image(void)
{
    return image_put(&w, REPO, "an image", NULL);
}

static struct digest referrer(const struct digest *subject)
{
    AUTO(mem) char *json = NULL;
    char more[512];
    struct digest d;

    snprintf(more, sizeof(more),
             ", \"subject\": {\"mediaType\": \"application/vnd.oci.image.manifest.v1+json\", "
             "\"digest\": \"%s\", \"size\": 2}",
             subject->text);
    json = image_json("an image", "the layer of all", more);

    assert_ok(manifest_push(&w, REPO, json, NULL, &d, ERR_IGNORED));
    return d;
}

static bool exists(const struct digest *d)
{
    struct repo_name repo = repo_of(REPO);
    AUTO(meta_manifest) struct meta_manifest *m = NULL;

    return meta_manifest_by_digest(w.r->meta, &repo, d, &m, ERR_IGNORED) == ERR_OK;
}

/* Deleted and pushed again: the referrer is condemned, and has its subject. */
static struct digest referrer_that_waits(struct digest *ret_subject)
{
    struct digest d;

    *ret_subject = image();
    d = referrer(ret_subject);
    delete (ret_subject);
    image();
    return d;
}

static void a_referrer_is_revived_when_its_subject_is_there_again(void **state)
{
    struct digest subject, d = referrer_that_waits(&subject);

    (void)state;
    run();
    assert_int_equal(counts.revived.manifests, 1);
    run();
    assert_true(exists(&d));
    assert_int_equal(counts.revived.manifests, 0);
}

static void a_referrer_whose_subject_is_deleted_just_then_goes_with_it(void **state)
{
    struct digest subject, d = referrer_that_waits(&subject);

    (void)state;
    world_patch_meta(&w)->commit = commit;
    goes = &subject;
    run();
    assert_null(goes);
    assert_int_equal(counts.revived.manifests, 0);
    run();
    assert_false(exists(&d));
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(a_referrer_is_revived_when_its_subject_is_there_again),
        TEST(a_referrer_whose_subject_is_deleted_just_then_goes_with_it),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
