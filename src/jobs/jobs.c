#include "jobs/jobs.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/mem.h"
#include "base/thread.h"
#include "replicas/members.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#define PAGE        64
#define PAGE_WIDE   512          /* when all of a page has to wait for its lane */
#define LINGER_MS   2000         /* a thread without work waits so long for some */
#define SCHEDULE_MS (600 * 1000) /* how often it is seen to that regular jobs are there */
#define NOTE_MS     1000
#define NOTE_MAX    400
#define THREADS_MAX (JOBS_AT_ONCE + JOBS_KINDS_MAX)

struct kind {
    struct job_kind k;
    int64_t scheduled_ms;  /* monotonic: when its row was last seen to; of the looking thread */
    bool pending, running; /* of one that is own */
    int64_t after_ms;      /* monotonic: not before */
};

struct job {
    struct jobs *jobs;
    const struct kind *kind;
    struct meta_job row; /* as it was found */
    struct uuid holder;  /* this process, when it took it */
    int64_t turn;        /* that it has it with */
    bool lost;           /* it was taken over, or cancelled */
    int64_t noted_ms;
};

enum slot_state { SLOT_FREE, SLOT_RUNS, SLOT_ENDED };

struct slot {
    struct jobs *jobs;
    pthread_t thread;
    enum slot_state state;
    const struct job *job; /* that it is at */
};

struct jobs {
    struct jobs_options o;
    struct uuid id; /* where there are no members */
    pthread_t looker;
    bool looker_runs;
    pthread_mutex_t mutex;  /* guards all below */
    pthread_cond_t changed; /* for the looking thread */
    pthread_cond_t work;    /* for the others that wait for some */
    pthread_cond_t rests;   /* for those that rest: it is the end */
    struct kind kinds[JOBS_KINDS_MAX];
    size_t n_kinds;
    struct meta_job due[2 * PAGE]; /* found and not taken yet: a page that waits, one that runs */
    size_t n_due, n_running, n_idle;
    struct slot slots[THREADS_MAX];
    bool look, stop;
};

/* What is done by the looking thread, or by one that runs jobs. */
struct work {
    struct kind *own;    /* this, or */
    struct meta_job row; /* that */
};

static bool is_shared(const struct jobs *j)
{
    return j->o.members.own_id != NULL;
}

static struct uuid own_id(const struct jobs *j)
{
    return is_shared(j) ? j->o.members.own_id(j->o.members.ctx) : j->id;
}

static bool may_act(const struct jobs *j, const struct uuid *id)
{
    return !is_shared(j) || j->o.members.may_act(j->o.members.ctx, id);
}

static bool is_gone(const struct jobs *j, const char *holder)
{
    struct uuid id;

    return !is_shared(j) || !uuid_parse(str_of(holder), &id) ||
           j->o.members.is_gone(j->o.members.ctx, &id);
}

/* Of another process a row that is not durable could be forgotten by the database. */
static unsigned lazily(const struct jobs *j)
{
    return is_shared(j) ? 0 : META_LAZY;
}

static struct kind *find_kind(struct jobs *j, const char *name)
{
    for (size_t i = 0; i < j->n_kinds; i++) {
        if (strcmp(j->kinds[i].k.name, name) == 0)
            return &j->kinds[i];
    }
    return NULL;
}

static const char *lane_of(const struct kind *k)
{
    return k->k.lane ? k->k.lane : k->k.name;
}

/* Do as many of it run as may? Under the mutex. */
static bool lane_is_full(const struct jobs *j, const struct kind *k)
{
    unsigned n = 0;

    if (!k || k->k.at_once == 0)
        return false;
    for (size_t i = 0; i < THREADS_MAX; i++) {
        const struct job *job = j->slots[i].job;

        if (job && strcmp(lane_of(job->kind), lane_of(k)) == 0)
            n++;
    }
    return n >= k->k.at_once;
}

static void report(struct jobs *j, const struct job *job, const char *what, const struct err *e)
{
    struct err named = *e;

    if (job)
        err_prefix(&named, "%s %s", job->row.kind, job->row.key);
    j->o.report(what, &named);
}

/* ---- running one */

static struct meta_job_end end_of(const struct job *job, enum err_code code, const struct err *e)
{
    const struct job_kind *k = &job->kind->k;
    int64_t now_ms = clock_wall_ms(), attempts = job->row.attempts + 1, wait_ms = k->retry_ms;
    int64_t runs = attempts + job->row.passes;
    bool passes = code == ERR_UNAVAILABLE || code == ERR_STORAGE_FULL ||
                  code == ERR_STORAGE_READONLY || code == ERR_TIMEOUT;
    struct meta_job_end end = {.kind = str_of(job->row.kind),
                               .key = str_of(job->row.key),
                               .turn = job->turn,
                               .note = STR(""),
                               .due_ms = now_ms,
                               .now_ms = now_ms};

    if (code == ERR_OK) {
        end.as = META_JOB_DONE;
        end.repeat = k->every_ms && strcmp(job->row.key, JOBS_ALL) == 0;
        end.due_ms += end.repeat ? k->every_ms(k->ctx) : 0;
        return end;
    }
    if (code == ERR_LATER) {
        end.as = META_JOB_PUT_BACK;
        return end;
    }
    for (int64_t i = 1; i < runs && wait_ms < k->retry_most_ms; i++)
        wait_ms *= 2;
    if (k->retry_most_ms > 0 && wait_ms > k->retry_most_ms)
        wait_ms = k->retry_most_ms;
    end.due_ms += wait_ms;
    end.note = str_of(e->detail);
    end.passes = passes;
    end.as = k->attempts > 0 && attempts >= k->attempts && !passes ? META_JOB_FAILED_FOR_GOOD
                                                                   : META_JOB_FAILED;
    return end;
}

static void tell_end(struct jobs *j, const struct job *job, enum meta_job_end_as as,
                     const struct err *e)
{
    if (as == META_JOB_FAILED)
        report(j, job, "a job failed; it will be tried again", e);
    else if (as == META_JOB_FAILED_FOR_GOOD)
        report(j, job, "a job failed too often and is stopped; see `registry jobs`", e);
}

/* When it can't be written the job is found later as one that this process has and is not at. */
static void end(struct job *job, enum err_code code, const struct err *e)
{
    struct meta_job_end how = end_of(job, code, e);
    struct meta_op op = meta_op_job_end(how);
    struct err problem = {0};

    tell_end(job->jobs, job, how.as, e);
    if (meta_commit(job->jobs->o.meta, &op, 1, META_LAZY, NULL, &problem) != ERR_OK &&
        problem.code != ERR_CONFLICT)
        report(job->jobs, job, "the end of a job can't be written; it will be run again", &problem);
}

static bool take(struct job *job, struct err *e)
{
    struct meta_op op = meta_op_job_take(str_of(job->row.kind), str_of(job->row.key), job->row.turn,
                                         str_of(job->holder.text), clock_wall_ms());

    job->turn = job->row.turn + 1;
    return may_act(job->jobs, &job->holder) &&
           meta_commit(job->jobs->o.meta, &op, 1, lazily(job->jobs), NULL, e) == ERR_OK;
}

/* Each attempt ended with its process. */
static bool died_too_often(const struct job *job)
{
    return job->row.state == META_JOB_RUNNING && job->kind->k.attempts > 0 &&
           job->row.attempts >= job->kind->k.attempts;
}

static void run_job(struct job *job)
{
    struct err e = {0};
    enum err_code code = ERR_OK;

    if (!take(job, &e))
        return; /* somebody else was quicker, or the next look finds it again */
    if (died_too_often(job))
        code = err_set(&e, ERR_INTERNAL, "its process ended %lld times while it ran",
                       (long long)job->row.attempts);
    else if (!job->row.cancelled)
        code = job->kind->k.run(job->kind->k.ctx, job, &e);
    end(job, code, &e);
}

static void run_row(struct jobs *j, struct slot *slot, struct meta_job *row)
{
    struct job job = {.jobs = j, .row = *row, .holder = own_id(j)};

    job.kind = find_kind(j, row->kind);
    slot->job = &job;
    j->n_running++;
    pthread_mutex_unlock(&j->mutex);
    run_job(&job);
    pthread_mutex_lock(&j->mutex);
    slot->job = NULL;
    j->n_running--;
    meta_job_done(&job.row);
    if (j->n_due == 0 || job.kind->k.at_once > 0) {
        j->look = true; /* more than a page, what was asked for meanwhile, or waits for its lane */
        pthread_cond_signal(&j->changed);
    }
}

static void run_own(struct jobs *j, struct kind *own)
{
    struct err e = {0};
    enum err_code code;
    bool regular = own->k.every_ms != NULL;
    int64_t rest_ms = regular ? own->k.every_ms(own->k.ctx) : own->k.gather_ms;

    own->pending = false;
    own->running = true;
    pthread_mutex_unlock(&j->mutex);
    code = own->k.run(own->k.ctx, NULL, &e);
    if (code != ERR_OK && code != ERR_LATER) {
        err_prefix(&e, "%s", own->k.name);
        report(j, NULL, "work in the background failed; it will be tried again", &e);
    }
    pthread_mutex_lock(&j->mutex);
    if (code != ERR_OK || regular)
        own->pending = true;
    if (code != ERR_OK)
        rest_ms = code == ERR_LATER ? own->k.gather_ms : own->k.retry_ms;
    own->running = false;
    own->after_ms = clock_mono_ms() + rest_ms;
    pthread_cond_signal(&j->changed);
}

/* ---- the threads that run them; under the mutex */

static bool own_is_due(const struct kind *k, int64_t now_ms)
{
    return k->pending && !k->running && now_ms >= k->after_ms;
}

static bool is_active(const struct jobs *j, const struct meta_job *row)
{
    for (size_t i = 0; i < THREADS_MAX; i++) {
        const struct job *job = j->slots[i].job;

        if (job && strcmp(job->row.kind, row->kind) == 0 && strcmp(job->row.key, row->key) == 0)
            return true;
    }
    return false;
}

/* Is there one among those that are due whose lane has room? */
static bool may_run(struct jobs *j)
{
    for (size_t i = 0; i < j->n_due; i++) {
        if (!lane_is_full(j, find_kind(j, j->due[i].kind)))
            return true;
    }
    return false;
}

static bool has_work(struct jobs *j)
{
    int64_t now_ms = clock_mono_ms();

    if (j->stop)
        return false;
    for (size_t i = 0; i < j->n_kinds; i++) {
        if (own_is_due(&j->kinds[i], now_ms))
            return true;
    }
    return j->n_running < JOBS_AT_ONCE && may_run(j);
}

static void drop_due(struct jobs *j)
{
    while (j->n_due > 0)
        meta_job_done(&j->due[--j->n_due]);
}

/* One of the most urgent whose lane has room. At random: others look at the same jobs, and who is
 * second at one has asked in vain. False: there is none. */
static bool pop_due(struct jobs *j, struct meta_job *ret_row)
{
    size_t of[2 * PAGE], n = 0;
    uint64_t random;

    for (size_t i = 0; i < j->n_due; i++) {
        if (lane_is_full(j, find_kind(j, j->due[i].kind)))
            continue;
        if (n > 0 && j->due[i].priority < j->due[of[0]].priority)
            n = 0;
        if (n == 0 || j->due[i].priority == j->due[of[0]].priority)
            of[n++] = i;
    }
    if (n == 0)
        return false;
    random_bytes(&random, sizeof(random));
    *ret_row = j->due[of[random % n]];
    j->due[of[random % n]] = j->due[--j->n_due];
    return true;
}

static bool pick(struct jobs *j, struct work *ret_work)
{
    int64_t now_ms = clock_mono_ms();

    *ret_work = (struct work){0};
    for (size_t i = 0; i < j->n_kinds && !j->stop; i++) {
        if (own_is_due(&j->kinds[i], now_ms)) {
            ret_work->own = &j->kinds[i];
            return true;
        }
    }
    return !j->stop && j->n_running < JOBS_AT_ONCE && pop_due(j, &ret_work->row);
}

static void *work_main(void *arg);

/* A thread that ended is joined when its place is needed, or at the stop. */
static void start_thread(struct jobs *j)
{
    for (size_t i = 0; i < THREADS_MAX; i++) {
        struct slot *s = &j->slots[i];

        if (s->state == SLOT_RUNS)
            continue;
        if (s->state == SLOT_ENDED)
            pthread_join(s->thread, NULL);
        s->jobs = j;
        s->state = SLOT_FREE;
        if (thread_start(&s->thread, "job", THREAD_STACK_USUAL, work_main, s) == 0)
            s->state = SLOT_RUNS; /* else the next look tries again */
        return;
    }
}

static void find_hands(struct jobs *j)
{
    if (!has_work(j))
        return;
    if (j->n_idle > 0)
        pthread_cond_broadcast(&j->work);
    else
        start_thread(j);
}

/* False: there was none for a while. */
static bool wait_for_work(struct jobs *j)
{
    struct timespec until = clock_mono_in(LINGER_MS);
    int error = 0;

    j->n_idle++;
    while (!j->stop && !has_work(j) && error == 0)
        error = pthread_cond_timedwait(&j->work, &j->mutex, &until);
    j->n_idle--;
    return !j->stop && has_work(j);
}

static void *work_main(void *arg)
{
    struct slot *slot = arg;
    struct jobs *j = slot->jobs;
    struct work w;

    pthread_mutex_lock(&j->mutex);
    for (;;) {
        if (!pick(j, &w)) {
            if (!wait_for_work(j))
                break;
            continue;
        }
        if (w.own)
            w.own->running = true; /* nobody else picks it */
        find_hands(j);
        if (w.own)
            run_own(j, w.own);
        else if (is_active(j, &w.row))
            meta_job_done(&w.row);
        else
            run_row(j, slot, &w.row);
    }
    slot->state = SLOT_ENDED;
    pthread_mutex_unlock(&j->mutex);
    return NULL;
}

/* ---- the thread that looks */

static void add_schedule(struct jobs *j, struct kind *k, struct meta_op *ops, size_t *n)
{
    bool first = k->scheduled_ms == 0;

    if (!k->k.every_ms || k->k.own || (!first && clock_mono_ms() < k->scheduled_ms + SCHEDULE_MS))
        return;
    ops[*n] = jobs_add_op(j, k->k.name, STR(JOBS_ALL));
    ops[*n].job_add.if_absent = !first;
    ops[*n].job_add.due_ms += k->k.first_ms ? k->k.first_ms(k->k.ctx) : 0;
    (*n)++;
}

/* The rows of jobs that are done regularly. */
static enum err_code schedule(struct jobs *j, struct err *e)
{
    struct meta_op ops[JOBS_KINDS_MAX];
    size_t n = 0, n_kinds;

    pthread_mutex_lock(&j->mutex);
    n_kinds = j->n_kinds;
    pthread_mutex_unlock(&j->mutex);
    for (size_t i = 0; i < n_kinds; i++)
        add_schedule(j, &j->kinds[i], ops, &n);
    if (n == 0)
        return ERR_OK;
    TRY(meta_commit(j->o.meta, ops, n, META_LAZY, NULL, e));
    for (size_t i = 0; i < n_kinds; i++)
        j->kinds[i].scheduled_ms = clock_mono_ms();
    return ERR_OK;
}

/* May ask meta. One that it has and is not at has an end that could not be written. */
static bool may_take(struct jobs *j, const struct uuid *id, const struct meta_job *row)
{
    return row->state == META_JOB_WAITING || strcmp(row->holder, id->text) == 0 ||
           is_gone(j, row->holder);
}

static void leave_out(struct jobs *j, const struct uuid *id, struct meta_job_list *l)
{
    size_t n = 0;

    for (size_t i = 0; i < l->n; i++) {
        if (may_take(j, id, &l->rows[i]))
            l->rows[n++] = l->rows[i];
        else
            meta_job_done(&l->rows[i]);
    }
    l->n = n;
}

/* In place of what was found before. Under the mutex. */
static void keep(struct jobs *j, struct meta_job_list *l)
{
    drop_due(j);
    for (size_t i = 0; i < l->n && j->n_due < sizeof(j->due) / sizeof(j->due[0]); i++) {
        const struct kind *k = find_kind(j, l->rows[i].kind);

        if (!k || k->k.own || lane_is_full(j, k) || is_active(j, &l->rows[i]))
            continue;
        j->due[j->n_due++] = l->rows[i];
        l->rows[i] = (struct meta_job){0};
    }
}

/* *ret_hidden: so many are due that there may be others behind them, and none of these can run. */
static enum err_code look_at(struct jobs *j, const struct uuid *id, size_t limit, bool *ret_hidden,
                             struct err *e)
{
    AUTO(meta_jobs) struct meta_job_list l = {0};
    bool full;

    TRY(meta_jobs_due(j->o.meta, clock_wall_ms(), limit, &l, e));
    full = l.n >= limit;
    leave_out(j, id, &l);
    pthread_mutex_lock(&j->mutex);
    keep(j, &l);
    *ret_hidden = full && !may_run(j);
    pthread_mutex_unlock(&j->mutex);
    return ERR_OK;
}

static enum err_code look(struct jobs *j, struct err *e)
{
    struct uuid id = own_id(j);
    bool hidden;

    if (!may_act(j, &id))
        return ERR_OK;
    TRY(schedule(j, e));
    TRY(look_at(j, &id, PAGE, &hidden, e));
    return hidden ? look_at(j, &id, PAGE_WIDE, &hidden, e) : ERR_OK;
}

/* When the looking thread has something to do at the latest. Under the mutex. */
static int64_t next_ms(const struct jobs *j, int64_t poll_ms)
{
    for (size_t i = 0; i < j->n_kinds; i++) {
        const struct kind *k = &j->kinds[i];

        if (k->pending && !k->running && k->after_ms > clock_mono_ms() && k->after_ms < poll_ms)
            poll_ms = k->after_ms;
    }
    return poll_ms;
}

/* Under the mutex, until it is time to look. False: it is time to end. */
static bool wait_to_look(struct jobs *j, int64_t poll_ms)
{
    while (!j->stop && !j->look && clock_mono_ms() < poll_ms) {
        int64_t until_ms = next_ms(j, poll_ms);
        struct timespec ts = {.tv_sec = until_ms / 1000, .tv_nsec = until_ms % 1000 * 1000000};

        pthread_cond_timedwait(&j->changed, &j->mutex, &ts);
        find_hands(j);
    }
    return !j->stop;
}

static void *look_main(void *arg)
{
    struct jobs *j = arg;
    bool failing = false;

    pthread_mutex_lock(&j->mutex);
    do {
        struct err e = {0};
        bool failed;

        j->look = false;
        pthread_mutex_unlock(&j->mutex);
        failed = look(j, &e) != ERR_OK;
        if (failed && !failing)
            report(j, NULL, "jobs can't be looked at; they wait", &e);
        failing = failed;
        pthread_mutex_lock(&j->mutex);
        find_hands(j);
    } while (wait_to_look(j, clock_mono_ms() + j->o.poll_ms));
    pthread_mutex_unlock(&j->mutex);
    return NULL;
}

/* ---- what is called from outside */

static struct uuid member_id(void *ctx)
{
    return members_id(ctx);
}

static bool member_may_act(void *ctx, const struct uuid *id)
{
    return members_may_act(ctx, id);
}

static bool member_is_gone(void *ctx, const struct uuid *id)
{
    bool gone;

    return members_is_gone(ctx, id, &gone, ERR_IGNORED) == ERR_OK && gone;
}

struct jobs_members jobs_members_of(struct members *m)
{
    return m ? (struct jobs_members){member_id, member_may_act, member_is_gone, m}
             : (struct jobs_members){0};
}

struct jobs *jobs_new(const struct jobs_options *o)
{
    struct jobs *j = NEW(struct jobs);

    j->o = *o;
    uuid_make(&j->id);
    pthread_mutex_init(&j->mutex, NULL);
    thread_cond_init(&j->changed);
    thread_cond_init(&j->work);
    thread_cond_init(&j->rests);
    return j;
}

void jobs_kind_add(struct jobs *j, const struct job_kind *k)
{
    pthread_mutex_lock(&j->mutex);
    if (j->n_kinds == JOBS_KINDS_MAX)
        abort(); /* kinds are named in the program */
    j->kinds[j->n_kinds++] = (struct kind){.k = *k, .pending = k->own && k->every_ms};
    j->look = true;
    pthread_cond_signal(&j->changed);
    pthread_mutex_unlock(&j->mutex);
}

enum err_code jobs_start(struct jobs *j, struct err *e)
{
    int error = thread_start(&j->looker, "jobs", THREAD_STACK_USUAL, look_main, j);

    if (error)
        return err_set(e, ERR_INTERNAL, "start the thread for jobs: %s", strerror(error));
    j->looker_runs = true;
    return ERR_OK;
}

void jobs_stop(struct jobs *j)
{
    if (!j)
        return;
    pthread_mutex_lock(&j->mutex);
    j->stop = true;
    pthread_cond_broadcast(&j->changed);
    pthread_cond_broadcast(&j->work);
    pthread_cond_broadcast(&j->rests);
    pthread_mutex_unlock(&j->mutex);
    if (j->looker_runs)
        pthread_join(j->looker, NULL);
    j->looker_runs = false;
    for (size_t i = 0; i < THREADS_MAX; i++) { /* nobody starts any now */
        struct slot *slot = &j->slots[i];
        bool was_started;

        pthread_mutex_lock(&j->mutex);
        was_started = slot->state != SLOT_FREE;
        pthread_mutex_unlock(&j->mutex);
        if (was_started)
            pthread_join(slot->thread, NULL);
        slot->state = SLOT_FREE;
    }
}

void jobs_free(struct jobs *j)
{
    if (!j)
        return;
    jobs_stop(j);
    drop_due(j);
    pthread_cond_destroy(&j->work);
    pthread_cond_destroy(&j->rests);
    pthread_cond_destroy(&j->changed);
    pthread_mutex_destroy(&j->mutex);
    free(j);
}

struct meta_op jobs_add_op(struct jobs *j, const char *kind, struct str key)
{
    int64_t now_ms = clock_wall_ms();
    const struct kind *k;

    pthread_mutex_lock(&j->mutex);
    k = find_kind(j, kind);
    pthread_mutex_unlock(&j->mutex);
    return meta_op_job_add((struct meta_job_add){.kind = str_of(kind),
                                                 .key = key,
                                                 .priority = k ? k->k.priority : 0,
                                                 .due_ms = now_ms,
                                                 .now_ms = now_ms});
}

enum err_code jobs_add(struct jobs *j, const char *kind, struct str key, struct err *e)
{
    struct meta_op op = jobs_add_op(j, kind, key);

    TRY(meta_commit(j->o.meta, &op, 1, 0, NULL, e));
    jobs_wake(j);
    return ERR_OK;
}

void jobs_wake(struct jobs *j)
{
    if (!j)
        return;
    pthread_mutex_lock(&j->mutex);
    j->look = true;
    pthread_cond_signal(&j->changed);
    pthread_mutex_unlock(&j->mutex);
}

void jobs_wake_own(struct jobs *j, const char *kind)
{
    struct kind *k;

    if (!j)
        return;
    pthread_mutex_lock(&j->mutex);
    k = find_kind(j, kind);
    if (k && !k->pending) {
        k->pending = true;
        pthread_cond_signal(j->n_idle > 0 && has_work(j) ? &j->work : &j->changed);
    }
    pthread_mutex_unlock(&j->mutex);
}

struct str job_key(const struct job *job)
{
    return str_of(job->row.key);
}

struct jobs *job_jobs(const struct job *job)
{
    return job->jobs;
}

bool job_go_on(const struct jobs *base, const struct job *job)
{
    struct jobs *j = (struct jobs *)base;
    bool stop;

    pthread_mutex_lock(&j->mutex);
    stop = j->stop;
    pthread_mutex_unlock(&j->mutex);
    if (stop || (job && job->lost))
        return false;
    return !job || may_act(j, &job->holder);
}

bool job_rest(struct jobs *j, const struct job *job, int64_t ms)
{
    struct timespec until = clock_mono_in(ms);
    int error = 0;

    pthread_mutex_lock(&j->mutex);
    while (!j->stop && error == 0)
        error = pthread_cond_timedwait(&j->rests, &j->mutex, &until);
    pthread_mutex_unlock(&j->mutex);
    return job_go_on(j, job);
}

struct meta_op job_check_op(const struct job *job)
{
    return meta_op_job_check(str_of(job->row.kind), str_of(job->row.key), job->turn);
}

void job_note(struct job *job, const char *fmt, ...)
{
    char note[NOTE_MAX];
    struct meta_op op;
    va_list ap;

    if (job->noted_ms > 0 && clock_mono_ms() < job->noted_ms + NOTE_MS)
        return;
    va_start(ap, fmt);
    vsnprintf(note, sizeof(note), fmt, ap);
    va_end(ap);
    op = meta_op_job_note(str_of(job->row.kind), str_of(job->row.key), job->turn, str_of(note));
    if (meta_commit(job->jobs->o.meta, &op, 1, META_LAZY, NULL, ERR_IGNORED) == ERR_CONFLICT)
        job->lost = true;
    job->noted_ms = clock_mono_ms();
}
