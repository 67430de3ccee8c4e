#include "core/history.h"

#include "core/remove.h"
#include "support.h"

/* Moving tags back. */

#define REPO "library/busybox"

static struct world w;
static struct repo_name repo;
static struct tag_name tag;
static struct digest one, two;

static int set_up(void **state)
{
    (void)state;
    world_in_memory(&w);
    repo = repo_of(REPO);
    tag = tag_of("latest");
    one = image_put(&w, REPO, "one", "latest");
    two = image_put(&w, REPO, "two", "latest");
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    world_done(&w);
    return 0;
}

static enum err_code roll_back(const struct digest *to, bool create_only)
{
    const struct rollback b = {
        .repo = &repo, .tag = &tag, .to = to, .create_only = create_only, .actor = "user:a"};
    struct rolled_back done;

    return history_rollback(w.r, &b, &done, ERR_IGNORED);
}

static void remove_ref(struct reference ref)
{
    assert_ok(remove_manifest(w.r, &repo, &ref, ERR_IGNORED));
}

static void assert_points_to(const struct digest *d)
{
    struct digest now = tag_get(&w, REPO, "latest"), stored = projected_tag(&w, REPO, "latest");

    assert_digest_equal(&now, d);
    assert_digest_equal(&stored, d);
}

static void a_tag_goes_back_to_where_it_was(void **state)
{
    (void)state;
    assert_ok(roll_back(NULL, false));
    assert_points_to(&one);
}

static void a_rollback_takes_the_one_before_back(void **state)
{
    (void)state;
    assert_ok(roll_back(NULL, false));
    assert_ok(roll_back(NULL, false));
    assert_points_to(&two);
}

static void a_rollback_is_in_the_history_with_who_did_it(void **state)
{
    AUTO(moves) struct meta_move_list l = {0};

    (void)state;
    assert_ok(roll_back(NULL, false));
    assert_ok(meta_moves(w.r->meta, &repo, &tag, INT64_MAX, 10, &l, ERR_IGNORED));
    assert_int_equal(l.n, 3);
    assert_digest_equal(&l.rows[0].digest, &one);
    assert_digest_equal(&l.rows[0].previous, &two);
    assert_string_equal(l.rows[0].actor, "user:a");
}

static void a_tag_goes_to_any_place_where_it_was(void **state)
{
    struct digest three = image_put(&w, REPO, "three", "latest");

    (void)state;
    (void)three;
    assert_ok(roll_back(&one, false));
    assert_points_to(&one);
}

static void a_deleted_tag_comes_back(void **state)
{
    (void)state;
    remove_ref(tag_ref("latest"));
    assert_ok(roll_back(NULL, false));
    assert_points_to(&two);
}

static void a_tag_does_not_go_where_it_never_was(void **state)
{
    struct digest other = image_put(&w, REPO, "other", "elsewhere");

    (void)state;
    assert_code(ERR_MANIFEST_UNKNOWN, roll_back(&other, false));
    assert_code(ERR_CONFLICT, roll_back(&two, false));
    assert_points_to(&two);
    tag = tag_of("elsewhere");
    assert_code(ERR_MANIFEST_UNKNOWN, roll_back(NULL, false));
    tag = tag_of("none");
    assert_code(ERR_MANIFEST_UNKNOWN, roll_back(NULL, false));
}

static void a_tag_does_not_go_to_what_is_not_kept(void **state)
{
    (void)state;
    remove_ref(digest_ref(&one));
    assert_code(ERR_MANIFEST_UNKNOWN, roll_back(NULL, false));
    assert_points_to(&two);
}

static void who_may_only_make_tags_may_bring_one_back_and_not_move_it(void **state)
{
    (void)state;
    assert_code(ERR_DENIED, roll_back(NULL, true));
    assert_points_to(&two);
    remove_ref(tag_ref("latest"));
    assert_ok(roll_back(NULL, true));
    assert_points_to(&two);
}

/* Somebody pushes between the look at the tag and its move. */
static enum err_code push_meanwhile(struct meta *m, const struct repo_name *r,
                                    const struct tag_name *t, int64_t below, size_t limit,
                                    struct meta_move_list *ret_list, struct err *e)
{
    image_put(&w, REPO, "three", "latest");
    return meta_moves(m->inner, r, t, below, limit, ret_list, e);
}

static void a_tag_that_is_moved_meanwhile_stays_where_that_put_it(void **state)
{
    struct digest now;

    (void)state;
    world_patch_meta(&w)->moves = push_meanwhile;
    assert_code(ERR_CONFLICT, roll_back(NULL, false));
    now = tag_get(&w, REPO, "latest");
    assert_digest_not_equal(&now, &one);
    assert_digest_not_equal(&now, &two);
}

static void a_tag_comes_back_only_where_the_quota_lets_it(void **state)
{
    (void)state;
    remove_ref(tag_ref("latest"));
    image_put(&w, REPO, "one", "another");
    world_set_quota(&w, REPO, 0, 1);
    assert_code(ERR_QUOTA, roll_back(NULL, false));
}

static void what_is_older_than_the_history_is_kept_is_forgotten(void **state)
{
    struct meta_op op = meta_op_tag_set(&repo, &tag, &one, META_ANY);
    AUTO(moves) struct meta_move_list l = {0};

    (void)state;
    op.time_ms = 1000;
    assert_ok(meta_commit(w.r->meta, &op, 1, 0, NULL, ERR_IGNORED));
    w.conf->registry.history_ms = 3600 * 1000;
    assert_ok(history_prune(w.r, ERR_IGNORED));
    assert_ok(meta_moves(w.r->meta, &repo, &tag, INT64_MAX, 10, &l, ERR_IGNORED));
    assert_int_equal(l.n, 2);
    assert_digest_equal(&l.rows[0].digest, &two);
}

static void a_history_of_no_age_is_for_ever(void **state)
{
    struct meta_op op = meta_op_tag_set(&repo, &tag, &one, META_ANY);
    AUTO(moves) struct meta_move_list l = {0};

    (void)state;
    op.time_ms = 1000;
    assert_ok(meta_commit(w.r->meta, &op, 1, 0, NULL, ERR_IGNORED));
    w.conf->registry.history_ms = 0;
    assert_ok(history_prune(w.r, ERR_IGNORED));
    assert_ok(meta_moves(w.r->meta, &repo, &tag, INT64_MAX, 10, &l, ERR_IGNORED));
    assert_int_equal(l.n, 3);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(a_tag_goes_back_to_where_it_was),
        TEST(a_rollback_takes_the_one_before_back),
        TEST(a_rollback_is_in_the_history_with_who_did_it),
        TEST(a_tag_goes_to_any_place_where_it_was),
        TEST(a_deleted_tag_comes_back),
        TEST(a_tag_does_not_go_where_it_never_was),
        TEST(a_tag_does_not_go_to_what_is_not_kept),
        TEST(who_may_only_make_tags_may_bring_one_back_and_not_move_it),
        TEST(a_tag_that_is_moved_meanwhile_stays_where_that_put_it),
        TEST(a_tag_comes_back_only_where_the_quota_lets_it),
        TEST(what_is_older_than_the_history_is_kept_is_forgotten),
        TEST(a_history_of_no_age_is_for_ever),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
