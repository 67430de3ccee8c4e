/*
 * A thousand jobs and several processes over one database, of which some are killed and some are
 * stopped for longer than a lease and go on then.
 *
 * A job writes what it does into the audit trail, each entry in a transaction that checks that the
 * job is still its own; the lock of that check gives the entries of a job their order. So whoever
 * writes one after another has begun to was running it beside the other.
 */
#include "../meta/database.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "jobs/jobs.h"
#include "replicas/replicas.h"

#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define JOBS      1000
#define PROCESSES 4
#define LEASE_MS  1000
#define LIMIT_MS  (240 * 1000)
#define LONG_MS   2000 /* a lease beside which a busy machine is quick */
#define BUSY_MS   500  /* that it may take for itself */
#define TRIES     5
#define STEP_MS   20
#define KEY_MAX   16

#define assert_ok(call) assert_int_equal((call), ERR_OK)

static char program[4096];

static void tell(const char *what, const struct err *e)
{
    if (getenv("TEST_VERBOSE"))
        fprintf(stderr, "%d: %s: %s\n", (int)getpid(), what, e->detail);
}

static struct meta *open_meta(const char *url)
{
    const struct meta_postgres_options o = {
        .url = url, .connections = 6, .connect_timeout_ms = 10000, .timeout_ms = 20000};
    struct meta *m = NULL;
    struct err e = {0};

    if (meta_postgres_new(&o, &m, &e) != ERR_OK) {
        fprintf(stderr, "%s\n", e.detail);
        exit(1);
    }
    return m;
}

/* ---- a process that runs jobs until it is killed */

static struct meta *worker_meta;

static void pause_for(int64_t ms)
{
    struct timespec t = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000};

    while (nanosleep(&t, &t) != 0 && errno == EINTR)
        ;
}

static enum err_code write_step(struct job *job, const char *step, struct err *e)
{
    char actor[16], key[KEY_MAX] = "";
    struct meta_audit entry = {.time_ms = clock_wall_ms(),
                               .actor = actor,
                               .action = step,
                               .target = key,
                               .address = "",
                               .result = "ok",
                               .detail = ""};
    const struct meta_op ops[] = {job_check_op(job), meta_op_audit_add(&entry)};

    snprintf(actor, sizeof(actor), "%d", (int)getpid());
    snprintf(key, sizeof(key), STR_FMT, STR_ARG(job_key(job)));
    return meta_commit(worker_meta, ops, 2, 0, NULL, e);
}

static enum err_code run(void *ctx, struct job *job, struct err *e)
{
    (void)ctx;
    while (str_eq(job_key(job), STR("endless")) && job_go_on(job_jobs(job), job))
        pause_for(STEP_MS);
    TRY(write_step(job, "begin", e));
    for (int i = 0; i < 2; i++) {
        pause_for(STEP_MS);
        TRY(write_step(job, "step", e));
    }
    return write_step(job, "end", e);
}

static int be_worker(const char *url, int lease_ms)
{
    const struct members_options mo = {
        .lease_ms = (uint64_t)lease_ms, .name = "worker", .line = open_meta(url), .report = tell};
    const struct job_kind kind = {.name = "count", .run = run, .retry_ms = 50};
    struct jobs_options o = {.poll_ms = lease_ms / 4, .report = tell};
    struct meta *m = replicas_new(open_meta(url), &mo);
    struct jobs *jobs;
    struct err e = {0};

    worker_meta = o.meta = m;
    o.members = jobs_members_of(replicas_members(m));
    jobs = jobs_new(&o);
    jobs_kind_add(jobs, &kind);
    if (members_start(replicas_members(m), &e) != ERR_OK || jobs_start(jobs, &e) != ERR_OK) {
        fprintf(stderr, "%s\n", e.detail);
        return 1;
    }
    for (;;)
        pause();
}

/* ---- the test */

struct test {
    struct meta *meta;
    pid_t workers[PROCESSES];
    unsigned seed;
    int killed, stopped;
};

static void start_worker_of(struct test *t, int i, int lease_ms)
{
    char lease[16];

    snprintf(lease, sizeof(lease), "%d", lease_ms);
    t->workers[i] = fork();
    assert_true(t->workers[i] >= 0);
    if (t->workers[i] == 0) {
        execl(program, program, "worker", database_url(), lease, (char *)NULL);
        _exit(1);
    }
}

static void start_worker(struct test *t, int i)
{
    start_worker_of(t, i, LEASE_MS);
}

static void kill_worker(struct test *t, int i)
{
    if (t->workers[i] <= 0)
        return;
    kill(t->workers[i], SIGKILL);
    waitpid(t->workers[i], NULL, 0);
    t->workers[i] = 0;
}

static void add_jobs(struct test *t)
{
    struct err e;

    for (int i = 0; i < JOBS; i += 100) {
        struct meta_op ops[100];
        char keys[100][KEY_MAX];

        for (int k = 0; k < 100; k++) {
            snprintf(keys[k], KEY_MAX, "%04d", i + k);
            ops[k] = meta_op_job_add(
                (struct meta_job_add){.kind = STR("count"), .key = str_of(keys[k])});
        }
        assert_ok(meta_commit(t->meta, ops, 100, 0, NULL, &e));
    }
}

static bool are_done(struct test *t)
{
    AUTO(meta_jobs) struct meta_job_list l = {0};
    struct err e;

    assert_ok(meta_jobs(t->meta, STR(""), STR(""), 1, &l, &e));
    return l.n == 0;
}

/* One is killed and another starts in its place, or one is stopped for two leases. */
static void disturb(struct test *t)
{
    int i = rand_r(&t->seed) % PROCESSES;

    if (rand_r(&t->seed) % 2) {
        kill_worker(t, i);
        start_worker(t, i);
        t->killed++;
    } else {
        kill(t->workers[i], SIGSTOP);
        pause_for(2 * LEASE_MS);
        kill(t->workers[i], SIGCONT);
        t->stopped++;
    }
}

/* Who is at a job, by what the trail says of it. */
struct seen {
    char runner[16];
    bool ended, twice;
};

static void see(struct seen *all, const struct meta_audit *x)
{
    struct seen *s = &all[atoi(x->target)];

    if (strcmp(x->action, "begin") == 0)
        snprintf(s->runner, sizeof(s->runner), "%s", x->actor);
    else if (strcmp(s->runner, x->actor) != 0)
        s->twice = true;
    s->ended |= strcmp(x->action, "end") == 0;
}

/* Oldest first. */
static void read_trail(struct test *t, struct seen *all)
{
    AUTO(mem) char *after = strdup("");
    struct err e;

    for (bool more = true; more;) {
        AUTO(row_list) struct meta_row_list l = {0};

        assert_ok(meta_rows(t->meta, META_ROW_AUDIT, str_of(after), 500, &l, &e));
        for (size_t i = 0; i < l.n; i++) {
            const struct meta_row *row = &l.rows[i];
            struct meta_audit x = {
                .actor = row->texts[0].p, .action = row->texts[1].p, .target = row->texts[2].p};
            char actor[16], action[16], target[KEY_MAX];

            assert_true(str_copy(row->texts[0], actor, sizeof(actor)));
            assert_true(str_copy(row->texts[1], action, sizeof(action)));
            assert_true(str_copy(row->texts[2], target, sizeof(target)));
            x.actor = actor;
            x.action = action;
            x.target = target;
            see(all, &x);
        }
        more = l.more;
        if (more) {
            free(after);
            after = STEAL(l.next);
        }
    }
}

static void a_thousand_jobs_are_done_by_processes_that_die_and_are_paused(void **state)
{
    struct test *t = *state;
    int64_t deadline_ms = clock_mono_ms() + LIMIT_MS;
    AUTO(mem) struct seen *seen = calloc(JOBS, sizeof(*seen));

    add_jobs(t);
    for (int i = 0; i < PROCESSES; i++)
        start_worker(t, i);
    while (!are_done(t) && clock_mono_ms() < deadline_ms) {
        pause_for(300);
        disturb(t);
    }
    assert_true(are_done(t));
    for (int i = 0; i < PROCESSES; i++)
        kill_worker(t, i);
    read_trail(t, seen);
    for (int i = 0; i < JOBS; i++) {
        assert_true(seen[i].ended);
        assert_false(seen[i].twice);
    }
    printf("killed %d times, paused %d times\n", t->killed, t->stopped);
}

static struct meta_job get(struct test *t, const char *key)
{
    struct meta_job j = {0};

    (void)!meta_job_get(t->meta, STR("count"), str_of(key), &j, ERR_IGNORED);
    return j;
}

/* So many processes have said it again and again that they are there, and looked for others. */
static bool are_there(struct test *t, size_t n)
{
    AUTO(records) struct meta_record_list l = {0};
    struct err e;

    assert_ok(meta_records(t->meta, STR("replicas"), STR(""), 100, &l, &e));
    for (size_t i = 0; i < l.n; i++) {
        struct uuid id;

        if (uuid_parse(str_of(l.rows[i].key), &id) && l.rows[i].version > 3)
            n--;
    }
    return n == 0;
}

/* The turn of the job when it is more than that. */
static int64_t wait_for_turn(struct test *t, int64_t more_than)
{
    int64_t deadline_ms = clock_mono_ms() + LIMIT_MS;

    for (;;) {
        AUTO(meta_job) struct meta_job j = get(t, "endless");

        assert_true(clock_mono_ms() < deadline_ms);
        if (j.turn > more_than)
            return j.turn;
        pause_for(5);
    }
}

static void forget_processes(struct test *t)
{
    AUTO(records) struct meta_record_list l = {0};
    struct err e;

    assert_ok(meta_records(t->meta, STR("replicas"), STR(""), 100, &l, &e));
    for (size_t i = 0; i < l.n; i++) {
        struct meta_op op = meta_op_record_delete(STR("replicas"), str_of(l.rows[i].key), META_ANY);

        assert_ok(meta_commit(t->meta, &op, 1, 0, NULL, &e));
    }
}

/* How long after the death of the process that has the job another one has it. */
static int64_t take_over(struct test *t, int64_t *turn)
{
    int64_t killed_ms, took_ms;

    start_worker_of(t, 0, LONG_MS);
    *turn = wait_for_turn(t, *turn);
    start_worker_of(t, 1, LONG_MS);
    while (!are_there(t, 2))
        pause_for(5);
    kill_worker(t, 0);
    killed_ms = clock_mono_ms();
    assert_int_equal(wait_for_turn(t, *turn), *turn + 1);
    took_ms = clock_mono_ms() - killed_ms;
    (*turn)++;
    kill_worker(t, 1);
    forget_processes(t);
    printf("taken over after %lld ms, of leases of %d ms\n", (long long)took_ms, LONG_MS);
    return took_ms;
}

/* A machine that stands still just then has more tries. */
static void the_job_of_a_killed_process_is_taken_over_within_one_and_a_half_leases(void **state)
{
    struct test *t = *state;
    struct meta_op op =
        meta_op_job_add((struct meta_job_add){.kind = STR("count"), .key = STR("endless")});
    int64_t turn = 0, took_ms = INT64_MAX;
    struct err e;

    assert_ok(meta_commit(t->meta, &op, 1, 0, NULL, &e));
    for (int i = 0; i < TRIES && took_ms > LONG_MS * 3 / 2 + BUSY_MS; i++)
        took_ms = take_over(t, &turn);
    assert_true(took_ms <= LONG_MS * 3 / 2 + BUSY_MS);
}

static int set_up(void **state)
{
    struct test *t = calloc(1, sizeof(*t));

    database_clear();
    t->meta = open_meta(database_url());
    t->seed = (unsigned)clock_mono_us();
    printf("seed %u\n", t->seed);
    *state = t;
    return 0;
}

static int tear_down(void **state)
{
    struct test *t = *state;

    for (int i = 0; i < PROCESSES; i++)
        kill_worker(t, i);
    meta_free(t->meta);
    free(t);
    return 0;
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(
            a_thousand_jobs_are_done_by_processes_that_die_and_are_paused, set_up, tear_down),
        cmocka_unit_test_setup_teardown(
            the_job_of_a_killed_process_is_taken_over_within_one_and_a_half_leases, set_up,
            tear_down),
    };
    ssize_t n;

    if (argc == 4 && strcmp(argv[1], "worker") == 0)
        return be_worker(argv[2], atoi(argv[3]));
    n = readlink("/proc/self/exe", program, sizeof(program) - 1);
    program[n > 0 ? n : 0] = '\0';
    database_make();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
