#include "http/transfer.h"

#include "base/clock.h"
#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    STEP_BYTES = 2 * 1024 * 1024, /* one sendfile */
    TURN_BYTES = 8 * 1024 * 1024, /* then others get their turn */
    TLS_BYTES = 64 * 1024,        /* read and encrypted at once; on a sender's stack */
    COPY_BYTES = 256 * 1024,      /* read and sent at once, from a reader without an fd */
};

#define TEXT_MAX (HEADERS_MAX + HEAD_ROOM + HTTP_RANGES_MAX * 512 + 64 * 1024)

struct transfer *transfer_new(struct reader *r)
{
    struct transfer *t = NEW(struct transfer);

    t->reader = r;
    t->fd = r ? reader_fd(r) : -1;
    buf_init(&t->text, TEXT_MAX);
    return t;
}

void transfer_free(struct transfer *t)
{
    if (!t)
        return;
    reader_free(t->reader);
    buf_done(&t->text);
    free(t);
}

/* sendfile() has no flag for not waiting, so the socket itself is switched for the time of it. */
static void set_nonblocking(struct conn *c, struct transfer *t, bool on)
{
    if (c->ssl || t->nonblocking == on)
        return;
    fcntl(c->fd, F_SETFL, O_RDWR | (on ? O_NONBLOCK : 0));
    t->nonblocking = on;
}

static enum transfer_state failed(struct http_exchange *x, int error, const char *what,
                                  struct err *e)
{
    if (exchange_why_cut(x, e) == ERR_OK)
        conn_err(x->conn, error, what, e);
    return TRANSFER_FAILED;
}

static enum transfer_state sent_or_not(struct http_exchange *x, ssize_t put, struct err *e)
{
    if (put > 0)
        return TRANSFER_MORE;
    if (put < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
        return TRANSFER_WOULD_BLOCK;
    return failed(x, put < 0 ? errno : 0, "send", e);
}

static enum transfer_state send_text(struct http_exchange *x, struct transfer_segment *s,
                                     struct err *e)
{
    const char *p = x->transfer->text.p + s->text_at;
    ssize_t put = conn_send(x->conn, p, s->text_n, false, s->n_bytes > 0 ? MSG_MORE : 0);
    enum transfer_state state = sent_or_not(x, put, e);

    if (state == TRANSFER_MORE) {
        s->text_at += (size_t)put;
        s->text_n -= (size_t)put;
        x->sent_bytes += s->is_body ? (uint64_t)put : 0;
    }
    return state;
}

static enum transfer_state shorter(struct err *e)
{
    err_set(e, ERR_CORRUPT, "content is shorter than its size");
    return TRANSFER_FAILED;
}

/* Under TLS the bytes pass through here. What could not be encrypted and sent is read again next
 * time: OpenSSL wants the same bytes, not the same buffer. */
static ssize_t send_encrypted(struct http_exchange *x, const struct transfer_segment *s)
{
    char buf[TLS_BYTES];
    size_t want = s->n_bytes < sizeof(buf) ? (size_t)s->n_bytes : sizeof(buf);
    ssize_t got;

    do {
        got = pread(x->transfer->fd, buf, want, (off_t)s->at_bytes);
    } while (got < 0 && errno == EINTR);
    if (got <= 0)
        return 0;
    return conn_send(x->conn, buf, (size_t)got, false, 0);
}

static enum transfer_state send_range(struct http_exchange *x, struct transfer_segment *s,
                                      struct err *e)
{
    size_t want = s->n_bytes < STEP_BYTES ? (size_t)s->n_bytes : STEP_BYTES;
    off_t at = (off_t)s->at_bytes;
    enum transfer_state state;
    ssize_t put;

    if (x->conn->ssl) {
        put = send_encrypted(x, s);
    } else {
        do {
            put = sendfile(x->conn->fd, x->transfer->fd, &at, want);
        } while (put < 0 && errno == EINTR);
    }
    if (put == 0)
        return shorter(e);
    if (put < 0 && (errno == EIO || errno == EINVAL)) {
        err_errno(e, "read content");
        return TRANSFER_FAILED;
    }
    state = sent_or_not(x, put, e);
    if (state == TRANSFER_MORE) {
        s->at_bytes += (uint64_t)put;
        s->n_bytes -= (uint64_t)put;
        x->sent_bytes += (uint64_t)put;
    }
    return state;
}

enum transfer_state transfer_step(struct http_exchange *x, struct err *e)
{
    struct transfer *t = x->transfer;
    uint64_t turn = x->sent_bytes + TURN_BYTES;

    set_nonblocking(x->conn, t, true);
    while (t->current < t->n_segments) {
        struct transfer_segment *s = &t->segments[t->current];
        enum transfer_state state;

        if (s->text_n == 0 && s->n_bytes == 0) {
            t->current++;
            continue;
        }
        if (x->sent_bytes >= turn)
            return TRANSFER_MORE;
        state = s->text_n > 0 ? send_text(x, s, e) : send_range(x, s, e);
        if (state != TRANSFER_MORE)
            return state;
    }
    set_nonblocking(x->conn, t, false);
    return TRANSFER_ENDED;
}

/* A worker makes the first steps: much content fits into the socket's queue at once. */
enum err_code transfer_begin(struct http_exchange *x, struct err *e)
{
    struct conn *c = x->conn;

    TRY(conn_flush_waiting(c, MSG_MORE, e)); /* answers to requests before this one */
    switch (transfer_step(x, e)) {
    case TRANSFER_ENDED:
        x->transfer_over = true;
        return ERR_OK;
    case TRANSFER_FAILED:
        x->transfer_over = true;
        return e->code;
    case TRANSFER_MORE:
    case TRANSFER_WOULD_BLOCK:
        break; /* the worker's loop passes it on */
    }
    return ERR_OK;
}

static enum err_code send_waiting(struct http_exchange *x, const char *p, size_t n, int flags,
                                  struct err *e)
{
    int64_t before_us = clock_mono_us();
    enum err_code code = conn_send_all(x->conn, p, n, flags, e), why;

    if (code != ERR_OK) {
        why = exchange_why_cut(x, e);
        return why != ERR_OK ? why : code;
    }
    return exchange_waited(x, clock_mono_us() - before_us, x->sent_bytes + n, e);
}

static enum err_code copy_range(struct http_exchange *x, struct transfer_segment *s, char *buf,
                                struct err *e)
{
    struct reader *r = x->transfer->reader;

    if (s->at_bytes > 0 || x->transfer->current > 0)
        TRY(reader_seek(r, s->at_bytes, e));
    while (s->n_bytes > 0) {
        size_t want = s->n_bytes < COPY_BYTES ? (size_t)s->n_bytes : COPY_BYTES;
        size_t got;

        TRY(reader_read(r, buf, want, &got, e));
        if (got == 0) {
            shorter(e);
            return ERR_CORRUPT;
        }
        TRY(send_waiting(x, buf, got, 0, e));
        s->n_bytes -= got;
        x->sent_bytes += got;
    }
    return ERR_OK;
}

static enum err_code run_segments(struct http_exchange *x, char *buf, struct err *e)
{
    struct transfer *t = x->transfer;

    for (; t->current < t->n_segments; t->current++) {
        struct transfer_segment *s = &t->segments[t->current];

        TRY(send_waiting(x, t->text.p + s->text_at, s->text_n, s->n_bytes ? MSG_MORE : 0, e));
        if (s->n_bytes > 0)
            TRY(copy_range(x, s, buf, e));
    }
    return ERR_OK;
}

enum err_code transfer_run(struct http_exchange *x, struct err *e)
{
    enum err_code code = conn_flush_waiting(x->conn, MSG_MORE, e);
    char *buf = mem_alloc(COPY_BYTES);

    if (code == ERR_OK)
        code = run_segments(x, buf, e);
    free(buf);
    x->transfer_over = true;
    return code;
}
