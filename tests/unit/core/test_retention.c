#include "core/retention.h"

#include "base/mem.h"
#include "core/pulled.h"
#include "support.h"

#include <stdio.h>

/* Which tags go by which policy, and that they do. */

#define REPO "dev/app"
#define NOW  100000000ll
#define STRS(...)                                                                                  \
    {                                                                                              \
        .items = (char *[]){__VA_ARGS__}, .n = sizeof((char *[]){__VA_ARGS__}) / sizeof(char *)    \
    }

static struct world w;
static struct repo_name repo;
static struct digest image;
static char told[400];

static int set_up(void **state)
{
    (void)state;
    world_in_memory(&w);
    repo = repo_of(REPO);
    image = image_put(&w, REPO, "one", NULL);
    told[0] = '\0';
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    world_done(&w);
    return 0;
}

static void set_tag(const char *tag, int64_t pushed_ms)
{
    struct tag_name t = tag_of(tag);
    struct meta_op op = meta_op_tag_set(&repo, &t, &image, META_ANY);

    op.time_ms = pushed_ms;
    assert_ok(meta_commit(w.r->meta, &op, 1, 0, NULL, ERR_IGNORED));
}

static void tell(void *ctx, size_t policy, const char *why)
{
    (void)ctx;
    snprintf(told, sizeof(told), "%zu: %s", policy, why);
}

static struct retention_counts run_if(struct conf_retention *policies, size_t n, bool dry,
                                      bool (*immutable)(void *, const struct repo_name *,
                                                        const struct tag_name *))
{
    const struct conf_retentions list = {.items = policies, .n = n};
    const struct retention x = {.registry = dry ? NULL : w.r,
                                .meta = w.r->meta,
                                .policies = &list,
                                .now_ms = NOW,
                                .is_immutable = immutable,
                                .actor = "retention",
                                .told = tell};
    struct retention_counts counts;

    assert_ok(retention_run(&x, &counts, ERR_IGNORED));
    return counts;
}

static struct retention_counts run(struct conf_retention *policies, size_t n)
{
    return run_if(policies, n, false, NULL);
}

static bool there(const char *tag)
{
    return tag_get(&w, REPO, tag).n > 0;
}

static void the_newest_tags_stay(void **state)
{
    struct conf_retention p = {.repositories = STRS("dev/**"), .keep_last = 2};
    struct retention_counts c;

    (void)state;
    set_tag("a", 3000);
    set_tag("b", 1000);
    set_tag("c", 2000);
    set_tag("d", 1000);
    c = run(&p, 1);
    assert_int_equal(c.gone, 2);
    assert_int_equal(c.kept, 2);
    assert_true(there("a") && there("c"));
    assert_false(there("b") || there("d"));
}

static void of_tags_of_the_same_time_the_one_that_was_set_last_is_newer(void **state)
{
    struct conf_retention p = {.repositories = STRS("dev/**"), .keep_last = 1};

    (void)state;
    set_tag("b", 1000);
    set_tag("a", 1000);
    run(&p, 1);
    assert_true(there("a"));
    assert_false(there("b"));
}

static void tags_that_match_or_were_pushed_lately_stay(void **state)
{
    struct conf_retention p = {
        .repositories = STRS("dev/**"), .keep_tags = STRS("v*"), .keep_pushed_ms = 5000};

    (void)state;
    set_tag("v1", 1000);
    set_tag("new", NOW - 4999);
    set_tag("old", NOW - 5000);
    run(&p, 1);
    assert_true(there("v1") && there("new"));
    assert_false(there("old"));
}

static void tags_that_a_policy_is_not_about_stay_and_are_not_counted(void **state)
{
    struct conf_retention p = {
        .repositories = STRS("dev/**"), .tags = STRS("pr-*"), .keep_last = 1};
    struct retention_counts c;

    (void)state;
    set_tag("latest", 9000);
    set_tag("pr-1", 1000);
    set_tag("pr-2", 2000);
    c = run(&p, 1);
    assert_int_equal(c.gone + c.kept, 2);
    assert_true(there("latest") && there("pr-2"));
    assert_false(there("pr-1"));
}

static void what_one_policy_keeps_no_other_deletes(void **state)
{
    struct conf_retention p[] = {
        {.repositories = STRS("dev/**"), .keep_last = 1},
        {.repositories = STRS(REPO), .tags = STRS("pr-*"), .keep_tags = STRS("pr-1")}};

    (void)state;
    set_tag("latest", 9000);
    set_tag("pr-1", 1000);
    set_tag("pr-2", 2000);
    run(p, 2);
    assert_true(there("latest") && there("pr-1"));
    assert_false(there("pr-2"));
}

static bool v1_is(void *ctx, const struct repo_name *r, const struct tag_name *tag)
{
    (void)ctx, (void)r;
    return strcmp(tag->text, "v1") == 0;
}

static void a_tag_that_nobody_may_move_or_delete_stays(void **state)
{
    struct conf_retention p = {.repositories = STRS("dev/**"), .keep_last = 1};

    (void)state;
    set_tag("v1", 1000);
    set_tag("v2", 2000);
    set_tag("latest", 9000);
    run_if(&p, 1, false, v1_is);
    assert_true(there("v1") && there("latest"));
    assert_false(there("v2"));
}

static void signatures_by_tag_stay_with_their_image(void **state)
{
    struct conf_retention p = {.repositories = STRS("dev/**"), .keep_last = 1};
    char tag[TAG_NAME_MAX + 1];

    (void)state;
    snprintf(tag, sizeof(tag), "sha256-" STR_FMT ".sig", STR_ARG(digest_hex(&image)));
    set_tag(tag, 1000);
    set_tag("old", 500);
    set_tag("latest", 900);
    run(&p, 1);
    assert_true(there(tag) && there("latest"));
    assert_false(there("old"));
}

static void a_dry_run_changes_nothing_and_says_the_same(void **state)
{
    struct conf_retention p = {.repositories = STRS("dev/**"), .keep_last = 1};
    struct retention_counts looked, done;

    (void)state;
    set_tag("a", 1000);
    set_tag("b", 2000);
    looked = run_if(&p, 1, true, NULL);
    assert_true(there("a") && there("b"));
    done = run(&p, 1);
    assert_memory_equal(&looked, &done, sizeof(looked));
}

static void a_policy_without_a_repository_is_told_and_not_carried_out(void **state)
{
    struct conf_retention p = {.repositories = STRS("devel/**"), .keep_last = 1};
    struct retention_counts c;

    (void)state;
    set_tag("a", 1000);
    set_tag("b", 2000);
    c = run(&p, 1);
    assert_int_equal(c.policies_told, 1);
    assert_string_equal(told, "1: its patterns match no repository");
    assert_true(there("a") && there("b"));
}

static void a_policy_that_keeps_tags_that_are_not_there_is_told_and_not_carried_out(void **state)
{
    struct conf_retention p = {
        .repositories = STRS("dev/**"), .keep_tags = STRS("relase-*"), .keep_last = 1};

    (void)state;
    set_tag("release-1", 1000);
    set_tag("release-2", 2000);
    run(&p, 1);
    assert_string_equal(told, "1: its keep_tags match no tag in any of its repositories");
    assert_true(there("release-1") && there("release-2"));
}

static void set_tag_in(const char *name, const char *tag, int64_t pushed_ms)
{
    repo = repo_of(name);
    image = image_put(&w, name, "one", NULL);
    set_tag(tag, pushed_ms);
}

static void where_the_tags_of_a_pattern_are_not_what_a_policy_keeps_nothing_goes(void **state)
{
    struct conf_retention p = {.repositories = STRS("dev/**", "prod/**"), .keep_tags = STRS("v*")};

    (void)state;
    set_tag("v1", 1000);
    set_tag("old", 1000);
    set_tag_in("prod/app", "release-1", 1000);
    set_tag_in("prod/app", "release-2", 2000);
    run(&p, 1);
    assert_string_equal(
        told, "1: its pattern 'prod/**' matches repositories in which keep_tags match no tag");
    assert_true(tag_get(&w, "prod/app", "release-1").n > 0);
    assert_true(tag_get(&w, "prod/app", "release-2").n > 0);
    assert_true(there("v1"));
    assert_false(there("old"));
}

static void a_repository_of_two_patterns_is_left_alone_for_the_one_that_is_wrong(void **state)
{
    struct conf_retention p = {.repositories = STRS("**", "prod/**"), .keep_tags = STRS("v*")};

    (void)state;
    set_tag("v1", 1000);
    set_tag("old", 1000);
    set_tag_in("prod/app", "release-1", 1000);
    run(&p, 1);
    assert_true(tag_get(&w, "prod/app", "release-1").n > 0);
    assert_false(there("old"));
}

static void of_patterns_one_that_matches_no_repository_is_told(void **state)
{
    struct conf_retention p = {.repositories = STRS("dev/**", "prd/**"), .keep_last = 1};
    struct retention_counts c;

    (void)state;
    set_tag("a", 1000);
    set_tag("b", 2000);
    c = run(&p, 1);
    assert_int_equal(c.policies_told, 1);
    assert_string_equal(told, "1: its pattern 'prd/**' matches no repository");
    assert_false(there("a"));
}

static void a_policy_about_tags_that_are_not_there_is_told(void **state)
{
    struct conf_retention p = {
        .repositories = STRS("dev/**"), .tags = STRS("rp-*"), .keep_last = 1};

    (void)state;
    set_tag("pr-1", 1000);
    set_tag("pr-2", 2000);
    run(&p, 1);
    assert_string_equal(told, "1: its tags match no tag in any of its repositories");
}

static void a_policy_that_keeps_only_tags_that_it_is_not_about_is_told(void **state)
{
    struct conf_retention p = {
        .repositories = STRS("dev/**"), .tags = STRS("pr-*"), .keep_tags = STRS("v*")};

    (void)state;
    set_tag("v1", 1000);
    set_tag("pr-1", 1000);
    run(&p, 1);
    assert_string_equal(told, "1: its keep_tags match no tag in any of its repositories");
    assert_true(there("pr-1"));
}

static void a_tag_whose_time_is_not_known_is_not_old(void **state)
{
    struct conf_retention p = {.repositories = STRS("dev/**"), .keep_pushed_ms = 1};
    const struct meta_row row = {
        .kind = META_ROW_TAG, .texts = {STR(REPO), STR("before"), digest_str(&image)}, .ints = {1}};
    struct meta_op op = meta_op_row_add(&row);

    (void)state;
    assert_ok(meta_commit(w.r->meta, &op, 1, 0, NULL, ERR_IGNORED));
    set_tag("old", 1000);
    run(&p, 1);
    assert_true(there("before"));
    assert_false(there("old"));
}

static void pull(const char *reference, int64_t time_ms)
{
    struct pulled *p = pulled_new();
    struct reference ref;

    assert_ok(reference_parse(str_of(reference), &ref, ERR_IGNORED));
    pulled_note(p, &repo, &ref, time_ms - 1);
    pulled_note(p, &repo, &ref, time_ms);
    pulled_note(p, &repo, &ref, time_ms - 2);
    assert_ok(pulled_write(p, w.r->meta, ERR_IGNORED));
    assert_ok(pulled_write(p, w.r->meta, ERR_IGNORED));
    pulled_free(p);
}

static void tags_that_were_pulled_lately_stay(void **state)
{
    struct conf_retention p = {.repositories = STRS("dev/**"), .keep_pulled_ms = 5000};

    (void)state;
    set_tag("used", 1000);
    set_tag("unused", 1000);
    set_tag("never", 1000);
    assert_ok(pulled_begin(w.r->meta, 1000, ERR_IGNORED));
    pull("used", NOW - 4999);
    pull("unused", NOW - 5000);
    run(&p, 1);
    assert_true(there("used"));
    assert_false(there("unused") || there("never"));
}

static void a_pull_by_digest_is_one_of_the_tags_that_point_there(void **state)
{
    struct conf_retention p = {.repositories = STRS("dev/**"), .keep_pulled_ms = 5000};

    (void)state;
    set_tag("a", 1000);
    assert_ok(pulled_begin(w.r->meta, 1000, ERR_IGNORED));
    pull(image.text, NOW);
    run(&p, 1);
    assert_true(there("a"));
}

static void what_was_pulled_before_pulls_were_recorded_is_not_known(void **state)
{
    struct conf_retention p = {.repositories = STRS("dev/**"), .keep_pulled_ms = 5000};

    (void)state;
    set_tag("a", 1000);
    run(&p, 1);
    assert_true(there("a"));
    assert_ok(pulled_begin(w.r->meta, NOW - 4999, ERR_IGNORED));
    assert_ok(pulled_begin(w.r->meta, NOW, ERR_IGNORED));
    run(&p, 1);
    assert_true(there("a"));
    assert_ok(pulled_end(w.r->meta, ERR_IGNORED));
    assert_ok(pulled_end(w.r->meta, ERR_IGNORED));
    assert_ok(pulled_begin(w.r->meta, NOW - 5000, ERR_IGNORED));
    run(&p, 1);
    assert_false(there("a"));
}

static void pulls_that_nobody_asks_for_any_more_are_forgotten(void **state)
{
    struct conf_retention p = {.repositories = STRS("dev/**"), .keep_pulled_ms = 5000};

    (void)state;
    set_tag("a", 1000);
    set_tag("b", 1000);
    assert_ok(pulled_begin(w.r->meta, 1000, ERR_IGNORED));
    pull("a", NOW - 10);
    pull("b", NOW - 20);
    assert_ok(pulled_prune(w.r->meta, NOW - 15, ERR_IGNORED));
    run(&p, 1);
    assert_true(there("a"));
    assert_false(there("b"));
}

static void notes_that_could_not_be_written_are_kept(void **state)
{
    struct conf_retention policy = {.repositories = STRS("dev/**"), .keep_pulled_ms = 5000};
    struct reference ref = tag_ref("a");
    struct pulled *p = pulled_new();

    (void)state;
    set_tag("a", 1000);
    assert_ok(pulled_begin(w.r->meta, 1000, ERR_IGNORED));
    pulled_note(p, &repo, &ref, NOW);
    world_fail_meta(&w, 1, ERR_UNAVAILABLE);
    assert_code(ERR_UNAVAILABLE, pulled_write(p, w.r->meta, ERR_IGNORED));
    assert_ok(pulled_write(p, w.r->meta, ERR_IGNORED));
    pulled_free(p);
    run(&policy, 1);
    assert_true(there("a"));
}

static void manifests_stay(void **state)
{
    struct conf_retention p = {.repositories = STRS("dev/**"), .keep_pushed_ms = 1};
    AUTO(meta_manifest) struct meta_manifest *m = NULL;

    (void)state;
    set_tag("old", 1000);
    run(&p, 1);
    assert_false(there("old"));
    assert_ok(meta_manifest_by_digest(w.r->meta, &repo, &image, &m, ERR_IGNORED));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(the_newest_tags_stay),
        TEST(of_tags_of_the_same_time_the_one_that_was_set_last_is_newer),
        TEST(tags_that_match_or_were_pushed_lately_stay),
        TEST(tags_that_a_policy_is_not_about_stay_and_are_not_counted),
        TEST(what_one_policy_keeps_no_other_deletes),
        TEST(a_tag_that_nobody_may_move_or_delete_stays),
        TEST(signatures_by_tag_stay_with_their_image),
        TEST(a_dry_run_changes_nothing_and_says_the_same),
        TEST(a_policy_without_a_repository_is_told_and_not_carried_out),
        TEST(a_policy_that_keeps_tags_that_are_not_there_is_told_and_not_carried_out),
        TEST(where_the_tags_of_a_pattern_are_not_what_a_policy_keeps_nothing_goes),
        TEST(a_repository_of_two_patterns_is_left_alone_for_the_one_that_is_wrong),
        TEST(of_patterns_one_that_matches_no_repository_is_told),
        TEST(a_policy_about_tags_that_are_not_there_is_told),
        TEST(a_policy_that_keeps_only_tags_that_it_is_not_about_is_told),
        TEST(a_tag_whose_time_is_not_known_is_not_old),
        TEST(tags_that_were_pulled_lately_stay),
        TEST(a_pull_by_digest_is_one_of_the_tags_that_point_there),
        TEST(what_was_pulled_before_pulls_were_recorded_is_not_known),
        TEST(pulls_that_nobody_asks_for_any_more_are_forgotten),
        TEST(notes_that_could_not_be_written_are_kept),
        TEST(manifests_stay),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
