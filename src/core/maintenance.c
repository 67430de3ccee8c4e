#include "core/maintenance.h"

#include "base/clock.h"
#include "base/mem.h"
#include "base/thread.h"
#include "core/project.h"
#include "core/upload.h"

#include <stdlib.h>
#include <time.h>

/* Projections wait this long for company, so that one sync serves many. */
#define GATHER_MS 100
/* After a failure, so that a full disk does not fill the log. */
#define RETRY_MS 5000
/* In one go, before the sweep or a stop gets its turn. */
#define MAX_BATCHES 8

struct maintenance {
    struct registry *r;
    registry_report_fn report;
    pthread_t thread;
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    bool pending, stop;
};

static void wait_until(struct maintenance *m, int64_t mono_ms)
{
    struct timespec ts = {.tv_sec = mono_ms / 1000, .tv_nsec = mono_ms % 1000 * 1000000};

    pthread_cond_timedwait(&m->changed, &m->mutex, &ts);
}

/* What is due, under the mutex; waits until something is. */
static void wait_for_work(struct maintenance *m, int64_t carry_after_ms, int64_t sweep_ms)
{
    while (!m->stop && clock_mono_ms() < sweep_ms) {
        if (m->pending && clock_mono_ms() >= carry_after_ms)
            return;
        wait_until(m, m->pending && carry_after_ms < sweep_ms ? carry_after_ms : sweep_ms);
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

static void *run(void *arg)
{
    struct maintenance *m = arg;
    int64_t carry_after_ms = 0, sweep_ms = clock_mono_ms();

    pthread_mutex_lock(&m->mutex);
    while (!m->stop) {
        int64_t again_ms;

        m->pending = false;
        pthread_mutex_unlock(&m->mutex);
        again_ms = carry(m);
        if (clock_mono_ms() >= sweep_ms) {
            sweep(m);
            sweep_ms = clock_mono_ms() + (int64_t)conf_u64(&m->r->options->sweep_interval_ms);
        }
        carry_after_ms = clock_mono_ms() + (again_ms > 0 ? again_ms : GATHER_MS);
        pthread_mutex_lock(&m->mutex);
        if (again_ms > 0)
            m->pending = true;
        wait_for_work(m, carry_after_ms, sweep_ms);
    }
    pthread_mutex_unlock(&m->mutex);
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
