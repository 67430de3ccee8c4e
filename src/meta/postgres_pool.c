/*
 * The pool: at most so many connections, opened when they are first needed; the one used last is
 * used next, so that an idle registry comes to have few.
 *
 * While the server is away, one thread tries it once a second and the others are told what it was
 * told: a worker that waited for a time-out each would be missed elsewhere.
 */
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/thread.h"
#include "meta/postgres.h"

#include <poll.h>
#include <stdlib.h>

#define IDLE_MAX_MS (60 * 1000)      /* one that was not needed so long is closed */
#define AGE_MAX_MS  (30 * 60 * 1000) /* so that servers behind a name, and passwords, can change */
#define DOWN_MS     1000

static bool is_old(const struct postgres_conn *c, int64_t now)
{
    return c->broken || c->epoch != c->db->epoch || now - c->made_ms > AGE_MAX_MS;
}

/* The server says nothing on an idle connection, unless it ends it. */
static bool has_ended(const struct postgres_conn *c)
{
    struct pollfd p = {.fd = c->db->lib->PQsocket(c->handle), .events = POLLIN | POLLRDHUP};

    return poll(&p, 1, 0) != 0;
}

/* Under the lock, which is let go while a thread waits. *ret_conn NULL: there is a place for one
 * more. */
static enum err_code find_place(struct postgres *db, struct postgres_conn **ret_conn, struct err *e)
{
    struct timespec until = clock_mono_in(db->timeout_ms);

    while (db->n_idle == 0 && db->open == db->max_open) {
        if (pthread_cond_timedwait(&db->wake, &db->lock, &until) != 0)
            return err_set(e, ERR_UNAVAILABLE,
                           "database %s: all %u connections were in use for %lld ms", db->name,
                           db->max_open, (long long)db->timeout_ms);
    }
    if (db->n_idle > 0) {
        *ret_conn = db->idle[--db->n_idle];
        return ERR_OK;
    }
    if (db->down_until_ms != 0) {
        int64_t now = clock_mono_ms();

        if (now < db->down_until_ms) {
            *e = db->down;
            return e->code;
        }
        db->down_until_ms = now + db->connect_timeout_ms; /* the others wait for what we find */
    }
    *ret_conn = NULL;
    db->open++;
    return ERR_OK;
}

static void give_up_place(struct postgres *db)
{
    pthread_mutex_lock(&db->lock);
    db->open--;
    pthread_cond_signal(&db->wake);
    pthread_mutex_unlock(&db->lock);
}

static enum err_code fill_place(struct postgres *db, struct postgres_conn **ret_conn, struct err *e)
{
    enum err_code code;
    unsigned epoch;

    pthread_mutex_lock(&db->lock);
    epoch = db->epoch;
    pthread_mutex_unlock(&db->lock);
    code = postgres_connect(db, ret_conn, e);
    pthread_mutex_lock(&db->lock);
    if (code == ERR_OK) {
        (*ret_conn)->epoch = epoch;
        db->down_until_ms = 0;
    } else {
        db->down_until_ms = clock_mono_ms() + DOWN_MS;
        db->down = *e;
        db->open--;
        pthread_cond_broadcast(&db->wake);
    }
    pthread_mutex_unlock(&db->lock);
    return code;
}

static void start_use(struct postgres_conn *c)
{
    int64_t now = clock_mono_ms();

    c->deadline_ms = now + c->db->timeout_ms;
    c->look_ms = now + c->db->timeout_ms / POSTGRES_LOOKS;
    c->flags = 0;
    c->writes = c->begun = c->again = false;
    c->ends = c->ending = c->ended = c->looked = false;
    c->queued = 0;
}

enum err_code postgres_take(struct postgres *db, struct postgres_conn **ret_conn, struct err *e)
{
    struct postgres_conn *c = NULL;
    enum err_code code;

    for (;;) {
        bool old = false;

        pthread_mutex_lock(&db->lock);
        code = find_place(db, &c, e);
        if (code == ERR_OK && c)
            old = is_old(c, clock_mono_ms());
        pthread_mutex_unlock(&db->lock);
        if (code != ERR_OK)
            return code;
        if (!c)
            TRY(fill_place(db, &c, e));
        else if (old || has_ended(c)) {
            postgres_disconnect(c);
            give_up_place(db);
            continue;
        }
        break;
    }
    start_use(c);
    *ret_conn = c;
    return ERR_OK;
}

struct postgres_conn *postgres_take_idle(struct postgres *db)
{
    struct postgres_conn *c = NULL;

    pthread_mutex_lock(&db->lock);
    if (db->n_idle > 0)
        c = db->idle[--db->n_idle];
    pthread_mutex_unlock(&db->lock);
    if (c)
        start_use(c);
    return c;
}

/* Under the lock: the one that has been idle longest, when that is too long. */
static struct postgres_conn *take_unused(struct postgres *db, int64_t now)
{
    struct postgres_conn *c;

    if (db->n_idle == 0 || now - db->idle[0]->idle_ms < IDLE_MAX_MS)
        return NULL;
    c = db->idle[0];
    db->n_idle--;
    db->open--;
    memmove(db->idle, db->idle + 1, db->n_idle * sizeof(db->idle[0]));
    return c;
}

void postgres_give(struct postgres_conn *c)
{
    struct postgres *db = c->db;
    struct postgres_conn *unused;
    int64_t now = clock_mono_ms();

    pthread_mutex_lock(&db->lock);
    unused = take_unused(db, now);
    if (is_old(c, now)) {
        db->open--;
    } else {
        c->idle_ms = now;
        db->idle[db->n_idle++] = c;
        c = NULL;
    }
    pthread_cond_signal(&db->wake);
    pthread_mutex_unlock(&db->lock);
    postgres_disconnect(c);
    postgres_disconnect(unused);
}

void postgres_distrust(struct postgres *db)
{
    pthread_mutex_lock(&db->lock);
    db->epoch++;
    pthread_mutex_unlock(&db->lock);
}

void postgres_pool_done(struct postgres *db)
{
    while (db->n_idle > 0)
        postgres_disconnect(db->idle[--db->n_idle]);
    free(db->idle);
    pthread_mutex_destroy(&db->lock);
    pthread_cond_destroy(&db->wake);
}
