#include "replicas/channel_mem.h"

#include "base/clock.h"
#include "base/mem.h"
#include "base/thread.h"
#include "base/uuid.h"

#include <pthread.h>
#include <stdlib.h>

#define CHANNELS_MAX 16
#define IDLE_MS      1000

/* On its way to one channel. */
struct parcel {
    struct parcel *next;
    int64_t due_ms;
    size_t n;
    char text[];
};

struct mem {
    struct channel channel;
    struct channel_hub *hub;
    struct channel_events events;
    pthread_t thread;
    pthread_cond_t wake;
    struct parcel *parcels;
    bool running, stop, up, told_up, deaf, paused;
};

struct channel_hub {
    pthread_mutex_t lock; /* guards all of its channels too */
    struct mem *channels[CHANNELS_MAX];
    size_t n_channels;
    struct channel_hub_faults faults;
};

static struct mem *mem_of(struct channel *c)
{
    return (struct mem *)c;
}

static uint64_t below(uint64_t n)
{
    uint64_t random;

    random_bytes(&random, sizeof(random));
    return n ? random % n : 0;
}

/* Under the lock: behind all that are due no later. */
static void post(struct mem *to, struct str message, int64_t due_ms)
{
    struct parcel *p = mem_alloc(sizeof(*p) + message.n), **at = &to->parcels;

    p->due_ms = due_ms;
    p->n = message.n;
    memcpy(p->text, message.p, message.n);
    while (*at && (*at)->due_ms <= due_ms)
        at = &(*at)->next;
    p->next = *at;
    *at = p;
    pthread_cond_signal(&to->wake);
}

static void send_to(struct channel_hub *h, struct mem *to, struct str message)
{
    const struct channel_hub_faults *f = &h->faults;
    int64_t now_ms = clock_mono_ms();

    if (!to->running || !to->up || to->deaf || below(1000) < f->lost)
        return;
    for (int copies = below(1000) < f->twice ? 2 : 1; copies > 0; copies--)
        post(to, message, now_ms + (below(1000) < f->late ? (int64_t)below(f->late_ms + 1) : 0));
}

static void mem_send(struct channel *c, struct str message)
{
    struct mem *from = mem_of(c);

    pthread_mutex_lock(&from->hub->lock);
    for (size_t i = 0; i < from->hub->n_channels && from->up && !from->deaf; i++)
        send_to(from->hub, from->hub->channels[i], message);
    pthread_mutex_unlock(&from->hub->lock);
}

static void wait_until(struct mem *m, int64_t mono_ms)
{
    struct timespec ts = {.tv_sec = mono_ms / 1000, .tv_nsec = mono_ms % 1000 * 1000000};

    pthread_cond_timedwait(&m->wake, &m->hub->lock, &ts);
}

/* Under the lock, which it gives up for the call. */
static void deliver(struct mem *m)
{
    struct parcel *p = m->parcels;

    m->parcels = p->next;
    pthread_mutex_unlock(&m->hub->lock);
    m->events.on_message(m->events.ctx, (struct str){p->text, p->n});
    free(p);
    pthread_mutex_lock(&m->hub->lock);
}

static void tell_state(struct mem *m)
{
    bool up = m->told_up = m->up;

    pthread_mutex_unlock(&m->hub->lock);
    m->events.on_state(m->events.ctx, up);
    pthread_mutex_lock(&m->hub->lock);
}

static void *run(void *arg)
{
    struct mem *m = arg;

    pthread_mutex_lock(&m->hub->lock);
    while (!m->stop) {
        int64_t now_ms = clock_mono_ms();

        if (m->paused)
            wait_until(m, now_ms + IDLE_MS);
        else if (m->up != m->told_up)
            tell_state(m);
        else if (m->parcels && m->parcels->due_ms <= now_ms)
            deliver(m);
        else
            wait_until(m, m->parcels ? m->parcels->due_ms : now_ms + IDLE_MS);
    }
    pthread_mutex_unlock(&m->hub->lock);
    return NULL;
}

static enum err_code mem_start(struct channel *c, const struct channel_events *events,
                               struct err *e)
{
    struct mem *m = mem_of(c);
    int error;

    m->events = *events;
    pthread_mutex_lock(&m->hub->lock);
    m->running = true;
    pthread_mutex_unlock(&m->hub->lock);
    error = thread_start(&m->thread, "channel", THREAD_STACK_USUAL, run, m);
    return error ? err_set(e, ERR_INTERNAL, "start a thread: %s", strerror(error)) : ERR_OK;
}

static void mem_stop(struct channel *c)
{
    struct mem *m = mem_of(c);

    pthread_mutex_lock(&m->hub->lock);
    m->stop = true;
    m->running = false;
    pthread_cond_signal(&m->wake);
    pthread_mutex_unlock(&m->hub->lock);
    pthread_join(m->thread, NULL);
}

static void mem_free(struct channel *c)
{
    struct mem *m = mem_of(c);
    struct channel_hub *h = m->hub;

    pthread_mutex_lock(&h->lock);
    for (size_t i = 0; i < h->n_channels; i++) {
        if (h->channels[i] == m) {
            h->channels[i] = h->channels[--h->n_channels];
            break;
        }
    }
    pthread_mutex_unlock(&h->lock);
    for (struct parcel *p = m->parcels, *next; p; p = next) {
        next = p->next;
        free(p);
    }
    pthread_cond_destroy(&m->wake);
    free(m);
}

static const struct channel_driver mem_driver = {
    .name = "memory", .start = mem_start, .send = mem_send, .stop = mem_stop, .free = mem_free};

struct channel_hub *channel_hub_new(void)
{
    struct channel_hub *h = NEW(struct channel_hub);

    pthread_mutex_init(&h->lock, NULL);
    return h;
}

void channel_hub_free(struct channel_hub *h)
{
    pthread_mutex_destroy(&h->lock);
    free(h);
}

void channel_hub_set_faults(struct channel_hub *h, const struct channel_hub_faults *f)
{
    pthread_mutex_lock(&h->lock);
    h->faults = *f;
    pthread_mutex_unlock(&h->lock);
}

struct channel *channel_mem_new(struct channel_hub *h)
{
    struct mem *m = NEW(struct mem);

    m->channel.driver = &mem_driver;
    m->hub = h;
    m->up = true;
    thread_cond_init(&m->wake);
    pthread_mutex_lock(&h->lock);
    if (h->n_channels == CHANNELS_MAX)
        abort(); /* a mistake of the test */
    h->channels[h->n_channels++] = m;
    pthread_mutex_unlock(&h->lock);
    return &m->channel;
}

static void set(struct channel *c, bool *flag, bool value)
{
    pthread_mutex_lock(&mem_of(c)->hub->lock);
    *flag = value;
    pthread_cond_signal(&mem_of(c)->wake);
    pthread_mutex_unlock(&mem_of(c)->hub->lock);
}

void channel_mem_set_up(struct channel *c, bool up)
{
    set(c, &mem_of(c)->up, up);
}

void channel_mem_set_deaf(struct channel *c, bool deaf)
{
    set(c, &mem_of(c)->deaf, deaf);
}

void channel_mem_set_paused(struct channel *c, bool paused)
{
    set(c, &mem_of(c)->paused, paused);
}
