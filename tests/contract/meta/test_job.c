/* Jobs: what is to be done in the background, by one at a time. */
#include "base/cleanup.h"
#include "fixture.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#define THREADS 8
#define MANY    20

static const struct str kind = {"sweep", 5}, key = {"k", 1};

static enum err_code add_due(struct fixture *f, int64_t due_ms, int64_t priority)
{
    return commit_one(f, meta_op_job_add((struct meta_job_add){
                             .kind = kind, .key = key, .due_ms = due_ms, .priority = priority}));
}

static enum err_code add(struct fixture *f)
{
    return add_due(f, 100, 0);
}

static struct meta_job get(struct fixture *f)
{
    struct meta_job j;

    assert_ok(meta_job_get(f->m, kind, key, &j, &f->e));
    return j;
}

static bool is_gone(struct fixture *f)
{
    struct meta_job j;

    return meta_job_get(f->m, kind, key, &j, &f->e) == ERR_NOT_FOUND;
}

static int64_t turn_of(struct fixture *f)
{
    AUTO(meta_job) struct meta_job j = get(f);

    return j.turn;
}

static enum err_code take_turn(struct fixture *f, int64_t turn, const char *holder)
{
    return commit_one(f, meta_op_job_take(kind, key, turn, str_of(holder), 200));
}

/* The turn that the holder has it with. */
static int64_t take(struct fixture *f, const char *holder)
{
    assert_ok(take_turn(f, turn_of(f), holder));
    return turn_of(f);
}

static enum err_code end_as(struct fixture *f, int64_t turn, enum meta_job_end_as as, bool repeat)
{
    return commit_one(f, meta_op_job_end((struct meta_job_end){.kind = kind,
                                                               .key = key,
                                                               .turn = turn,
                                                               .as = as,
                                                               .repeat = repeat,
                                                               .due_ms = 500,
                                                               .note = STR("said"),
                                                               .now_ms = 300}));
}

static void assert_job(struct fixture *f, enum meta_job_state state, int64_t due_ms,
                       int64_t attempts, const char *holder, const char *note)
{
    AUTO(meta_job) struct meta_job j = get(f);

    assert_int_equal(j.state, state);
    assert_int_equal(j.due_ms, due_ms);
    assert_int_equal(j.attempts, attempts);
    assert_string_equal(j.holder, holder);
    assert_string_equal(j.note, note);
}

static void a_job_waits_is_taken_and_is_gone_when_it_is_done(void **state)
{
    struct fixture *f = *state;
    int64_t turn;

    assert_true(is_gone(f));
    assert_ok(add(f));
    assert_job(f, META_JOB_WAITING, 100, 0, "", "");
    turn = take(f, "me");
    assert_job(f, META_JOB_RUNNING, 100, 1, "me", "");
    assert_ok(end_as(f, turn, META_JOB_DONE, false));
    assert_true(is_gone(f));
}

static void a_job_that_waits_keeps_the_earlier_time_and_the_lower_priority(void **state)
{
    struct fixture *f = *state;
    AUTO(meta_job) struct meta_job j = {0};

    assert_ok(add_due(f, 100, 5));
    assert_ok(add_due(f, 200, 7));
    assert_job(f, META_JOB_WAITING, 100, 0, "", "");
    assert_ok(add_due(f, 50, 3));
    j = get(f);
    assert_int_equal(j.due_ms, 50);
    assert_int_equal(j.priority, 3);
}

static enum err_code fail_for_no_fault_of_its_own(struct fixture *f, int64_t turn)
{
    return commit_one(f, meta_op_job_end((struct meta_job_end){.kind = kind,
                                                               .key = key,
                                                               .turn = turn,
                                                               .as = META_JOB_FAILED,
                                                               .passes = true,
                                                               .due_ms = 500,
                                                               .note = STR("said")}));
}

static void what_was_no_fault_of_a_job_is_no_attempt(void **state)
{
    struct fixture *f = *state;
    AUTO(meta_job) struct meta_job j = {0};

    assert_ok(add(f));
    for (int i = 0; i < 2; i++) {
        assert_ok(fail_for_no_fault_of_its_own(f, take(f, "me")));
        assert_job(f, META_JOB_WAITING, 500, 0, "", "said");
    }
    assert_ok(add(f)); /* it is being tried again all the same */
    assert_job(f, META_JOB_WAITING, 500, 0, "", "said");
    assert_ok(end_as(f, take(f, "me"), META_JOB_FAILED, false));
    assert_job(f, META_JOB_WAITING, 500, 1, "", "said");
    assert_ok(end_as(f, take(f, "me"), META_JOB_PUT_BACK, false));
    j = get(f);
    assert_int_equal(j.attempts, 1);
    assert_int_equal(j.passes, 2);
    assert_ok(end_as(f, take(f, "me"), META_JOB_DONE, true));
    meta_job_done(&j);
    j = get(f);
    assert_int_equal(j.attempts + j.passes, 0);
}

static void a_job_that_failed_keeps_its_time(void **state)
{
    struct fixture *f = *state;

    assert_ok(add(f));
    assert_ok(end_as(f, take(f, "me"), META_JOB_FAILED, false));
    assert_job(f, META_JOB_WAITING, 500, 1, "", "said");
    assert_ok(add(f));
    assert_job(f, META_JOB_WAITING, 500, 1, "", "said");
}

static void a_job_may_be_added_only_where_there_is_none(void **state)
{
    struct fixture *f = *state;
    struct meta_op op = meta_op_job_add(
        (struct meta_job_add){.kind = kind, .key = key, .due_ms = 10, .if_absent = true});

    assert_ok(commit_one(f, op));
    assert_job(f, META_JOB_WAITING, 10, 0, "", "");
    op.job_add.due_ms = 5;
    assert_ok(commit_one(f, op));
    assert_job(f, META_JOB_WAITING, 10, 0, "", "");
}

static void a_job_is_taken_only_at_the_turn_that_was_seen(void **state)
{
    struct fixture *f = *state;
    int64_t seen;

    assert_int_equal(take_turn(f, 0, "me"), ERR_CONFLICT);
    assert_ok(add(f));
    seen = turn_of(f);
    assert_ok(take_turn(f, seen, "me"));
    assert_int_equal(take_turn(f, seen, "you"), ERR_CONFLICT);
    assert_job(f, META_JOB_RUNNING, 100, 1, "me", "");
    assert_ok(end_as(f, turn_of(f), META_JOB_FAILED, false));
    assert_int_equal(take_turn(f, seen + 1, "you"), ERR_CONFLICT); /* when it ran */
}

static void a_job_is_taken_over_and_its_first_holder_counts_no_more(void **state)
{
    struct fixture *f = *state;
    int64_t first, second;

    assert_ok(add(f));
    first = take(f, "me");
    assert_ok(commit_one(f, meta_op_job_check(kind, key, first)));
    second = take(f, "you");
    assert_job(f, META_JOB_RUNNING, 100, 2, "you", "");
    assert_int_equal(commit_one(f, meta_op_job_check(kind, key, first)), ERR_CONFLICT);
    assert_int_equal(commit_one(f, meta_op_job_note(kind, key, first, STR("x"))), ERR_CONFLICT);
    assert_int_equal(end_as(f, first, META_JOB_DONE, false), ERR_CONFLICT);
    assert_ok(commit_one(f, meta_op_job_check(kind, key, second)));
    assert_ok(end_as(f, second, META_JOB_DONE, false));
}

static void what_goes_with_a_check_is_not_done_by_who_lost_the_job(void **state)
{
    struct fixture *f = *state;
    struct meta_op ops[2];
    struct meta_record r;
    int64_t first;

    assert_ok(add(f));
    first = take(f, "me");
    take(f, "you");
    ops[0] = meta_op_record_put(STR("things"), STR("a"), STR("v"), META_ANY);
    ops[1] = meta_op_job_check(kind, key, first);
    assert_int_equal(commit(f, ops, 2), ERR_CONFLICT);
    assert_int_equal(f->failed, 1);
    assert_int_equal(meta_record_get(f->m, STR("things"), STR("a"), &r, &f->e), ERR_NOT_FOUND);
}

static void a_job_that_is_asked_for_while_it_runs_runs_once_more(void **state)
{
    struct fixture *f = *state;
    int64_t turn;

    assert_ok(add(f));
    turn = take(f, "me");
    assert_ok(add_due(f, 900, 0));
    assert_job(f, META_JOB_RUNNING, 100, 1, "me", "");
    assert_ok(end_as(f, turn, META_JOB_DONE, false));
    assert_job(f, META_JOB_WAITING, 300, 0, "", "said");
    assert_ok(end_as(f, take(f, "me"), META_JOB_DONE, false));
    assert_true(is_gone(f));
}

static void who_takes_a_job_over_does_what_was_asked_for_meanwhile(void **state)
{
    struct fixture *f = *state;

    assert_ok(add(f));
    take(f, "me");
    assert_ok(add(f));
    assert_ok(end_as(f, take(f, "you"), META_JOB_DONE, false));
    assert_true(is_gone(f));
}

static void a_job_that_repeats_waits_for_its_next_time(void **state)
{
    struct fixture *f = *state;

    assert_ok(add(f));
    assert_ok(end_as(f, take(f, "me"), META_JOB_DONE, true));
    assert_job(f, META_JOB_WAITING, 500, 0, "", "said");
}

static void a_job_that_is_put_back_made_no_attempt(void **state)
{
    struct fixture *f = *state;

    assert_ok(add(f));
    assert_ok(end_as(f, take(f, "me"), META_JOB_PUT_BACK, false));
    assert_job(f, META_JOB_WAITING, 500, 0, "", "said");
}

static void a_job_that_is_stopped_is_not_taken_until_it_is_tried_again(void **state)
{
    struct fixture *f = *state;

    assert_ok(add(f));
    assert_ok(end_as(f, take(f, "me"), META_JOB_FAILED_FOR_GOOD, false));
    assert_job(f, META_JOB_STOPPED, 500, 1, "", "said");
    assert_int_equal(take_turn(f, turn_of(f), "me"), ERR_CONFLICT);
    assert_ok(add(f));
    assert_job(f, META_JOB_STOPPED, 500, 1, "", "said");
    assert_ok(commit_one(f, meta_op_job_retry(kind, key, 700)));
    assert_job(f, META_JOB_WAITING, 700, 0, "", "");
    assert_ok(take_turn(f, turn_of(f), "me"));
}

static void a_job_that_runs_is_not_tried_again(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(commit_one(f, meta_op_job_retry(kind, key, 700)), ERR_NOT_FOUND);
    assert_ok(add(f));
    take(f, "me");
    assert_int_equal(commit_one(f, meta_op_job_retry(kind, key, 700)), ERR_CONFLICT);
}

static void a_job_that_waits_is_cancelled_at_once(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(commit_one(f, meta_op_job_cancel(kind, key)), ERR_NOT_FOUND);
    assert_ok(add(f));
    assert_ok(commit_one(f, meta_op_job_cancel(kind, key)));
    assert_true(is_gone(f));
}

static void a_job_that_runs_is_told_that_it_is_cancelled_and_goes_when_it_ends(void **state)
{
    static const enum meta_job_end_as ways[] = {META_JOB_DONE, META_JOB_FAILED,
                                                META_JOB_FAILED_FOR_GOOD, META_JOB_PUT_BACK};
    struct fixture *f = *state;

    for (size_t i = 0; i < sizeof(ways) / sizeof(ways[0]); i++) {
        int64_t turn;

        assert_ok(add(f));
        turn = take(f, "me");
        assert_ok(commit_one(f, meta_op_job_note(kind, key, turn, STR("half"))));
        assert_job(f, META_JOB_RUNNING, 100, 1, "me", "half");
        assert_ok(commit_one(f, meta_op_job_cancel(kind, key)));
        assert_int_equal(commit_one(f, meta_op_job_note(kind, key, turn, STR("x"))), ERR_CONFLICT);
        assert_ok(end_as(f, turn, ways[i], true));
        assert_true(is_gone(f));
    }
}

static void a_job_that_was_cancelled_may_be_asked_for_again(void **state)
{
    struct fixture *f = *state;
    int64_t turn;

    assert_ok(add(f));
    turn = take(f, "me");
    assert_ok(commit_one(f, meta_op_job_cancel(kind, key)));
    assert_ok(add(f));
    assert_ok(end_as(f, turn, META_JOB_DONE, false));
    assert_job(f, META_JOB_WAITING, 300, 0, "", "said");
}

static void add_named(struct fixture *f, const char *name, int64_t due_ms, int64_t priority)
{
    assert_ok(commit_one(
        f, meta_op_job_add((struct meta_job_add){
               .kind = kind, .key = str_of(name), .due_ms = due_ms, .priority = priority})));
}

static void what_is_due_comes_by_priority_and_time_and_then_what_runs(void **state)
{
    static const char *const expected[] = {"d", "a", "b", "r"};
    struct fixture *f = *state;
    AUTO(meta_jobs) struct meta_job_list l = {0};

    add_named(f, "a", 10, 1);
    add_named(f, "b", 20, 1);
    add_named(f, "c", 101, 0);
    add_named(f, "d", 100, 0);
    add_named(f, "r", 10, 0);
    assert_ok(commit_one(f, meta_op_job_take(kind, STR("r"), 0, STR("me"), 5)));
    assert_ok(meta_jobs_due(f->m, 100, 10, &l, &f->e));
    assert_int_equal(l.n, 4);
    for (size_t i = 0; i < l.n; i++)
        assert_string_equal(l.rows[i].key, expected[i]);
    assert_false(l.more);
}

static void jobs_are_listed_by_kind_and_key_in_pages(void **state)
{
    struct fixture *f = *state;
    size_t seen = 0;
    char after[8] = "";

    for (int i = 0; i < MANY; i++) {
        char name[8];

        snprintf(name, sizeof(name), "%02d", i);
        add_named(f, name, 0, 0);
    }
    for (bool more = true; more;) {
        AUTO(meta_jobs) struct meta_job_list l = {0};

        assert_ok(meta_jobs(f->m, seen ? kind : STR(""), str_of(after), 7, &l, &f->e));
        for (size_t i = 0; i < l.n; i++, seen++)
            assert_int_equal(atoi(l.rows[i].key), seen);
        snprintf(after, sizeof(after), "%s", l.rows[l.n - 1].key);
        more = l.more;
    }
    assert_int_equal(seen, MANY);
}

struct taker {
    struct meta *m;
    pthread_t thread;
    int index, taken;
};

static void *take_all(void *arg)
{
    struct taker *t = arg;

    for (int i = 0; i < MANY; i++) {
        char name[8], holder[8];
        struct meta_op op;

        snprintf(name, sizeof(name), "%02d", i);
        snprintf(holder, sizeof(holder), "%d", t->index);
        op = meta_op_job_take(kind, str_of(name), 0, str_of(holder), 1);
        t->taken += meta_commit(t->m, &op, 1, 0, NULL, ERR_IGNORED) == ERR_OK;
    }
    return NULL;
}

static void of_many_who_take_a_job_one_gets_it(void **state)
{
    struct fixture *f = *state;
    struct taker takers[THREADS];
    int taken = 0;

    for (int i = 0; i < MANY; i++) {
        char name[8];

        snprintf(name, sizeof(name), "%02d", i);
        add_named(f, name, 0, 0);
    }
    for (int i = 0; i < THREADS; i++) {
        takers[i] = (struct taker){.m = f->m, .index = i};
        assert_int_equal(pthread_create(&takers[i].thread, NULL, take_all, &takers[i]), 0);
    }
    for (int i = 0; i < THREADS; i++) {
        pthread_join(takers[i].thread, NULL);
        taken += takers[i].taken;
    }
    assert_int_equal(taken, MANY);
}

static void a_job_has_a_kind_and_a_key(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(commit_one(f, meta_op_job_add((struct meta_job_add){.kind = kind})),
                     ERR_INTERNAL);
    assert_int_equal(commit_one(f, meta_op_job_cancel(STR(""), key)), ERR_INTERNAL);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        TEST(a_job_waits_is_taken_and_is_gone_when_it_is_done),
        TEST(a_job_that_waits_keeps_the_earlier_time_and_the_lower_priority),
        TEST(a_job_that_failed_keeps_its_time),
        TEST(what_was_no_fault_of_a_job_is_no_attempt),
        TEST(a_job_may_be_added_only_where_there_is_none),
        TEST(a_job_is_taken_only_at_the_turn_that_was_seen),
        TEST(a_job_is_taken_over_and_its_first_holder_counts_no_more),
        TEST(what_goes_with_a_check_is_not_done_by_who_lost_the_job),
        TEST(a_job_that_is_asked_for_while_it_runs_runs_once_more),
        TEST(who_takes_a_job_over_does_what_was_asked_for_meanwhile),
        TEST(a_job_that_repeats_waits_for_its_next_time),
        TEST(a_job_that_is_put_back_made_no_attempt),
        TEST(a_job_that_is_stopped_is_not_taken_until_it_is_tried_again),
        TEST(a_job_that_runs_is_not_tried_again),
        TEST(a_job_that_waits_is_cancelled_at_once),
        TEST(a_job_that_runs_is_told_that_it_is_cancelled_and_goes_when_it_ends),
        TEST(a_job_that_was_cancelled_may_be_asked_for_again),
        TEST(what_is_due_comes_by_priority_and_time_and_then_what_runs),
        TEST(jobs_are_listed_by_kind_and_key_in_pages),
        TEST(of_many_who_take_a_job_one_gets_it),
        TEST(a_job_has_a_kind_and_a_key),
    };

    fixture_choose(argc, argv);
    return cmocka_run_group_tests_name(fixture_driver(), tests, NULL, NULL);
}
