#include "net/directory.h"

#include "base/clock.h"
#include "base/mem.h"
#include "base/thread.h"
#include "net/directory_conn.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#define IDLE_MS 60000

/* How long nobody tries again: after no server could be reached; and after one refused bind_dn,
 * which directories that lock accounts count. */
#define AWAY_MS    1000
#define REFUSED_MS 10000

struct directory {
    const struct conf_ldap *conf;
    pthread_mutex_t mutex; /* guards what follows */
    pthread_cond_t given;  /* a connection was given back or closed */
    struct directory_conn *idle;
    size_t open;    /* idle, in use, or being made */
    size_t server;  /* index of the one that is asked first */
    struct err why; /* of the last failure to connect */
    int64_t again_ms;
};

struct directory *directory_new(const struct conf_ldap *conf)
{
    struct directory *d = NEW(struct directory);

    d->conf = conf;
    pthread_mutex_init(&d->mutex, NULL);
    thread_cond_init(&d->given);
    return d;
}

static void close_all(struct directory_conn *list)
{
    while (list) {
        struct directory_conn *next = list->next;

        directory_conn_close(list);
        list = next;
    }
}

void directory_free(struct directory *d)
{
    if (!d)
        return;
    close_all(d->idle);
    pthread_cond_destroy(&d->given);
    pthread_mutex_destroy(&d->mutex);
    free(d);
}

void directory_tend(struct directory *d)
{
    int64_t before_ms = clock_mono_ms() - IDLE_MS;
    struct directory_conn *old = NULL, **at;

    pthread_mutex_lock(&d->mutex);
    at = &d->idle;
    while (*at) {
        struct directory_conn *c = *at;

        if (c->idle_ms > before_ms) {
            at = &c->next;
            continue;
        }
        *at = c->next;
        c->next = old;
        old = c;
        d->open--;
    }
    pthread_cond_broadcast(&d->given);
    pthread_mutex_unlock(&d->mutex);
    close_all(old);
}

static struct directory_conn *pop(struct directory *d)
{
    struct directory_conn *c = d->idle;

    if (c)
        d->idle = c->next;
    return c;
}

/* Under the mutex: a place among the connections, with one that was kept, or empty (NULL). */
static enum err_code take_place(struct directory *d, struct directory_conn **ret_kept,
                                struct err *e)
{
    struct timespec deadline = clock_mono_in((int64_t)d->conf->timeout_ms);

    for (;;) {
        *ret_kept = pop(d);
        if (*ret_kept)
            return ERR_OK;
        if (clock_mono_ms() < d->again_ms) {
            *e = d->why;
            return e->code;
        }
        if (d->open < d->conf->connections) {
            d->open++;
            return ERR_OK;
        }
        if (pthread_cond_timedwait(&d->given, &d->mutex, &deadline) == ETIMEDOUT)
            return err_set(e, ERR_UNAVAILABLE,
                           "all %zu connections to the directory are in use "
                           "(auth.ldap.connections)",
                           d->open);
    }
}

static void give_back(struct directory *d, struct directory_conn *c)
{
    c->idle_ms = clock_mono_ms();
    pthread_mutex_lock(&d->mutex);
    if (c->broken) { /* and new: another server may do better */
        d->server = (d->server + 1) % d->conf->urls.n;
        d->open--;
    } else {
        c->next = d->idle;
        d->idle = c;
    }
    pthread_cond_signal(&d->given);
    pthread_mutex_unlock(&d->mutex);
    if (c->broken)
        directory_conn_close(c);
}

/* Every server in turn, from the one that worked last. One that answers and refuses bind_dn speaks
 * for all. */
static enum err_code connect_any(struct directory *d, struct directory_conn **ret_conn,
                                 struct err *e)
{
    const struct conf_strings *urls = &d->conf->urls;
    enum err_code code = ERR_UNAVAILABLE;
    size_t first;

    pthread_mutex_lock(&d->mutex);
    first = d->server;
    pthread_mutex_unlock(&d->mutex);
    for (size_t i = 0; i < urls->n && code == ERR_UNAVAILABLE; i++) {
        size_t server = (first + i) % urls->n;

        code = directory_conn_open(d->conf, urls->items[server], ret_conn, e);
        pthread_mutex_lock(&d->mutex);
        d->server = code == ERR_UNAVAILABLE ? (server + 1) % urls->n : server;
        pthread_mutex_unlock(&d->mutex);
    }
    return code;
}

/* In a place that was taken, which is left again on failure. */
static enum err_code connect_new(struct directory *d, struct directory_conn **ret_conn,
                                 struct err *e)
{
    enum err_code code = connect_any(d, ret_conn, e);

    if (code == ERR_OK)
        return ERR_OK;
    e->code = ERR_UNAVAILABLE;
    pthread_mutex_lock(&d->mutex);
    d->why = *e;
    d->again_ms = clock_mono_ms() + (code == ERR_UNAVAILABLE ? AWAY_MS : REFUSED_MS);
    d->open--;
    pthread_cond_broadcast(&d->given); /* who waits fails, too */
    pthread_mutex_unlock(&d->mutex);
    return ERR_UNAVAILABLE;
}

/* The server may have closed a connection that was kept, or a firewall have forgotten it: then a
 * new one is made in its place, once. */
enum err_code directory_run(struct directory *d, directory_fn fn, void *ctx, struct err *e)
{
    struct directory_conn *c;
    enum err_code code;

    pthread_mutex_lock(&d->mutex);
    code = take_place(d, &c, e);
    pthread_mutex_unlock(&d->mutex);
    TRY(code);
    if (c) {
        code = fn(c, ctx, e);
        if (!c->broken) {
            give_back(d, c);
            return code;
        }
        directory_conn_close(c);
    }
    TRY(connect_new(d, &c, e));
    code = fn(c, ctx, e);
    give_back(d, c);
    return code;
}
