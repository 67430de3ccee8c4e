#include "base/parallel.h"

#include "base/thread.h"

#include <stdatomic.h>

#define THREADS_MAX 64

struct share {
    size_t n;
    atomic_size_t next;
    void (*fn)(void *ctx, size_t i);
    void *ctx;
};

static void *work(void *arg)
{
    struct share *s = arg;
    size_t i;

    while ((i = atomic_fetch_add(&s->next, 1)) < s->n)
        s->fn(s->ctx, i);
    return NULL;
}

void parallel_each(size_t n, size_t threads, void (*fn)(void *ctx, size_t i), void *ctx)
{
    struct share s = {.n = n, .fn = fn, .ctx = ctx};
    pthread_t ids[THREADS_MAX];
    size_t started = 0;

    if (threads > n)
        threads = n;
    while (started + 1 < threads && started < THREADS_MAX &&
           thread_start(&ids[started], "parallel", THREAD_STACK_USUAL, work, &s) == 0)
        started++;
    work(&s);
    while (started > 0)
        pthread_join(ids[--started], NULL);
}
