#include "core/hash_line.h"

#include "base/clock.h"
#include "base/mem.h"
#include "base/thread.h"

#include <errno.h>
#include <stdatomic.h>

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

/* A ring: the owner fills slots at head, the thread hashes them from tail on. */
struct hash_line {
    struct hasher *hasher;
    uint64_t alone_bytes; /* that the owner has hashed, before there was a ring */
    char *memory;         /* of the slots; NULL: there is no ring yet */
    pthread_mutex_t mutex;
    pthread_cond_t filled, emptied;
    struct slot slots[SLOTS];
    unsigned head, tail; /* slots filled and hashed so far */
    pthread_t thread;
    bool started; /* thread is to be joined */
    bool running; /* it looks at the ring again before it ends */
    bool end;
};

bool hash_thread_take(void)
{
    long most = (long)thread_processors();

    if (most < 2)
        return false;
    if (atomic_fetch_add(&threads, 1) < most)
        return true;
    atomic_fetch_sub(&threads, 1);
    return false;
}

void hash_thread_give(void)
{
    atomic_fetch_sub(&threads, 1);
}

struct hash_line *hash_line_new(struct hasher *h)
{
    struct hash_line *l = NEW(struct hash_line);

    l->hasher = h;
    pthread_mutex_init(&l->mutex, NULL);
    thread_cond_init(&l->filled);
    thread_cond_init(&l->emptied);
    return l;
}

static void hash_next(struct hash_line *l)
{
    const struct slot *slot = &l->slots[l->tail % SLOTS];

    hasher_update(l->hasher, slot->p, slot->n);
}

/* With the mutex. Is there something in the ring, sooner or later? */
static bool wait_filled(struct hash_line *l)
{
    int64_t until_ms = clock_mono_ms() + LINGER_MS;
    const struct timespec until = {until_ms / 1000, until_ms % 1000 * 1000000};

    while (l->head == l->tail && !l->end) {
        if (pthread_cond_timedwait(&l->filled, &l->mutex, &until) == ETIMEDOUT)
            break;
    }
    return l->head != l->tail;
}

static void *hash_slots(void *arg)
{
    struct hash_line *l = arg;

    pthread_mutex_lock(&l->mutex);
    while (wait_filled(l)) {
        pthread_mutex_unlock(&l->mutex);
        hash_next(l);
        pthread_mutex_lock(&l->mutex);
        l->tail++;
        pthread_cond_signal(&l->emptied);
    }
    l->running = false;
    pthread_mutex_unlock(&l->mutex);
    hash_thread_give();
    return NULL;
}

/* With the mutex. */
static bool start_thread(struct hash_line *l)
{
    if (l->started) /* it has ended, or is about to */
        pthread_join(l->thread, NULL);
    l->started = false;
    if (!hash_thread_take())
        return false;
    if (thread_start(&l->thread, "hashing", THREAD_STACK_USUAL, hash_slots, l) != 0) {
        hash_thread_give();
        return false;
    }
    return l->started = l->running = true;
}

static struct slot *free_slot(struct hash_line *l)
{
    pthread_mutex_lock(&l->mutex);
    while (l->head - l->tail == SLOTS)
        pthread_cond_wait(&l->emptied, &l->mutex);
    pthread_mutex_unlock(&l->mutex);
    return &l->slots[l->head % SLOTS];
}

/* The slot at head is filled. */
static void publish(struct hash_line *l)
{
    pthread_mutex_lock(&l->mutex);
    l->head++;
    if (l->running) {
        pthread_cond_signal(&l->filled);
    } else if (!start_thread(l)) {
        for (; l->tail != l->head; l->tail++)
            hash_next(l);
    }
    pthread_mutex_unlock(&l->mutex);
}

static void make_ring(struct hash_line *l)
{
    l->memory = mem_alloc((size_t)SLOTS * SLOT_BYTES);
    for (size_t i = 0; i < SLOTS; i++)
        l->slots[i].p = l->memory + i * SLOT_BYTES;
}

void hash_line_add(struct hash_line *l, const void *p, size_t n)
{
    const char *bytes = p;

    if (l->alone_bytes < ALONE_BYTES) {
        hasher_update(l->hasher, p, n);
        l->alone_bytes += n;
        return;
    }
    if (!l->memory)
        make_ring(l);
    while (n > 0) {
        struct slot *slot = free_slot(l);

        slot->n = n < SLOT_BYTES ? n : SLOT_BYTES;
        memcpy(slot->p, bytes, slot->n);
        bytes += slot->n;
        n -= slot->n;
        publish(l);
    }
}

void hash_line_free(struct hash_line *l)
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
