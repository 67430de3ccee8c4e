/*
 * Transfers that wait for their clients, or for their source, lie in one epoll set, armed for one
 * event each, and a few threads share it: whoever gets an event makes one turn with that transfer
 * and arms it again, which puts it behind the others. So any number of slow readers costs no
 * thread, and a hundred fast ones are served by as many threads as there are cores.
 *
 * One that waits for its source is armed for that alone, so that no two threads have it. Who wants
 * to wake it makes its source seem ready.
 */
#include "http/sender.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/mem.h"
#include "base/thread.h"
#include "http/core.h"
#include "http/finish.h"
#include "http/inbox.h"
#include "http/transfer.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define STACK_BYTES (512 * 1024)

AUTO_POINTER(senders, senders_free);

struct senders {
    int epoll_fd, quit_fd;
    int ready_fd;         /* is always readable */
    pthread_mutex_t lock; /* over the threads, and in arm() and turn() */
    pthread_t *threads;
    size_t n_started, n_threads;
};

/* For the watch over exchanges that are lent. A source that is slow is not the client's fault. */
static void rest(struct http_exchange *x)
{
    struct transfer *t = x->transfer;
    int64_t now_us = clock_mono_us();

    if (t->starved)
        return;
    atomic_store(&t->rested_us, now_us);
    atomic_store(&t->waited_us, x->waited_us);
    atomic_store(&t->sent_bytes, x->sent_bytes);
    atomic_store(&t->progress_ms, now_us / 1000);
    atomic_store(&t->resting, true);
}

/* The set may know the descriptor otherwise than the transfer does: a source that has gone on with
 * another connection has another one, and one that has given its connection back has left it in the
 * set, disarmed, where the next source that gets it finds it. */
static bool watch(struct senders *s, bool known, int fd, struct epoll_event *ev)
{
    if (epoll_ctl(s->epoll_fd, known ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, fd, ev) == 0)
        return true;
    if (errno == ENOENT)
        return epoll_ctl(s->epoll_fd, EPOLL_CTL_ADD, fd, ev) == 0;
    return errno == EEXIST && epoll_ctl(s->epoll_fd, EPOLL_CTL_MOD, fd, ev) == 0;
}

/* Lets the source seem ready, from now on. */
static void seem_ready(struct senders *s, int source_fd)
{
    struct epoll_event ev = {.events = EPOLLIN};

    epoll_ctl(source_fd, EPOLL_CTL_ADD, s->ready_fd, &ev);
}

void senders_wake(struct senders *s, struct http_exchange *x)
{
    struct transfer *t = atomic_load(&x->parked);
    int fd = t ? atomic_load(&t->source_fd) : -1;

    if (fd >= 0)
        seem_ready(s, fd);
}

/* The watch sets `cut`, then looks for source_fd; so one of the two sees the other. */
static void wait_for_source(struct senders *s, struct http_exchange *x, int fd)
{
    atomic_store(&x->transfer->source_fd, fd);
    if (atomic_load(&x->cut) != CUT_NOT)
        seem_ready(s, fd);
}

/* False when the set can't take it: out of memory or over the user's limit of watches. */
static bool arm(struct senders *s, struct http_exchange *x)
{
    struct transfer *t = x->transfer;
    struct epoll_event ev = {.events = (t->starved ? EPOLLIN : EPOLLOUT) | EPOLLONESHOT,
                             .data.ptr = x};
    bool *on = t->starved ? &t->on_source : &t->on_client;
    int fd = t->starved ? reader_wait_fd(t->reader) : x->conn->fd;
    bool known = *on, armed;

    rest(x);
    *on = true;
    if (t->starved)
        wait_for_source(s, x, fd);
    /* x may be another thread's before epoll_ctl() returns; the lock makes that thread wait until
     * it has, so that the handing over is complete for the memory model too. */
    pthread_mutex_lock(&s->lock);
    armed = watch(s, known, fd, &ev);
    pthread_mutex_unlock(&s->lock);
    return armed;
}

static void leave(struct senders *s, struct http_exchange *x)
{
    struct transfer *t = x->transfer;

    if (t->on_client)
        epoll_ctl(s->epoll_fd, EPOLL_CTL_DEL, x->conn->fd, NULL);
    if (t->on_source)
        epoll_ctl(s->epoll_fd, EPOLL_CTL_DEL, reader_wait_fd(t->reader), NULL);
    t->on_client = t->on_source = false;
}

static void finish(struct senders *s, struct http_exchange *x)
{
    leave(s, x);
    exchange_end(x);
}

static void fail(struct senders *s, struct http_exchange *x, const struct err *e)
{
    x->fate = CONN_CLOSE;
    x->failed = true;
    x->error = e->code;
    if (!x->note[0])
        http_set_note(x, e->detail);
    finish(s, x);
}

/* Steps until the client has no room or another transfer is ready, whose event goes to *ret_ev.
 * To arm after every step would wake another thread for a transfer that this one is at, on another
 * core. MORE: *ret_ev is set. */
static enum transfer_state steps(struct senders *s, struct http_exchange *x,
                                 struct epoll_event *ret_ev, struct err *e)
{
    enum transfer_state state;

    do
        state = transfer_step(x, e);
    while (state == TRANSFER_MORE && epoll_wait(s->epoll_fd, ret_ev, 1, 0) < 1);
    return state;
}

/* The answer can begin. A worker may free the transfer. */
static void hand_back(struct senders *s, struct http_exchange *x)
{
    leave(s, x);
    atomic_store(&x->parked, NULL);
    iothread_give(x);
}

/* The turn of ev's transfer. True: *ev is another one's event. */
static bool turn(struct senders *s, struct epoll_event *ev)
{
    struct http_exchange *x = ev->data.ptr;
    struct transfer *t = x->transfer;
    struct err e = {.code = ERR_OK};
    enum transfer_state state;

    pthread_mutex_lock(&s->lock); /* see arm() */
    pthread_mutex_unlock(&s->lock);
    atomic_store(&t->source_fd, -1);
    if (x->waiting) {
        hand_back(s, x);
        return false;
    }
    if (t->starved && exchange_why_cut(x, &e) != ERR_OK) {
        fail(s, x, &e);
        return false;
    }
    if (atomic_exchange(&t->resting, false) &&
        exchange_waited(x, clock_mono_us() - atomic_load(&t->rested_us), x->sent_bytes, &e) !=
            ERR_OK) {
        fail(s, x, &e);
        return false;
    }
    state = steps(s, x, ev, &e);
    switch (state) {
    case TRANSFER_ENDED:
        finish(s, x);
        break;
    case TRANSFER_FAILED:
        fail(s, x, &e);
        break;
    case TRANSFER_MORE:
    case TRANSFER_WOULD_BLOCK:
        if (!arm(s, x)) {
            err_set(&e, ERR_INTERNAL, "arm a transfer: %m");
            fail(s, x, &e);
        }
        break;
    }
    return state == TRANSFER_MORE;
}

static void *sender_main(void *arg)
{
    struct senders *s = arg;

    for (;;) {
        struct epoll_event ev;
        int n = epoll_wait(s->epoll_fd, &ev, 1, -1);

        if (n < 1)
            continue;
        do {
            if (!ev.data.ptr) /* quit_fd stays readable for all */
                return NULL;
        } while (turn(s, &ev));
    }
}

/* Not when they are first needed: by a worker, whose lower priority they would inherit. */
static enum err_code start_threads(struct senders *s, struct err *e)
{
    int error = 0;

    while (s->n_started < s->n_threads && !error) {
        error = thread_start(&s->threads[s->n_started], "sender", STACK_BYTES, sender_main, s);
        s->n_started += !error;
    }
    if (s->n_started == 0)
        return err_set(e, ERR_INTERNAL, "start a sender: %s", strerror(error));
    return ERR_OK;
}

enum err_code senders_new(size_t n_threads, struct senders **ret_senders, struct err *e)
{
    AUTO(senders) struct senders *s = NEW(struct senders);
    struct epoll_event ev = {.events = EPOLLIN, .data.ptr = NULL};

    s->n_threads = n_threads;
    s->threads = mem_zero(n_threads * sizeof(*s->threads));
    pthread_mutex_init(&s->lock, NULL);
    s->quit_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    s->ready_fd = eventfd(1, EFD_CLOEXEC | EFD_NONBLOCK);
    s->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (s->quit_fd < 0 || s->ready_fd < 0 || s->epoll_fd < 0 ||
        epoll_ctl(s->epoll_fd, EPOLL_CTL_ADD, s->quit_fd, &ev) < 0)
        return err_errno(e, "make the senders' epoll set");
    TRY(start_threads(s, e));
    *ret_senders = STEAL(s);
    return ERR_OK;
}

void senders_free(struct senders *s)
{
    uint64_t one = 1;

    if (!s)
        return;
    if (s->quit_fd >= 0)
        (void)!write(s->quit_fd, &one, sizeof(one));
    for (size_t i = 0; i < s->n_started; i++)
        pthread_join(s->threads[i], NULL);
    if (s->epoll_fd >= 0)
        close(s->epoll_fd);
    if (s->ready_fd >= 0)
        close(s->ready_fd);
    if (s->quit_fd >= 0)
        close(s->quit_fd);
    pthread_mutex_destroy(&s->lock);
    free(s->threads);
    free(s);
}

void senders_take(struct senders *s, struct http_exchange *x)
{
    struct err e;

    atomic_store(&x->parked, x->transfer);
    if (arm(s, x))
        return;
    err_set(&e, ERR_INTERNAL, "hand a transfer to a sender: %m");
    fail(s, x, &e);
}

void senders_await(struct senders *s, struct http_exchange *x)
{
    atomic_store(&x->parked, x->transfer);
    if (arm(s, x))
        return;
    atomic_store(&x->parked, NULL);
    x->waiting = false;
    response_refuse(x, 500, "can't wait for the content");
    finish(s, x);
}
