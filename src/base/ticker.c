#include "base/ticker.h"

#include "base/buf.h"
#include "base/mem.h"

#include <pthread.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

struct ticker {
    struct reader reader;
    pthread_mutex_t mutex;  /* guards all below but the descriptors */
    int event_fd, epoll_fd; /* readable when there is something to read; the set with it */
    size_t max_bytes;
    struct buf text; /* of it `at` has been read */
    size_t at;
    bool ended, left;
    unsigned ends; /* that have not let go */
};

static void release(struct ticker *f)
{
    bool last;

    pthread_mutex_lock(&f->mutex);
    last = --f->ends == 0;
    pthread_mutex_unlock(&f->mutex);
    if (!last)
        return;
    close(f->event_fd);
    close(f->epoll_fd);
    buf_done(&f->text);
    pthread_mutex_destroy(&f->mutex);
    free(f);
}

static void wake(struct ticker *f)
{
    uint64_t one = 1;

    (void)!write(f->event_fd, &one, sizeof(one));
}

/* ---- the end that reads */

static enum err_code ticker_read(struct reader *r, void *buf, size_t cap, size_t *ret_n,
                                 struct err *e)
{
    struct ticker *f = (struct ticker *)r;
    enum err_code code = ERR_OK;
    uint64_t count;
    size_t n;

    pthread_mutex_lock(&f->mutex);
    n = f->text.n - f->at < cap ? f->text.n - f->at : cap;
    if (n > 0)
        memcpy(buf, f->text.p + f->at, n);
    f->at += n;
    if (f->at == f->text.n) {
        buf_clear(&f->text);
        f->at = 0;
        if (!f->ended)
            (void)!read(f->event_fd, &count, sizeof(count));
    }
    if (n == 0 && !f->ended)
        code = err_set(e, ERR_LATER, "nothing has happened");
    pthread_mutex_unlock(&f->mutex);
    *ret_n = n;
    return code;
}

static int ticker_wait_fd(struct reader *r)
{
    return ((struct ticker *)r)->epoll_fd;
}

static void leave(struct reader *r)
{
    struct ticker *f = (struct ticker *)r;

    pthread_mutex_lock(&f->mutex);
    f->left = true;
    pthread_mutex_unlock(&f->mutex);
    release(f);
}

/* ---- the end that adds */

static size_t room(const struct ticker *f)
{
    return f->ended || f->left ? 0 : f->max_bytes - (f->text.n - f->at);
}

size_t ticker_room(struct ticker *f)
{
    size_t n;

    pthread_mutex_lock(&f->mutex);
    n = room(f);
    pthread_mutex_unlock(&f->mutex);
    return n;
}

/* What was read gives way, so that the buffer never has more than what may be unread. */
static void make_room(struct ticker *f)
{
    if (f->at == 0)
        return;
    memmove(f->text.p, f->text.p + f->at, f->text.n - f->at);
    f->text.n -= f->at;
    f->at = 0;
}

void ticker_add(struct ticker *f, struct str text)
{
    pthread_mutex_lock(&f->mutex);
    if (text.n > 0 && text.n <= room(f)) {
        if (f->text.n + text.n > f->max_bytes)
            make_room(f);
        buf_add_str(&f->text, text);
        wake(f);
    }
    pthread_mutex_unlock(&f->mutex);
}

void ticker_end(struct ticker *f)
{
    pthread_mutex_lock(&f->mutex);
    f->ended = true;
    wake(f);
    pthread_mutex_unlock(&f->mutex);
}

bool ticker_is_left(struct ticker *f)
{
    bool left;

    pthread_mutex_lock(&f->mutex);
    left = f->left;
    pthread_mutex_unlock(&f->mutex);
    return left;
}

void ticker_free(struct ticker *f)
{
    if (!f)
        return;
    ticker_end(f);
    release(f);
}

static enum err_code open_descriptors(struct ticker *f, struct err *e)
{
    struct epoll_event ev = {.events = EPOLLIN};

    f->event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    f->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (f->event_fd >= 0 && f->epoll_fd >= 0 &&
        epoll_ctl(f->epoll_fd, EPOLL_CTL_ADD, f->event_fd, &ev) == 0)
        return ERR_OK;
    (void)err_errno(e, "make a ticker");
    if (f->event_fd >= 0)
        close(f->event_fd);
    if (f->epoll_fd >= 0)
        close(f->epoll_fd);
    return e->code;
}

enum err_code ticker_new(size_t max_bytes, struct ticker **ret_ticker, struct reader **ret_reader,
                         struct err *e)
{
    static const struct reader_ops ops = {
        .read = ticker_read, .wait_fd = ticker_wait_fd, .free = leave};
    AUTO(mem) struct ticker *f = NEW(struct ticker);

    TRY(open_descriptors(f, e));
    f->reader.ops = &ops;
    f->max_bytes = max_bytes;
    f->ends = 2;
    pthread_mutex_init(&f->mutex, NULL);
    buf_init(&f->text, max_bytes + 1);
    *ret_reader = &f->reader;
    *ret_ticker = STEAL(f);
    return ERR_OK;
}
