#include "core/maintenance.h"

#include "base/clock.h"
#include "base/mem.h"
#include "base/thread.h"
#include "core/project.h"
#include "core/stray.h"
#include "core/upload.h"

#include <stdlib.h>
#include <time.h>

/* Projections wait this long for company, so that one sync serves many. */
#define GATHER_MS 100
/* After a failure, so that a full disk does not fill the log. */
#define RETRY_MS 5000
/* In one go, before the sweep or a stop gets its turn. */
#define MAX_BATCHES 8

/* Strays are looked for one maintenance.interval after the start, and then every day: the look goes
 * through all manifests, and what it finds comes of crashes and of backups. It takes a tenth of one
 * thread's time, whatever the store is: after so long it rests nine times as long as it worked. */
#define LOOK_EVERY_MS (24 * 3600 * 1000)
#define LOOK_AGAIN_MS (3600 * 1000) /* when it failed */
#define LOOK_WORK_MS  10
#define LOOK_REST     9

struct maintenance {
    struct registry *r;
    registry_report_fn report;
    pthread_t thread;
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    bool pending, stop;
    int64_t carry_after_ms, sweep_ms, look_ms; /* of the thread alone */
    int64_t working_ms;                        /* since when a look has not rested */
};

static void wait_until(struct maintenance *m, int64_t mono_ms)
{
    struct timespec ts = {.tv_sec = mono_ms / 1000, .tv_nsec = mono_ms % 1000 * 1000000};

    pthread_cond_timedwait(&m->changed, &m->mutex, &ts);
}

/* Under the mutex; waits until it is time, or until projections are to be carried. */
static void wait_for_work(struct maintenance *m, int64_t until_ms)
{
    while (!m->stop && clock_mono_ms() < until_ms) {
        if (m->pending && clock_mono_ms() >= m->carry_after_ms)
            return;
        wait_until(m, m->pending && m->carry_after_ms < until_ms ? m->carry_after_ms : until_ms);
    }
}

/* When to carry again what is left; 0 when nothing is. */
static int64_t carry(struct maintenance *m)
{
    struct err e = {0};
    bool more;

    if (project_pending(m->r, MAX_BATCHES, &more, &e) == ERR_OK)
        return more ? 1 : 0;
    if (e.code == ERR_STORAGE_FULL)
        reserve_give_up(m->r->reserve); /* a tag that moved needs room for its link */
    m->report("carrying tags to the store failed; will be tried again", &e);
    return RETRY_MS;
}

static void sweep(struct maintenance *m)
{
    struct err e = {0};

    (void)reserve_held(m->r->reserve); /* takes it back */
    if (upload_sweep(m->r, &e) != ERR_OK)
        m->report("sweeping abandoned uploads failed; will be tried again", &e);
}

static int64_t interval_ms(const struct maintenance *m)
{
    return (int64_t)conf_u64(&m->r->options->sweep_interval_ms);
}

/* What is due of carrying and sweeping. */
static void do_work(struct maintenance *m)
{
    int64_t again_ms = carry(m);

    if (clock_mono_ms() >= m->sweep_ms) {
        sweep(m);
        m->sweep_ms = clock_mono_ms() + interval_ms(m);
    }
    m->carry_after_ms = clock_mono_ms() + (again_ms > 0 ? again_ms : GATHER_MS);
    if (again_ms > 0)
        maintenance_wake(m);
}

/* Carries and sweeps whenever that is due. False: a stop came. */
static bool work_until(struct maintenance *m, int64_t until_ms)
{
    bool stop;

    pthread_mutex_lock(&m->mutex);
    for (;;) {
        wait_for_work(m, until_ms < m->sweep_ms ? until_ms : m->sweep_ms);
        if (m->stop || clock_mono_ms() >= until_ms)
            break;
        m->pending = false;
        pthread_mutex_unlock(&m->mutex);
        do_work(m);
        pthread_mutex_lock(&m->mutex);
    }
    stop = m->stop;
    pthread_mutex_unlock(&m->mutex);
    return !stop;
}

struct look {
    struct maintenance *m;
    struct stray_count count;
};

static enum err_code found(void *ctx, const struct store_item *item, struct err *e)
{
    struct look *look = ctx;

    (void)e;
    stray_count_add(&look->count, item);
    return ERR_OK;
}

static enum err_code rest(void *ctx, struct err *e)
{
    struct maintenance *m = ((struct look *)ctx)->m;
    int64_t now_ms = clock_mono_ms(), worked_ms = now_ms - m->working_ms;

    if (worked_ms < LOOK_WORK_MS)
        return ERR_OK;
    if (!work_until(m, now_ms + LOOK_REST * worked_ms))
        return err_set(e, ERR_LATER, "stopped");
    m->working_ms = clock_mono_ms();
    return ERR_OK;
}

static void look_for_strays(struct maintenance *m)
{
    struct look look = {.m = m};
    const struct stray_walk walk = {.found = found, .looked = rest, .ctx = &look};
    struct err e = {0};
    enum err_code code;

    m->working_ms = clock_mono_ms();
    code = stray_each(m->r, &walk, &e);
    if (code == ERR_OK && look.count.manifests > 0)
        m->r->tell_strays(&look.count);
    if (code != ERR_OK && code != ERR_LATER)
        m->report("looking for manifests without a row failed; will be tried again", &e);
    m->look_ms = clock_mono_ms() + (code == ERR_OK ? LOOK_EVERY_MS : LOOK_AGAIN_MS);
}

static void *run(void *arg)
{
    struct maintenance *m = arg;

    m->sweep_ms = clock_mono_ms();
    do_work(m);
    m->look_ms = m->r->tell_strays ? m->sweep_ms : INT64_MAX;
    while (work_until(m, m->look_ms))
        look_for_strays(m);
    return NULL;
}

enum err_code maintenance_start(struct registry *r, registry_report_fn report,
                                struct maintenance **ret_maintenance, struct err *e)
{
    struct maintenance *m = NEW(struct maintenance);
    int error;

    m->r = r;
    m->report = report;
    pthread_mutex_init(&m->mutex, NULL);
    thread_cond_init(&m->changed);
    error = thread_start(&m->thread, "maintenance", THREAD_STACK_USUAL, run, m);
    if (error) {
        pthread_cond_destroy(&m->changed);
        pthread_mutex_destroy(&m->mutex);
        free(m);
        return err_set(e, ERR_INTERNAL, "start the maintenance thread: %s", strerror(error));
    }
    *ret_maintenance = m;
    return ERR_OK;
}

void maintenance_wake(struct maintenance *m)
{
    if (!m)
        return;
    pthread_mutex_lock(&m->mutex);
    if (!m->pending) {
        m->pending = true;
        pthread_cond_signal(&m->changed);
    }
    pthread_mutex_unlock(&m->mutex);
}

void maintenance_stop(struct maintenance *m)
{
    if (!m)
        return;
    pthread_mutex_lock(&m->mutex);
    m->stop = true;
    pthread_cond_signal(&m->changed);
    pthread_mutex_unlock(&m->mutex);
    pthread_join(m->thread, NULL);
    pthread_cond_destroy(&m->changed);
    pthread_mutex_destroy(&m->mutex);
    free(m);
}
