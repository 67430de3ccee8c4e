/* What a repository holds. */
#include "base/cleanup.h"
#include "fixture.h"

#include <stdio.h>
#include <stdlib.h>

/* All manifests of "a", by pages of so many. */
static size_t all_manifests(struct fixture *f, size_t limit, struct meta_repo_manifest *ret,
                            size_t cap)
{
    struct repo_name r = repo_of("a");
    char *after = strdup("");
    size_t n = 0;

    while (after) {
        AUTO(meta_repo_manifests) struct meta_repo_manifest_list l = {0};

        assert_ok(meta_repo_manifests(f->m, &r, str_of(after), limit, &l, &f->e));
        assert_true(l.n <= limit && n + l.n <= cap);
        for (size_t i = 0; i < l.n; i++)
            ret[n++] = l.rows[i];
        free(after);
        after = STEAL(l.next);
    }
    return n;
}

static size_t all_blobs(struct fixture *f, size_t limit, struct meta_repo_blob *ret, size_t cap)
{
    struct repo_name r = repo_of("a");
    char *after = strdup("");
    size_t n = 0;

    while (after) {
        AUTO(meta_repo_blobs) struct meta_repo_blob_list l = {0};

        assert_ok(meta_repo_blobs(f->m, &r, str_of(after), limit, &l, &f->e));
        assert_true(l.n <= limit && n + l.n <= cap);
        for (size_t i = 0; i < l.n; i++)
            ret[n++] = l.rows[i];
        free(after);
        after = STEAL(l.next);
    }
    return n;
}

static const struct meta_repo_manifest *manifest_in(const struct meta_repo_manifest *rows, size_t n,
                                                    const char *text)
{
    struct digest d = digest_for(text);

    for (size_t i = 0; i < n; i++) {
        if (digest_eq(&rows[i].digest, &d))
            return &rows[i];
    }
    fail_msg("no manifest %s", text);
    return NULL;
}

static const struct meta_repo_blob *blob_in(const struct meta_repo_blob *rows, size_t n,
                                            const char *seed)
{
    struct digest d = digest_for(seed);

    for (size_t i = 0; i < n; i++) {
        if (digest_eq(&rows[i].digest, &d))
            return &rows[i];
    }
    fail_msg("no blob %s", seed);
    return NULL;
}

static void tags_come_with_where_they_point_and_when_they_were_pushed(void **state)
{
    struct fixture *f = *state;
    struct repo_name r = repo_of("a");
    struct tag_name t = tag_of("t");
    struct digest d = digest_for("m");
    struct meta_op op = meta_op_tag_set(&r, &t, &d, META_ANY);
    struct meta_repo_tag_list l = {0};

    assert_ok(put(f, "a", "m"));
    assert_ok(put(f, "b", "m"));
    assert_ok(set_tag(f, "b", "other", "m", META_ANY));
    assert_ok(set_tag(f, "a", "s", "m", META_ANY));
    assert_ok(set_tag(f, "a", "u", "m", META_ANY));
    op.time_ms = 5000;
    assert_ok(commit_one(f, op));
    assert_ok(meta_repo_tags(f->m, &r, STR("s"), 1, &l, &f->e));
    assert_int_equal(l.n, 1);
    assert_true(l.more);
    assert_string_equal(l.rows[0].name.text, "t");
    assert_string_equal(l.rows[0].digest.text, d.text);
    assert_int_equal(l.rows[0].version, version_of(f, "a", "t"));
    assert_int_equal(l.rows[0].pushed_ms, 5000);
    meta_repo_tag_list_done(&l);
    assert_ok(meta_repo_tags(f->m, &r, STR(""), 3, &l, &f->e));
    assert_int_equal(l.n, 3);
    assert_false(l.more);
    meta_repo_tag_list_done(&l);
}

static void a_tag_that_is_pushed_to_where_it_is_was_pushed_then(void **state)
{
    struct fixture *f = *state;
    struct repo_name r = repo_of("a");
    struct tag_name t = tag_of("t");
    struct digest d = digest_for("m");
    struct meta_op op = meta_op_tag_set(&r, &t, &d, META_ANY);
    struct meta_repo_tag_list l = {0};

    assert_ok(put(f, "a", "m"));
    op.time_ms = 5000;
    assert_ok(commit_one(f, op));
    op.time_ms = 7000;
    assert_ok(commit_one(f, op));
    assert_ok(meta_repo_tags(f->m, &r, STR(""), 9, &l, &f->e));
    assert_int_equal(l.rows[0].pushed_ms, 7000);
    meta_repo_tag_list_done(&l);
}

static void manifests_come_with_what_keeps_them(void **state)
{
    struct fixture *f = *state;
    const struct meta_edge edge = {META_EDGE_MANIFEST, digest_for("child")};
    struct digest child = digest_for("child");
    struct meta_repo_manifest rows[8];
    const struct meta_repo_manifest *m;
    size_t n;

    assert_ok(put(f, "a", "child"));
    assert_ok(put_edges(f, "a", "index", &edge, 1));
    assert_ok(put_referrer(f, "a", "signature", "child", "a/type", ""));
    assert_ok(put(f, "b", "elsewhere"));
    n = all_manifests(f, 2, rows, 8);
    assert_int_equal(n, 3);
    m = manifest_in(rows, n, "child");
    assert_true(m->named);
    assert_int_equal(m->size_bytes, strlen("child"));
    assert_int_equal(m->subject.n, 0);
    assert_false(manifest_in(rows, n, "index")->named);
    m = manifest_in(rows, n, "signature");
    assert_string_equal(m->subject.text, child.text);
    assert_false(m->named);
}

static struct meta_op with_time(struct meta_op op, int64_t time_ms)
{
    op.time_ms = time_ms;
    return op;
}

static void a_manifest_is_as_it_is_since_it_came_or_a_tag_left_it(void **state)
{
    struct fixture *f = *state;
    struct repo_name r = repo_of("a");
    struct tag_name t = tag_of("t");
    struct meta_manifest *one = manifest_for("one"), *two = manifest_for("two");
    struct meta_repo_manifest rows[8];
    size_t n;

    assert_ok(commit_one(
        f, with_time(meta_op_manifest_put((struct meta_manifest_put){.repo = &r, .manifest = one}),
                     1000)));
    assert_ok(commit_one(
        f, with_time(meta_op_manifest_put((struct meta_manifest_put){.repo = &r, .manifest = two}),
                     2000)));
    n = all_manifests(f, 100, rows, 8);
    assert_int_equal(manifest_in(rows, n, "one")->since_ms, 1000);
    assert_ok(commit_one(f, with_time(meta_op_tag_set(&r, &t, &one->digest, META_ANY), 3000)));
    assert_ok(commit_one(f, with_time(meta_op_tag_set(&r, &t, &one->digest, META_ANY), 3500)));
    n = all_manifests(f, 100, rows, 8);
    assert_int_equal(manifest_in(rows, n, "one")->since_ms, 1000);
    assert_ok(commit_one(f, with_time(meta_op_tag_set(&r, &t, &two->digest, META_ANY), 4000)));
    assert_ok(commit_one(f, with_time(meta_op_tag_delete(&r, &t, META_ANY), 5000)));
    n = all_manifests(f, 100, rows, 8);
    assert_int_equal(manifest_in(rows, n, "one")->since_ms, 4000);
    assert_int_equal(manifest_in(rows, n, "two")->since_ms, 5000);
    assert_ok(delete_manifest(f, "a", "one"));
    assert_ok(commit_one(
        f, with_time(meta_op_manifest_put((struct meta_manifest_put){.repo = &r, .manifest = one}),
                     6000)));
    n = all_manifests(f, 100, rows, 8);
    assert_int_equal(manifest_in(rows, n, "one")->since_ms, 6000);
    meta_manifest_unref(one);
    meta_manifest_unref(two);
}

static void blobs_come_with_who_needs_them(void **state)
{
    struct fixture *f = *state;
    const struct meta_edge edge = {META_EDGE_BLOB, digest_for("layer")};
    struct meta_repo_blob rows[8];
    size_t n;

    assert_ok(blob_link(f, "a", "layer"));
    assert_ok(blob_link(f, "a", "shared"));
    assert_ok(blob_link(f, "a", "unused"));
    assert_ok(blob_link(f, "b", "shared"));
    assert_ok(blob_link(f, "b", "elsewhere"));
    assert_ok(put_edges(f, "a", "image", &edge, 1));
    n = all_blobs(f, 2, rows, 8);
    assert_int_equal(n, 3);
    assert_true(blob_in(rows, n, "layer")->named);
    assert_false(blob_in(rows, n, "layer")->shared);
    assert_false(blob_in(rows, n, "shared")->named);
    assert_true(blob_in(rows, n, "shared")->shared);
    assert_false(blob_in(rows, n, "unused")->named);
    assert_false(blob_in(rows, n, "unused")->shared);
    assert_true(blob_in(rows, n, "unused")->size_bytes > 0);
}

static void a_repository_that_is_not_there_holds_nothing(void **state)
{
    struct fixture *f = *state;
    struct meta_repo_manifest manifest;
    struct meta_repo_blob blob;
    struct meta_repo_tag_list l = {0};
    struct repo_name r = repo_of("a");

    assert_int_equal(all_manifests(f, 10, &manifest, 1), 0);
    assert_int_equal(all_blobs(f, 10, &blob, 1), 0);
    assert_ok(meta_repo_tags(f->m, &r, STR(""), 10, &l, &f->e));
    assert_int_equal(l.n, 0);
    meta_repo_tag_list_done(&l);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        TEST(tags_come_with_where_they_point_and_when_they_were_pushed),
        TEST(a_tag_that_is_pushed_to_where_it_is_was_pushed_then),
        TEST(manifests_come_with_what_keeps_them),
        TEST(a_manifest_is_as_it_is_since_it_came_or_a_tag_left_it),
        TEST(blobs_come_with_who_needs_them),
        TEST(a_repository_that_is_not_there_holds_nothing),
    };

    fixture_choose(argc, argv);
    return cmocka_run_group_tests_name(fixture_driver(), tests, NULL, NULL);
}
