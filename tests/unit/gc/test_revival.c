/* What a run revives or leaves: referrers of what is there again, and none of what goes just then.
 */
#include "base/clock.h"
#include "base/mem.h"
#include "core/pull.h"
#include "core/remove.h"
#include "gc/collector.h"
#include "meta/referrer_tag.h"
#include "unit/core/support.h"

#include <unistd.h>

#define REPO "library/busybox"

static struct world w;
static struct gc_counts counts;
static const struct digest *goes; /* just before something is revived */
static bool comes;                /* the image, just before something is deleted */
static int64_t untagged_ms;

static int set_up(void **state)
{
    (void)state;
    world_in_memory(&w);
    w.conf->gc.grace_ms = w.conf->gc.linger_ms = 0;
    goes = NULL;
    comes = false;
    untagged_ms = 0;
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

/* An image, and what refers to it. */
static struct digest image(void)
{
    return image_put(&w, REPO, "an image", NULL);
}

static bool deletes(const struct meta_op *ops, size_t n_ops)
{
    for (size_t i = 0; i < n_ops; i++) {
        if (ops[i].kind == META_MANIFEST_DELETE)
            return true;
    }
    return false;
}

static enum err_code commit(struct meta *m, const struct meta_op *ops, size_t n_ops, unsigned flags,
                            size_t *ret_failed, struct err *e)
{
    const struct digest *now = goes;

    if (ops[0].kind == META_REVIVE && now) {
        goes = NULL;
        delete (now);
    }
    if (comes && deletes(ops, n_ops)) {
        comes = false;
        image();
    }
    return meta_commit(m->inner, ops, n_ops, flags, ret_failed, e);
}

static void run(void)
{
    const struct gc_options o = {.registry = w.r,
                                 .children = true,
                                 .referrers = true,
                                 .untagged_ms = untagged_ms,
                                 .actor = "test"};

    let_time_pass();
    assert_ok(gc_run(&o, &counts, ERR_IGNORED));
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

static void a_referrer_whose_subject_comes_back_just_then_stays(void **state)
{
    struct digest subject = image(), d = referrer(&subject);

    (void)state;
    delete (&subject);
    world_patch_meta(&w)->commit = commit;
    comes = true;
    run();
    assert_false(comes);
    assert_true(exists(&d));
    run();
    assert_int_equal(counts.revived.manifests, 1);
    assert_true(exists(&d));
}

/* Cosign's tag of what belongs to it. */
static void sign(const struct digest *subject)
{
    struct referrer_tags t;

    referrer_tags_of(subject, &t);
    image_put(&w, REPO, "a signature", t.names[1]);
}

static void a_signature_of_two_images_stays_with_the_other(void **state)
{
    struct digest one = image(), two = image_put(&w, REPO, "another image", NULL), signature;

    (void)state;
    signature = image_put(&w, REPO, "a signature", NULL);
    sign(&one);
    sign(&two);
    run();
    delete (&one);
    run();
    assert_true(exists(&signature));
    delete (&two);
    run();
    assert_false(exists(&signature));
}

static void a_signature_of_two_images_does_not_go_with_one_for_its_age(void **state)
{
    struct digest one = image(), two = image_put(&w, REPO, "another image", "kept"), signature;

    (void)state;
    signature = image_put(&w, REPO, "a signature", NULL);
    sign(&one);
    sign(&two);
    untagged_ms = 1;
    run();
    run();
    assert_false(exists(&one));
    assert_true(exists(&signature));
}

static void what_is_found_by_a_head_stays_for_the_grace(void **state)
{
    struct repo_name repo = repo_of(REPO);
    struct digest d = image();
    struct reference ref = digest_ref(&d);
    bool done = false;
    const struct meta_op condemn = meta_op_condemn((struct meta_verdict){.repo = &repo,
                                                                         .kind = META_ITEM_MANIFEST,
                                                                         .digest = &d,
                                                                         .why = META_WHY_CHILD,
                                                                         .run = STR("run"),
                                                                         .now_ms = 1000},
                                                   &done);
    AUTO(meta_manifest) struct meta_manifest *pulled = NULL, *found = NULL;
    int64_t since_ms, began_ms = clock_wall_ms();

    (void)state;
    assert_ok(meta_commit(w.r->meta, &condemn, 1, 0, NULL, ERR_IGNORED));
    assert_true(done);
    assert_ok(pull_manifest(w.r, &repo, &ref, &pulled, ERR_IGNORED));
    assert_ok(meta_manifest_condemned(w.r->meta, &repo, &d, &since_ms, ERR_IGNORED));
    assert_int_equal(since_ms, 1000);
    assert_ok(pull_manifest_head(w.r, &repo, &ref, &found, ERR_IGNORED));
    assert_ok(meta_manifest_condemned(w.r->meta, &repo, &d, &since_ms, ERR_IGNORED));
    assert_in_range(since_ms, began_ms, clock_wall_ms());
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(a_referrer_is_revived_when_its_subject_is_there_again),
        TEST(a_referrer_whose_subject_is_deleted_just_then_goes_with_it),
        TEST(a_referrer_whose_subject_comes_back_just_then_stays),
        TEST(a_signature_of_two_images_stays_with_the_other),
        TEST(a_signature_of_two_images_does_not_go_with_one_for_its_age),
        TEST(what_is_found_by_a_head_stays_for_the_grace),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
