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
    PIECE_BYTES = 64 * 1024,      /* likewise, of a reader without an fd */
};

#define TEXT_MAX (HEADERS_MAX + HEAD_ROOM + HTTP_RANGES_MAX * 512 + 64 * 1024)

struct transfer *transfer_new(struct reader *r, uint64_t size_bytes)
{
    struct transfer *t = NEW(struct transfer);

    t->reader = r;
    t->size_bytes = size_bytes;
    t->fd = r ? reader_fd(r) : -1;
    atomic_init(&t->source_fd, -1);
    buf_init(&t->text, TEXT_MAX);
    return t;
}

void transfer_free(struct transfer *t)
{
    if (!t)
        return;
    reader_free(t->reader);
    buf_done(&t->text);
    free(t->held);
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

static void count_sent(struct http_exchange *x, struct transfer_segment *s, size_t n)
{
    s->at_bytes += n;
    s->n_bytes -= n;
    x->sent_bytes += n;
}

/* Under TLS the bytes pass through here. What could not be encrypted and sent is read again next
 * time: OpenSSL wants the same bytes, not the same buffer. */
static ssize_t send_encrypted(struct http_exchange *x, const struct reader_span *file)
{
    char buf[TLS_BYTES];
    size_t want = file->n_bytes < sizeof(buf) ? (size_t)file->n_bytes : sizeof(buf);
    ssize_t got;

    do {
        got = pread(file->fd, buf, want, (off_t)file->at_bytes);
    } while (got < 0 && errno == EINTR);
    if (got <= 0)
        return 0;
    return conn_send(x->conn, buf, (size_t)got, false, 0);
}

/* A piece of a reader without an fd, of *ret_n bytes at at_bytes. */
static enum err_code read_piece(struct transfer *t, uint64_t at_bytes, uint64_t n_bytes, char *buf,
                                size_t *ret_n, struct err *e)
{
    size_t want = n_bytes < PIECE_BYTES ? (size_t)n_bytes : PIECE_BYTES;
    enum err_code code;

    if (t->expects_end != at_bytes + n_bytes)
        reader_expect(t->reader, at_bytes + n_bytes);
    t->expects_end = at_bytes + n_bytes;
    if (t->read_bytes != at_bytes)
        TRY(reader_seek(t->reader, at_bytes, e));
    t->read_bytes = at_bytes;
    code = reader_read(t->reader, buf, want, ret_n, e);
    t->starved = code == ERR_LATER;
    TRY(code);
    if (*ret_n == 0 && !t->until_end)
        return err_set(e, ERR_CORRUPT, "content is shorter than its size");
    t->read_bytes += *ret_n;
    return ERR_OK;
}

static void hold(struct transfer *t, const char *p, size_t n)
{
    t->held = mem_alloc(n);
    t->held_at = 0;
    t->held_n = n;
    memcpy(t->held, p, n);
}

enum err_code transfer_fetch(struct transfer *t, uint64_t at_bytes, uint64_t n_bytes, struct err *e)
{
    char piece[PIECE_BYTES];
    size_t n;

    TRY(read_piece(t, at_bytes, n_bytes, piece, &n, e));
    hold(t, piece, n);
    return ERR_OK;
}

static enum transfer_state send_held(struct http_exchange *x, struct transfer_segment *s,
                                     struct err *e)
{
    struct transfer *t = x->transfer;
    ssize_t put = conn_send(x->conn, t->held + t->held_at, t->held_n - t->held_at, false, 0);
    enum transfer_state state = sent_or_not(x, put, e);

    if (state != TRANSFER_MORE)
        return state;
    count_sent(x, s, (size_t)put);
    t->held_at += (size_t)put;
    if (t->held_at == t->held_n) {
        free(t->held);
        t->held = NULL;
    }
    return TRANSFER_MORE;
}

/* One step of a reader without an fd. */
static enum transfer_state send_piece(struct http_exchange *x, struct transfer_segment *s,
                                      struct err *e)
{
    struct transfer *t = x->transfer;
    enum transfer_state state;
    char piece[PIECE_BYTES];
    size_t n, sent = 0;
    enum err_code code;
    ssize_t put;

    if (t->held)
        return send_held(x, s, e);
    code = read_piece(t, s->at_bytes, s->n_bytes, piece, &n, e);
    if (code != ERR_OK)
        return code == ERR_LATER ? TRANSFER_WOULD_BLOCK : TRANSFER_FAILED;
    if (n == 0) {
        s->n_bytes = 0;
        return TRANSFER_MORE;
    }
    put = conn_send(x->conn, piece, n, false, 0);
    state = sent_or_not(x, put, e);
    if (state == TRANSFER_MORE) {
        sent = (size_t)put;
        count_sent(x, s, sent);
    }
    if (state != TRANSFER_FAILED && sent < n)
        hold(t, piece + sent, n - sent);
    return state;
}

/* The file that has what s begins with, and no more of it than s. */
static bool find_file(struct transfer *t, const struct transfer_segment *s,
                      struct reader_span *ret_file)
{
    uint64_t skip_bytes = s->at_bytes - t->span_at_bytes;

    if (t->fd >= 0) {
        *ret_file = (struct reader_span){t->fd, s->at_bytes, s->n_bytes};
        return true;
    }
    if (t->no_spans)
        return false;
    if (s->at_bytes < t->span_at_bytes || skip_bytes >= t->span.n_bytes) {
        t->span_at_bytes = s->at_bytes;
        t->span.n_bytes = skip_bytes = 0;
        if (!reader_span(t->reader, s->at_bytes, &t->span))
            return false;
    }
    *ret_file = t->span;
    ret_file->at_bytes += skip_bytes;
    ret_file->n_bytes -= skip_bytes;
    if (ret_file->n_bytes > s->n_bytes)
        ret_file->n_bytes = s->n_bytes;
    return true;
}

/* One step of a file. What can't be read from it, its reader may have from elsewhere. */
static enum transfer_state send_file(struct http_exchange *x, struct transfer_segment *s,
                                     const struct reader_span *file, struct err *e)
{
    size_t want = file->n_bytes < STEP_BYTES ? (size_t)file->n_bytes : STEP_BYTES;
    off_t at = (off_t)file->at_bytes;
    enum transfer_state state;
    ssize_t put;

    if (x->conn->ssl) {
        put = send_encrypted(x, file);
    } else {
        do {
            put = sendfile(x->conn->fd, file->fd, &at, want);
        } while (put < 0 && errno == EINTR);
    }
    if (put == 0 || (put < 0 && (errno == EIO || errno == EINVAL))) {
        x->transfer->fd = -1;
        x->transfer->no_spans = true;
        return send_piece(x, s, e);
    }
    state = sent_or_not(x, put, e);
    if (state == TRANSFER_MORE)
        count_sent(x, s, (size_t)put);
    return state;
}

static enum transfer_state send_range(struct http_exchange *x, struct transfer_segment *s,
                                      struct err *e)
{
    struct transfer *t = x->transfer;
    struct reader_span file;

    if (!t->held && find_file(t, s, &file))
        return send_file(x, s, &file, e);
    t->span.n_bytes = 0; /* a read may end it */
    return send_piece(x, s, e);
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
