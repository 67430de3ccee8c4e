#include "core/upload_watch.h"

#include "base/clock.h"
#include "base/mem.h"
#include "base/thread.h"
#include "core/upload_records.h"

#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define EVERY_MS   1000
#define QUIET_MS   15000 /* then a word that it is still there */
#define EVENT_MAX  (1u << 20)
#define LONGEST_MS (3600 * 1000) /* then who reads asks again, and their rights are looked at */

/* All but `reader` under the mutex. */
struct stream {
    struct reader reader;
    struct upload_watch *watch;
    struct stream *previous, *next;
    struct uuid id;
    int event_fd, epoll_fd; /* readable when there is something to read; the set with it */
    struct buf text;        /* of it `at` has been read */
    size_t at;
    struct buf last; /* the row that was told last */
    int64_t told_ms, opened_ms;
    bool ended;    /* nothing comes any more */
    unsigned uses; /* by its reader and the thread */
};

struct upload_watch {
    struct registry *r;
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    struct stream *first;
    size_t n;
    pthread_t thread;
    bool runs, stop, hushed;
};

/* ---- a stream; under the mutex */

static void release(struct stream *s)
{
    if (--s->uses > 0)
        return;
    close(s->event_fd);
    close(s->epoll_fd);
    buf_done(&s->text);
    buf_done(&s->last);
    free(s);
}

static void wake(struct stream *s)
{
    uint64_t one = 1;

    (void)!write(s->event_fd, &one, sizeof(one));
}

static void end_stream(struct stream *s)
{
    s->ended = true;
    wake(s);
}

/* What its client has not read yet gives way to what is newer. */
static void add_event(struct stream *s, const char *event, struct str data)
{
    if (s->at == 0 || s->at == s->text.n) {
        buf_clear(&s->text);
        s->at = 0;
    }
    if (event)
        buf_addf(&s->text, "event: %s\ndata: ", event);
    else
        buf_add_text(&s->text, ": ");
    buf_add_str(&s->text, data);
    buf_add_text(&s->text, "\n\n");
    s->told_ms = clock_mono_ms();
    wake(s);
}

static void tell(struct stream *s, json_t *row)
{
    bool ended = upload_row_ended(row);
    AUTO(buf) struct buf data = {0};

    buf_init(&data, EVENT_MAX);
    upload_row_show(row, &data);
    if (ended || !str_eq(buf_str(&data), buf_str(&s->last))) {
        add_event(s, ended ? "end" : "progress", buf_str(&data));
        buf_clear(&s->last);
        buf_add_str(&s->last, buf_str(&data));
    } else if (clock_mono_ms() - s->told_ms > QUIET_MS) {
        add_event(s, NULL, STR("still there"));
    }
    if (ended || clock_mono_ms() - s->opened_ms > LONGEST_MS)
        end_stream(s);
}

/* ---- its reader */

static enum err_code stream_read(struct reader *r, void *buf, size_t cap, size_t *ret_n,
                                 struct err *e)
{
    struct stream *s = (struct stream *)r;
    enum err_code code = ERR_OK;
    uint64_t count;
    size_t n;

    pthread_mutex_lock(&s->watch->mutex);
    n = s->text.n - s->at < cap ? s->text.n - s->at : cap;
    if (n > 0)
        memcpy(buf, s->text.p + s->at, n);
    s->at += n;
    if (s->at == s->text.n && !s->ended)
        (void)!read(s->event_fd, &count, sizeof(count));
    if (n == 0 && !s->ended)
        code = err_set(e, ERR_LATER, "nothing has happened");
    pthread_mutex_unlock(&s->watch->mutex);
    *ret_n = n;
    return code;
}

static int stream_wait_fd(struct reader *r)
{
    return ((struct stream *)r)->epoll_fd;
}

static void stream_free(struct reader *r)
{
    struct stream *s = (struct stream *)r;
    struct upload_watch *w = s->watch;

    pthread_mutex_lock(&w->mutex);
    if (s->previous)
        s->previous->next = s->next;
    else
        w->first = s->next;
    if (s->next)
        s->next->previous = s->previous;
    w->n--;
    s->ended = true;
    release(s);
    pthread_mutex_unlock(&w->mutex);
}

/* ---- the thread */

/* The lock is dropped while the record is read. */
static void look(struct upload_watch *w, struct stream *s)
{
    AUTO(json) json_t *row = NULL;
    enum err_code code;

    pthread_mutex_unlock(&w->mutex);
    code = upload_records_get(w->r, &s->id, &row, ERR_IGNORED);
    pthread_mutex_lock(&w->mutex);
    if (s->ended)
        return;
    if (code == ERR_OK)
        tell(s, row);
    else if (code == ERR_NOT_FOUND)
        end_stream(s);
}

static void look_at_all(struct upload_watch *w)
{
    AUTO(mem) struct stream **list = mem_alloc((w->n + 1) * sizeof(struct stream *));
    size_t n = 0;

    for (struct stream *s = w->first; s; s = s->next) {
        if (s->ended)
            continue;
        s->uses++;
        list[n++] = s;
    }
    for (size_t i = 0; i < n; i++) {
        if (!w->stop)
            look(w, list[i]);
        release(list[i]);
    }
}

static void *watch_main(void *arg)
{
    struct upload_watch *w = arg;

    pthread_mutex_lock(&w->mutex);
    while (!w->stop) {
        struct timespec until = clock_mono_in(EVERY_MS);

        if (!w->first) {
            pthread_cond_wait(&w->changed, &w->mutex);
            continue;
        }
        pthread_cond_timedwait(&w->changed, &w->mutex, &until);
        look_at_all(w);
    }
    pthread_mutex_unlock(&w->mutex);
    return NULL;
}

struct upload_watch *upload_watch_new(struct registry *r)
{
    struct upload_watch *w = NEW(struct upload_watch);

    w->r = r;
    pthread_mutex_init(&w->mutex, NULL);
    thread_cond_init(&w->changed);
    return w;
}

void upload_watch_free(struct upload_watch *w)
{
    if (!w)
        return;
    pthread_mutex_lock(&w->mutex);
    w->stop = true;
    pthread_cond_signal(&w->changed);
    pthread_mutex_unlock(&w->mutex);
    if (w->runs)
        pthread_join(w->thread, NULL);
    pthread_cond_destroy(&w->changed);
    pthread_mutex_destroy(&w->mutex);
    free(w);
}

void upload_watch_hush(struct upload_watch *w)
{
    pthread_mutex_lock(&w->mutex);
    w->hushed = true;
    for (struct stream *s = w->first; s; s = s->next)
        end_stream(s);
    pthread_mutex_unlock(&w->mutex);
}

/* ---- opening one */

static void free_new(struct stream *s)
{
    if (s->event_fd >= 0)
        close(s->event_fd);
    if (s->epoll_fd >= 0)
        close(s->epoll_fd);
    free(s);
}

/* NULL: *e says why not. */
static struct stream *new_stream(struct upload_watch *w, const struct uuid *id, struct err *e)
{
    static const struct reader_ops ops = {
        .read = stream_read, .wait_fd = stream_wait_fd, .free = stream_free};
    struct stream *s = NEW(struct stream);
    struct epoll_event ev = {.events = EPOLLIN};

    s->event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    s->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (s->event_fd < 0 || s->epoll_fd < 0 ||
        epoll_ctl(s->epoll_fd, EPOLL_CTL_ADD, s->event_fd, &ev) < 0) {
        (void)err_errno(e, "make a stream of events");
        free_new(s);
        return NULL;
    }
    s->reader.ops = &ops;
    s->watch = w;
    s->id = *id;
    s->uses = 1;
    s->opened_ms = clock_mono_ms();
    buf_init(&s->text, 2 * EVENT_MAX);
    buf_init(&s->last, EVENT_MAX);
    return s;
}

static enum err_code check_room(struct upload_watch *w, struct err *e)
{
    if (w->hushed)
        return err_set(e, ERR_UNAVAILABLE, "the server stops");
    if (w->n >= conf_u64(&w->r->options->archives.watchers))
        return err_tell(e, ERR_TOO_MANY_REQUESTS,
                        "too many uploads are being watched; try again later");
    if (!w->runs)
        w->runs = thread_start(&w->thread, "upload-watch", THREAD_STACK_USUAL, watch_main, w) == 0;
    return w->runs ? ERR_OK : err_set(e, ERR_UNAVAILABLE, "no thread to watch uploads");
}

enum err_code upload_watch_open(struct upload_watch *w, const struct uuid *id, json_t *row,
                                struct reader **ret_reader, struct err *e)
{
    struct stream *s = new_stream(w, id, e);
    enum err_code code;

    if (!s)
        return e->code;
    tell(s, row);
    pthread_mutex_lock(&w->mutex);
    code = check_room(w, e);
    if (code == ERR_OK) {
        s->next = w->first;
        if (s->next)
            s->next->previous = s;
        w->first = s;
        w->n++;
        pthread_cond_signal(&w->changed);
    } else {
        release(s);
    }
    pthread_mutex_unlock(&w->mutex);
    TRY(code);
    *ret_reader = &s->reader;
    return ERR_OK;
}
