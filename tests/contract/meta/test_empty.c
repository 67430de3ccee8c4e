/* A repository that goes because it is empty, and one of its name that comes after it. */
#include "base/cleanup.h"
#include "fixture.h"

#include <pthread.h>
#include <stdatomic.h>

#define REPO  "a/b"
#define LATER "later"

/* The one that was made last may stay, so another one is made. */
static bool gone(struct fixture *f)
{
    const struct repo_name repo = repo_of(REPO);
    bool done = true;

    assert_ok(blob_link(f, LATER, "layer"));
    assert_ok(commit_one(f, meta_op_repo_delete(&repo, &done)));
    return done;
}

static bool exists(struct fixture *f)
{
    const struct repo_name repo = repo_of(REPO);
    bool is;

    assert_ok(meta_repo_exists(f->m, &repo, &is, &f->e));
    return is;
}

static size_t rows(struct fixture *f)
{
    AUTO(row_list) struct meta_row_list l = {0};

    assert_ok(meta_rows(f->m, META_ROW_REPO, STR(""), 48, &l, &f->e));
    return l.n;
}

/* What a tag's move leaves to be done is done. */
static void carry(struct fixture *f)
{
    struct meta_projection p[4];
    size_t n = pending(f, p, 4);

    for (size_t i = 0; i < n; i++)
        assert_ok(commit_one(f, meta_op_projection_done(&p[i].repo, &p[i].tag, p[i].version)));
}

static void forget_history(struct fixture *f)
{
    assert_ok(commit_one(f, meta_op_moves_prune(INT64_MAX)));
}

/* A tag was there, and all is gone again. */
static int64_t emptied(struct fixture *f)
{
    int64_t version;

    assert_ok(put(f, REPO, "image"));
    assert_ok(set_tag(f, REPO, "t", "image", META_ANY));
    assert_ok(set_tag(f, REPO, "u", "image", META_ANY));
    assert_tag(f, REPO, "t", "image");
    version = version_of(f, REPO, "u");
    assert_ok(delete_manifest(f, REPO, "image"));
    return version;
}

static void an_empty_repository_goes(void **state)
{
    struct fixture *f = *state;

    assert_ok(blob_link(f, REPO, "layer"));
    assert_ok(blob_unlink(f, REPO, "layer"));
    assert_true(exists(f));
    assert_true(gone(f));
    assert_false(exists(f));
    assert_int_equal(rows(f), 1);
    assert_false(gone(f));
}

static void one_that_has_something_stays(void **state)
{
    struct fixture *f = *state;

    assert_ok(blob_link(f, REPO, "layer"));
    assert_false(gone(f));
    assert_ok(blob_unlink(f, REPO, "layer"));
    assert_ok(put(f, REPO, "image"));
    assert_false(gone(f));
    assert_true(has_manifest(f, REPO, "image"));
    assert_true(exists(f));
}

static void one_stays_until_its_tags_are_carried_and_their_history_is_forgotten(void **state)
{
    struct fixture *f = *state;

    emptied(f);
    forget_history(f);
    assert_false(gone(f));
    carry(f);
    assert_true(gone(f));
}

static void one_whose_tags_have_a_history_stays(void **state)
{
    struct fixture *f = *state;

    emptied(f);
    carry(f);
    assert_false(gone(f));
    forget_history(f);
    assert_true(gone(f));
}

static void one_that_is_made_anew_goes_on_with_later_versions(void **state)
{
    struct fixture *f = *state;
    int64_t before = emptied(f);

    carry(f);
    forget_history(f);
    assert_true(gone(f));
    assert_ok(put(f, REPO, "again"));
    assert_ok(set_tag(f, REPO, "t", "again", META_ABSENT));
    assert_tag(f, REPO, "t", "again"); /* also where the one before was remembered */
    assert_true(version_of(f, REPO, "t") > before);
    assert_true(exists(f));
    assert_int_equal(rows(f), 2);
}

static void one_that_is_linked_to_again_holds_what_it_holds(void **state)
{
    struct fixture *f = *state;
    struct meta_usage u;

    assert_ok(blob_link(f, REPO, "layer"));
    assert_ok(blob_unlink(f, REPO, "layer"));
    assert_true(gone(f));
    assert_ok(blob_link(f, REPO, "layer"));
    assert_true(has_blob(f, REPO, "layer"));
    assert_ok(meta_usage(f->m, STR(REPO), &u, &f->e));
    assert_int_equal(u.bytes, 5);
    assert_false(gone(f)); /* it has something */
}

static void an_operation_after_it_sees_it_gone(void **state)
{
    struct fixture *f = *state;
    const struct repo_name repo = repo_of(REPO);
    const struct digest d = digest_for("layer");
    bool done;
    struct meta_op ops[] = {meta_op_repo_delete(&repo, &done), meta_op_blob_link(&repo, &d, 5)};

    assert_ok(blob_link(f, REPO, "other"));
    assert_ok(blob_unlink(f, REPO, "other"));
    assert_ok(blob_link(f, LATER, "layer"));
    assert_ok(commit(f, ops, 2));
    assert_true(done);
    assert_true(exists(f));
    assert_true(has_blob(f, REPO, "layer"));
}

struct deleting {
    struct meta *m;
    atomic_bool stop;
};

static void *delete_on_and_on(void *ctx)
{
    struct deleting *x = ctx;
    const struct repo_name repo = repo_of(REPO);

    while (!atomic_load(&x->stop)) {
        bool done;
        struct meta_op op = meta_op_repo_delete(&repo, &done);

        (void)!meta_commit(x->m, &op, 1, 0, NULL, ERR_IGNORED);
    }
    return NULL;
}

static void what_is_pushed_beside_it_is_there(void **state)
{
    struct fixture *f = *state;
    struct deleting x = {.m = f->m};
    pthread_t thread;
    int64_t last = 0;

    assert_ok(blob_link(f, REPO, "layer"));
    assert_ok(blob_link(f, LATER, "layer"));
    assert_ok(blob_unlink(f, REPO, "layer"));
    assert_int_equal(pthread_create(&thread, NULL, delete_on_and_on, &x), 0);
    for (size_t i = 0; i < fixture_rounds(50); i++) {
        assert_ok(blob_link(f, REPO, "layer"));
        assert_true(has_blob(f, REPO, "layer") && exists(f));
        assert_ok(put(f, REPO, "image"));
        assert_ok(set_tag(f, REPO, "t", "image", META_ABSENT));
        assert_tag(f, REPO, "t", "image");
        assert_true(version_of(f, REPO, "t") > last);
        last = version_of(f, REPO, "t");
        assert_ok(delete_manifest(f, REPO, "image"));
        carry(f);
        forget_history(f);
        assert_ok(blob_unlink(f, REPO, "layer"));
    }
    atomic_store(&x.stop, true);
    pthread_join(thread, NULL);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        TEST(an_empty_repository_goes),
        TEST(one_that_has_something_stays),
        TEST(one_stays_until_its_tags_are_carried_and_their_history_is_forgotten),
        TEST(one_whose_tags_have_a_history_stays),
        TEST(one_that_is_made_anew_goes_on_with_later_versions),
        TEST(one_that_is_linked_to_again_holds_what_it_holds),
        TEST(an_operation_after_it_sees_it_gone),
        TEST(what_is_pushed_beside_it_is_there),
    };

    fixture_choose(argc, argv);
    return cmocka_run_group_tests_name(fixture_driver(), tests, NULL, NULL);
}
