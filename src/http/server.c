#include "base/cleanup.h"
#include "base/clock.h"
#include "base/mem.h"
#include "base/thread.h"
#include "base/uuid.h"
#include "http/core.h"
#include "http/iothread.h"
#include "http/sender.h"
#include "http/tls.h"
#include "http/worker.h"

#include <stdlib.h>
#include <time.h>
#include <unistd.h>

AUTO_POINTER(http_server, http_server_free);

static enum err_code open_list(struct http_server *s, const struct conf_strings *where, bool debug,
                               struct err *e)
{
    if (where->n > LISTENERS_MAX - s->n_listeners)
        return err_set(e, ERR_CONFIG, "more than %d addresses to listen on", LISTENERS_MAX);
    for (size_t i = 0; i < where->n; i++) {
        struct listener *l = &s->listeners[s->n_listeners];

        TRY(listener_open(where->items[i], s->accepted_timeout_ms, l, e));
        l->debug = debug;
        s->n_listeners++;
    }
    return ERR_OK;
}

static enum err_code open_listeners(struct http_server *s, struct err *e)
{
    s->accepted_timeout_ms = (uint32_t)conf_u64(&s->conf->io_timeout_ms);
    if (s->conf->listen.n == 0)
        return err_set(e, ERR_CONFIG, "http.listen wants an address");
    TRY(open_list(s, &s->conf->listen, false, e));
    return open_list(s, &s->conf->debug_listen, true, e);
}

static enum err_code make_threads(struct http_server *s, struct err *e)
{
    size_t n = s->conf->io_threads ? (size_t)s->conf->io_threads : thread_processors();

    s->io = mem_zero(n * sizeof(*s->io));
    for (size_t i = 0; i < n; i++)
        s->io[i].epoll_fd = s->io[i].wake_fd = s->io[i].spare_fd = -1;
    s->n_io = n;
    for (size_t i = 0; i < n; i++)
        TRY(iothread_init(&s->io[i], s, e));
    s->workers = workers_new(s);
    return senders_new(n, &s->senders, e);
}

enum err_code http_server_new(const struct conf_http *conf, const struct http_app *app,
                              struct http_server **ret_server, struct err *e)
{
    AUTO(http_server) struct http_server *s = NEW(struct http_server);
    pthread_condattr_t attr;

    s->conf = conf;
    s->app = *app;
    pthread_mutex_init(&s->lock, NULL);
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&s->drained, &attr);
    pthread_cond_init(&s->begun, NULL);
    pthread_condattr_destroy(&attr);
    pthread_mutex_init(&s->addresses.lock, NULL);
    random_bytes(&s->addresses.seed, sizeof(s->addresses.seed));
    TRY(tls_new(&conf->tls, &s->tls, e));
    if (s->tls)
        tls_report_to(s->tls, app);
    TRY(open_listeners(s, e));
    TRY(make_threads(s, e));
    *ret_server = STEAL(s);
    return ERR_OK;
}

static void begin(struct http_server *s, bool run)
{
    pthread_mutex_lock(&s->lock);
    s->running = run;
    s->n_listening = run ? s->n_io : 0;
    atomic_store(&s->quit, !run);
    pthread_cond_broadcast(&s->begun);
    pthread_mutex_unlock(&s->lock);
}

/* No thread serves before all are there: one that is missing can't be given a connection. */
enum err_code http_server_run(struct http_server *s, struct err *e)
{
    for (size_t i = 0; i < s->n_io; i++) {
        enum err_code code = iothread_start(&s->io[i], e);

        if (code != ERR_OK) {
            begin(s, false);
            return code;
        }
    }
    begin(s, true);
    return ERR_OK;
}

enum err_code http_server_reload_tls(struct http_server *s, struct err *e)
{
    return s->tls ? tls_reload(s->tls, e) : ERR_OK;
}

static void wake_all(struct http_server *s)
{
    for (size_t i = 0; i < s->n_io; i++)
        iothread_wake(&s->io[i]);
}

static void drain(struct http_server *s)
{
    int64_t until_ms = clock_mono_ms() + (int64_t)conf_u64(&s->conf->drain_timeout_ms);
    struct timespec until = {.tv_sec = until_ms / 1000, .tv_nsec = until_ms % 1000 * 1000000};
    int error = 0;

    atomic_store(&s->stopping, true);
    wake_all(s);
    pthread_mutex_lock(&s->lock);
    while (s->n_listening > 0 && !error)
        error = pthread_cond_timedwait(&s->drained, &s->lock, &until);
    pthread_mutex_unlock(&s->lock);
    /* New clients are refused at once, and may try another replica, rather than wait in the
     * backlog of a server that will not accept them. The descriptors stay: threads use them. */
    for (size_t i = 0; i < s->n_listeners; i++)
        shutdown(s->listeners[i].fd, SHUT_RDWR);
    pthread_mutex_lock(&s->lock);
    while (atomic_load(&s->n_connections) > 0 && !error)
        error = pthread_cond_timedwait(&s->drained, &s->lock, &until);
    pthread_mutex_unlock(&s->lock);
    atomic_store(&s->cut, true);
    wake_all(s);
    pthread_mutex_lock(&s->lock);
    while (atomic_load(&s->n_connections) > 0)
        pthread_cond_wait(&s->drained, &s->lock);
    pthread_mutex_unlock(&s->lock);
}

void http_server_stop(struct http_server *s)
{
    if (s->stopped)
        return;
    s->stopped = true;
    if (s->running)
        drain(s);
    atomic_store(&s->quit, true);
    workers_free(STEAL(s->workers));
    senders_free(STEAL(s->senders));
    for (size_t i = 0; i < s->n_io; i++)
        iothread_done(&s->io[i]);
    for (size_t i = 0; i < s->n_listeners; i++)
        listener_close(&s->listeners[i]);
}

unsigned http_server_port(const struct http_server *s, size_t n)
{
    return n < s->n_listeners ? s->listeners[n].port : 0;
}

void http_server_free(struct http_server *s)
{
    if (!s)
        return;
    http_server_stop(s);
    tls_free(s->tls);
    pthread_mutex_destroy(&s->lock);
    pthread_cond_destroy(&s->drained);
    pthread_cond_destroy(&s->begun);
    pthread_mutex_destroy(&s->addresses.lock);
    free(s->io);
    free(s);
}
