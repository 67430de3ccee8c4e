/* Lists for people: names in an order, and all about many entries at once. */
#include "base/cleanup.h"
#include "base/mem.h"
#include "fixture.h"

#include <stdio.h>

static void set_tag_at(struct fixture *f, const char *repo, const char *tag, const char *text,
                       int64_t time_ms)
{
    struct repo_name r = repo_of(repo);
    struct tag_name t = tag_of(tag);
    struct digest d = digest_for(text);
    struct meta_op op = meta_op_tag_set(&r, &t, &d, META_ANY);

    op.actor = "user:alice";
    op.time_ms = time_ms;
    assert_ok(commit_one(f, op));
}

/* A repository with a tag that was pushed then. */
static void repo_at(struct fixture *f, const char *repo, int64_t time_ms)
{
    assert_ok(put(f, repo, repo));
    set_tag_at(f, repo, "t", repo, time_ms);
}

static struct meta_ask ask_of(enum meta_order order, const char *search, const char *after,
                              int64_t key)
{
    return (struct meta_ask){.order = order, .search = str_of(search), .after = {after, key}};
}

/* Names with a blank between; "+" at the end: there are more. */
static void assert_places(struct meta_place_list *l, const char *names)
{
    char text[1024] = "";
    size_t n = 0;

    for (size_t i = 0; i < l->n; i++)
        n += (size_t)snprintf(text + n, sizeof(text) - n, "%s%s", i ? " " : "", l->rows[i].name);
    snprintf(text + n, sizeof(text) - n, "%s", l->more ? "+" : "");
    assert_string_equal(text, names);
    meta_place_list_done(l);
}

static void assert_repos(struct fixture *f, struct meta_ask ask, size_t limit, const char *names)
{
    struct meta_place_list l = {0};

    assert_ok(meta_repo_places(f->m, &ask, limit, &l, &f->e));
    assert_places(&l, names);
}

static void assert_tags(struct fixture *f, struct meta_ask ask, size_t limit, const char *names)
{
    struct repo_name r = repo_of("a");
    struct meta_place_list l = {0};

    assert_ok(meta_tag_places(f->m, &r, &ask, limit, &l, &f->e));
    assert_places(&l, names);
}

static void repositories_by_name_are_searched_and_paged(void **state)
{
    struct fixture *f = *state;

    repo_at(f, "team/app", 1);
    repo_at(f, "app", 2);
    repo_at(f, "zoo", 3);
    assert_ok(blob_link(f, "app/empty", "x"));
    assert_repos(f, ask_of(META_BY_NAME, "", "", 0), 10, "app team/app zoo");
    assert_repos(f, ask_of(META_BY_NAME, "", "", 0), 2, "app team/app+");
    assert_repos(f, ask_of(META_BY_NAME, "", "app", 0), 2, "team/app zoo");
    assert_repos(f, ask_of(META_BY_NAME, "pp", "", 0), 10, "app team/app");
    assert_repos(f, ask_of(META_BY_NAME, "pp", "app", 0), 10, "team/app");
    assert_repos(f, ask_of(META_BY_NAME, "%", "", 0), 10, "");
}

static void repositories_are_sorted_by_their_last_push(void **state)
{
    struct fixture *f = *state;
    struct meta_ask ask = ask_of(META_BY_PUSH, "", "", 0);
    struct meta_place_list l = {0};

    repo_at(f, "b", 300);
    repo_at(f, "c", 100);
    repo_at(f, "d", 300);
    repo_at(f, "e", 200);
    if (fixture_is_dynamodb()) {
        assert_int_equal(meta_repo_places(f->m, &ask, 2, &l, &f->e), ERR_UNSUPPORTED);
        assert_non_null(strstr(f->e.detail, "by name alone"));
        return;
    }
    assert_repos(f, ask, 10, "d b e c");
    assert_repos(f, ask, 1, "d+");
    assert_repos(f, ask_of(META_BY_PUSH, "", "d", 300), 2, "b e+");
    assert_repos(f, ask_of(META_BY_PUSH, "e", "", 0), 2, "e");
    set_tag_at(f, "c", "t", "c", 400); /* it counts though it moves nothing */
    assert_repos(f, ask, 10, "c d b e");
    set_tag_at(f, "c", "old", "c", 50); /* of an import */
    assert_repos(f, ask, 1, "c+");
}

static void repositories_are_sorted_by_their_size(void **state)
{
    struct fixture *f = *state;

    if (fixture_is_dynamodb())
        return;
    repo_at(f, "b", 1);
    repo_at(f, "c", 1);
    repo_at(f, "d", 1);
    assert_ok(blob_link(f, "c", "a longer blob"));
    assert_ok(blob_link(f, "c", "another blob"));
    assert_ok(blob_link(f, "d", "a longer blob"));
    assert_repos(f, ask_of(META_BY_SIZE, "", "", 0), 10, "c d b");
    assert_repos(f, ask_of(META_BY_SIZE, "", "", 0), 1, "c+");
    assert_repos(f, ask_of(META_BY_SIZE, "", "b", 0), 10, "");
}

static void tags_are_searched_whatever_their_capitals(void **state)
{
    struct fixture *f = *state;

    assert_ok(put(f, "a", "one"));
    set_tag_at(f, "a", "RC-1", "one", 3);
    set_tag_at(f, "a", "rc-2", "one", 2);
    set_tag_at(f, "a", "v1", "one", 1);
    assert_tags(f, ask_of(META_BY_NAME, "rc", "", 0), 10, "RC-1 rc-2");
    assert_tags(f, ask_of(META_BY_NAME, "", "RC-1", 0), 1, "rc-2+");
    assert_tags(f, ask_of(META_BY_NAME, "rc", "RC-1", 0), 10, "rc-2");
    if (fixture_is_dynamodb())
        return;
    assert_tags(f, ask_of(META_BY_PUSH, "", "", 0), 10, "RC-1 rc-2 v1");
    assert_tags(f, ask_of(META_BY_PUSH, "", "RC-1", 3), 1, "rc-2+");
    assert_tags(f, ask_of(META_BY_PUSH, "v", "", 0), 10, "v1");
}

static void tags_of_a_repository_that_is_not_there_are_none(void **state)
{
    assert_tags(*state, ask_of(META_BY_NAME, "", "", 0), 10, "");
}

static void a_repository_is_shown_with_its_sums_and_its_latest_tag(void **state)
{
    const char *const names[] = {"gone", "a", "bare"};
    struct fixture *f = *state;
    struct meta_repo_shown *rows;

    assert_ok(put(f, "a", "one"));
    assert_ok(put(f, "a", "two"));
    assert_ok(blob_link(f, "a", "blob"));
    set_tag_at(f, "a", "new", "two", 200);
    set_tag_at(f, "a", "old", "one", 100);
    assert_ok(put(f, "bare", "one"));
    assert_ok(meta_repos_shown(f->m, names, 3, &rows, &f->e));
    assert_false(rows[0].there);
    assert_true(rows[1].there);
    assert_int_equal(rows[1].manifests, 2);
    assert_int_equal(rows[1].tags, 2);
    assert_int_equal(rows[1].bytes, strlen("blob"));
    assert_int_equal(rows[1].pushed_ms, 200);
    assert_string_equal(rows[1].latest.tag.name.text, "new");
    assert_string_equal(rows[1].latest.manifest.digest.text, digest_for("two").text);
    assert_int_equal(rows[1].latest.manifest.bytes.n, 3);
    assert_memory_equal(rows[1].latest.manifest.bytes.p, "two", 3);
    assert_true(rows[2].there);
    assert_int_equal(rows[2].pushed_ms, 0);
    assert_int_equal(rows[2].latest.manifest.digest.n, 0);
    meta_repos_shown_free(rows, 3);
}

static void the_latest_tag_is_another_one_when_it_was_deleted(void **state)
{
    const char *const names[] = {"a"};
    struct fixture *f = *state;
    struct meta_repo_shown *rows;

    assert_ok(put(f, "a", "one"));
    set_tag_at(f, "a", "x", "one", 100);
    set_tag_at(f, "a", "y", "one", 50);
    set_tag_at(f, "a", "z", "one", 200);
    assert_ok(delete_tag(f, "a", "z", META_ANY));
    assert_ok(meta_repos_shown(f->m, names, 1, &rows, &f->e));
    assert_string_equal(rows[0].latest.tag.name.text, "x");
    assert_int_equal(rows[0].pushed_ms, 200);
    meta_repos_shown_free(rows, 1);
}

static void a_tag_is_shown_with_its_manifest_and_who_moved_it(void **state)
{
    const char *const names[] = {"t", "none", "t"};
    struct fixture *f = *state;
    struct repo_name r = repo_of("a");
    struct meta_tag_shown *rows;

    assert_ok(put(f, "a", "one"));
    set_tag_at(f, "a", "t", "one", 123);
    assert_ok(meta_tags_shown(f->m, &r, names, 3, &rows, &f->e));
    for (int i = 0; i < 3; i += 2) {
        assert_string_equal(rows[i].tag.name.text, "t");
        assert_int_equal(rows[i].tag.pushed_ms, 123);
        assert_string_equal(rows[i].actor, "user:alice");
        assert_string_equal(rows[i].tag.digest.text, digest_for("one").text);
        assert_int_equal(rows[i].manifest.size_bytes, 3);
    }
    assert_int_equal(rows[1].tag.name.n, 0);
    meta_tags_shown_free(rows, 3);
    set_tag_at(f, "a", "t", "one", 456); /* moves nothing: nobody did */
    assert_ok(meta_tags_shown(f->m, &r, names, 1, &rows, &f->e));
    assert_string_equal(rows[0].actor, "");
    assert_int_equal(rows[0].tag.pushed_ms, 456);
    meta_tags_shown_free(rows, 1);
}

static void a_large_manifest_is_shown_without_its_bytes(void **state)
{
    struct fixture *f = *state;
    AUTO(mem) char *text = mem_alloc(META_SHOWN_BYTES + 2);
    struct repo_name r = repo_of("a");
    struct meta_shown *rows;
    struct digest large, fits;

    memset(text, 'x', META_SHOWN_BYTES + 1);
    text[META_SHOWN_BYTES + 1] = '\0';
    assert_ok(put(f, "a", text));
    large = digest_for(text);
    text[META_SHOWN_BYTES] = '\0';
    assert_ok(put(f, "a", text));
    fits = digest_for(text);
    {
        const char *const digests[] = {large.text, fits.text, digest_for("none").text};

        assert_ok(meta_manifests_shown(f->m, &r, digests, 3, &rows, &f->e));
    }
    assert_int_equal(rows[0].size_bytes, META_SHOWN_BYTES + 1);
    assert_int_equal(rows[0].bytes.n, 0);
    assert_int_equal(rows[1].bytes.n, META_SHOWN_BYTES);
    assert_int_equal(rows[2].digest.n, 0);
    meta_shown_free(rows, 3);
}

static void signatures_beside_manifests_are_known_by_type_and_tag(void **state)
{
    static const char bundle[] = "application/vnd.dev.sigstore.bundle.v0.3+json";
    static const char *const texts[] = {"simple", "notation", "bundle", "statement", "tag", "bare"};
    struct digest digests[6];
    const char *refs[6];
    char tag[400];
    struct fixture *f = *state;
    struct repo_name r = repo_of("a");
    bool is[6];

    for (size_t i = 0; i < 6; i++) {
        assert_ok(put(f, "a", texts[i]));
        digests[i] = digest_for(texts[i]);
        refs[i] = digests[i].text;
    }
    assert_ok(put_referrer(f, "a", "s1", "simple",
                           "application/vnd.dev.cosign.artifact.sig.v1+json", ""));
    assert_ok(put_referrer(f, "a", "s2", "notation", "application/vnd.cncf.notary.signature", ""));
    assert_ok(put_referrer(f, "a", "s3", "bundle", bundle,
                           "{\"dev.sigstore.bundle.content\":\"message-signature\"}"));
    assert_ok(put_referrer(f, "a", "s4", "statement", bundle,
                           "{\"dev.sigstore.bundle.predicateType\":\"https://slsa.dev/1\"}"));
    assert_ok(put_referrer(f, "a", "s5", "bare", "application/spdx+json", ""));
    snprintf(tag, sizeof(tag), "sha256-%s.sig", digests[4].text + strlen("sha256:"));
    assert_ok(set_tag(f, "a", tag, "bare", META_ANY));
    assert_ok(meta_signed_among(f->m, &r, refs, 6, is, &f->e));
    for (size_t i = 0; i < 6; i++)
        assert_int_equal(is[i], i != 3 && i != 5);
}

static void records_are_found_by_many_keys_in_their_order(void **state)
{
    const char *const keys[] = {"b", "none", "a \"quoted\"", "b"};
    struct fixture *f = *state;
    struct meta_record *rows;

    assert_ok(commit_one(f, meta_op_record_put(STR("c"), STR("a \"quoted\""), STR("1"), META_ANY)));
    assert_ok(commit_one(f, meta_op_record_put(STR("c"), STR("b"), STR("2"), META_ANY)));
    assert_ok(commit_one(f, meta_op_record_put(STR("d"), STR("none"), STR("3"), META_ANY)));
    assert_ok(meta_records_among(f->m, STR("c"), keys, 4, &rows, &f->e));
    assert_string_equal(rows[0].value, "2");
    assert_null(rows[1].key);
    assert_string_equal(rows[2].value, "1");
    assert_string_equal(rows[3].value, "2");
    meta_records_free(rows, 4);
}

static void nothing_is_asked_about_nothing(void **state)
{
    struct fixture *f = *state;
    struct repo_name r = repo_of("a");
    struct meta_tag_shown *rows;

    assert_ok(meta_tags_shown(f->m, &r, NULL, 0, &rows, &f->e));
    meta_tags_shown_free(rows, 0);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        TEST(repositories_by_name_are_searched_and_paged),
        TEST(repositories_are_sorted_by_their_last_push),
        TEST(repositories_are_sorted_by_their_size),
        TEST(tags_are_searched_whatever_their_capitals),
        TEST(tags_of_a_repository_that_is_not_there_are_none),
        TEST(a_repository_is_shown_with_its_sums_and_its_latest_tag),
        TEST(the_latest_tag_is_another_one_when_it_was_deleted),
        TEST(a_tag_is_shown_with_its_manifest_and_who_moved_it),
        TEST(a_large_manifest_is_shown_without_its_bytes),
        TEST(signatures_beside_manifests_are_known_by_type_and_tag),
        TEST(records_are_found_by_many_keys_in_their_order),
        TEST(nothing_is_asked_about_nothing),
    };

    fixture_choose(argc, argv);
    return cmocka_run_group_tests_name(fixture_driver(), tests, NULL, NULL);
}
