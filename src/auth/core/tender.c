#include "auth/core/tender.h"

#include "base/clock.h"
#include "base/mem.h"
#include "base/thread.h"

#include <errno.h>
#include <stdlib.h>

#define INTERVAL_MS 1000

struct tender {
    struct auth *auth;
    tender_fn also;
    void *ctx;
    auth_report_fn report;
    pthread_t thread;
    pthread_mutex_t mutex; /* guards stop */
    pthread_cond_t wake;
    bool stop;
};

/* False: it is time to end. */
static bool wait(struct tender *t)
{
    struct timespec until = clock_mono_in(INTERVAL_MS);
    bool stop;

    pthread_mutex_lock(&t->mutex);
    while (!t->stop && pthread_cond_timedwait(&t->wake, &t->mutex, &until) != ETIMEDOUT)
        ;
    stop = t->stop;
    pthread_mutex_unlock(&t->mutex);
    return !stop;
}

static void *run(void *arg)
{
    struct tender *t = arg;
    bool failing = false;

    while (wait(t)) {
        struct err e = {0};
        bool failed = auth_tend(t->auth, t->report, &e) != ERR_OK || t->also(t->ctx, &e) != ERR_OK;

        if (failed && !failing)
            t->report("accounts can't be looked at; changes of them wait", &e);
        failing = failed;
    }
    return NULL;
}

static void done(struct tender *t)
{
    pthread_cond_destroy(&t->wake);
    pthread_mutex_destroy(&t->mutex);
    free(t);
}

enum err_code tender_start(struct auth *a, tender_fn also, void *ctx, auth_report_fn report,
                           struct tender **ret_tender, struct err *e)
{
    struct tender *t = NEW(struct tender);
    int error;

    t->auth = a;
    t->also = also;
    t->ctx = ctx;
    t->report = report;
    pthread_mutex_init(&t->mutex, NULL);
    thread_cond_init(&t->wake);
    error = thread_start(&t->thread, "tender", THREAD_STACK_USUAL, run, t);
    if (error) {
        done(t);
        return err_set(e, ERR_INTERNAL, "start the thread for accounts: %s", strerror(error));
    }
    *ret_tender = t;
    return ERR_OK;
}

void tender_stop(struct tender *t)
{
    if (!t)
        return;
    pthread_mutex_lock(&t->mutex);
    t->stop = true;
    pthread_cond_signal(&t->wake);
    pthread_mutex_unlock(&t->mutex);
    pthread_join(t->thread, NULL);
    done(t);
}
