/* Content that goes: condemned when nothing links it, gone, deleted, and what links do meanwhile.
 * What is kept once for all repositories, unless a test says otherwise. */
#include "fixture.h"

#include "base/cleanup.h"

#include <pthread.h>
#include <stdio.h>

#define THREADS 4
#define ROUNDS  8

static enum err_code link_seen(struct fixture *f, const char *repo, const char *seed, int64_t seen)
{
    struct repo_name r = repo_of(repo);
    struct digest d = digest_for(seed);
    struct meta_op op = meta_op_blob_link(&r, &d, strlen(seed));

    op.blob_link.once = true;
    op.blob_link.seen_number = seen;
    return commit_one(f, op);
}

static enum err_code link_once(struct fixture *f, const char *repo, const char *seed)
{
    return link_seen(f, repo, seed, 0);
}

static enum err_code unlink_at(struct fixture *f, const char *repo, const char *seed, int64_t ms)
{
    struct repo_name r = repo_of(repo);
    struct digest d = digest_for(seed);

    return commit_one(
        f,
        meta_op_blob_unlink(
            &r, &d, (struct meta_removal){.once = true, .since_ms = ms, .reason = STR("deleted")}));
}

/* A blob that was linked once, and is condemned. */
static void condemn(struct fixture *f, const char *seed)
{
    assert_ok(link_once(f, "a", seed));
    assert_ok(unlink_at(f, "a", seed, 100));
}

static enum err_code get(struct fixture *f, const char *seed, struct meta_removed *ret_row)
{
    struct digest d = digest_for(seed);

    return meta_removed_get(f->m, (struct meta_content){NULL, &d}, ret_row, &f->e);
}

static bool is_free(struct fixture *f, const char *seed)
{
    struct meta_removed row;
    enum err_code code = get(f, seed, &row);

    assert_true(code == ERR_OK || code == ERR_NOT_FOUND);
    return code == ERR_NOT_FOUND;
}

static void assert_state(struct fixture *f, const char *seed, enum meta_removed_state state,
                         int64_t number, int64_t since_ms)
{
    struct meta_removed row;

    assert_ok(get(f, seed, &row));
    assert_int_equal(row.state, state);
    assert_int_equal(row.number, number);
    assert_int_equal(row.since_ms, since_ms);
}

static bool gone(struct fixture *f, const char *seed, int64_t since_ms, int64_t number)
{
    struct digest d = digest_for(seed);
    bool is_gone = false;

    assert_ok(commit_one(
        f, meta_op_content_gone((struct meta_content){NULL, &d}, since_ms, number, 200, &is_gone)));
    return is_gone;
}

static void end_deletion(struct fixture *f, const char *seed, int64_t number, bool forget)
{
    struct digest d = digest_for(seed);

    assert_ok(commit_one(
        f, meta_op_content_deleted((struct meta_content){NULL, &d}, number, 300, forget)));
}

static void condemn_if_unlinked(struct fixture *f, const char *seed, int64_t ms)
{
    struct digest d = digest_for(seed);

    assert_ok(commit_one(
        f, meta_op_content_condemn(
               (struct meta_content){NULL, &d},
               (struct meta_removal){.since_ms = ms, .size_bytes = 7, .reason = STR("why")})));
}

static void the_last_link_that_goes_condemns(void **state)
{
    struct fixture *f = *state;
    struct meta_removed row;
    struct digest d = digest_for("x");

    assert_ok(link_once(f, "a", "x"));
    assert_ok(link_once(f, "b", "x"));
    assert_ok(unlink_at(f, "a", "x", 100));
    assert_true(is_free(f, "x"));
    assert_ok(unlink_at(f, "b", "x", 101));
    assert_ok(get(f, "x", &row));
    assert_int_equal(row.state, META_REMOVED_CONDEMNED);
    assert_int_equal(row.since_ms, 101);
    assert_int_equal(row.number, 0);
    assert_int_equal(row.size_bytes, 1);
    assert_int_equal(row.repo.n, 0);
    assert_false(row.again);
    assert_true(digest_eq(&row.digest, &d));
    assert_string_equal(row.reason, "deleted");
}

static void the_last_two_links_that_go_in_one_transaction_condemn(void **state)
{
    struct fixture *f = *state;
    struct repo_name a = repo_of("a"), b = repo_of("b");
    struct digest d = digest_for("x");
    const struct meta_removal c = {.once = true, .since_ms = 100};
    const struct meta_op ops[] = {meta_op_blob_unlink(&a, &d, c), meta_op_blob_unlink(&b, &d, c)};

    assert_ok(link_once(f, "a", "x"));
    assert_ok(link_once(f, "b", "x"));
    assert_ok(commit(f, ops, 2));
    assert_state(f, "x", META_REMOVED_CONDEMNED, 0, 100);
}

static void a_link_revives_what_is_condemned(void **state)
{
    struct fixture *f = *state;

    condemn(f, "x");
    assert_ok(link_once(f, "b", "x"));
    assert_true(is_free(f, "x"));
    assert_true(has_blob(f, "b", "x"));
}

static void what_is_condemned_is_gone_and_then_deleted(void **state)
{
    struct fixture *f = *state;

    condemn(f, "x");
    assert_true(gone(f, "x", 100, 7));
    assert_state(f, "x", META_REMOVED_GONE, 7, 200);
    end_deletion(f, "x", 7, false);
    assert_state(f, "x", META_REMOVED_DELETED, 7, 300);
}

static void nothing_links_what_is_gone(void **state)
{
    struct fixture *f = *state;

    condemn(f, "x");
    assert_true(gone(f, "x", 100, 7));
    assert_int_equal(link_once(f, "a", "x"), ERR_GONE);
    assert_int_equal(link_seen(f, "a", "x", 7), ERR_GONE);
    assert_false(has_blob(f, "a", "x"));
    assert_state(f, "x", META_REMOVED_GONE, 7, 200);
}

static enum err_code link_aside(struct fixture *f, const char *repo, const char *seed, int64_t seen)
{
    struct repo_name r = repo_of(repo);
    struct digest d = digest_for(seed);
    struct meta_op op = meta_op_blob_link(&r, &d, strlen(seed));

    op.blob_link.once = true;
    op.blob_link.seen_number = seen;
    op.blob_link.aside = true;
    return commit_one(f, op);
}

/* The deletion may still come, and ends as one without it. */
static void what_is_gone_is_linked_by_who_put_it_aside_since_that_number(void **state)
{
    struct fixture *f = *state;

    condemn(f, "x");
    assert_true(gone(f, "x", 100, 7));
    assert_int_equal(link_aside(f, "a", "x", 6), ERR_GONE);
    assert_int_equal(link_aside(f, "a", "x", 0), ERR_GONE);
    assert_ok(link_aside(f, "a", "x", 7));
    assert_true(has_blob(f, "a", "x"));
    assert_state(f, "x", META_REMOVED_GONE, 7, 200);
    assert_int_equal(link_once(f, "b", "x"), ERR_GONE);
    end_deletion(f, "x", 7, false);
    assert_state(f, "x", META_REMOVED_DELETED, 7, 300);
    assert_true(has_blob(f, "a", "x"));
}

static void what_was_put_aside_is_linked_also_when_the_deletion_has_ended(void **state)
{
    struct fixture *f = *state;

    condemn(f, "x");
    assert_true(gone(f, "x", 100, 7));
    end_deletion(f, "x", 7, false);
    assert_int_equal(link_aside(f, "a", "x", 6), ERR_GONE);
    assert_ok(link_aside(f, "a", "x", 7));
    assert_true(is_free(f, "x"));
}

/* It went again while the deletion of before had not ended. */
static void what_was_put_aside_and_unlinked_is_condemned_when_the_deletion_ends(void **state)
{
    struct fixture *f = *state;

    condemn(f, "x");
    assert_true(gone(f, "x", 100, 7));
    assert_ok(link_aside(f, "a", "x", 7));
    assert_ok(unlink_at(f, "a", "x", 250));
    assert_state(f, "x", META_REMOVED_GONE, 7, 200);
    end_deletion(f, "x", 7, false);
    assert_state(f, "x", META_REMOVED_CONDEMNED, 7, 300);
}

static void what_was_deleted_is_linked_by_who_saw_that(void **state)
{
    struct fixture *f = *state;

    condemn(f, "x");
    assert_true(gone(f, "x", 100, 7));
    end_deletion(f, "x", 7, false);
    assert_int_equal(link_once(f, "a", "x"), ERR_GONE);
    assert_int_equal(link_seen(f, "a", "x", 6), ERR_GONE);
    assert_ok(link_seen(f, "a", "x", 7));
    assert_true(is_free(f, "x"));
}

static void what_is_linked_or_of_another_time_is_not_gone(void **state)
{
    struct fixture *f = *state;

    condemn(f, "x");
    assert_false(gone(f, "x", 99, 7));
    assert_state(f, "x", META_REMOVED_CONDEMNED, 0, 100);
    assert_ok(link_once(f, "a", "x"));
    assert_false(gone(f, "x", 100, 7));
    assert_true(is_free(f, "x"));
    assert_true(has_blob(f, "a", "x"));
}

static void what_is_put_back_is_condemned_and_keeps_its_number(void **state)
{
    struct fixture *f = *state;
    struct digest d = digest_for("x");
    const struct meta_content c = {NULL, &d};

    condemn(f, "x");
    assert_true(gone(f, "x", 100, 7));
    assert_ok(commit_one(f, meta_op_content_back(c, 6, 250)));
    assert_state(f, "x", META_REMOVED_GONE, 7, 200);
    assert_ok(commit_one(f, meta_op_content_back(c, 7, 250)));
    assert_state(f, "x", META_REMOVED_CONDEMNED, 7, 250);
    assert_int_equal(link_once(f, "a", "x"), ERR_GONE);
    assert_ok(link_seen(f, "a", "x", 7));
}

static void an_end_of_another_deletion_changes_nothing(void **state)
{
    struct fixture *f = *state;

    condemn(f, "x");
    assert_true(gone(f, "x", 100, 7));
    end_deletion(f, "x", 6, false);
    end_deletion(f, "x", 6, true);
    assert_state(f, "x", META_REMOVED_GONE, 7, 200);
}

static void what_nothing_links_is_condemned_and_what_is_linked_is_not(void **state)
{
    struct fixture *f = *state;
    struct meta_removed row;

    assert_ok(link_once(f, "a", "linked"));
    condemn_if_unlinked(f, "linked", 50);
    assert_true(is_free(f, "linked"));
    condemn_if_unlinked(f, "x", 50);
    condemn_if_unlinked(f, "x", 60);
    assert_ok(get(f, "x", &row));
    assert_int_equal(row.state, META_REMOVED_CONDEMNED);
    assert_int_equal(row.since_ms, 50);
    assert_int_equal(row.size_bytes, 7);
    assert_string_equal(row.reason, "why");
}

static void what_is_condemned_while_it_is_gone_is_condemned_when_that_ends(void **state)
{
    struct fixture *f = *state;
    struct meta_removed row;

    condemn(f, "x");
    assert_true(gone(f, "x", 100, 7));
    condemn_if_unlinked(f, "x", 250);
    assert_ok(get(f, "x", &row));
    assert_true(row.again);
    assert_int_equal(row.state, META_REMOVED_GONE);
    end_deletion(f, "x", 7, true);
    assert_state(f, "x", META_REMOVED_CONDEMNED, 7, 300);
    assert_int_equal(link_once(f, "a", "x"), ERR_GONE);
    assert_ok(link_seen(f, "a", "x", 7));
}

static void what_is_condemned_after_its_deletion_keeps_its_number(void **state)
{
    struct fixture *f = *state;

    condemn(f, "x");
    assert_true(gone(f, "x", 100, 7));
    end_deletion(f, "x", 7, false);
    condemn_if_unlinked(f, "x", 400);
    assert_state(f, "x", META_REMOVED_CONDEMNED, 7, 400);
}

static void an_end_may_be_forgotten_at_once(void **state)
{
    struct fixture *f = *state;

    condemn(f, "x");
    assert_true(gone(f, "x", 100, 7));
    end_deletion(f, "x", 7, true);
    assert_true(is_free(f, "x"));
    assert_ok(link_once(f, "a", "x"));
}

static void old_deletions_are_forgotten_and_nothing_else(void **state)
{
    struct fixture *f = *state;

    condemn(f, "x");
    condemn(f, "y");
    assert_true(gone(f, "x", 100, 7));
    assert_true(gone(f, "y", 100, 8));
    end_deletion(f, "x", 7, false);
    condemn(f, "z");
    assert_ok(commit_one(f, meta_op_content_prune(300)));
    assert_state(f, "x", META_REMOVED_DELETED, 7, 300);
    assert_ok(commit_one(f, meta_op_content_prune(301)));
    assert_true(is_free(f, "x"));
    assert_state(f, "y", META_REMOVED_GONE, 8, 200);
    assert_state(f, "z", META_REMOVED_CONDEMNED, 0, 100);
}

static void content_of_each_repository_goes_for_itself(void **state)
{
    struct fixture *f = *state;
    struct repo_name a = repo_of("a"), b = repo_of("b");
    struct digest d = digest_for("x");
    struct meta_removed row;
    bool is_gone = false;

    assert_ok(blob_link(f, "a", "x"));
    assert_ok(blob_link(f, "b", "x"));
    assert_ok(blob_unlink(f, "a", "x"));
    assert_ok(meta_removed_get(f->m, (struct meta_content){&a, &d}, &row, &f->e));
    assert_string_equal(row.repo.text, "a");
    assert_int_equal(meta_removed_get(f->m, (struct meta_content){&b, &d}, &row, &f->e),
                     ERR_NOT_FOUND);
    assert_true(is_free(f, "x"));
    assert_ok(
        commit_one(f, meta_op_content_gone((struct meta_content){&a, &d}, 0, 7, 200, &is_gone)));
    assert_true(is_gone);
    assert_int_equal(blob_link(f, "a", "x"), ERR_GONE);
    assert_ok(blob_link(f, "c", "x"));
}

static void a_refused_unlink_condemns_nothing(void **state)
{
    struct fixture *f = *state;
    const struct meta_edge edge = {META_EDGE_BLOB, digest_for("x")};

    assert_ok(link_once(f, "a", "x"));
    assert_ok(put_edges(f, "a", "image", &edge, 1));
    assert_int_equal(unlink_at(f, "a", "x", 100), ERR_IN_USE);
    assert_true(is_free(f, "x"));
}

/* Of the state, in pages, as "SEEDS". */
static size_t list(struct fixture *f, enum meta_removed_state state, int64_t before_ms,
                   size_t limit, struct meta_removed *ret_rows)
{
    char *after = str_dup(STR(""));
    size_t n = 0;
    bool more = true;

    while (more) {
        AUTO(meta_removed_list) struct meta_removed_list l = {0};

        assert_ok(meta_removed(f->m, state, before_ms, str_of(after), limit, &l, &f->e));
        assert_true(l.n <= limit);
        for (size_t i = 0; i < l.n; i++)
            ret_rows[n++] = l.rows[i];
        more = l.more;
        if (more) {
            assert_non_null(l.next);
            free(after);
            after = str_dup(str_of(l.next));
        }
    }
    free(after);
    return n;
}

static void they_are_listed_by_state_and_age(void **state)
{
    struct fixture *f = *state;
    struct digest d = digest_for("x");
    struct meta_removed rows[8] = {{.number = 0}};

    condemn_if_unlinked(f, "y", 30);
    condemn_if_unlinked(f, "x", 10);
    condemn_if_unlinked(f, "z", 20);
    condemn_if_unlinked(f, "gone", 5);
    assert_true(gone(f, "gone", 5, 9));
    for (size_t limit = 1; limit < 5; limit++) {
        assert_int_equal(list(f, META_REMOVED_CONDEMNED, INT64_MAX, limit, rows), 3);
        assert_true(digest_eq(&rows[0].digest, &d));
        assert_int_equal(rows[1].since_ms, 20);
        assert_int_equal(rows[2].since_ms, 30);
        assert_int_equal(list(f, META_REMOVED_CONDEMNED, 30, limit, rows), 2);
    }
    assert_int_equal(list(f, META_REMOVED_GONE, INT64_MAX, 4, rows), 1);
    assert_int_equal(rows[0].number, 9);
    assert_int_equal(list(f, META_REMOVED_DELETED, INT64_MAX, 4, rows), 0);
}

static void too_long_a_reason_is_refused(void **state)
{
    struct fixture *f = *state;
    struct digest d = digest_for("x");
    char reason[META_REASON_MAX + 1];

    memset(reason, 'r', sizeof(reason));
    assert_int_equal(commit_one(f, meta_op_content_condemn(
                                       (struct meta_content){NULL, &d},
                                       (struct meta_removal){.reason = {reason, sizeof(reason)}})),
                     ERR_INTERNAL);
}

struct worker {
    struct meta *m;
    pthread_t thread;
    int index;
    bool wrong;
};

/* Each has a repository of its own, all the same blob. */
static void *link_and_unlink(void *arg)
{
    struct worker *w = arg;
    char name[8];
    struct repo_name r;
    struct digest d = digest_for("x");
    struct err e;

    snprintf(name, sizeof(name), "r%d", w->index);
    r = repo_of(name);
    for (int i = 0; i < ROUNDS; i++) {
        struct meta_op on = meta_op_blob_link(&r, &d, 1);
        const struct meta_op off = meta_op_blob_unlink(&r, &d, (struct meta_removal){.once = true});

        on.blob_link.once = true;
        if (meta_commit(w->m, &on, 1, 0, NULL, &e) != ERR_OK ||
            meta_commit(w->m, &off, 1, 0, NULL, &e) != ERR_OK)
            w->wrong = true;
    }
    return NULL;
}

static void of_many_who_unlink_at_once_the_last_condemns(void **state)
{
    struct fixture *f = *state;
    struct worker workers[THREADS];

    for (int i = 0; i < THREADS; i++) {
        workers[i] = (struct worker){.m = f->m, .index = i};
        assert_int_equal(pthread_create(&workers[i].thread, NULL, link_and_unlink, &workers[i]), 0);
    }
    for (int i = 0; i < THREADS; i++) {
        pthread_join(workers[i].thread, NULL);
        assert_false(workers[i].wrong);
    }
    assert_state(f, "x", META_REMOVED_CONDEMNED, 0, 0);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        TEST(the_last_link_that_goes_condemns),
        TEST(the_last_two_links_that_go_in_one_transaction_condemn),
        TEST(a_link_revives_what_is_condemned),
        TEST(what_is_condemned_is_gone_and_then_deleted),
        TEST(nothing_links_what_is_gone),
        TEST(what_is_gone_is_linked_by_who_put_it_aside_since_that_number),
        TEST(what_was_put_aside_is_linked_also_when_the_deletion_has_ended),
        TEST(what_was_put_aside_and_unlinked_is_condemned_when_the_deletion_ends),
        TEST(what_was_deleted_is_linked_by_who_saw_that),
        TEST(what_is_linked_or_of_another_time_is_not_gone),
        TEST(what_is_put_back_is_condemned_and_keeps_its_number),
        TEST(an_end_of_another_deletion_changes_nothing),
        TEST(what_nothing_links_is_condemned_and_what_is_linked_is_not),
        TEST(what_is_condemned_while_it_is_gone_is_condemned_when_that_ends),
        TEST(what_is_condemned_after_its_deletion_keeps_its_number),
        TEST(an_end_may_be_forgotten_at_once),
        TEST(old_deletions_are_forgotten_and_nothing_else),
        TEST(content_of_each_repository_goes_for_itself),
        TEST(a_refused_unlink_condemns_nothing),
        TEST(they_are_listed_by_state_and_age),
        TEST(too_long_a_reason_is_refused),
        TEST(of_many_who_unlink_at_once_the_last_condemns),
    };

    fixture_choose(argc, argv);
    return cmocka_run_group_tests_name(fixture_driver(), tests, NULL, NULL);
}
