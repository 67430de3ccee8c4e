/* Every operation, every precondition, and all or none. */
#include "base/cleanup.h"
#include "fixture.h"

#include <stdio.h>

#include <string.h>

static void a_linked_blob_is_there_with_its_size(void **state)
{
    struct fixture *f = *state;

    assert_false(has_blob(f, "a", "layer"));
    assert_ok(blob_link(f, "a", "layer"));
    assert_true(has_blob(f, "a", "layer"));
    assert_false(has_blob(f, "b", "layer"));
}

static void linking_twice_is_success(void **state)
{
    struct fixture *f = *state;

    assert_ok(blob_link(f, "a", "layer"));
    assert_ok(blob_link(f, "a", "layer"));
    assert_ok(blob_unlink(f, "a", "layer"));
    assert_false(has_blob(f, "a", "layer"));
}

static void a_sha512_blob_is_kept(void **state)
{
    struct fixture *f = *state;
    struct repo_name r = repo_of("a");
    struct digest d;
    uint64_t size;

    digest_of(DIGEST_SHA512, "x", 1, &d);
    assert_ok(commit_one(f, meta_op_blob_link(&r, &d, INT64_MAX)));
    assert_ok(meta_blob_stat(f->m, &r, &d, &size, &f->e));
    assert_int_equal(size, INT64_MAX);
}

static void unlinking_a_blob_that_is_not_there_fails(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(blob_unlink(f, "a", "layer"), ERR_BLOB_UNKNOWN);
    assert_int_equal(f->failed, 0);
    assert_ok(blob_link(f, "b", "layer"));
    assert_int_equal(blob_unlink(f, "a", "layer"), ERR_BLOB_UNKNOWN);
    assert_true(has_blob(f, "b", "layer"));
}

static void a_blob_is_found_in_any_repository(void **state)
{
    struct fixture *f = *state;
    struct digest d = digest_for("layer");
    struct repo_name found;
    uint64_t size;

    assert_int_equal(meta_blob_find(f->m, &d, &found, &size, &f->e), ERR_BLOB_UNKNOWN);
    assert_ok(blob_link(f, "some/where", "layer"));
    assert_ok(meta_blob_find(f->m, &d, &found, &size, &f->e));
    assert_string_equal(found.text, "some/where");
    assert_int_equal(found.n, strlen("some/where"));
    assert_int_equal(size, 5);
    assert_ok(blob_link(f, "else/where", "layer"));
    assert_ok(blob_unlink(f, "some/where", "layer"));
    assert_ok(meta_blob_find(f->m, &d, &found, &size, &f->e));
    assert_string_equal(found.text, "else/where");
}

static enum err_code look(struct fixture *f, const char *repo, const char *seed, bool *ret_nowhere)
{
    struct repo_name r = repo_of(repo);
    struct digest d = digest_for(seed);
    struct meta_blob_sight sight;
    uint64_t size = 0;
    enum err_code code = meta_blob_look(f->m, &r, &d, &size, &sight, &f->e);

    *ret_nowhere = sight.nowhere;

    if (code == ERR_OK)
        assert_int_equal(size, strlen(seed));
    return code;
}

static void a_look_at_a_blob_tells_when_no_repository_has_it(void **state)
{
    struct fixture *f = *state;
    bool nowhere;

    assert_int_equal(look(f, "a", "layer", &nowhere), ERR_BLOB_UNKNOWN);
    assert_true(nowhere);
    assert_ok(blob_link(f, "b", "layer"));
    assert_int_equal(look(f, "a", "layer", &nowhere), ERR_BLOB_UNKNOWN);
    assert_false(nowhere);
    assert_ok(look(f, "b", "layer", &nowhere));
    assert_ok(blob_unlink(f, "b", "layer"));
    assert_int_equal(look(f, "b", "layer", &nowhere), ERR_BLOB_UNKNOWN);
    assert_true(nowhere);
}

static enum err_code unlink_kept_once(struct fixture *f, const char *repo, const char *seed)
{
    struct repo_name r = repo_of(repo);
    struct digest d = digest_for(seed);
    const struct meta_removal removal = {.once = true, .reason = STR("test")};

    return commit_one(f, meta_op_blob_unlink(&r, &d, removal));
}

static void a_look_at_a_blob_tells_that_its_content_is_condemned(void **state)
{
    struct fixture *f = *state;
    struct digest d = digest_for("layer");
    struct repo_name found;
    uint64_t size;
    bool nowhere;

    assert_ok(blob_link(f, "a", "layer"));
    assert_ok(unlink_kept_once(f, "a", "layer"));
    assert_int_equal(look(f, "a", "layer", &nowhere), ERR_BLOB_UNKNOWN);
    assert_false(nowhere);
    assert_int_equal(look(f, "b", "layer", &nowhere), ERR_BLOB_UNKNOWN);
    assert_false(nowhere);
    assert_int_equal(meta_blob_find(f->m, &d, &found, &size, &f->e), ERR_BLOB_UNKNOWN);
}

static void a_blob_of_many_repositories_is_seen_in_each(void **state)
{
    struct fixture *f = *state;
    char name[16];
    bool nowhere;

    for (int i = 0; i < 14; i++) {
        snprintf(name, sizeof(name), "repo%02d", i);
        assert_ok(blob_link(f, name, "layer"));
    }
    for (int i = 0; i < 14; i++) {
        snprintf(name, sizeof(name), "repo%02d", i);
        assert_ok(look(f, name, "layer", &nowhere));
    }
    assert_int_equal(look(f, "without", "layer", &nowhere), ERR_BLOB_UNKNOWN);
    assert_false(nowhere);
}

static void links_are_found_together(void **state)
{
    struct fixture *f = *state;
    struct repo_name r = repo_of("a"), none = repo_of("none");
    struct digest blob = digest_for("layer"), both = digest_for("m"), child = digest_for("child"),
                  elsewhere = digest_for("elsewhere");
    struct meta_link links[] = {
        {.digest = &blob, .may_be_blob = true},
        {.digest = &child, .may_be_blob = true},
        {.digest = &child, .may_be_manifest = true},
        {.digest = &child, .may_be_blob = true, .may_be_manifest = true},
        {.digest = &both, .may_be_blob = true, .may_be_manifest = true},
        {.digest = &blob, .may_be_blob = true, .may_be_manifest = true},
        {.digest = &blob, .may_be_manifest = true},
        {.digest = &elsewhere, .may_be_blob = true},
    };
    const struct meta_link expected[] = {
        {.found = true, .size_bytes = 5},
        {.found = false},
        {.found = true, .is_manifest = true, .size_bytes = 5},
        {.found = true, .is_manifest = true, .size_bytes = 5},
        {.found = true, .size_bytes = 1},
        {.found = true, .size_bytes = 5},
        {.found = false},
        {.found = false},
    };
    const size_t n = sizeof(links) / sizeof(links[0]);

    assert_ok(blob_link(f, "a", "layer"));
    assert_ok(blob_link(f, "a", "m"));
    assert_ok(put(f, "a", "m"));
    assert_ok(put(f, "a", "child"));
    assert_ok(blob_link(f, "b", "elsewhere"));
    assert_ok(meta_find_links(f->m, &r, links, n, &f->e));
    for (size_t i = 0; i < n; i++) {
        assert_int_equal(links[i].found, expected[i].found);
        if (!links[i].found)
            continue;
        assert_int_equal(links[i].is_manifest, expected[i].is_manifest);
        assert_int_equal(links[i].size_bytes, expected[i].size_bytes);
    }
    assert_ok(meta_find_links(f->m, &none, links, n, &f->e));
    for (size_t i = 0; i < n; i++)
        assert_false(links[i].found);
    assert_ok(meta_find_links(f->m, &r, links, 0, &f->e));
}

static void a_blob_that_a_manifest_names_stays(void **state)
{
    struct fixture *f = *state;
    const struct meta_edge edge = {META_EDGE_BLOB, digest_for("layer")};

    assert_ok(blob_link(f, "a", "layer"));
    assert_ok(blob_link(f, "b", "layer"));
    assert_ok(put_edges(f, "a", "m", &edge, 1));
    assert_int_equal(blob_unlink(f, "a", "layer"), ERR_IN_USE);
    assert_int_equal(f->failed, 0);
    assert_true(has_blob(f, "a", "layer"));
    assert_ok(blob_unlink(f, "b", "layer"));
    assert_ok(delete_manifest(f, "a", "m"));
    assert_ok(blob_unlink(f, "a", "layer"));
}

static enum err_code blob_lose(struct fixture *f, const char *repo, const char *seed)
{
    struct repo_name r = repo_of(repo);
    struct digest d = digest_for(seed);

    return commit_one(f, meta_op_blob_lose(&r, &d));
}

static uint64_t bytes_used(struct fixture *f)
{
    struct meta_usage u;

    assert_ok(meta_usage(f->m, STR(""), &u, &f->e));
    return u.bytes;
}

static void a_blob_is_lost_though_a_manifest_names_it(void **state)
{
    struct fixture *f = *state;
    const struct meta_edge edge = {META_EDGE_BLOB, digest_for("layer")};
    struct digest d = digest_for("layer");
    struct repo_name found;
    uint64_t size;

    assert_int_equal(blob_lose(f, "a", "layer"), ERR_BLOB_UNKNOWN);
    assert_ok(blob_link(f, "a", "layer"));
    assert_ok(put_edges(f, "a", "m", &edge, 1));
    assert_ok(blob_lose(f, "a", "layer"));
    assert_false(has_blob(f, "a", "layer"));
    assert_int_equal(meta_blob_find(f->m, &d, &found, &size, &f->e), ERR_BLOB_UNKNOWN);
    assert_int_equal(bytes_used(f), 0);
    assert_true(has_manifest(f, "a", "m"));
    assert_int_equal(put_edges(f, "a", "n", &edge, 1), ERR_MANIFEST_BLOB_UNKNOWN);
    assert_int_equal(blob_lose(f, "a", "layer"), ERR_BLOB_UNKNOWN);
}

static void a_lost_blob_that_is_linked_again_is_named_as_before(void **state)
{
    struct fixture *f = *state;
    const struct meta_edge edge = {META_EDGE_BLOB, digest_for("layer")};

    assert_ok(blob_link(f, "a", "layer"));
    assert_ok(put_edges(f, "a", "m", &edge, 1));
    assert_ok(blob_lose(f, "a", "layer"));
    assert_ok(blob_link(f, "a", "layer"));
    assert_true(has_blob(f, "a", "layer"));
    assert_int_equal(bytes_used(f), strlen("layer"));
    assert_int_equal(blob_unlink(f, "a", "layer"), ERR_IN_USE);
    assert_ok(delete_manifest(f, "a", "m"));
    assert_ok(blob_unlink(f, "a", "layer"));
}

static void a_lost_blob_is_no_row(void **state)
{
    struct fixture *f = *state;
    const struct meta_edge edge = {META_EDGE_BLOB, digest_for("layer")};
    AUTO(row_list) struct meta_row_list rows = {0};

    assert_ok(blob_link(f, "a", "layer"));
    assert_ok(put_edges(f, "a", "m", &edge, 1));
    assert_ok(blob_lose(f, "a", "layer"));
    assert_ok(meta_rows(f->m, META_ROW_BLOB, STR(""), 10, &rows, &f->e));
    assert_int_equal(rows.n, 0);
}

static void a_blob_that_is_named_loosely_stays_too(void **state)
{
    struct fixture *f = *state;
    const struct meta_edge edge = {META_EDGE_LOOSE_BLOB, digest_for("layer")};

    assert_ok(put_edges(f, "a", "m", &edge, 1));
    assert_ok(blob_link(f, "a", "layer"));
    assert_int_equal(blob_unlink(f, "a", "layer"), ERR_IN_USE);
}

static void a_manifest_is_found_by_its_digest(void **state)
{
    struct fixture *f = *state;
    struct repo_name r = repo_of("a/b");
    struct digest d = digest_for("text");
    AUTO(meta_manifest) struct meta_manifest *m = NULL;

    assert_int_equal(meta_manifest_by_digest(f->m, &r, &d, &m, &f->e), ERR_MANIFEST_UNKNOWN);
    assert_ok(put(f, "a/b", "text"));
    assert_ok(meta_manifest_by_digest(f->m, &r, &d, &m, &f->e));
    assert_true(digest_eq(&m->digest, &d));
    assert_true(str_eq(m->media_type, STR("application/vnd.oci.image.manifest.v1+json")));
    assert_true(str_eq(m->bytes, STR("text")));
    assert_false(has_manifest(f, "a", "text"));
}

static void manifest_bytes_come_back_exactly(void **state)
{
    struct fixture *f = *state;
    struct repo_name r = repo_of("a");
    static char bytes[300000];
    struct digest d;
    AUTO(meta_manifest) struct meta_manifest *m = NULL, *back = NULL;

    for (size_t i = 0; i < sizeof(bytes); i++)
        bytes[i] = (char)(i * 7 + i / 256); /* with NULs and bytes that are not UTF-8 */
    digest_of(DIGEST_SHA512, bytes, sizeof(bytes), &d);
    m = meta_manifest_new(&d, STR("x/y"), (struct str){bytes, sizeof(bytes)});
    assert_ok(
        commit_one(f, meta_op_manifest_put((struct meta_manifest_put){.repo = &r, .manifest = m})));
    assert_ok(meta_manifest_by_digest(f->m, &r, &d, &back, &f->e));
    assert_true(str_eq(back->bytes, m->bytes));
}

static void putting_a_manifest_again_changes_nothing(void **state)
{
    struct fixture *f = *state;
    const struct meta_edge missing = {META_EDGE_BLOB, digest_for("not there")};

    assert_ok(put(f, "a", "m"));
    assert_ok(set_tag(f, "a", "t", "m", META_ABSENT));
    assert_ok(put_edges(f, "a", "m", &missing, 1));
    assert_tag(f, "a", "t", "m");
    assert_ok(delete_manifest(f, "a", "m"));
    assert_false(has_manifest(f, "a", "m"));
}

static void a_manifest_needs_its_blobs(void **state)
{
    struct fixture *f = *state;
    const struct meta_edge edges[] = {{META_EDGE_BLOB, digest_for("config")},
                                      {META_EDGE_BLOB, digest_for("one")},
                                      {META_EDGE_BLOB, digest_for("two")}};

    assert_ok(blob_link(f, "a", "config"));
    assert_ok(blob_link(f, "other", "one"));
    assert_int_equal(put_edges(f, "a", "m", edges, 3), ERR_MANIFEST_BLOB_UNKNOWN);
    assert_int_equal(f->failed, 0);
    assert_true(f->e.public_detail);
    assert_non_null(strstr(f->e.detail, edges[1].digest.text));
    assert_false(has_manifest(f, "a", "m"));
    assert_ok(blob_link(f, "a", "one"));
    assert_ok(blob_link(f, "a", "two"));
    assert_ok(put_edges(f, "a", "m", edges, 3));
}

static void an_index_needs_its_children(void **state)
{
    struct fixture *f = *state;
    const struct meta_edge edge = {META_EDGE_MANIFEST, digest_for("child")};

    assert_ok(blob_link(f, "a", "child")); /* a blob of that digest is no manifest */
    assert_int_equal(put_edges(f, "a", "index", &edge, 1), ERR_MANIFEST_BLOB_UNKNOWN);
    assert_ok(put(f, "b", "child"));
    assert_int_equal(put_edges(f, "a", "index", &edge, 1), ERR_MANIFEST_BLOB_UNKNOWN);
    assert_ok(put(f, "a", "child"));
    assert_ok(put_edges(f, "a", "index", &edge, 1));
}

static void loose_edges_may_be_missing(void **state)
{
    struct fixture *f = *state;
    const struct meta_edge edges[] = {{META_EDGE_LOOSE_BLOB, digest_for("foreign")},
                                      {META_EDGE_LOOSE_MANIFEST, digest_for("sparse")}};

    assert_ok(put_edges(f, "a", "m", edges, 2));
    assert_true(has_manifest(f, "a", "m"));
}

static void the_same_edge_twice_is_fine(void **state)
{
    struct fixture *f = *state;
    const struct meta_edge edges[] = {{META_EDGE_BLOB, digest_for("same")},
                                      {META_EDGE_BLOB, digest_for("same")},
                                      {META_EDGE_LOOSE_BLOB, digest_for("same")}};

    assert_ok(blob_link(f, "a", "same"));
    assert_ok(put_edges(f, "a", "m", edges, 3));
    assert_ok(delete_manifest(f, "a", "m"));
    assert_ok(blob_unlink(f, "a", "same"));
}

static void a_manifest_that_is_not_there_can_t_be_deleted(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(delete_manifest(f, "a", "m"), ERR_MANIFEST_UNKNOWN);
    assert_ok(put(f, "b", "m"));
    assert_int_equal(delete_manifest(f, "a", "m"), ERR_MANIFEST_UNKNOWN);
    assert_int_equal(f->failed, 0);
}

static void a_child_of_an_index_stays(void **state)
{
    struct fixture *f = *state;
    const struct meta_edge edge = {META_EDGE_MANIFEST, digest_for("child")};

    assert_ok(put(f, "a", "child"));
    assert_ok(put(f, "b", "child"));
    assert_ok(put_edges(f, "a", "index", &edge, 1));
    assert_int_equal(delete_manifest(f, "a", "child"), ERR_IN_USE);
    assert_true(has_manifest(f, "a", "child"));
    assert_ok(delete_manifest(f, "b", "child"));
    assert_ok(delete_manifest(f, "a", "index"));
    assert_ok(delete_manifest(f, "a", "child"));
}

static void deleting_a_manifest_takes_its_tags(void **state)
{
    struct fixture *f = *state;

    assert_ok(put(f, "a", "old"));
    assert_ok(put(f, "a", "new"));
    assert_ok(set_tag(f, "a", "one", "old", META_ANY));
    assert_ok(set_tag(f, "a", "two", "old", META_ANY));
    assert_ok(set_tag(f, "a", "three", "new", META_ANY));
    assert_tag(f, "a", "one", "old");
    assert_ok(delete_manifest(f, "a", "old"));
    assert_int_equal(version_of(f, "a", "one"), META_ABSENT);
    assert_int_equal(version_of(f, "a", "two"), META_ABSENT);
    assert_tag(f, "a", "three", "new");
}

static void a_tag_needs_its_manifest(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(set_tag(f, "a", "t", "m", META_ANY), ERR_MANIFEST_UNKNOWN);
    assert_ok(put(f, "b", "m"));
    assert_int_equal(set_tag(f, "a", "t", "m", META_ANY), ERR_MANIFEST_UNKNOWN);
    assert_ok(put(f, "a", "other"));
    assert_int_equal(set_tag(f, "a", "t", "m", META_ANY), ERR_MANIFEST_UNKNOWN);
    assert_int_equal(version_of(f, "a", "t"), META_ABSENT);
}

static void a_tag_moves(void **state)
{
    struct fixture *f = *state;
    int64_t first;

    assert_ok(put(f, "a", "old"));
    assert_ok(put(f, "a", "new"));
    assert_ok(set_tag(f, "a", "t", "old", META_ABSENT));
    assert_tag(f, "a", "t", "old");
    first = version_of(f, "a", "t");
    assert_true(first > 0);
    assert_ok(set_tag(f, "a", "t", "new", first));
    assert_tag(f, "a", "t", "new");
    assert_true(version_of(f, "a", "t") > first);
}

static void a_tag_moves_only_from_the_version_expected(void **state)
{
    struct fixture *f = *state;
    int64_t version;

    assert_ok(put(f, "a", "old"));
    assert_ok(put(f, "a", "new"));
    assert_int_equal(set_tag(f, "a", "t", "old", 1), ERR_CONFLICT);
    assert_ok(set_tag(f, "a", "t", "old", META_ANY));
    version = version_of(f, "a", "t");
    assert_int_equal(set_tag(f, "a", "t", "new", META_ABSENT), ERR_CONFLICT);
    assert_int_equal(set_tag(f, "a", "t", "new", version + 1), ERR_CONFLICT);
    assert_int_equal(delete_tag(f, "a", "t", version + 1), ERR_CONFLICT);
    assert_tag(f, "a", "t", "old");
    assert_int_equal(version_of(f, "a", "t"), version);
    assert_ok(delete_tag(f, "a", "t", version));
    assert_int_equal(version_of(f, "a", "t"), META_ABSENT);
}

static void a_tag_that_is_not_there_can_t_be_deleted(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(delete_tag(f, "a", "t", META_ANY), ERR_MANIFEST_UNKNOWN);
    assert_ok(put(f, "a", "m"));
    assert_int_equal(delete_tag(f, "a", "t", META_ANY), ERR_MANIFEST_UNKNOWN);
}

static void a_tag_that_comes_back_has_a_later_version(void **state)
{
    struct fixture *f = *state;
    int64_t first, second, third;

    assert_ok(put(f, "a", "m"));
    assert_ok(set_tag(f, "a", "t", "m", META_ANY));
    first = version_of(f, "a", "t");
    assert_ok(delete_tag(f, "a", "t", META_ANY));
    assert_ok(set_tag(f, "a", "t", "m", META_ABSENT));
    second = version_of(f, "a", "t");
    assert_true(second > first + 1); /* the deletion was a change of its own */
    assert_ok(delete_manifest(f, "a", "m"));
    assert_ok(put(f, "a", "m"));
    assert_ok(set_tag(f, "a", "t", "m", META_ABSENT));
    third = version_of(f, "a", "t");
    assert_true(third > second + 1);
}

static void deleting_a_tag_leaves_its_manifest(void **state)
{
    struct fixture *f = *state;

    assert_ok(put(f, "a", "m"));
    assert_ok(set_tag(f, "a", "t", "m", META_ANY));
    assert_ok(delete_tag(f, "a", "t", META_ANY));
    assert_true(has_manifest(f, "a", "m"));
}

static enum err_code delete_seen(struct fixture *f, const char *text, int64_t seen)
{
    struct repo_name r = repo_of("a");
    struct digest d = digest_for(text);

    return commit_one(f, meta_op_manifest_delete(&r, &d, seen));
}

/* The version of the look at the tags of a manifest, and what it saw. */
static int64_t see_tags(struct fixture *f, const char *text, size_t n, const char *const *names)
{
    struct repo_name r = repo_of("a");
    struct digest d = digest_for(text);
    AUTO(name_list) struct meta_name_list l = {0};
    int64_t version = -1;

    assert_ok(meta_manifest_tags(f->m, &r, &d, STR(""), 10, &l, &version, &f->e));
    assert_names(&l, n, names);
    return version;
}

static void a_manifest_goes_with_the_tags_that_were_seen(void **state)
{
    struct fixture *f = *state;
    int64_t seen;

    assert_ok(put(f, "a", "m"));
    assert_ok(set_tag(f, "a", "one", "m", META_ANY));
    assert_ok(set_tag(f, "a", "two", "m", META_ANY));
    seen = see_tags(f, "m", 2, (const char *const[]){"one", "two"});
    assert_ok(delete_seen(f, "m", seen));
    assert_false(has_manifest(f, "a", "m"));
    assert_int_equal(version_of(f, "a", "one"), META_ABSENT);
    assert_int_equal(version_of(f, "a", "two"), META_ABSENT);
}

static void a_manifest_stays_that_has_a_tag_nobody_saw(void **state)
{
    struct fixture *f = *state;
    int64_t seen;

    assert_ok(put(f, "a", "m"));
    assert_ok(put(f, "a", "n"));
    assert_ok(set_tag(f, "a", "moves", "n", META_ANY));
    assert_ok(set_tag(f, "a", "one", "m", META_ANY));
    assert_int_equal(delete_seen(f, "m", META_ABSENT), ERR_CONFLICT);
    seen = see_tags(f, "m", 1, (const char *const[]){"one"});
    assert_ok(set_tag(f, "a", "moves", "m", META_ANY));
    assert_int_equal(delete_seen(f, "m", seen), ERR_CONFLICT);
    assert_tag(f, "a", "one", "m");
    assert_tag(f, "a", "moves", "m");
    assert_ok(delete_seen(f, "m", see_tags(f, "m", 2, (const char *const[]){"moves", "one"})));
}

static void a_tag_that_was_seen_and_went_away_and_came_back_is_not_seen(void **state)
{
    struct fixture *f = *state;
    int64_t seen;

    assert_ok(put(f, "a", "m"));
    assert_ok(set_tag(f, "a", "one", "m", META_ANY));
    seen = see_tags(f, "m", 1, (const char *const[]){"one"});
    assert_ok(delete_tag(f, "a", "one", META_ANY));
    assert_ok(set_tag(f, "a", "one", "m", META_ANY));
    assert_int_equal(delete_seen(f, "m", seen), ERR_CONFLICT);
}

static void tags_that_went_away_or_are_of_others_keep_no_manifest(void **state)
{
    struct fixture *f = *state;
    int64_t seen;

    assert_ok(put(f, "a", "m"));
    assert_ok(put(f, "a", "n"));
    assert_ok(set_tag(f, "a", "gone", "m", META_ANY));
    assert_ok(set_tag(f, "a", "moved", "m", META_ANY));
    seen = see_tags(f, "m", 2, (const char *const[]){"gone", "moved"});
    assert_ok(delete_tag(f, "a", "gone", META_ANY));
    assert_ok(set_tag(f, "a", "moved", "n", META_ANY));
    assert_ok(set_tag(f, "a", "other", "n", META_ANY));
    assert_ok(delete_seen(f, "m", seen));
    assert_tag(f, "a", "moved", "n");
}

static void a_manifest_in_use_is_told_before_its_tags(void **state)
{
    struct fixture *f = *state;
    const struct meta_edge edge = {META_EDGE_MANIFEST, digest_for("m")};

    assert_int_equal(delete_seen(f, "m", META_ABSENT), ERR_MANIFEST_UNKNOWN);
    assert_ok(put(f, "a", "m"));
    assert_ok(set_tag(f, "a", "one", "m", META_ANY));
    assert_ok(put_edges(f, "a", "index", &edge, 1));
    assert_int_equal(delete_seen(f, "m", META_ABSENT), ERR_IN_USE);
}

static void a_whole_push_is_one_transaction(void **state)
{
    struct fixture *f = *state;
    struct repo_name r = repo_of("a");
    struct tag_name t = tag_of("t");
    struct digest blob = digest_for("layer"), d = digest_for("m");
    const struct meta_edge edge = {META_EDGE_BLOB, blob};
    AUTO(meta_manifest) struct meta_manifest *m = manifest_for("m");
    const struct meta_op ops[] = {
        meta_op_blob_link(&r, &blob, 5),
        meta_op_manifest_put(
            (struct meta_manifest_put){.repo = &r, .manifest = m, .edges = &edge, .n_edges = 1}),
        meta_op_tag_set(&r, &t, &d, META_ABSENT),
    };

    assert_ok(commit(f, ops, 3));
    assert_tag(f, "a", "t", "m");
}

static void one_failure_undoes_all(void **state)
{
    struct fixture *f = *state;
    struct repo_name r = repo_of("a"), fresh = repo_of("fresh");
    struct tag_name t = tag_of("t"), kept = tag_of("kept");
    struct digest blob = digest_for("layer"), old = digest_for("old"), d = digest_for("m");
    AUTO(meta_manifest) struct meta_manifest *m = manifest_for("m");
    struct uuid id;
    struct meta_upload upload = {.repo = r}, got;
    struct meta_projection rows[4];
    bool exists;
    size_t n;

    assert_ok(put(f, "a", "old"));
    assert_ok(set_tag(f, "a", "kept", "old", META_ANY));
    n = pending(f, rows, 4);
    uuid_make(&id);
    upload.id = id;
    const struct meta_op ops[] = {
        meta_op_blob_link(&fresh, &blob, 0),
        meta_op_upload_finish(&upload, NULL, 5),
        meta_op_manifest_put((struct meta_manifest_put){.repo = &r, .manifest = m}),
        meta_op_tag_set(&r, &t, &d, META_ABSENT),
        meta_op_tag_delete(&r, &kept, META_ANY),
        meta_op_manifest_delete(&r, &old, META_ANY),
        meta_op_tag_set(&r, &kept, &d, 99),
    };

    assert_int_equal(commit(f, ops, 7), ERR_CONFLICT);
    assert_int_equal(f->failed, 6);
    assert_ok(meta_repo_exists(f->m, &fresh, &exists, &f->e));
    assert_false(exists);
    assert_int_equal(meta_upload_get(f->m, &id, &got, &f->e), ERR_BLOB_UPLOAD_UNKNOWN);
    assert_false(has_manifest(f, "a", "m"));
    assert_int_equal(version_of(f, "a", "t"), META_ABSENT);
    assert_tag(f, "a", "kept", "old");
    assert_int_equal(pending(f, rows, 4), n);
}

/* A push in one transaction, of which one thing is not as it must be. */
static void a_failure_within_a_push_is_told_as_what_it_is(void **state)
{
    struct fixture *f = *state;
    struct repo_name a = repo_of("a"), other = repo_of("other");
    struct tag_name tag = tag_of("t");
    struct digest layer = digest_for("layer"), missing = digest_for("missing");
    AUTO(meta_manifest) struct meta_manifest *m = manifest_for("m"), *n = manifest_for("n");
    struct meta_edge edge = {META_EDGE_BLOB, layer}, bad = {META_EDGE_BLOB, missing};
    struct meta_upload u = {.repo = a, .started_ms = 5}, lost = u;
    const struct meta_op link = meta_op_blob_link(&a, &layer, 5),
                         finish = meta_op_upload_finish(&u, &layer, 6),
                         put = meta_op_manifest_put((struct meta_manifest_put){
                             .repo = &a, .manifest = m, .edges = &edge, .n_edges = 1}),
                         move = meta_op_tag_set(&a, &tag, &m->digest, META_ABSENT);
    const struct {
        struct meta_op ops[5];
        size_t failed;
        enum err_code code;
    } pushes[] = {
        {{meta_op_upload_finish(&lost, &layer, 6), link, put, move}, 0, ERR_CONFLICT},
        {{finish, meta_op_blob_check(&other, &layer), link, put, move}, 1, ERR_BLOB_UNKNOWN},
        {{finish, link,
          meta_op_manifest_put(
              (struct meta_manifest_put){.repo = &a, .manifest = m, .edges = &bad, .n_edges = 1}),
          move},
         2,
         ERR_MANIFEST_BLOB_UNKNOWN},
        {{finish, link, put, meta_op_tag_set(&a, &tag, &n->digest, META_ANY)},
         3,
         ERR_MANIFEST_UNKNOWN},
        {{finish, link, put, meta_op_tag_set(&a, &tag, &m->digest, 7)}, 3, ERR_CONFLICT},
        {{finish, link, put, move, meta_op_quota_check(STR("a"), 4, UINT64_MAX)}, 4, ERR_QUOTA},
        {{finish, link, put, move, meta_op_quota_check(STR(""), UINT64_MAX, 0)}, 4, ERR_QUOTA},
    };

    uuid_make(&u.id);
    assert_ok(commit_one(f, meta_op_upload_take(&u, &u.turn)));
    lost.id = u.id;
    lost.turn = u.turn + 1;
    for (size_t i = 0; i < sizeof(pushes) / sizeof(pushes[0]); i++) {
        size_t n_ops = 0;

        while (n_ops < 5 && pushes[i].ops[n_ops].kind != 0)
            n_ops++;
        assert_int_equal(commit(f, pushes[i].ops, n_ops), pushes[i].code);
        assert_int_equal(f->failed, pushes[i].failed);
        assert_false(has_blob(f, "a", "layer"));
        assert_false(has_manifest(f, "a", "m"));
    }
    assert_ok(commit(f, (const struct meta_op[]){finish, link, put, move}, 4));
    assert_tag(f, "a", "t", "m");
}

/* What counts is written once, whatever the same transaction, or one before it, has done. */
static void a_push_that_is_done_again_is_not_counted_again(void **state)
{
    struct fixture *f = *state;
    struct layered l;
    struct meta_usage once, twice;

    layered_begin(f, &l);
    assert_ok(commit(f, l.ops, 2));
    assert_ok(meta_usage(f->m, STR("a"), &once, &f->e));
    assert_int_equal(once.tags, 1);
    assert_ok(commit(f, l.ops, 2));
    for (size_t i = 0; i < 2; i++)
        assert_ok(blob_link(f, "a", "b1"));
    assert_ok(meta_usage(f->m, STR("a"), &twice, &f->e));
    assert_int_equal(twice.tags, once.tags);
    assert_int_equal(twice.bytes, once.bytes);
    assert_ok(delete_manifest(f, "a", "m"));
    assert_ok(blob_unlink(f, "a", "b1")); /* no manifest names it any more */
    layered_done(&l);
}

static void a_later_operation_sees_an_earlier_one(void **state)
{
    struct fixture *f = *state;
    struct repo_name r = repo_of("a");
    struct tag_name t = tag_of("t");
    struct digest blob = digest_for("layer"), d = digest_for("m");
    const struct meta_edge edge = {META_EDGE_BLOB, blob};
    AUTO(meta_manifest) struct meta_manifest *m = manifest_for("m");
    const struct meta_op undo[] = {
        meta_op_blob_link(&r, &blob, 5),
        meta_op_manifest_put(
            (struct meta_manifest_put){.repo = &r, .manifest = m, .edges = &edge, .n_edges = 1}),
        meta_op_tag_set(&r, &t, &d, META_ABSENT),
        meta_op_tag_delete(&r, &t, META_ANY),
        meta_op_manifest_delete(&r, &d, META_ANY),
        meta_op_blob_unlink(&r, &blob, (struct meta_removal){.since_ms = 1}),
    };
    const struct meta_op wrong_order[] = {undo[1], undo[0]};

    assert_int_equal(commit(f, wrong_order, 2), ERR_MANIFEST_BLOB_UNKNOWN);
    assert_int_equal(f->failed, 0);
    assert_ok(commit(f, undo, 6));
    assert_false(has_manifest(f, "a", "m"));
    assert_false(has_blob(f, "a", "layer"));
    assert_int_equal(version_of(f, "a", "t"), META_ABSENT);
}

static void one_transaction_may_speak_of_several_repositories(void **state)
{
    struct fixture *f = *state;
    struct repo_name a = repo_of("a"), b = repo_of("b");
    struct digest one = digest_for("one"), two = digest_for("two");
    const struct meta_op ops[] = {
        meta_op_blob_link(&a, &one, 3),
        meta_op_blob_link(&b, &two, 3),
        meta_op_blob_link(&a, &two, 3),
    };

    assert_ok(commit(f, ops, 3));
    assert_true(has_blob(f, "a", "one"));
    assert_true(has_blob(f, "a", "two"));
    assert_true(has_blob(f, "b", "two"));
    assert_false(has_blob(f, "b", "one"));
}

static void a_transaction_of_nothing_is_success(void **state)
{
    struct fixture *f = *state;

    assert_ok(meta_commit(f->m, NULL, 0, 0, NULL, &f->e));
}

static void an_operation_without_its_fields_is_refused(void **state)
{
    struct fixture *f = *state;
    struct repo_name r = repo_of("a");

    assert_int_equal(commit_one(f, meta_op_manifest_put((struct meta_manifest_put){.repo = &r})),
                     ERR_INTERNAL);
    assert_int_equal(commit_one(f, meta_op_record_put(STR("c"), STR_NONE, STR_NONE, META_ANY)),
                     ERR_INTERNAL);
    assert_int_equal(commit_one(f, (struct meta_op){0}), ERR_INTERNAL);
    assert_int_equal(commit_one(f, (struct meta_op){.kind = (enum meta_op_kind)99}), ERR_INTERNAL);
}

static void errors_may_be_asked_for_without_details(void **state)
{
    struct fixture *f = *state;
    struct repo_name r = repo_of("a");
    struct digest d = digest_for("x");
    const struct meta_op op = meta_op_blob_unlink(&r, &d, (struct meta_removal){.since_ms = 1});

    assert_int_equal(meta_commit(f->m, &op, 1, 0, NULL, ERR_IGNORED), ERR_BLOB_UNKNOWN);
}

static void a_lazy_commit_is_seen_at_once(void **state)
{
    struct fixture *f = *state;
    struct repo_name r = repo_of("a");
    struct digest d = digest_for("layer");
    const struct meta_op op = meta_op_blob_link(&r, &d, 5);

    assert_ok(meta_commit(f->m, &op, 1, META_LAZY, NULL, &f->e));
    assert_true(has_blob(f, "a", "layer"));
}

static void a_repository_exists_from_its_first_blob_on(void **state)
{
    struct fixture *f = *state;
    struct repo_name r = repo_of("a"), s = repo_of("s");
    bool exists;

    assert_ok(meta_repo_exists(f->m, &r, &exists, &f->e));
    assert_false(exists);
    assert_ok(blob_link(f, "a", "layer"));
    assert_ok(blob_unlink(f, "a", "layer"));
    assert_ok(meta_repo_exists(f->m, &r, &exists, &f->e));
    assert_true(exists);
    assert_ok(put(f, "s", "m"));
    assert_ok(meta_repo_exists(f->m, &s, &exists, &f->e));
    assert_true(exists);
}

static void it_is_healthy(void **state)
{
    struct fixture *f = *state;

    assert_ok(meta_health(f->m, &f->e));
}

static enum err_code link_if_there(struct fixture *f, const char *from, const char *to,
                                   const char *seed)
{
    struct repo_name source = repo_of(from), target = repo_of(to);
    struct digest d = digest_for(seed);
    const struct meta_op ops[] = {meta_op_blob_check(&source, &d),
                                  meta_op_blob_link(&target, &d, 5)};

    return commit(f, ops, 2);
}

static void a_blob_may_be_linked_only_while_another_repository_has_it(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(link_if_there(f, "a", "b", "layer"), ERR_BLOB_UNKNOWN);
    assert_int_equal(f->failed, 0);
    assert_false(has_blob(f, "b", "layer"));
    assert_ok(blob_link(f, "a", "layer"));
    assert_ok(link_if_there(f, "a", "b", "layer"));
    assert_true(has_blob(f, "b", "layer"));
    assert_ok(blob_unlink(f, "a", "layer"));
    assert_int_equal(link_if_there(f, "a", "c", "layer"), ERR_BLOB_UNKNOWN);
    assert_false(has_blob(f, "c", "layer"));
}

/* By a process of that id. */
static enum err_code tag_held(struct fixture *f, const char *tag, const struct uuid *holder)
{
    struct repo_name r = repo_of("a");
    struct tag_name t = tag_of(tag);
    struct digest d = digest_for("m");
    struct meta_op op = meta_op_tag_set(&r, &t, &d, META_ANY);

    op.holder = holder;
    return commit_one(f, op);
}

static size_t held_by(struct fixture *f, struct str holder)
{
    struct meta_projection rows[8];
    size_t n;

    assert_ok(meta_projections(f->m, holder, rows, 8, &n, &f->e));
    return n;
}

static void a_projection_is_of_who_made_it_and_stays_so(void **state)
{
    struct fixture *f = *state;
    struct uuid one, other;
    struct meta_projection row;
    size_t n;

    uuid_make(&one);
    uuid_make(&other);
    assert_ok(put(f, "a", "m"));
    assert_ok(tag_held(f, "mine", &one));
    assert_ok(tag_held(f, "theirs", &other));
    assert_ok(tag_held(f, "nobodys", NULL));
    assert_ok(tag_held(f, "mine", &other));
    assert_int_equal(held_by(f, str_of(one.text)), 1);
    assert_int_equal(held_by(f, str_of(other.text)), 1);
    assert_int_equal(held_by(f, STR("")), 1);
    assert_ok(meta_projections(f->m, str_of(one.text), &row, 1, &n, &f->e));
    assert_string_equal(row.tag.text, "mine");
    assert_int_equal(row.version, version_of(f, "a", "mine"));
}

static void tags_that_go_with_their_manifest_are_held_by_who_deleted_it(void **state)
{
    struct fixture *f = *state;
    struct repo_name r = repo_of("a");
    struct digest d = digest_for("m");
    struct meta_op op = meta_op_manifest_delete(&r, &d, META_ANY);
    struct tag_name t = tag_of("t");
    struct uuid id;

    uuid_make(&id);
    op.holder = &id;
    assert_ok(put(f, "a", "m"));
    assert_ok(set_tag(f, "a", "t", "m", META_ANY));
    assert_ok(commit_one(f, meta_op_projection_done(&r, &t, 99)));
    assert_ok(commit_one(f, op));
    assert_int_equal(held_by(f, str_of(id.text)), 1);
    assert_int_equal(held_by(f, STR("")), 0);
}

static void who_holds_projections_is_listed(void **state)
{
    struct fixture *f = *state;
    AUTO(name_list) struct meta_name_list l = {0};
    struct uuid id;

    uuid_make(&id);
    assert_ok(put(f, "a", "m"));
    assert_ok(meta_projection_holders(f->m, 8, &l, &f->e));
    assert_int_equal(l.n, 0);
    assert_ok(tag_held(f, "a", &id));
    assert_ok(tag_held(f, "b", &id));
    assert_ok(tag_held(f, "c", NULL));
    assert_ok(meta_projection_holders(f->m, 8, &l, &f->e));
    assert_int_equal(l.n, 2);
    assert_true(strcmp(l.names[0], id.text) == 0 || strcmp(l.names[1], id.text) == 0);
    assert_true(!l.names[0][0] || !l.names[1][0]);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        TEST(a_linked_blob_is_there_with_its_size),
        TEST(linking_twice_is_success),
        TEST(a_sha512_blob_is_kept),
        TEST(unlinking_a_blob_that_is_not_there_fails),
        TEST(a_blob_is_found_in_any_repository),
        TEST(a_look_at_a_blob_tells_when_no_repository_has_it),
        TEST(a_look_at_a_blob_tells_that_its_content_is_condemned),
        TEST(a_blob_of_many_repositories_is_seen_in_each),
        TEST(links_are_found_together),
        TEST(a_blob_that_a_manifest_names_stays),
        TEST(a_blob_is_lost_though_a_manifest_names_it),
        TEST(a_lost_blob_that_is_linked_again_is_named_as_before),
        TEST(a_lost_blob_is_no_row),
        TEST(a_blob_that_is_named_loosely_stays_too),
        TEST(a_manifest_is_found_by_its_digest),
        TEST(manifest_bytes_come_back_exactly),
        TEST(putting_a_manifest_again_changes_nothing),
        TEST(a_manifest_needs_its_blobs),
        TEST(an_index_needs_its_children),
        TEST(loose_edges_may_be_missing),
        TEST(the_same_edge_twice_is_fine),
        TEST(a_manifest_that_is_not_there_can_t_be_deleted),
        TEST(a_child_of_an_index_stays),
        TEST(deleting_a_manifest_takes_its_tags),
        TEST(a_tag_needs_its_manifest),
        TEST(a_tag_moves),
        TEST(a_tag_moves_only_from_the_version_expected),
        TEST(a_tag_that_is_not_there_can_t_be_deleted),
        TEST(a_tag_that_comes_back_has_a_later_version),
        TEST(deleting_a_tag_leaves_its_manifest),
        TEST(a_manifest_goes_with_the_tags_that_were_seen),
        TEST(a_manifest_stays_that_has_a_tag_nobody_saw),
        TEST(a_tag_that_was_seen_and_went_away_and_came_back_is_not_seen),
        TEST(tags_that_went_away_or_are_of_others_keep_no_manifest),
        TEST(a_manifest_in_use_is_told_before_its_tags),
        TEST(a_whole_push_is_one_transaction),
        TEST(one_failure_undoes_all),
        TEST(a_failure_within_a_push_is_told_as_what_it_is),
        TEST(a_push_that_is_done_again_is_not_counted_again),
        TEST(a_later_operation_sees_an_earlier_one),
        TEST(one_transaction_may_speak_of_several_repositories),
        TEST(a_transaction_of_nothing_is_success),
        TEST(an_operation_without_its_fields_is_refused),
        TEST(errors_may_be_asked_for_without_details),
        TEST(a_lazy_commit_is_seen_at_once),
        TEST(a_repository_exists_from_its_first_blob_on),
        TEST(it_is_healthy),
        TEST(a_blob_may_be_linked_only_while_another_repository_has_it),
        TEST(a_projection_is_of_who_made_it_and_stays_so),
        TEST(tags_that_go_with_their_manifest_are_held_by_who_deleted_it),
        TEST(who_holds_projections_is_listed),
    };

    fixture_choose(argc, argv);
    return cmocka_run_group_tests_name(fixture_driver(), tests, NULL, NULL);
}
