/* The history of tags. */
#include "base/cleanup.h"
#include "fixture.h"

#include <stdio.h>

static struct meta_move_list moves_below(struct fixture *f, const char *repo, const char *tag,
                                         int64_t before, size_t limit)
{
    struct repo_name r = repo_of(repo);
    struct tag_name t = tag_of(tag);
    struct meta_move_list l = {0};

    assert_ok(meta_moves(f->m, &r, &t, before, limit, &l, &f->e));
    return l;
}

static struct meta_move_list moves_of(struct fixture *f, const char *tag)
{
    return moves_below(f, "a", tag, INT64_MAX, 100);
}

/* The texts of the manifests; NULL: none. */
static void assert_move(const struct meta_move *v, const char *previous, const char *now)
{
    struct digest before = {.n = 0}, after = {.n = 0};

    if (previous)
        before = digest_for(previous);
    if (now)
        after = digest_for(now);
    assert_string_equal(v->previous.text, before.text);
    assert_string_equal(v->digest.text, after.text);
}

static void two_manifests(struct fixture *f)
{
    assert_ok(put(f, "a", "one"));
    assert_ok(put(f, "a", "two"));
}

static void every_move_of_a_tag_is_in_its_history(void **state)
{
    struct fixture *f = *state;
    struct meta_move_list l;

    two_manifests(f);
    assert_ok(set_tag(f, "a", "t", "one", META_ANY));
    assert_ok(set_tag(f, "a", "t", "two", META_ANY));
    assert_ok(delete_tag(f, "a", "t", META_ANY));
    assert_ok(set_tag(f, "a", "t", "one", META_ANY));
    l = moves_of(f, "t");
    assert_int_equal(l.n, 4);
    assert_false(l.more);
    assert_move(&l.rows[0], NULL, "one");
    assert_move(&l.rows[1], "two", NULL);
    assert_move(&l.rows[2], "one", "two");
    assert_move(&l.rows[3], NULL, "one");
    for (size_t i = 1; i < l.n; i++)
        assert_true(l.rows[i - 1].version > l.rows[i].version);
    assert_int_equal(l.rows[0].version, version_of(f, "a", "t"));
    meta_move_list_done(&l);
}

static void a_move_says_who_and_when(void **state)
{
    struct fixture *f = *state;
    struct repo_name r = repo_of("a");
    struct tag_name t = tag_of("t");
    struct digest d = digest_for("one");
    struct meta_op op = meta_op_tag_set(&r, &t, &d, META_ANY);
    struct meta_move_list l;

    two_manifests(f);
    op.actor = "user:\xFF\xC3\xA4";
    op.time_ms = 1700000000123;
    assert_ok(commit_one(f, op));
    op = meta_op_tag_delete(&r, &t, META_ANY);
    assert_ok(commit_one(f, op));
    l = moves_of(f, "t");
    assert_int_equal(l.n, 2);
    assert_string_equal(l.rows[0].actor, "");
    assert_true(l.rows[0].time_ms > 1700000000123);
    assert_string_equal(l.rows[1].actor, "user:\xEF\xBF\xBD\xC3\xA4");
    assert_int_equal(l.rows[1].time_ms, 1700000000123);
    meta_move_list_done(&l);
}

static void a_tag_that_is_set_to_where_it_is_has_not_moved(void **state)
{
    struct fixture *f = *state;
    struct meta_move_list l;

    two_manifests(f);
    assert_ok(set_tag(f, "a", "t", "one", META_ANY));
    assert_ok(set_tag(f, "a", "t", "one", META_ANY));
    l = moves_of(f, "t");
    assert_int_equal(l.n, 1);
    meta_move_list_done(&l);
}

static void a_tag_that_goes_with_its_manifest_is_in_its_history(void **state)
{
    struct fixture *f = *state;
    char tag[16];
    struct meta_move_list l;

    two_manifests(f);
    for (int i = 0; i < 25; i++) {
        snprintf(tag, sizeof(tag), "t%d", i);
        assert_ok(set_tag(f, "a", tag, "one", META_ANY));
    }
    assert_ok(delete_manifest(f, "a", "one"));
    for (int i = 0; i < 25; i++) {
        snprintf(tag, sizeof(tag), "t%d", i);
        l = moves_of(f, tag);
        assert_int_equal(l.n, 2);
        assert_move(&l.rows[0], "one", NULL);
        assert_move(&l.rows[1], NULL, "one");
        meta_move_list_done(&l);
    }
}

static void what_was_refused_is_in_no_history(void **state)
{
    struct fixture *f = *state;
    struct meta_move_list l;

    two_manifests(f);
    assert_ok(set_tag(f, "a", "t", "one", META_ABSENT));
    assert_int_equal(set_tag(f, "a", "t", "two", META_ABSENT), ERR_CONFLICT);
    assert_int_equal(set_tag(f, "a", "t", "missing", META_ANY), ERR_MANIFEST_UNKNOWN);
    assert_int_equal(delete_tag(f, "a", "none", META_ANY), ERR_MANIFEST_UNKNOWN);
    l = moves_of(f, "t");
    assert_int_equal(l.n, 1);
    meta_move_list_done(&l);
    l = moves_of(f, "none");
    assert_int_equal(l.n, 0);
    meta_move_list_done(&l);
}

static void histories_are_of_one_tag_and_come_in_pages(void **state)
{
    struct fixture *f = *state;
    struct meta_move_list l;
    int64_t at;

    two_manifests(f);
    assert_ok(put(f, "b", "one"));
    assert_ok(set_tag(f, "b", "t", "one", META_ANY));
    assert_ok(set_tag(f, "a", "T", "one", META_ANY));
    for (int i = 0; i < 5; i++)
        assert_ok(set_tag(f, "a", "t", i % 2 ? "two" : "one", META_ANY));
    assert_ok(set_tag(f, "a", "t.1", "one", META_ANY));
    l = moves_below(f, "a", "t", INT64_MAX, 2);
    assert_int_equal(l.n, 2);
    assert_true(l.more);
    at = l.rows[1].version;
    meta_move_list_done(&l);
    l = moves_below(f, "a", "t", at, 3);
    assert_int_equal(l.n, 3);
    assert_false(l.more);
    assert_true(l.rows[0].version < at);
    assert_move(&l.rows[2], NULL, "one");
    meta_move_list_done(&l);
}

static void old_moves_are_forgotten(void **state)
{
    struct fixture *f = *state;
    struct repo_name r = repo_of("a");
    struct tag_name t = tag_of("t");
    struct digest d = digest_for("one");
    struct meta_op op = meta_op_tag_set(&r, &t, &d, META_ANY);
    struct meta_move_list l;

    two_manifests(f);
    op.time_ms = 1000;
    assert_ok(commit_one(f, op));
    assert_ok(set_tag(f, "a", "t", "two", META_ANY));
    assert_ok(commit_one(f, meta_op_moves_prune(1001)));
    l = moves_of(f, "t");
    assert_int_equal(l.n, 1);
    assert_move(&l.rows[0], "one", "two");
    meta_move_list_done(&l);
    assert_tag(f, "a", "t", "two");
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        TEST(every_move_of_a_tag_is_in_its_history),
        TEST(a_move_says_who_and_when),
        TEST(a_tag_that_is_set_to_where_it_is_has_not_moved),
        TEST(a_tag_that_goes_with_its_manifest_is_in_its_history),
        TEST(what_was_refused_is_in_no_history),
        TEST(histories_are_of_one_tag_and_come_in_pages),
        TEST(old_moves_are_forgotten),
    };

    fixture_choose(argc, argv);
    return cmocka_run_group_tests_name(fixture_driver(), tests, NULL, NULL);
}
