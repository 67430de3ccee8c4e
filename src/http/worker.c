/*
 * Fair queueing: clients are spread over buckets by a hash of their address, each with its own
 * first-in first-out queue. The next free worker takes from the bucket that has the fewest workers
 * at that moment, so a client with a thousand requests delays another client's first by one. Some
 * workers are kept back from any single bucket, so that slow uploads of one client can't hold all.
 */
#include "http/worker.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/mem.h"
#include "base/thread.h"
#include "http/core.h"
#include "http/finish.h"
#include "http/inbox.h"
#include "http/sender.h"

#include <errno.h>
#include <stdlib.h>
#include <time.h>

enum {
    BUCKETS = 64,
    IDLE_MS = 10000, /* then a worker without work ends */
    STACK_BYTES = 512 * 1024,
    NICE = 3, /* below the I/O threads: a quick answer should not wait for a large transfer */
};

struct bucket {
    struct http_exchange *first, **last;
    size_t running;
};

struct worker {
    pthread_t thread;
    struct workers *pool;
    struct worker *next; /* in pool->ended */
};

struct workers {
    struct http_server *server;
    pthread_mutex_t lock;
    pthread_cond_t work;  /* something was queued, or quit */
    pthread_cond_t fewer; /* a thread ended */
    struct bucket buckets[BUCKETS];
    size_t n_queued, n_threads, n_idle;
    size_t turn; /* the bucket that is looked at first */
    bool quit;
    struct worker *ended; /* to be joined */
};

struct workers *workers_new(struct http_server *s)
{
    struct workers *w = NEW(struct workers);
    pthread_condattr_t attr;

    w->server = s;
    for (size_t i = 0; i < BUCKETS; i++)
        w->buckets[i].last = &w->buckets[i].first;
    pthread_mutex_init(&w->lock, NULL);
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&w->work, &attr);
    pthread_cond_init(&w->fewer, &attr);
    pthread_condattr_destroy(&attr);
    return w;
}

/* With the lock held, which it drops in between. */
static void join_ended(struct workers *w)
{
    while (w->ended) {
        struct worker *one = w->ended;

        w->ended = one->next;
        pthread_mutex_unlock(&w->lock);
        pthread_join(one->thread, NULL);
        free(one);
        pthread_mutex_lock(&w->lock);
    }
}

void workers_free(struct workers *w)
{
    if (!w)
        return;
    pthread_mutex_lock(&w->lock);
    w->quit = true;
    pthread_cond_broadcast(&w->work);
    while (w->n_threads > 0)
        pthread_cond_wait(&w->fewer, &w->lock);
    join_ended(w);
    pthread_mutex_unlock(&w->lock);
    pthread_cond_destroy(&w->work);
    pthread_cond_destroy(&w->fewer);
    pthread_mutex_destroy(&w->lock);
    free(w);
}

/* The queue. With the lock held. */

static size_t bucket_cap(const struct workers *w)
{
    size_t max = (size_t)w->server->conf->workers;

    return max - max / 8;
}

static struct http_exchange *take(struct workers *w)
{
    size_t least = bucket_cap(w);
    struct bucket *best = NULL;
    struct http_exchange *x;

    if (w->n_queued == 0)
        return NULL;
    for (size_t i = 0; i < BUCKETS; i++) {
        struct bucket *b = &w->buckets[(w->turn + i) % BUCKETS];

        if (b->first && b->running < least) {
            best = b;
            least = b->running;
        }
    }
    if (!best)
        return NULL;
    w->turn = (size_t)(best - w->buckets) + 1;
    x = best->first;
    best->first = x->next;
    if (!best->first)
        best->last = &best->first;
    best->running++;
    w->n_queued--;
    return x;
}

static struct http_exchange *take_or_wait(struct workers *w)
{
    struct timespec until = clock_mono_in(IDLE_MS);
    struct http_exchange *x;
    int error = 0;

    while (!(x = take(w)) && !w->quit && error != ETIMEDOUT) {
        w->n_idle++;
        error = pthread_cond_timedwait(&w->work, &w->lock, &until);
        w->n_idle--;
    }
    return x;
}

/* One exchange. */

static void serve(struct workers *w, struct http_exchange *x)
{
    const struct http_app *app = &w->server->app;

    app->serve(app->ctx, x);
    if (x->waiting && !x->answered) {
        if (x->transfer) {
            senders_await(w->server->senders, x);
            return;
        }
        exchange_before_rest(x);
        iothread_give(x);
        return;
    }
    if (!x->answered)
        response_refuse(x, 500, "serve() did not answer");
    if (x->transfer && !x->transfer_over)
        senders_take(w->server->senders, x);
    else
        exchange_end(x);
}

static void *worker_main(void *arg)
{
    struct worker *one = arg;
    struct workers *w = one->pool;
    struct http_exchange *x;

    thread_lower_priority(NICE);
    pthread_mutex_lock(&w->lock);
    while ((x = take_or_wait(w)) != NULL) {
        unsigned bucket = x->bucket;

        pthread_mutex_unlock(&w->lock);
        serve(w, x);
        pthread_mutex_lock(&w->lock);
        w->buckets[bucket].running--;
    }
    w->n_threads--;
    one->next = w->ended;
    w->ended = one;
    pthread_cond_signal(&w->fewer);
    pthread_mutex_unlock(&w->lock);
    return NULL;
}

/* With the lock held. */
static void add_thread(struct workers *w)
{
    struct worker *one = NEW(struct worker);

    one->pool = w;
    if (thread_start(&one->thread, "worker", STACK_BYTES, worker_main, one) != 0) {
        free(one);
        return;
    }
    w->n_threads++;
}

bool workers_put(struct workers *w, struct http_exchange *x)
{
    const struct conf_http *conf = w->server->conf;
    const struct address *address = x->conn->address;
    struct bucket *b;
    bool taken = false, wake = false;

    pthread_mutex_lock(&w->lock);
    join_ended(w);
    if (w->n_idle <= w->n_queued && w->n_threads < conf->workers)
        add_thread(w);
    if (w->n_threads > 0 && (w->n_queued < conf->queue || w->n_idle > w->n_queued)) {
        x->bucket = address ? (unsigned)(address->hash >> 32) % BUCKETS : 0;
        x->next = NULL;
        b = &w->buckets[x->bucket];
        *b->last = x;
        b->last = &x->next;
        w->n_queued++;
        taken = true;
        wake = w->n_idle > 0;
    }
    pthread_mutex_unlock(&w->lock);
    if (wake) /* not under the lock, which the woken thread wants first */
        pthread_cond_signal(&w->work);
    return taken;
}
