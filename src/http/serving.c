/*
 * A connection on its I/O thread: receiving requests and answering the quick ones, handing the
 * others to a worker, sending what would not go out at once, saying goodbye. What is answered later
 * is an exchange on the heap, which the thread lends to workers and senders; of its connection it
 * touches nothing meanwhile but what it watches the socket with.
 */
#include "http/serving.h"

#include "base/clock.h"
#include "base/mem.h"
#include "http/core.h"
#include "http/exchange.h"
#include "http/tls.h"
#include "http/worker.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    LINGER_MS = 5000,
    LINGER_MAX_BYTES = 64 * 1024 * 1024,
};

/* Lists. Each has one timeout for all its connections, so appending keeps it sorted and only its
 * first can be due; a timer costs two pointers and no search. */

static void list_remove(struct iothread *io, struct conn *c)
{
    struct conn_list *l = &io->lists[c->list];

    if (c->list == LIST_COUNT)
        return;
    *(c->prev ? &c->prev->next : &l->first) = c->next;
    *(c->next ? &c->next->prev : &l->last) = c->prev;
    c->prev = c->next = NULL;
    c->list = LIST_COUNT;
}

static void list_append(struct iothread *io, struct conn *c, enum conn_list_kind kind,
                        int64_t deadline_ms)
{
    struct conn_list *l = &io->lists[kind];

    list_remove(io, c);
    c->list = kind;
    c->deadline_ms = deadline_ms;
    c->prev = l->last;
    c->next = NULL;
    *(l->last ? &l->last->next : &l->first) = c;
    l->last = c;
}

static void lend(struct iothread *io, struct http_exchange *x)
{
    struct exchange_list *l = &io->lent;

    x->prev_lent = l->last;
    x->next_lent = NULL;
    *(l->last ? &l->last->next_lent : &l->first) = x;
    l->last = x;
    if (io->check_ms < io->now_ms)
        io->check_ms = io->now_ms + LENT_CHECK_MS;
}

/* Frees x as well. */
static void end_lent(struct iothread *io, struct http_exchange *x)
{
    struct exchange_list *l = &io->lent;

    *(x->prev_lent ? &x->prev_lent->next_lent : &l->first) = x->next_lent;
    *(x->next_lent ? &x->next_lent->prev_lent : &l->last) = x->prev_lent;
    x->conn->x = NULL;
    exchange_free(x);
}

static void watch(struct iothread *io, struct conn *c, bool writing)
{
    struct epoll_event ev = {.events = writing ? EPOLLOUT : EPOLLIN, .data.ptr = c};

    if (c->watched && c->writing == writing)
        return;
    epoll_ctl(io->epoll_fd, c->watched ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, c->fd, &ev);
    c->watched = true;
    c->writing = writing;
}

/* While a worker or sender has the socket it must not be in the set at all: even without events
 * asked for, a reset would be reported again and again. */
static void unwatch(struct iothread *io, struct conn *c)
{
    if (c->watched)
        epoll_ctl(io->epoll_fd, EPOLL_CTL_DEL, c->fd, NULL);
    c->watched = false;
}

void serving_drop(struct iothread *io, struct conn *c)
{
    struct http_server *s = io->server;

    list_remove(io, c);
    unwatch(io, c); /* closing alone would not: a child that is being started has the socket, too */
    tls_detach(c);
    close(c->fd);
    if (c->address)
        address_remove(&s->addresses, c->address);
    free(c->in);
    free(c->out);
    free(c);
    atomic_fetch_sub_explicit(&io->n_connections, 1, memory_order_relaxed);
    server_connection_ended(s);
}

/* Waits for a request, or for the rest of one. */
static void rest(struct iothread *io, struct conn *c)
{
    const struct conf_http *conf = io->server->conf;
    int64_t idle_ms = (int64_t)conf_u64(&conf->idle_timeout_ms);

    c->state = CONN_REST;
    watch(io, c, false);
    if (c->in_n > 0) {
        if (c->list != LIST_HEAD) /* the clock runs from the first byte of the head */
            list_append(io, c, LIST_HEAD, io->now_ms + (int64_t)conf_u64(&conf->head_timeout_ms));
        return;
    }
    /* A busy connection need not move at each request: an eighth of the timeout is near enough. */
    if (c->list != LIST_IDLE || io->now_ms + idle_ms - c->deadline_ms > idle_ms / 8)
        list_append(io, c, LIST_IDLE, io->now_ms + idle_ms);
}

static void wait_to_write(struct iothread *io, struct conn *c)
{
    c->state = CONN_WRITE;
    watch(io, c, true);
    list_append(io, c, LIST_WRITE,
                io->now_ms + (int64_t)conf_u64(&io->server->conf->io_timeout_ms));
}

/* RFC 9112, 9.6: half-close, then read until the client closes, so that no reset destroys the
 * answer on its way. */
static void linger(struct iothread *io, struct conn *c)
{
    free(c->in);
    c->in = NULL;
    c->in_n = 0;
    tls_half_close(c);
    shutdown(c->fd, SHUT_WR);
    c->state = CONN_LINGER;
    watch(io, c, false);
    list_append(io, c, LIST_LINGER, io->now_ms + LINGER_MS);
}

static void keep_in(struct conn *c, const char *p, size_t n)
{
    if (n == 0) {
        free(c->in);
        c->in = NULL;
    } else {
        c->in = mem_resize(c->in, n);
        memcpy(c->in, p, n);
    }
    c->in_n = (uint32_t)n;
}

/* Sends the batch: 1 it is out, 0 the rest is kept in c->out, -1 broken. */
static int flush(struct iothread *io, struct conn *c)
{
    size_t at = 0, n = io->out_n;

    io->out_n = 0;
    if (c->out_n > 0) {
        conn_keep_out(c, io->out, n);
        return conn_flush(c);
    }
    while (at < n) {
        ssize_t put = conn_send(c, io->out + at, n - at, false, 0);

        if (put < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
            conn_keep_out(c, io->out + at, n - at);
            return 0;
        }
        if (put <= 0)
            return -1;
        at += (size_t)put;
    }
    return 1;
}

enum outcome {
    GO_ON,     /* answered; the next request may follow */
    WANT_MORE, /* the head is not complete */
    ENDS,      /* answered; the connection ends by c->fate */
    TAKEN,     /* with a worker */
    BROKEN,
};

static enum outcome answered(struct iothread *io, struct http_exchange *x, struct conn *c)
{
    exchange_done(x);
    if (c->list == LIST_HEAD) /* a next head has a clock of its own */
        list_remove(io, c);
    c->fate = x->fate;
    return x->fate == CONN_KEEP ? GO_ON : ENDS;
}

/* The fields of x->head are those that were read of it. */
static enum outcome refuse(struct iothread *io, struct conn *c, int status, const char *why)
{
    const struct http_app *app = &io->server->app;
    struct http_exchange *x = io->x;

    x->head.chunked = false;
    x->ahead_n = 0;
    exchange_begin(x, c);
    x->has_head = false;
    x->close = true;
    if (app->refusal_headers)
        app->refusal_headers(app->ctx, x);
    response_refuse(x, status, why);
    return answered(io, x, c);
}

static enum outcome hand_over(struct iothread *io, struct conn *c, const char *raw, size_t n)
{
    struct http_exchange *x;

    if (flush(io, c) < 0)
        return BROKEN;
    unwatch(io, c);
    list_remove(io, c);
    c->state = CONN_BUSY;
    c->x = x = exchange_detach(io->x, raw, n);
    x->place = EXCHANGE_AWAY;
    lend(io, x);
    if (workers_put(io->server->workers, x))
        return TAKEN;
    end_lent(io, x);
    c->state = CONN_REST;
    http_header(io->x, "Retry-After", STR("1"));
    response_refuse(io->x, 503, "the queue for a worker is full");
    return answered(io, io->x, c);
}

/* So many bytes are waited for at most, so that little lies in the kernel. */
#define LEAST_BYTES (16 * 1024)

/* More of the body must come before a worker goes on with x. */
static void wait_for_body(struct iothread *io, struct http_exchange *x)
{
    struct conn *c = x->conn;
    uint64_t owed = exchange_owed_bytes(x);

    x->waiting = false;
    x->place = EXCHANGE_WAITS;
    x->rest = (struct exchange_rest){.since_us = clock_mono_us(), .progress_ms = clock_mono_ms()};
    /* What is owed counts plain bytes, and OpenSSL may have read some of their record already. */
    conn_set_least(c, c->ssl ? 1 : (uint32_t)(owed < LEAST_BYTES ? owed : LEAST_BYTES));
    watch(io, c, false);
}

static void give_worker(struct iothread *io, struct http_exchange *x)
{
    x->place = EXCHANGE_AWAY;
    if (!workers_put(io->server->workers, x))
        x->place = EXCHANGE_WAITS; /* not watched: serving_body_retry() will */
}

/* Some of it has come, or the end. */
static void go_on(struct iothread *io, struct http_exchange *x)
{
    int64_t now_us = clock_mono_us();

    unwatch(io, x->conn);
    conn_set_least(x->conn, 1);
    x->waited_us += now_us - x->rest.since_us;
    x->rest.since_us = now_us;
    give_worker(io, x);
}

/* The content that it is to be answered with has begun to come. */
static void content_has_come(struct iothread *io, struct http_exchange *x)
{
    x->waiting = false;
    give_worker(io, x);
}

/* Out of the set: that the client has gone is looked for once a second. */
static void begin_pause(struct http_exchange *x)
{
    x->waiting = false;
    x->place = EXCHANGE_WAITS;
}

void serving_pause_over(struct iothread *io, struct http_exchange *x)
{
    x->paused = false; /* it is the worker's from the next line on */
    give_worker(io, x);
    if (x->place == EXCHANGE_WAITS) /* the queue of the workers is full */
        x->paused = true;
}

int64_t serving_body_waited_ms(const struct http_exchange *x)
{
    return (x->waited_us + clock_mono_us() - x->rest.since_us) / 1000;
}

void serving_body_retry(struct iothread *io, struct http_exchange *x)
{
    if (!x->conn->watched)
        go_on(io, x);
}

void serving_content_retry(struct iothread *io, struct http_exchange *x)
{
    give_worker(io, x);
}

/* One request at p; *ret_used of the n bytes are dealt with. */
static enum outcome one_request(struct iothread *io, struct conn *c, const char *p, size_t n,
                                size_t *ret_used)
{
    const struct conf_http *conf = io->server->conf;
    const struct http_app *app = &io->server->app;
    struct http_limits limits = {
        .max_head_bytes = conf->max_head_bytes,
        .max_url_bytes = conf_u64(&conf->max_url_bytes),
        .max_headers = conf_u64(&conf->max_headers),
    };
    struct http_exchange *x = io->x;
    enum outcome o;
    const char *why;
    size_t used;
    int status;

    switch (http_parse_head(p, n, &limits, &x->head, &used, &status, &why)) {
    case HTTP_PARSE_MORE:
        return WANT_MORE;
    case HTTP_PARSE_BAD:
        *ret_used = n;
        return refuse(io, c, status, why);
    case HTTP_PARSE_DONE:
        break;
    }
    x->ahead = p + used;
    x->ahead_n = n - used;
    exchange_begin(x, c);
    if (app->quick && app->quick(app->ctx, x) == HTTP_ANSWERED) {
        if (!x->answered)
            response_refuse(x, 500, "quick() did not answer");
        o = answered(io, x, c);
    } else {
        o = hand_over(io, c, p, n);
    }
    *ret_used = (size_t)(x->ahead - p);
    return o;
}

/* After a batch of requests: sends the answers, and says what c waits for now. True when that is
 * the next request. */
static bool settle(struct iothread *io, struct conn *c, enum outcome o, const char *rest_p,
                   size_t rest_n)
{
    int sent = flush(io, c);

    if (sent < 0 || o == BROKEN) {
        serving_drop(io, c);
        return false;
    }
    keep_in(c, rest_p, o == ENDS ? 0 : rest_n);
    if (sent == 0) {
        if (o != ENDS)
            c->fate = CONN_KEEP;
        wait_to_write(io, c);
        return false;
    }
    if (o != ENDS) {
        rest(io, c);
        return true;
    }
    if (c->fate == CONN_HALF_CLOSE)
        linger(io, c);
    else
        serving_drop(io, c);
    return false;
}

/* The n bytes in io->in are what c sent and was not answered yet. True when c waits for more. */
static bool process(struct iothread *io, struct conn *c, size_t n)
{
    enum outcome o = GO_ON;
    size_t at = 0;

    while (o == GO_ON && at < n) {
        size_t used = 0;

        if (io->out_n > IO_OUT_BYTES - IO_ANSWER_MAX) {
            int sent = flush(io, c);

            if (sent < 0)
                o = BROKEN;
            if (sent <= 0)
                break;
        }
        o = one_request(io, c, io->in + at, n - at, &used);
        at += used;
    }
    return o != TAKEN && settle(io, c, o, io->in + at, n - at);
}

/* A head that comes in drops is parsed only when it may have become complete or too long: work for
 * each byte would let a client burn time at will. */
static bool worth_parsing(const struct iothread *io, size_t old, size_t n)
{
    const struct conf_http *conf = io->server->conf;
    size_t line_max = conf_u64(&conf->max_url_bytes) + 64;

    return old == 0 || memchr(io->in + old, '\n', n - old) || (old <= line_max && n > line_max) ||
           n >= conf->max_head_bytes;
}

/* As much as there is and fits behind `old` bytes in io->in. OpenSSL may hold bytes that no event
 * will tell of, so it is asked until it has none. 0: end; -1: errno. */
static ssize_t receive_bytes(struct iothread *io, struct conn *c, size_t old)
{
    size_t n = old;
    ssize_t got;

    do {
        got = conn_recv(c, io->in + n, IO_IN_BYTES - n, false, 0);
        n += got > 0 ? (size_t)got : 0;
    } while (got > 0 && c->ssl && n < IO_IN_BYTES);
    return n > old ? (ssize_t)(n - old) : got;
}

/* True when c rests again and more may be at hand. */
static bool receive_once(struct iothread *io, struct conn *c)
{
    size_t old = c->in_n, n;
    ssize_t got;

    if (old)
        memcpy(io->in, c->in, old);
    got = receive_bytes(io, c, old);
    if (got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
        return false;
    if (got <= 0) {
        serving_drop(io, c);
        return false;
    }
    n = old + (size_t)got;
    if (worth_parsing(io, old, n))
        return process(io, c, n) && c->ssl && n == IO_IN_BYTES;
    keep_in(c, io->in, n);
    rest(io, c);
    return false;
}

static void receive(struct iothread *io, struct conn *c)
{
    while (receive_once(io, c))
        ;
}

/* What a connection brought back, or had to keep while it was writing. */
static void process_kept(struct iothread *io, struct conn *c)
{
    size_t n = c->in_n;

    memcpy(io->in, c->in, n);
    if (process(io, c, n) && tls_pending(c))
        receive(io, c);
}

static void receive_dropping(struct iothread *io, struct conn *c)
{
    ssize_t got = recv(c->fd, io->in, IO_IN_BYTES, MSG_DONTWAIT);

    if (got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR))
        return;
    c->lingered_bytes += got > 0 ? (uint32_t)got : 0;
    if (got <= 0 || c->lingered_bytes > LINGER_MAX_BYTES)
        serving_drop(io, c);
}

/* c->out is empty again. */
static void written(struct iothread *io, struct conn *c)
{
    switch (c->fate) {
    case CONN_KEEP:
        list_remove(io, c);
        rest(io, c);
        if (c->in_n > 0)
            process_kept(io, c);
        else if (tls_pending(c))
            receive(io, c);
        break;
    case CONN_CLOSE:
        serving_drop(io, c);
        break;
    case CONN_HALF_CLOSE:
        linger(io, c);
        break;
    }
}

static void write_out(struct iothread *io, struct conn *c)
{
    uint32_t before = c->out_n - c->out_at;
    int sent = conn_flush(c);

    if (sent < 0)
        serving_drop(io, c);
    else if (sent > 0)
        written(io, c);
    else if (c->out_n - c->out_at < before)
        wait_to_write(io, c); /* progress: the clock starts anew */
}

/* http:// where https:// was meant: said in the clear, as nothing else would be understood. */
static void answer_without_tls(struct iothread *io, struct conn *c)
{
    static const char why[] = "this port speaks TLS: use https://";
    char text[RESPONSE_CANNED_BYTES];
    size_t n = response_canned(io->server, 400, why, text, sizeof(text));

    server_tell_refused(io->server, c->address ? c->address->text : "", 400, why);
    if (send(c->fd, text, n, MSG_DONTWAIT | MSG_NOSIGNAL) == (ssize_t)n)
        linger(io, c);
    else
        serving_drop(io, c);
}

static void handshake_failed(struct iothread *io, struct conn *c)
{
    const char *why = tls_refusal(c);
    char note[128];

    if (tls_heard_http()) {
        answer_without_tls(io, c);
        return;
    }
    if (why) {
        snprintf(note, sizeof(note), "client certificate: %s", why);
        server_tell_refused(io->server, c->address ? c->address->text : "", 403, note);
    }
    serving_drop(io, c);
}

static void handshake(struct iothread *io, struct conn *c)
{
    bool writing = false;

    switch (tls_handshake(c, &writing)) {
    case 0:
        watch(io, c, writing);
        break;
    case 1:
        rest(io, c);
        if (tls_pending(c))
            receive(io, c);
        break;
    default:
        handshake_failed(io, c);
        break;
    }
}

void serving_event(struct iothread *io, struct conn *c)
{
    switch (c->state) {
    case CONN_HANDSHAKE:
        handshake(io, c);
        break;
    case CONN_REST:
        receive(io, c);
        break;
    case CONN_WRITE:
        write_out(io, c);
        break;
    case CONN_LINGER:
        receive_dropping(io, c);
        break;
    case CONN_BUSY:
        if (c->x->place == EXCHANGE_WAITS)
            go_on(io, c->x);
        break;
    case CONN_NEW:
        break; /* not in the set */
    }
}

void serving_take_new(struct iothread *io, struct conn *c)
{
    int64_t head_ms = (int64_t)conf_u64(&io->server->conf->head_timeout_ms);

    c->list = LIST_COUNT;
    if (c->refused) {
        linger(io, c);
    } else if (c->ssl) {
        c->state = CONN_HANDSHAKE;
        list_append(io, c, LIST_HEAD, io->now_ms + head_ms);
        watch(io, c, false);
    } else {
        rest(io, c);
    }
}

void serving_last_call(struct iothread *io, enum conn_list_kind kind)
{
    for (struct conn *c = io->lists[kind].first, *next; c; c = next) {
        int unread = 0;

        next = c->next;
        if (tls_pending(c) || (ioctl(c->fd, FIONREAD, &unread) == 0 && unread > 0))
            serving_event(io, c);
    }
}

void serving_take_back(struct iothread *io, struct http_exchange *x)
{
    struct conn *c = x->conn;

    if (x->waiting) {
        if (x->transfer)
            content_has_come(io, x);
        else if (x->paused)
            begin_pause(x);
        else
            wait_for_body(io, x);
        return;
    }
    end_lent(io, x);
    if (c->out_n > 0) {
        wait_to_write(io, c);
        return;
    }
    written(io, c);
}

void serving_expired(struct iothread *io, struct conn *c)
{
    if (c->state == CONN_REST && c->list == LIST_HEAD) {
        io->x->head.n_fields = 0; /* they are another request's */
        settle(io, c, refuse(io, c, 408, "the head took too long"), NULL, 0);
        return;
    }
    serving_drop(io, c);
}
