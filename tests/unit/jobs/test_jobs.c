/* Jobs, of one process and of several that are played by a struct jobs each. */
#include "jobs/jobs.h"

#include "base/cleanup.h"
#include "base/clock.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define assert_ok(call) assert_int_equal((call), ERR_OK)

#define PROCESSES 3
#define LONG_MS   (3600 * 1000)

/* What the functions of jobs do, and what they saw. */
static struct {
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    int runs, at_once, most_at_once, failures;
    enum err_code code; /* of the first `failures` runs; and of all when that is -1 */
    bool hold;          /* runs do not end before this is false */
    char keys[256];
} seen = {.mutex = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};

struct process {
    struct jobs *jobs;
    struct uuid id;
    _Atomic bool gone;
};

static struct meta *meta;
static struct process processes[PROCESSES];
static atomic_int reports;
static struct err e;

static void report(const char *what, const struct err *problem)
{
    (void)what;
    (void)problem;
    atomic_fetch_add(&reports, 1);
}

static struct uuid own_id(void *ctx)
{
    return ((struct process *)ctx)->id;
}

static bool is_gone(void *ctx, const struct uuid *id)
{
    (void)ctx;
    for (int i = 0; i < PROCESSES; i++) {
        if (strcmp(id->text, processes[i].id.text) == 0)
            return processes[i].gone;
    }
    return true;
}

static bool may_act(void *ctx, const struct uuid *id)
{
    (void)id;
    return !((struct process *)ctx)->gone;
}

static struct jobs *new_jobs(struct process *p)
{
    struct jobs_options o = {.meta = meta, .poll_ms = 20, .report = report};

    if (p) {
        uuid_make(&p->id);
        p->gone = false;
        o.members = (struct jobs_members){own_id, may_act, is_gone, p};
    }
    return jobs_new(&o);
}

static int set_up(void **state)
{
    const struct meta_sqlite_options o = {.path = ":memory:", .read_connections = 2};

    (void)state;
    seen.runs = seen.at_once = seen.most_at_once = seen.failures = 0;
    seen.code = ERR_OK;
    seen.hold = false;
    seen.keys[0] = '\0';
    atomic_store(&reports, 0);
    assert_ok(meta_sqlite_new(&o, &meta, &e));
    for (int i = 0; i < PROCESSES; i++)
        processes[i].jobs = new_jobs(&processes[i]);
    return 0;
}

static void let_go(void)
{
    pthread_mutex_lock(&seen.mutex);
    seen.hold = false;
    pthread_cond_broadcast(&seen.changed);
    pthread_mutex_unlock(&seen.mutex);
}

static int tear_down(void **state)
{
    (void)state;
    let_go();
    for (int i = 0; i < PROCESSES; i++)
        jobs_free(processes[i].jobs);
    meta_free(meta);
    return 0;
}

static enum err_code run(void *ctx, struct job *job, struct err *error)
{
    enum err_code code = ERR_OK;

    (void)ctx;
    pthread_mutex_lock(&seen.mutex);
    seen.runs++;
    seen.at_once++;
    if (seen.at_once > seen.most_at_once)
        seen.most_at_once = seen.at_once;
    if (job)
        snprintf(seen.keys + strlen(seen.keys), sizeof(seen.keys) - strlen(seen.keys), STR_FMT " ",
                 STR_ARG(job_key(job)));
    pthread_cond_broadcast(&seen.changed);
    while (seen.hold)
        pthread_cond_wait(&seen.changed, &seen.mutex);
    if (seen.failures < 0 || seen.runs <= seen.failures)
        code = seen.code;
    seen.at_once--;
    pthread_cond_broadcast(&seen.changed);
    pthread_mutex_unlock(&seen.mutex);
    return code == ERR_OK ? code : err_set(error, code, "as the test wants it");
}

static const struct job_kind usual = {
    .name = "usual", .run = run, .attempts = 3, .retry_ms = 1, .retry_most_ms = 4};

static void wait_for_runs(int n)
{
    pthread_mutex_lock(&seen.mutex);
    while (seen.runs < n)
        pthread_cond_wait(&seen.changed, &seen.mutex);
    pthread_mutex_unlock(&seen.mutex);
}

static struct meta_job get(const char *kind, const char *key)
{
    struct meta_job j = {0};

    (void)!meta_job_get(meta, str_of(kind), str_of(key), &j, ERR_IGNORED);
    return j;
}

static void pause_a_little(void)
{
    struct timespec t = {.tv_nsec = 2000000};

    nanosleep(&t, NULL);
}

/* Until it is there in that state; or, with note NULL, until it is not there. */
static void wait_for(const char *key, enum meta_job_state state, const char *note)
{
    for (bool done = false; !done; pause_a_little()) {
        AUTO(meta_job) struct meta_job j = get("usual", key);

        done = note ? j.key && j.state == state && strcmp(j.note, note) == 0 : !j.key;
    }
}

static void start(int i)
{
    jobs_kind_add(processes[i].jobs, &usual);
    assert_ok(jobs_start(processes[i].jobs, &e));
}

static void a_job_that_is_added_is_run_and_goes(void **state)
{
    (void)state;
    start(0);
    assert_ok(jobs_add(processes[0].jobs, "usual", STR("a"), &e));
    wait_for("a", META_JOB_WAITING, NULL);
    assert_int_equal(seen.runs, 1);
    assert_string_equal(seen.keys, "a ");
    assert_int_equal(atomic_load(&reports), 0);
}

static void a_job_that_was_left_by_an_earlier_life_is_run(void **state)
{
    struct jobs *alone = new_jobs(NULL);
    struct meta_op op = jobs_add_op(alone, "usual", STR("a"));

    (void)state;
    assert_ok(meta_commit(meta, &op, 1, 0, NULL, &e));
    op = meta_op_job_take(STR("usual"), STR("a"), 0, STR("an earlier life"), 1);
    assert_ok(meta_commit(meta, &op, 1, 0, NULL, &e));
    jobs_kind_add(alone, &usual);
    assert_ok(jobs_start(alone, &e));
    wait_for("a", META_JOB_WAITING, NULL);
    jobs_free(alone);
    assert_int_equal(seen.runs, 1);
}

static void a_job_that_fails_is_tried_again_until_it_succeeds(void **state)
{
    (void)state;
    seen.failures = 2;
    seen.code = ERR_INTERNAL;
    start(0);
    assert_ok(jobs_add(processes[0].jobs, "usual", STR("a"), &e));
    wait_for("a", META_JOB_WAITING, NULL);
    assert_int_equal(seen.runs, 3);
    assert_int_equal(atomic_load(&reports), 2);
}

static void a_job_that_fails_too_often_stops_and_is_shown(void **state)
{
    (void)state;
    seen.failures = -1;
    seen.code = ERR_INTERNAL;
    start(0);
    assert_ok(jobs_add(processes[0].jobs, "usual", STR("a"), &e));
    wait_for("a", META_JOB_STOPPED, "as the test wants it");
    assert_int_equal(seen.runs, 3);
    assert_int_equal(atomic_load(&reports), 3);
}

static void what_is_out_of_reach_stops_no_job(void **state)
{
    (void)state;
    seen.failures = 10;
    seen.code = ERR_UNAVAILABLE;
    start(0);
    assert_ok(jobs_add(processes[0].jobs, "usual", STR("a"), &e));
    wait_for("a", META_JOB_WAITING, NULL);
    assert_int_equal(seen.runs, 11);
}

static void a_job_in_which_its_process_dies_too_often_stops(void **state)
{
    struct meta_op op = jobs_add_op(processes[0].jobs, "usual", STR("a"));

    (void)state;
    assert_ok(meta_commit(meta, &op, 1, 0, NULL, &e));
    for (int i = 0; i < 3; i++) {
        op = meta_op_job_take(STR("usual"), STR("a"), i, STR("gone"), 1);
        assert_ok(meta_commit(meta, &op, 1, 0, NULL, &e));
    }
    start(0);
    wait_for("a", META_JOB_STOPPED, "its process ended 3 times while it ran");
    assert_int_equal(seen.runs, 0);
}

/* A row as it is after so many runs that failed for what was out of reach. */
static void add_passed(const char *key, int runs, struct meta_op *ret_take)
{
    struct meta_op op = jobs_add_op(processes[0].jobs, "usual", str_of(key));

    assert_ok(meta_commit(meta, &op, 1, 0, NULL, &e));
    for (int i = 0; i <= runs; i++) {
        *ret_take = meta_op_job_take(STR("usual"), str_of(key), 2 * i, STR("gone"), 1);
        if (i == runs)
            break;
        assert_ok(meta_commit(meta, ret_take, 1, 0, NULL, &e));
        op = meta_op_job_end((struct meta_job_end){.kind = STR("usual"),
                                                   .key = str_of(key),
                                                   .turn = 2 * i + 1,
                                                   .as = META_JOB_FAILED,
                                                   .passes = true,
                                                   .note = STR("")});
        assert_ok(meta_commit(meta, &op, 1, 0, NULL, &e));
    }
}

static void what_was_out_of_reach_is_no_death_of_a_process(void **state)
{
    struct meta_op take;

    (void)state;
    add_passed("a", 3, &take);
    assert_ok(meta_commit(meta, &take, 1, 0, NULL, &e)); /* and this one's process dies */
    start(0);
    wait_for("a", META_JOB_WAITING, NULL);
    assert_int_equal(seen.runs, 1);
}

static void what_was_out_of_reach_takes_no_tries_from_faults(void **state)
{
    struct meta_op take;

    (void)state;
    add_passed("a", 3, &take);
    seen.failures = 2;
    seen.code = ERR_INTERNAL;
    start(0);
    wait_for("a", META_JOB_WAITING, NULL);
    assert_int_equal(seen.runs, 3);
}

static void of_several_processes_one_runs_a_job(void **state)
{
    char key[8];

    (void)state;
    for (int i = 0; i < PROCESSES; i++)
        start(i);
    for (int i = 0; i < 30; i++) {
        snprintf(key, sizeof(key), "%d", i);
        assert_ok(jobs_add(processes[i % PROCESSES].jobs, "usual", str_of(key), &e));
    }
    for (int i = 0; i < 30; i++) {
        snprintf(key, sizeof(key), "%d", i);
        wait_for(key, META_JOB_WAITING, NULL);
    }
    assert_int_equal(seen.runs, 30);
}

static void a_job_of_a_holder_that_is_there_is_left_to_it(void **state)
{
    struct meta_op op = jobs_add_op(processes[0].jobs, "usual", STR("held"));

    (void)state;
    assert_ok(meta_commit(meta, &op, 1, 0, NULL, &e));
    op = meta_op_job_take(STR("usual"), STR("held"), 0, str_of(processes[1].id.text), 1);
    assert_ok(meta_commit(meta, &op, 1, 0, NULL, &e));
    start(0);
    assert_ok(jobs_add(processes[0].jobs, "usual", STR("other"), &e));
    wait_for("other", META_JOB_WAITING, NULL);
    assert_string_equal(seen.keys, "other ");
    processes[1].gone = true;
    wait_for("held", META_JOB_WAITING, NULL);
    assert_string_equal(seen.keys, "other held ");
}

static void who_is_taken_for_gone_loses_its_job_and_takes_none(void **state)
{
    (void)state;
    seen.hold = true;
    start(0);
    assert_ok(jobs_add(processes[0].jobs, "usual", STR("a"), &e));
    wait_for_runs(1);
    processes[0].gone = true;
    start(1);
    wait_for_runs(2); /* the other process is at it now */
    let_go();
    wait_for("a", META_JOB_WAITING, NULL);
    assert_ok(jobs_add(processes[0].jobs, "usual", STR("b"), &e));
    wait_for("b", META_JOB_WAITING, NULL);
    assert_int_equal(seen.runs, 3);
}

static void many_jobs_run_side_by_side_but_not_all(void **state)
{
    char key[8];

    (void)state;
    seen.hold = true;
    start(0);
    for (int i = 0; i < 3 * JOBS_AT_ONCE; i++) {
        snprintf(key, sizeof(key), "%d", i);
        assert_ok(jobs_add(processes[0].jobs, "usual", str_of(key), &e));
    }
    wait_for_runs(JOBS_AT_ONCE);
    let_go();
    wait_for_runs(3 * JOBS_AT_ONCE);
    assert_int_equal(seen.most_at_once, JOBS_AT_ONCE);
}

static void of_a_lane_only_so_many_run_at_once(void **state)
{
    struct job_kind slow = usual, other = usual, free_kind = usual;
    char key[8];

    (void)state;
    slow.name = "slow";
    other.name = "slow.other";
    slow.lane = other.lane = "slow";
    slow.at_once = other.at_once = 2;
    seen.hold = true;
    jobs_kind_add(processes[0].jobs, &slow);
    jobs_kind_add(processes[0].jobs, &other);
    jobs_kind_add(processes[0].jobs, &free_kind);
    for (int i = 0; i < 4; i++) {
        snprintf(key, sizeof(key), "%d", i);
        assert_ok(jobs_add(processes[0].jobs, i % 2 ? "slow" : "slow.other", str_of(key), &e));
    }
    assert_ok(jobs_start(processes[0].jobs, &e));
    wait_for_runs(2);
    assert_ok(jobs_add(processes[0].jobs, "usual", STR("u"), &e));
    wait_for_runs(3); /* another kind finds its place */
    assert_int_equal(seen.most_at_once, 3);
    let_go();
    wait_for_runs(5);
    assert_int_equal(seen.most_at_once, 3);
}

static void what_waits_for_its_lane_hides_no_others(void **state)
{
    struct job_kind slow = usual, late = usual;
    char key[8];

    (void)state;
    slow.name = "slow";
    slow.at_once = 1;
    late.priority = 9;
    seen.hold = true;
    jobs_kind_add(processes[0].jobs, &slow);
    jobs_kind_add(processes[0].jobs, &late);
    for (int i = 0; i < 130; i++) {
        snprintf(key, sizeof(key), "%d", i);
        assert_ok(jobs_add(processes[0].jobs, "slow", str_of(key), &e));
    }
    assert_ok(jobs_add(processes[0].jobs, "usual", STR("late"), &e));
    assert_ok(jobs_start(processes[0].jobs, &e));
    wait_for_runs(2);
    assert_non_null(strstr(seen.keys, "late "));
}

static void the_most_urgent_goes_first(void **state)
{
    struct job_kind first = usual, one = usual;
    char key[8];

    (void)state;
    first.name = "first";
    first.priority = -1;
    first.lane = one.lane = "one";
    first.at_once = one.at_once = 1;
    jobs_kind_add(processes[0].jobs, &one);
    jobs_kind_add(processes[0].jobs, &first);
    for (int i = 0; i < 20; i++) {
        snprintf(key, sizeof(key), "%d", i);
        assert_ok(jobs_add(processes[0].jobs, "usual", str_of(key), &e));
    }
    assert_ok(jobs_add(processes[0].jobs, "first", STR("now"), &e));
    assert_ok(jobs_start(processes[0].jobs, &e));
    wait_for_runs(2);
    assert_memory_equal(seen.keys, "now ", 4);
}

static int64_t a_long_time(void *ctx)
{
    (void)ctx;
    return LONG_MS;
}

static int64_t no_time(void *ctx)
{
    (void)ctx;
    return 0;
}

static void a_regular_job_is_run_at_the_start_and_then_waits(void **state)
{
    struct job_kind k = usual;
    int64_t now_ms = clock_wall_ms();

    (void)state;
    k.every_ms = a_long_time;
    jobs_kind_add(processes[0].jobs, &k);
    assert_ok(jobs_start(processes[0].jobs, &e));
    wait_for_runs(1);
    for (bool done = false; !done; pause_a_little()) {
        AUTO(meta_job) struct meta_job j = get("usual", JOBS_ALL);

        done = j.state == META_JOB_WAITING && j.due_ms >= now_ms + LONG_MS;
    }
    assert_int_equal(seen.runs, 1);
}

static void a_regular_job_may_come_first_after_a_time(void **state)
{
    struct job_kind k = usual;

    (void)state;
    k.every_ms = k.first_ms = a_long_time;
    jobs_kind_add(processes[0].jobs, &k);
    start(0); /* whatever is looked for, that kind has been scheduled */
    wait_for(JOBS_ALL, META_JOB_WAITING, "");
    assert_int_equal(seen.runs, 0);
}

/* It goes on until it is told to end. */
static enum err_code rest_long(void *ctx, struct job *job, struct err *error)
{
    struct process *p = ctx;

    run(NULL, job, error);
    while (job_rest(p->jobs, job, LONG_MS))
        ;
    return err_set(error, ERR_LATER, "told to end");
}

static void a_stop_ends_a_rest_and_the_job_made_no_attempt(void **state)
{
    struct job_kind k = usual;
    AUTO(meta_job) struct meta_job j = {0};

    (void)state;
    k.run = rest_long;
    k.ctx = &processes[0];
    jobs_kind_add(processes[0].jobs, &k);
    assert_ok(jobs_start(processes[0].jobs, &e));
    assert_ok(jobs_add(processes[0].jobs, "usual", STR("a"), &e));
    wait_for_runs(1);
    jobs_stop(processes[0].jobs);
    j = get("usual", "a");
    assert_int_equal(j.state, META_JOB_WAITING);
    assert_int_equal(j.attempts, 0);
    assert_true(j.due_ms <= clock_wall_ms());
}

/* It says how far it is until somebody says no. */
static enum err_code note_much(void *ctx, struct job *job, struct err *error)
{
    struct process *p = ctx;

    while (job_go_on(p->jobs, job)) {
        job_note(job, "half");
        job_rest(p->jobs, job, 10);
    }
    return run(NULL, job, error);
}

static void a_job_that_is_cancelled_while_it_runs_is_told_so_and_goes(void **state)
{
    struct meta_op op = meta_op_job_cancel(STR("usual"), STR("a"));
    struct job_kind k = usual;

    (void)state;
    k.run = note_much;
    k.ctx = &processes[0];
    jobs_kind_add(processes[0].jobs, &k);
    assert_ok(jobs_start(processes[0].jobs, &e));
    assert_ok(jobs_add(processes[0].jobs, "usual", STR("a"), &e));
    wait_for("a", META_JOB_RUNNING, "half");
    assert_ok(meta_commit(meta, &op, 1, 0, NULL, &e));
    wait_for("a", META_JOB_WAITING, NULL);
    assert_int_equal(seen.runs, 1);
}

static const struct job_kind own = {.name = "own", .run = run, .retry_ms = 1, .own = true};

static void work_of_its_own_is_run_when_it_is_woken_once_at_a_time(void **state)
{
    (void)state;
    jobs_kind_add(processes[0].jobs, &own);
    assert_ok(jobs_start(processes[0].jobs, &e));
    seen.hold = true;
    jobs_wake_own(processes[0].jobs, "own");
    wait_for_runs(1);
    jobs_wake_own(processes[0].jobs, "own");
    jobs_wake_own(processes[0].jobs, "own");
    let_go();
    wait_for_runs(2);
    jobs_stop(processes[0].jobs);
    assert_int_equal(seen.runs, 2);
    assert_int_equal(seen.most_at_once, 1);
}

/* Whoever rests is not who is woken: then nobody would run it before the next look. */
static void work_of_its_own_that_is_woken_beside_a_job_that_rests_is_run_at_once(void **state)
{
    struct jobs_options o = {.meta = meta, .poll_ms = LONG_MS, .report = report};
    struct job_kind k = usual;
    int64_t woken_ms;

    (void)state;
    jobs_free(processes[0].jobs);
    processes[0].jobs = jobs_new(&o);
    k.run = rest_long;
    k.ctx = &processes[0];
    jobs_kind_add(processes[0].jobs, &k);
    jobs_kind_add(processes[0].jobs, &own);
    assert_ok(jobs_start(processes[0].jobs, &e));
    assert_ok(jobs_add(processes[0].jobs, "usual", STR("a"), &e));
    wait_for_runs(1);
    pause_a_little(); /* it rests now, or the test says nothing */
    jobs_wake_own(processes[0].jobs, "own");
    wait_for_runs(2);
    pause_a_little(); /* its thread waits for more */
    woken_ms = clock_mono_ms();
    jobs_wake_own(processes[0].jobs, "own");
    wait_for_runs(3);
    assert_true(clock_mono_ms() - woken_ms < 1000);
}

static void work_of_its_own_goes_on_while_there_is_more_and_after_a_failure(void **state)
{
    (void)state;
    seen.failures = 3;
    seen.code = ERR_LATER;
    jobs_kind_add(processes[0].jobs, &own);
    assert_ok(jobs_start(processes[0].jobs, &e));
    jobs_wake_own(processes[0].jobs, "own");
    wait_for_runs(4);
    assert_int_equal(atomic_load(&reports), 0);
    seen.failures = 5;
    seen.code = ERR_INTERNAL;
    jobs_wake_own(processes[0].jobs, "own");
    wait_for_runs(6);
    assert_int_equal(atomic_load(&reports), 1);
}

static void regular_work_of_its_own_is_run_again_and_again_and_has_no_row(void **state)
{
    struct job_kind k = own;
    AUTO(meta_job) struct meta_job j = {0};

    (void)state;
    k.every_ms = no_time;
    jobs_kind_add(processes[0].jobs, &k);
    assert_ok(jobs_start(processes[0].jobs, &e));
    wait_for_runs(3);
    jobs_stop(processes[0].jobs);
    j = get("own", JOBS_ALL);
    assert_null(j.key);
}

static void a_kind_that_is_not_known_here_is_left_to_others(void **state)
{
    struct meta_op op = jobs_add_op(processes[0].jobs, "later", STR("a"));
    AUTO(meta_job) struct meta_job j = {0};

    (void)state;
    assert_ok(meta_commit(meta, &op, 1, 0, NULL, &e));
    start(0);
    assert_ok(jobs_add(processes[0].jobs, "usual", STR("b"), &e));
    wait_for("b", META_JOB_WAITING, NULL);
    j = get("later", "a");
    assert_int_equal(j.attempts, 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(a_job_that_is_added_is_run_and_goes),
        TEST(a_job_that_was_left_by_an_earlier_life_is_run),
        TEST(a_job_that_fails_is_tried_again_until_it_succeeds),
        TEST(a_job_that_fails_too_often_stops_and_is_shown),
        TEST(what_is_out_of_reach_stops_no_job),
        TEST(a_job_in_which_its_process_dies_too_often_stops),
        TEST(what_was_out_of_reach_is_no_death_of_a_process),
        TEST(what_was_out_of_reach_takes_no_tries_from_faults),
        TEST(of_several_processes_one_runs_a_job),
        TEST(a_job_of_a_holder_that_is_there_is_left_to_it),
        TEST(who_is_taken_for_gone_loses_its_job_and_takes_none),
        TEST(many_jobs_run_side_by_side_but_not_all),
        TEST(of_a_lane_only_so_many_run_at_once),
        TEST(what_waits_for_its_lane_hides_no_others),
        TEST(the_most_urgent_goes_first),
        TEST(a_regular_job_is_run_at_the_start_and_then_waits),
        TEST(a_regular_job_may_come_first_after_a_time),
        TEST(a_stop_ends_a_rest_and_the_job_made_no_attempt),
        TEST(a_job_that_is_cancelled_while_it_runs_is_told_so_and_goes),
        TEST(work_of_its_own_is_run_when_it_is_woken_once_at_a_time),
        TEST(work_of_its_own_that_is_woken_beside_a_job_that_rests_is_run_at_once),
        TEST(work_of_its_own_goes_on_while_there_is_more_and_after_a_failure),
        TEST(regular_work_of_its_own_is_run_again_and_again_and_has_no_row),
        TEST(a_kind_that_is_not_known_here_is_left_to_others),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
