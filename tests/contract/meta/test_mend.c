/* Operations of repair: sums and manifests that are not what they were, made right. */
#include "base/cleanup.h"
#include "fixture.h"

#define REPO "a"

static enum err_code add_row(struct fixture *f, struct meta_row row)
{
    return commit_one(f, meta_op_row_add(&row));
}

/* The repository, of which the row says that. */
static void add_repo(struct fixture *f, struct meta_repo_sums sums)
{
    assert_ok(add_row(f, (struct meta_row){.kind = META_ROW_REPO,
                                           .texts = {STR(REPO)},
                                           .ints = {sums.manifests, 0, sums.bytes, sums.tags}}));
}

static void assert_usage(struct fixture *f, uint64_t bytes, uint64_t tags)
{
    struct meta_usage u;

    assert_ok(meta_usage(f->m, STR(REPO), &u, &f->e));
    assert_int_equal(u.bytes, bytes);
    assert_int_equal(u.tags, tags);
}

static void sums_are_counted_anew(void **state)
{
    struct fixture *f = *state;
    const struct repo_name repo = repo_of(REPO);
    const struct meta_repo_sums drifted = {.manifests = 3, .bytes = 700, .tags = 9};
    struct meta_repo_sums seen = drifted, counted = {0};
    struct meta_name_list repos = {0};

    add_repo(f, drifted);
    assert_ok(blob_link(f, REPO, "layer"));
    assert_usage(f, 705, 9);
    seen.bytes = 705;
    counted.bytes = 5;
    assert_ok(commit_one(f, meta_op_repo_recount(&repo, seen, counted)));
    assert_usage(f, 5, 0);
    assert_ok(meta_repos(f->m, STR(""), 10, &repos, &f->e));
    assert_int_equal(repos.n, 0); /* it holds no manifest */
    meta_name_list_done(&repos);
    assert_ok(put(f, REPO, "image"));
    assert_ok(set_tag(f, REPO, "v1", "image", META_ANY));
    assert_usage(f, 5, 1);
}

static void sums_of_a_repository_that_is_not_there_are_not_counted(void **state)
{
    struct fixture *f = *state;
    const struct repo_name repo = repo_of(REPO);
    const struct meta_repo_sums none = {0};

    assert_int_equal(commit_one(f, meta_op_repo_recount(&repo, none, none)), ERR_NAME_UNKNOWN);
}

static enum err_code mend(struct fixture *f, const char *text, const struct meta_edge *edges,
                          size_t n)
{
    AUTO(meta_manifest) struct meta_manifest *m = manifest_for(text);
    const struct repo_name repo = repo_of(REPO);

    return commit_one(f, meta_op_manifest_mend((struct meta_manifest_put){
                             .repo = &repo, .manifest = m, .edges = edges, .n_edges = n}));
}

static void add_damaged(struct fixture *f, const char *text)
{
    AUTO(meta_manifest) struct meta_manifest *m = manifest_for(text);
    AUTO(meta_manifest) struct meta_manifest *damaged = NULL;
    const struct repo_name repo = repo_of(REPO);

    add_repo(f, (struct meta_repo_sums){.manifests = 1});
    assert_ok(add_row(f, (struct meta_row){.kind = META_ROW_MANIFEST,
                                           .texts = {STR(REPO), digest_str(&m->digest),
                                                     m->media_type, STR(""), STR("damaged")}}));
    assert_int_equal(meta_manifest_by_digest(f->m, &repo, &m->digest, &damaged, &f->e),
                     ERR_CORRUPT);
}

static void a_push_replaces_bytes_that_are_not_its_own(void **state)
{
    struct fixture *f = *state;

    add_damaged(f, "image");
    assert_ok(put(f, REPO, "image"));
    assert_true(has_manifest(f, REPO, "image"));
    assert_ok(put(f, REPO, "image"));
    assert_true(has_manifest(f, REPO, "image"));
}

static void bytes_of_a_manifest_that_are_not_its_own_are_replaced(void **state)
{
    struct fixture *f = *state;

    add_damaged(f, "image");
    assert_ok(mend(f, "image", NULL, 0));
    assert_true(has_manifest(f, REPO, "image"));
    assert_ok(set_tag(f, REPO, "v1", "image", META_ANY));
    assert_tag(f, REPO, "v1", "image");
}

static void what_a_manifest_names_is_what_it_was_mended_with(void **state)
{
    struct fixture *f = *state;
    const struct meta_edge one[] = {{META_EDGE_BLOB, digest_for("one")},
                                    {META_EDGE_BLOB, digest_for("both")}};
    const struct meta_edge other[] = {{META_EDGE_BLOB, digest_for("both")},
                                      {META_EDGE_BLOB, digest_for("other")}};

    assert_ok(blob_link(f, REPO, "one"));
    assert_ok(blob_link(f, REPO, "both"));
    assert_ok(blob_link(f, REPO, "other"));
    assert_ok(put_edges(f, REPO, "image", one, 2));
    assert_ok(mend(f, "image", other, 2));
    assert_int_equal(blob_unlink(f, REPO, "other"), ERR_IN_USE);
    assert_int_equal(blob_unlink(f, REPO, "both"), ERR_IN_USE);
    assert_ok(blob_unlink(f, REPO, "one"));
    assert_ok(delete_manifest(f, REPO, "image"));
    assert_ok(blob_unlink(f, REPO, "both"));
    assert_ok(blob_unlink(f, REPO, "other"));
}

static void what_is_missing_may_be_named_by_a_manifest_that_is_mended(void **state)
{
    struct fixture *f = *state;
    const struct meta_edge edges[] = {{META_EDGE_BLOB, digest_for("lost")}};

    assert_ok(put(f, REPO, "image"));
    assert_ok(mend(f, "image", edges, 1));
    assert_ok(blob_link(f, REPO, "lost"));
    assert_int_equal(blob_unlink(f, REPO, "lost"), ERR_IN_USE);
}

static void a_manifest_that_is_not_there_is_not_mended(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(mend(f, "image", NULL, 0), ERR_MANIFEST_UNKNOWN);
    assert_ok(blob_link(f, REPO, "layer"));
    assert_int_equal(mend(f, "image", NULL, 0), ERR_MANIFEST_UNKNOWN);
}

/* That one is set: tests/e2e/test_check.py. */
static void a_tag_that_is_not_there_or_leads_somewhere_does_not_dangle(void **state)
{
    struct fixture *f = *state;

    assert_ok(put(f, REPO, "image"));
    assert_ok(put(f, REPO, "other"));
    assert_int_equal(set_tag(f, REPO, "v1", "image", META_DANGLING), ERR_CONFLICT);
    assert_ok(set_tag(f, REPO, "v1", "image", META_ANY));
    assert_int_equal(set_tag(f, REPO, "v1", "other", META_DANGLING), ERR_CONFLICT);
    assert_tag(f, REPO, "v1", "image");
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        TEST(sums_are_counted_anew),
        TEST(sums_of_a_repository_that_is_not_there_are_not_counted),
        TEST(a_push_replaces_bytes_that_are_not_its_own),
        TEST(bytes_of_a_manifest_that_are_not_its_own_are_replaced),
        TEST(what_a_manifest_names_is_what_it_was_mended_with),
        TEST(what_is_missing_may_be_named_by_a_manifest_that_is_mended),
        TEST(a_manifest_that_is_not_there_is_not_mended),
        TEST(a_tag_that_is_not_there_or_leads_somewhere_does_not_dangle),
    };

    fixture_choose(argc, argv);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
