#include "base/byte_line.h"

#include "base/clock.h"
#include "base/mem.h"
#include "base/thread.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>

/* What a second thread costs more than it saves. */
#define ALONE_BYTES (1u << 20)

#define SLOTS      4
#define SLOT_BYTES (128u << 10)

/* So long a thread without work is kept. */
#define LINGER_MS 20

static atomic_int threads;

struct slot {
    char *p;
    size_t n;
};

/* A ring: the owner fills slots at head, the thread takes them from tail on. */
struct byte_line {
    byte_line_fn take;
    void *ctx;
    uint64_t alone_bytes; /* that the owner has taken, before there was a ring */
    char *memory;         /* of the slots; NULL: there is no ring yet */
    pthread_mutex_t mutex;
    pthread_cond_t filled, emptied;
    struct slot slots[SLOTS];
    unsigned head, tail; /* slots filled and taken so far */
    pthread_t thread;
    bool started; /* thread is to be joined */
    bool running; /* it looks at the ring again before it ends */
    bool end;
    bool failed;        /* then `code` and `why` change no more */
    enum err_code code; /* the first of take(), of whoever takes */
    struct err why;
};

bool helper_thread_take(void)
{
    long most = (long)thread_processors();

    if (most < 2)
        return false;
    if (atomic_fetch_add(&threads, 1) < most)
        return true;
    atomic_fetch_sub(&threads, 1);
    return false;
}

void helper_thread_give(void)
{
    atomic_fetch_sub(&threads, 1);
}

struct byte_line *byte_line_new(byte_line_fn take, void *ctx)
{
    struct byte_line *l = NEW(struct byte_line);

    l->take = take;
    l->ctx = ctx;
    pthread_mutex_init(&l->mutex, NULL);
    thread_cond_init(&l->filled);
    thread_cond_init(&l->emptied);
    return l;
}

/* The slot at tail. */
static void take_next(struct byte_line *l)
{
    const struct slot *slot = &l->slots[l->tail % SLOTS];

    if (l->code == ERR_OK)
        l->code = l->take(l->ctx, slot->p, slot->n, &l->why);
}

/* With the mutex. */
static void taken(struct byte_line *l)
{
    l->tail++;
    l->failed = l->code != ERR_OK;
}

/* With the mutex. Is there something in the ring, sooner or later? */
static bool wait_filled(struct byte_line *l)
{
    int64_t until_ms = clock_mono_ms() + LINGER_MS;
    const struct timespec until = {until_ms / 1000, until_ms % 1000 * 1000000};

    while (l->head == l->tail && !l->end) {
        if (pthread_cond_timedwait(&l->filled, &l->mutex, &until) == ETIMEDOUT)
            break;
    }
    return l->head != l->tail;
}

static void *take_slots(void *arg)
{
    struct byte_line *l = arg;

    pthread_mutex_lock(&l->mutex);
    while (wait_filled(l)) {
        pthread_mutex_unlock(&l->mutex);
        take_next(l);
        pthread_mutex_lock(&l->mutex);
        taken(l);
        pthread_cond_signal(&l->emptied);
    }
    l->running = false;
    pthread_mutex_unlock(&l->mutex);
    helper_thread_give();
    return NULL;
}

/* With the mutex. */
static bool start_thread(struct byte_line *l)
{
    if (l->started) /* it has ended, or is about to */
        pthread_join(l->thread, NULL);
    l->started = false;
    if (!helper_thread_take())
        return false;
    if (thread_start(&l->thread, "helping", THREAD_STACK_USUAL, take_slots, l) != 0) {
        helper_thread_give();
        return false;
    }
    return l->started = l->running = true;
}

/* Until no more than so many slots are filled. */
static enum err_code wait_emptied(struct byte_line *l, unsigned most, struct err *e)
{
    enum err_code code = ERR_OK;

    pthread_mutex_lock(&l->mutex);
    while (l->head - l->tail > most)
        pthread_cond_wait(&l->emptied, &l->mutex);
    if (l->failed) {
        *e = l->why;
        code = l->code;
    }
    pthread_mutex_unlock(&l->mutex);
    return code;
}

/* The slot at head is filled. */
static void publish(struct byte_line *l)
{
    pthread_mutex_lock(&l->mutex);
    l->head++;
    if (l->running) {
        pthread_cond_signal(&l->filled);
    } else if (!start_thread(l)) {
        while (l->tail != l->head) {
            take_next(l);
            taken(l);
        }
    }
    pthread_mutex_unlock(&l->mutex);
}

static void make_ring(struct byte_line *l)
{
    l->memory = mem_alloc((size_t)SLOTS * SLOT_BYTES);
    for (size_t i = 0; i < SLOTS; i++)
        l->slots[i].p = l->memory + i * SLOT_BYTES;
}

static enum err_code take_alone(struct byte_line *l, const void *p, size_t n, struct err *e)
{
    l->alone_bytes += n;
    if (!l->failed)
        l->code = l->take(l->ctx, p, n, &l->why);
    l->failed = l->code != ERR_OK;
    if (l->failed)
        *e = l->why;
    return l->code;
}

enum err_code byte_line_add(struct byte_line *l, const void *p, size_t n, struct err *e)
{
    const char *bytes = p;

    if (l->alone_bytes < ALONE_BYTES)
        return take_alone(l, p, n, e);
    if (!l->memory)
        make_ring(l);
    while (n > 0) {
        struct slot *slot = &l->slots[l->head % SLOTS];

        TRY(wait_emptied(l, SLOTS - 1, e));
        slot->n = n < SLOT_BYTES ? n : SLOT_BYTES;
        memcpy(slot->p, bytes, slot->n);
        bytes += slot->n;
        n -= slot->n;
        publish(l);
    }
    return ERR_OK;
}

enum err_code byte_line_settle(struct byte_line *l, struct err *e)
{
    return wait_emptied(l, 0, e);
}

void byte_line_free(struct byte_line *l)
{
    if (!l)
        return;
    pthread_mutex_lock(&l->mutex);
    l->end = true;
    pthread_cond_signal(&l->filled);
    pthread_mutex_unlock(&l->mutex);
    if (l->started)
        pthread_join(l->thread, NULL);
    pthread_cond_destroy(&l->emptied);
    pthread_cond_destroy(&l->filled);
    pthread_mutex_destroy(&l->mutex);
    free(l->memory);
    free(l);
}
