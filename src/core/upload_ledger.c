#include "core/upload_ledger.h"

#include "base/clock.h"
#include "base/mem.h"
#include "base/thread.h"
#include "core/upload_event.h"
#include "replicas/members.h"

#include <stdlib.h>

#define FIRST_MS  100 /* from the opening to the first time it is written */
#define EVERY_MS  1000
#define BATCH     16
#define OPS       2    /* of a record, at most */
#define FAILED_MS 5000 /* then it is tried again */
#define LET_GO    1000 /* ends that are still to be written, at most */

struct upload_ledger {
    struct registry *r;
    pthread_mutex_t mutex;
    pthread_cond_t changed; /* for the thread */
    pthread_cond_t settled; /* a write has ended */
    struct upload_record *first;
    size_t n_let_go;
    pthread_t thread;
    bool runs, stop;
};

struct uuid ledger_holder(struct registry *r)
{
    return r->members ? members_id(r->members) : r->alone;
}

bool ledger_is_lost(struct registry *r, const struct uuid *holder)
{
    bool gone;

    if (!r->members || strcmp(ledger_holder(r).text, holder->text) == 0)
        return true;
    return members_is_gone(r->members, holder, &gone, ERR_IGNORED) == ERR_OK && gone;
}

struct registry *ledger_registry(const struct upload_ledger *l)
{
    return l->r;
}

void ledger_lock(struct upload_ledger *l)
{
    pthread_mutex_lock(&l->mutex);
}

void ledger_unlock(struct upload_ledger *l)
{
    pthread_mutex_unlock(&l->mutex);
}

void ledger_touch(struct upload_record *u)
{
    u->changed = true;
}

void ledger_tell_end(struct upload_record *u)
{
    upload_event_begin(&u->event, &u->state);
    u->event_op = outbox_put(&u->event);
    u->tells_end = true;
}

/* Bytes a second, of the last seconds more than of those before. */
static void rate(struct upload_record *u, int64_t now_ms)
{
    int64_t passed_ms = now_ms - u->rated_ms;
    uint64_t came = u->state.received_bytes - u->rated_bytes, now;

    if (passed_ms < EVERY_MS / 2 || u->state.received_bytes < u->rated_bytes)
        return;
    now = came * 1000 / (uint64_t)passed_ms;
    u->state.rate_bytes = u->state.rate_bytes == 0 ? now : (3 * u->state.rate_bytes + now) / 4;
    u->rated_ms = now_ms;
    u->rated_bytes = u->state.received_bytes;
}

/* ---- which there are; under the lock */

static void take_out(struct upload_record *u)
{
    struct upload_ledger *l = u->ledger;

    if (u->previous)
        u->previous->next = u->next;
    else
        l->first = u->next;
    if (u->next)
        u->next->previous = u->previous;
    l->n_let_go -= u->let_go;
    upload_state_done(&u->state);
    outbox_done(&u->event);
    free(u);
}

static void wait_settled(struct upload_record *u)
{
    while (u->writing)
        pthread_cond_wait(&u->ledger->settled, &u->ledger->mutex);
}

/* ---- writing; begin and end under the lock */

static char *write_begin(struct upload_record *u)
{
    rate(u, clock_mono_ms());
    u->writing = true;
    u->writes_end = u->tells_end;
    u->changed = false;
    u->state.updated_ms = clock_wall_ms();
    u->state.holder =
        upload_phase_rests(u->state.phase) ? (struct uuid){""} : ledger_holder(u->ledger->r);
    return upload_state_text(&u->state);
}

static void write_end(struct upload_record *u, bool ok)
{
    u->writing = false;
    u->written |= ok;
    u->tells_end &= !ok || !u->writes_end; /* it may have ended since the write began */
    u->changed |= !ok;
    u->due_ms = clock_mono_ms() + (ok ? EVERY_MS : FAILED_MS);
    pthread_cond_broadcast(&u->ledger->settled);
}

/* The record, and the event of its end. Returns how many. */
static size_t put_ops(char key[static UPLOAD_KEY_SIZE], const struct upload_record *u,
                      const char *text, struct meta_op ops[static OPS])
{
    size_t n = 0;

    upload_key(&u->state.id, key);
    ops[n++] = meta_op_record_put(UPLOAD_RECORDS, str_of(key), str_of(text), META_ANY);
    if (u->writes_end)
        ops[n++] = u->event_op;
    return n;
}

enum err_code ledger_write(struct upload_record *u, unsigned flags, struct err *e)
{
    struct upload_ledger *l = u->ledger;
    AUTO(mem) char *text = NULL;
    char key[UPLOAD_KEY_SIZE];
    struct meta_op ops[OPS];
    enum err_code code;
    size_t n;

    pthread_mutex_lock(&l->mutex);
    wait_settled(u);
    text = write_begin(u);
    n = put_ops(key, u, text, ops);
    pthread_mutex_unlock(&l->mutex);
    code = meta_commit(l->r->meta, ops, n, flags, NULL, e);
    pthread_mutex_lock(&l->mutex);
    write_end(u, code == ERR_OK);
    pthread_mutex_unlock(&l->mutex);
    return code;
}

/* ---- the thread */

struct batch {
    struct upload_record *records[BATCH];
    char *texts[BATCH];
    char keys[BATCH][UPLOAD_KEY_SIZE];
    struct meta_op ops[OPS * BATCH];
    size_t n, n_ops;
};

/* What is due, as it is now. Under the lock. */
static void gather(struct upload_ledger *l, struct batch *b)
{
    int64_t now_ms = clock_mono_ms();

    b->n = b->n_ops = 0;
    for (struct upload_record *u = l->first; u && b->n < BATCH; u = u->next) {
        if (u->writing || !u->changed || u->due_ms > now_ms)
            continue;
        b->records[b->n] = u;
        b->texts[b->n] = write_begin(u);
        b->n_ops += put_ops(b->keys[b->n], u, b->texts[b->n], &b->ops[b->n_ops]);
        b->n++;
    }
}

/* Drops the lock in between. False: there was nothing to write. */
static bool write_due(struct upload_ledger *l)
{
    struct batch b;
    bool ok;

    gather(l, &b);
    if (b.n == 0)
        return false;
    pthread_mutex_unlock(&l->mutex);
    ok = meta_commit(l->r->meta, b.ops, b.n_ops, META_LAZY, NULL, ERR_IGNORED) == ERR_OK;
    pthread_mutex_lock(&l->mutex);
    for (size_t i = 0; i < b.n; i++) {
        write_end(b.records[i], ok);
        if (ok && b.records[i]->let_go)
            take_out(b.records[i]);
        free(b.texts[i]);
    }
    return true;
}

/* When the next one can be due. Of one that has not changed that is unknown, and so it is soon. */
static int64_t next_ms(const struct upload_ledger *l)
{
    int64_t now_ms = clock_mono_ms(), next = now_ms + EVERY_MS;

    for (const struct upload_record *u = l->first; u; u = u->next) {
        if (!u->writing && u->due_ms > now_ms && u->due_ms < next)
            next = u->due_ms;
    }
    return next - now_ms;
}

static void *ledger_main(void *arg)
{
    struct upload_ledger *l = arg;

    pthread_mutex_lock(&l->mutex);
    while (!l->stop) {
        struct timespec until;

        if (write_due(l))
            continue;
        if (!l->first) {
            pthread_cond_wait(&l->changed, &l->mutex);
            continue;
        }
        until = clock_mono_in(next_ms(l));
        pthread_cond_timedwait(&l->changed, &l->mutex, &until);
    }
    pthread_mutex_unlock(&l->mutex);
    return NULL;
}

/* Without it they are written at their ends only. Under the lock. */
static void start(struct upload_ledger *l)
{
    if (!l->runs)
        l->runs = thread_start(&l->thread, "uploads", THREAD_STACK_USUAL, ledger_main, l) == 0;
}

struct upload_ledger *ledger_new(struct registry *r)
{
    struct upload_ledger *l = NEW(struct upload_ledger);

    l->r = r;
    pthread_mutex_init(&l->mutex, NULL);
    thread_cond_init(&l->changed);
    thread_cond_init(&l->settled);
    return l;
}

void ledger_free(struct upload_ledger *l)
{
    if (!l)
        return;
    pthread_mutex_lock(&l->mutex);
    l->stop = true;
    pthread_cond_signal(&l->changed);
    pthread_mutex_unlock(&l->mutex);
    if (l->runs)
        pthread_join(l->thread, NULL);
    for (struct upload_record *u = l->first, *next; u; u = next) {
        next = u->next;
        take_out(u);
    }
    pthread_cond_destroy(&l->changed);
    pthread_cond_destroy(&l->settled);
    pthread_mutex_destroy(&l->mutex);
    free(l);
}

/* ---- who takes part */

void ledger_add(struct upload_ledger *l, struct upload_record *u)
{
    u->ledger = l;
    u->changed = true;
    u->rated_ms = clock_mono_ms();
    u->rated_bytes = u->state.received_bytes;
    u->due_ms = u->rated_ms + FIRST_MS;
    pthread_mutex_lock(&l->mutex);
    start(l);
    u->next = l->first;
    if (u->next)
        u->next->previous = u;
    l->first = u;
    pthread_cond_signal(&l->changed);
    pthread_mutex_unlock(&l->mutex);
}

void ledger_remove(struct upload_record *u)
{
    struct upload_ledger *l = u->ledger;

    pthread_mutex_lock(&l->mutex);
    wait_settled(u);
    if (u->changed && l->runs && l->n_let_go < LET_GO) {
        u->let_go = true;
        l->n_let_go++;
    } else {
        take_out(u);
    }
    pthread_mutex_unlock(&l->mutex);
}

bool ledger_drop(struct upload_record *u)
{
    struct upload_ledger *l = u->ledger;
    bool written;

    pthread_mutex_lock(&l->mutex);
    wait_settled(u);
    written = u->written;
    take_out(u);
    pthread_mutex_unlock(&l->mutex);
    return written;
}

char *ledger_text(struct upload_ledger *l, const struct uuid *id)
{
    char *text = NULL;

    pthread_mutex_lock(&l->mutex);
    for (struct upload_record *u = l->first; u && !text; u = u->next) {
        if (strcmp(u->state.id.text, id->text) != 0)
            continue;
        rate(u, clock_mono_ms());
        text = upload_state_text(&u->state);
    }
    pthread_mutex_unlock(&l->mutex);
    return text;
}
