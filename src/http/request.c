/* The exchange and the request's side of it: its body as a reader. */
#include "base/clock.h"
#include "base/mem.h"
#include "base/pace.h"
#include "base/uuid.h"
#include "http/core.h"
#include "http/exchange.h"
#include "http/tls.h"
#include "http/transfer.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

enum {
    SURPLUS_MAX = IO_IN_BYTES, /* of pipelined requests behind a chunked body */
    /* How long a body may keep a worker waiting, and how much must come in that time for the worker
     * to stay with it. */
    PATIENCE_MS = 5,
    TRICKLE_BYTES = 64 * 1024,
    WHOLE_FREE_BYTES = 64 * 1024, /* of a collected body, before http.body_memory is asked */
    WHOLE_STEP_BYTES = 16 * 1024,
    IN_KEEP_BYTES = 1024, /* less than that behind a head is not worth giving back */
};

static const struct reader_ops body_ops, whole_ops;

/* 64 random bits; unique enough to find a request in a log, and cheap. splitmix64, by Vigna. */
static uint64_t next_id(void)
{
    static __thread uint64_t state;
    uint64_t z;

    if (state == 0)
        random_bytes(&state, sizeof(state));
    state += 0x9e3779b97f4a7c15ull;
    z = state;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
    return z ^ (z >> 31);
}

static bool id_acceptable(struct str s)
{
    if (s.n == 0 || s.n > EXCHANGE_REQUEST_ID)
        return false;
    for (size_t i = 0; i < s.n; i++) {
        char c = s.p[i];
        bool ok = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                  c == '.' || c == '_' || c == '-';

        if (!ok)
            return false;
    }
    return true;
}

static void set_request_id(struct http_exchange *x, struct str given)
{
    static const char hex[] = "0123456789abcdef";
    uint64_t id;

    if (id_acceptable(given)) {
        str_copy(given, x->request_id, sizeof(x->request_id));
        return;
    }
    id = next_id();
    for (int i = 0; i < 16; i++, id >>= 4)
        x->request_id[i] = hex[id & 15];
    x->request_id[16] = '\0';
}

void exchange_begin(struct http_exchange *x, struct conn *c)
{
    x->conn = c;
    x->start_us = clock_mono_us();
    pace_request(x->start_us);
    x->waited_us = 0;
    x->body = (struct exchange_body){.reader = {&body_ops}};
    x->whole = (struct exchange_whole){.reader = {&whole_ops}};
    x->kept = NULL;
    x->waiting = x->paused = x->waited = false;
    x->headers_kept = 0;
    buf_clear(&x->headers);
    x->route = "";
    x->received_bytes = x->sent_bytes = 0;
    x->status = 0;
    x->has_head = true;
    x->answered = x->close = x->transfer_over = x->failed = false;
    x->error = ERR_OK;
    atomic_store_explicit(&x->cut, CUT_NOT, memory_order_relaxed);
    atomic_store_explicit(&x->responding, false, memory_order_relaxed);
    x->identity[0] = x->note[0] = '\0';
    x->body.left_bytes = x->head.content_length;
    x->body.ended = !x->head.chunked && x->head.content_length == 0;
    set_request_id(x, http_field_get(&x->head, STR("X-Request-Id")));
}

/* Strings of the head that lie in the n bytes at from now lie at to. (Some are constants.) */
static void rebase(struct str *s, const char *from, size_t n, const char *to)
{
    if (s->p >= from && s->p <= from + n)
        s->p = to + (s->p - from);
}

static void rebase_head(struct http_head *h, const char *from, size_t n, const char *to)
{
    rebase(&h->method_text, from, n, to);
    rebase(&h->target, from, n, to);
    rebase(&h->path, from, n, to);
    rebase(&h->query, from, n, to);
    rebase(&h->host, from, n, to);
    for (size_t i = 0; i < h->n_fields; i++) {
        rebase(&h->fields[i].name, from, n, to);
        rebase(&h->fields[i].value, from, n, to);
    }
}

struct http_exchange *exchange_detach(struct http_exchange *x, const char *raw, size_t raw_n)
{
    size_t used = offsetof(struct http_exchange, head.fields[x->head.n_fields]);
    struct http_exchange *y = mem_alloc(used);
    struct conn *c = x->conn;
    char *in = mem_alloc(raw_n);

    memcpy(y, x, used);
    memcpy(in, raw, raw_n);
    free(c->in);
    c->in = in;
    c->in_n = (uint32_t)raw_n;
    rebase_head(&y->head, raw, raw_n, in);
    y->ahead = in + (x->ahead - raw);
    y->head_end = y->ahead;
    y->io = NULL;
    y->surplus = NULL;
    y->transfer = NULL;
    atomic_init(&y->parked, NULL);
    buf_init(&y->headers, HEADERS_MAX);
    buf_add_str(&y->headers, buf_str(&x->headers));
    y->headers_kept = y->headers.n;
    x->kept = NULL;
    return y;
}

static void whole_done(struct http_exchange *x)
{
    if (x->whole.bytes.p)
        explicit_bzero(x->whole.bytes.p, x->whole.bytes.n); /* it may be a password */
    buf_done(&x->whole.bytes);
    atomic_fetch_sub(&x->server->collected_bytes, x->whole.paid_bytes);
    x->whole.paid_bytes = 0;
}

void exchange_free(struct http_exchange *x)
{
    if (!x)
        return;
    if (x->kept)
        x->server->app.drop(x->server->app.ctx, x->kept);
    transfer_free(x->transfer);
    atomic_fetch_sub(&x->server->answer_bytes, x->answer_bytes);
    buf_done(&x->headers);
    whole_done(x);
    free(x->surplus);
    free(x);
}

void exchange_done(struct http_exchange *x)
{
    const struct http_app *app = &x->server->app;
    int64_t now_us = clock_mono_us();
    struct http_record r;

    pace_request(now_us);
    if (!app->done)
        return;
    r = (struct http_record){
        .head = x->has_head ? &x->head : NULL,
        .client = http_client(x),
        .request_id = x->request_id,
        .route = x->route,
        .identity = x->identity,
        .note = x->note,
        .status = x->status,
        .received_bytes = x->received_bytes,
        .sent_bytes = x->sent_bytes,
        .duration_us = now_us - x->start_us,
        .error = x->error,
    };
    app->done(app->ctx, &r);
}

enum err_code exchange_waited(struct http_exchange *x, int64_t us, uint64_t bytes, struct err *e)
{
    x->waited_us += us;
    if (!conn_too_slow(x->conn, x->waited_us / 1000, bytes))
        return ERR_OK;
    return err_set(e, ERR_TIMEOUT, "slower than http.min_rate");
}

enum err_code exchange_why_cut(struct http_exchange *x, struct err *e)
{
    switch (atomic_load(&x->cut)) {
    case CUT_REQUEST_TIMEOUT:
        return err_set(e, ERR_TIMEOUT, "cut off: longer than http.request_timeout");
    case CUT_IO_TIMEOUT:
        return err_set(e, ERR_TIMEOUT, "cut off: no progress within http.io_timeout");
    case CUT_RATE:
        return err_set(e, ERR_TIMEOUT, "cut off: slower than http.min_rate");
    case CUT_GONE:
        return err_set(e, ERR_CLIENT_GONE, "the client has gone");
    case CUT_DRAIN:
        return err_set(e, ERR_TIMEOUT, "cut off: the server stops");
    case CUT_NOT:
        break;
    }
    return ERR_OK;
}

/* Reading the body. */

static size_t take_ahead(struct http_exchange *x, void *dst, size_t max)
{
    size_t n = x->ahead_n < max ? x->ahead_n : max;

    if (n == 0)
        return 0;
    if (dst)
        memcpy(dst, x->ahead, n);
    x->ahead += n;
    x->ahead_n -= n;
    return n;
}

/* RFC 9110, 10.1.1: only when the body is wanted, and not when some of it is here already. */
static enum err_code say_continue(struct http_exchange *x, struct err *e)
{
    static const char text[] = "HTTP/1.1 100 Continue\r\n\r\n";

    if (x->body.continued || !x->head.expect_continue || x->answered)
        return ERR_OK;
    x->body.continued = true;
    if (x->ahead_n > 0)
        return ERR_OK;
    TRY(conn_flush_waiting(x->conn, MSG_MORE, e)); /* answers to requests before this one */
    return conn_send_all(x->conn, text, sizeof(text) - 1, 0, e);
}

static enum err_code body_failed(struct http_exchange *x, ssize_t got, struct err *e)
{
    int error = got < 0 ? errno : 0;
    enum err_code why;

    x->body.failed = true;
    x->close = true;
    why = exchange_why_cut(x, e);
    return why != ERR_OK ? why : conn_err(x->conn, error, "receive the body", e);
}

/* The time since before_us was spent waiting for these bytes. */
static enum err_code account(struct http_exchange *x, int64_t before_us, ssize_t got, struct err *e)
{
    enum err_code code =
        exchange_waited(x, clock_mono_us() - before_us, x->received_bytes + (uint64_t)got, e);

    if (code != ERR_OK) {
        x->body.failed = true;
        x->close = true;
    }
    return code;
}

/* One receive that may wait, its time accounted for. */
static enum err_code receive(struct http_exchange *x, char *p, size_t n, int flags, ssize_t *ret,
                             struct err *e)
{
    int64_t before_us = clock_mono_us();

    *ret = conn_recv(x->conn, p, n, true, flags);
    return *ret > 0 ? account(x, before_us, *ret, e) : ERR_OK;
}

/* The same for a reader that does not wait. Error: LATER. */
static enum err_code receive_some(struct http_exchange *x, char *p, size_t n, ssize_t *ret,
                                  struct err *e)
{
    uint32_t wait_ms = x->body.trickle ? 0 : PATIENCE_MS;
    int64_t before_us = clock_mono_us();

    *ret = conn_recv_patiently(x->conn, p, n, wait_ms);
    x->body.trickle = *ret < 0 || ((size_t)*ret < n && *ret < TRICKLE_BYTES);
    if (*ret < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
        return err_set(e, ERR_LATER, "the body is still to come");
    return *ret > 0 ? account(x, before_us, *ret, e) : ERR_OK;
}

/* What is there now, up to all that is left. */
static enum err_code read_length_now(struct http_exchange *x, char *dst, size_t cap, size_t *ret_n,
                                     struct err *e)
{
    struct exchange_body *b = &x->body;
    size_t want = b->left_bytes < cap ? (size_t)b->left_bytes : cap;
    size_t n = take_ahead(x, dst, want);
    ssize_t got;

    if (n < want) {
        enum err_code code = receive_some(x, dst + n, want - n, &got, e);

        if (code != ERR_OK && (code != ERR_LATER || n == 0))
            return code;
        if (code == ERR_OK && got <= 0 && n == 0)
            return body_failed(x, got, e);
        n += code == ERR_OK && got > 0 ? (size_t)got : 0;
    }
    b->left_bytes -= n;
    b->ended = b->left_bytes == 0;
    x->received_bytes += n;
    *ret_n = n;
    return ERR_OK;
}

/* Fills the buffer, or takes all that is left: with the length known, waiting for more than there
 * is cannot happen. What came before a client went away is handed out before the error. */
static enum err_code read_length(struct http_exchange *x, char *dst, size_t cap, size_t *ret_n,
                                 struct err *e)
{
    struct exchange_body *b = &x->body;
    size_t want = b->left_bytes < cap ? (size_t)b->left_bytes : cap;
    size_t n = take_ahead(x, dst, want);
    int64_t start_us = x->waited_us, patience_us = (int64_t)x->conn->timeout_ms * 1000;

    while (n < want) {
        ssize_t got;

        TRY(receive(x, dst + n, want - n, MSG_WAITALL, &got, e));
        if (got <= 0) {
            if (n == 0)
                return body_failed(x, got, e);
            break;
        }
        n += (size_t)got;
        if (x->waited_us - start_us > patience_us)
            break;
    }
    b->left_bytes -= n;
    b->ended = b->left_bytes == 0;
    x->received_bytes += n;
    *ret_n = n;
    return ERR_OK;
}

/* Bytes behind the end of the body, that were received into the caller's buffer. */
static void keep_surplus(struct http_exchange *x, const char *p, size_t n)
{
    if (n == 0)
        return;
    if (n > SURPLUS_MAX) {
        x->close = true;
        return;
    }
    free(x->surplus);
    x->surplus = mem_alloc(n);
    memcpy(x->surplus, p, n);
    x->ahead = x->surplus;
    x->ahead_n = n;
}

static enum err_code chunk_verdict(struct http_exchange *x, enum http_parse r, struct err *e)
{
    x->body.ended = r == HTTP_PARSE_DONE;
    if (r != HTTP_PARSE_BAD)
        return ERR_OK;
    x->body.failed = true;
    x->close = true;
    return err_tell(e, ERR_REQUEST_INVALID, "the chunked body is malformed");
}

/* Receives into the caller's buffer and takes the framing out in place: the data is never longer
 * than what came in. Waits only for the first bytes. */
static enum err_code read_chunked(struct http_exchange *x, char *dst, size_t cap, size_t *ret_n,
                                  struct err *e)
{
    struct exchange_body *b = &x->body;
    size_t n = 0;

    while (n < cap && !b->ended) {
        size_t used, out;
        ssize_t got;

        if (x->ahead_n > 0) {
            enum http_parse r =
                http_chunk_decode(&b->chunk, x->ahead, x->ahead_n, dst + n, cap - n, &used, &out);

            take_ahead(x, NULL, used);
            n += out;
            TRY(chunk_verdict(x, r, e));
            continue;
        }
        if (n == 0) {
            if (b->later)
                TRY(receive_some(x, dst, cap, &got, e));
            else
                TRY(receive(x, dst, cap, 0, &got, e));
            if (got <= 0)
                return body_failed(x, got, e);
        } else {
            got = conn_recv(x->conn, dst + n, cap - n, false, 0);
            if (got <= 0) /* the next read will tell why */
                break;
        }
        enum http_parse r =
            http_chunk_decode(&b->chunk, dst + n, (size_t)got, dst + n, cap - n, &used, &out);

        keep_surplus(x, dst + n + used, (size_t)got - used);
        n += out;
        TRY(chunk_verdict(x, r, e));
    }
    x->received_bytes += n;
    *ret_n = n;
    return ERR_OK;
}

static enum err_code body_read(struct reader *r, void *buf, size_t cap, size_t *ret_n,
                               struct err *e)
{
    struct http_exchange *x =
        (struct http_exchange *)((char *)r - offsetof(struct http_exchange, body.reader));

    *ret_n = 0;
    if (x->body.failed)
        return err_set(e, ERR_CLIENT_GONE, "the body failed before");
    if (x->body.ended || cap == 0)
        return ERR_OK;
    TRY(say_continue(x, e));
    if (x->head.chunked)
        return read_chunked(x, buf, cap, ret_n, e);
    if (x->body.later)
        return read_length_now(x, buf, cap, ret_n, e);
    return read_length(x, buf, cap, ret_n, e);
}

static void body_free(struct reader *r)
{
    (void)r; /* part of the exchange */
}

static const struct reader_ops body_ops = {.read = body_read, .free = body_free};

/* Collecting a body before it is read. */

/* Takes bytes of http.body_memory, of which *taken are held; false when there are no more. */
static bool take_memory(const struct http_exchange *x, atomic_uint_fast64_t *taken, uint64_t bytes)
{
    if (atomic_fetch_add(taken, bytes) + bytes <= conf_u64(&x->server->conf->body_memory_bytes))
        return true;
    atomic_fetch_sub(taken, bytes);
    return false;
}

enum err_code exchange_pay_answer(struct http_exchange *x, uint64_t bytes, struct err *e)
{
    if (!take_memory(x, &x->server->answer_bytes, bytes))
        return err_tell(e, ERR_UNAVAILABLE,
                        "too many long answers are being sent (http.body_memory); try again");
    x->answer_bytes = bytes;
    return ERR_OK;
}

/* Bodies of the usual size cost nothing, so that a few large ones can't keep them out. */
static enum err_code pay(struct http_exchange *x, size_t bytes, struct err *e)
{
    struct exchange_whole *w = &x->whole;
    uint64_t owed;

    if (w->bytes.n + bytes <= WHOLE_FREE_BYTES)
        return ERR_OK;
    owed = w->bytes.n + bytes - w->paid_bytes;
    if (!take_memory(x, &x->server->collected_bytes, owed))
        return err_tell(e, ERR_UNAVAILABLE,
                        "too many large bodies arrive at once (http.body_memory); try again");
    w->paid_bytes += owed;
    return ERR_OK;
}

static enum err_code collect(struct http_exchange *x, struct err *e)
{
    struct exchange_whole *w = &x->whole;
    enum err_code code = ERR_OK;
    size_t n = 1;

    x->body.later = true;
    while (code == ERR_OK && n > 0 && w->bytes.n < w->bytes.max) {
        size_t room = w->bytes.max - w->bytes.n;
        size_t step = room < WHOLE_STEP_BYTES ? room : WHOLE_STEP_BYTES;

        TRY(pay(x, step, e));
        code = body_read(&x->body.reader, buf_reserve(&w->bytes, step), step, &n, e);
        w->bytes.n += code == ERR_OK ? n : 0;
    }
    w->collected = code == ERR_OK;
    return code;
}

static enum err_code whole_read(struct reader *r, void *buf, size_t cap, size_t *ret_n,
                                struct err *e)
{
    struct http_exchange *x =
        (struct http_exchange *)((char *)r - offsetof(struct http_exchange, whole.reader));
    struct exchange_whole *w = &x->whole;
    size_t left;

    *ret_n = 0;
    if (!w->collected)
        TRY(collect(x, e));
    left = w->bytes.n - w->at;
    *ret_n = left < cap ? left : cap;
    if (*ret_n > 0)
        memcpy(buf, w->bytes.p + w->at, *ret_n);
    w->at += *ret_n;
    return ERR_OK;
}

static const struct reader_ops whole_ops = {.read = whole_read, .free = body_free};

uint64_t exchange_owed_bytes(const struct http_exchange *x)
{
    const struct exchange_body *b = &x->body;

    if (!x->head.chunked)
        return b->left_bytes > 0 ? b->left_bytes : 1;
    return b->chunk.left > 0 ? b->chunk.left + strlen("\r\n0\r\n\r\n") : 1;
}

void exchange_before_rest(struct http_exchange *x)
{
    struct conn *c = x->conn;
    size_t head_n = (size_t)(x->head_end - c->in);
    char *in;

    if (x->ahead_n > 0 || x->surplus || c->in_n < head_n + IN_KEEP_BYTES)
        return;
    in = mem_alloc(head_n);
    memcpy(in, c->in, head_n);
    rebase_head(&x->head, c->in, head_n, in);
    free(c->in);
    c->in = in;
    c->in_n = (uint32_t)head_n;
    x->head_end = in + head_n;
    x->ahead = x->head_end;
}

bool exchange_skip_body(struct http_exchange *x)
{
    struct exchange_body *b = &x->body;
    char waste[4096];

    if (b->ended || b->failed)
        return b->ended;
    if (x->head.chunked) {
        size_t used, out;
        enum http_parse r =
            http_chunk_decode(&b->chunk, x->ahead, x->ahead_n, NULL, SIZE_MAX, &used, &out);

        take_ahead(x, NULL, used);
        x->received_bytes += out;
        b->ended = r == HTTP_PARSE_DONE;
        b->failed = r == HTTP_PARSE_BAD;
        return b->ended;
    }
    for (;;) {
        size_t n = take_ahead(x, NULL, b->left_bytes < SIZE_MAX ? (size_t)b->left_bytes : SIZE_MAX);
        ssize_t got;

        x->received_bytes += n;
        b->left_bytes -= n;
        b->ended = b->left_bytes == 0;
        if (b->ended || x->io || b->left_bytes > EXCHANGE_DRAIN_MAX ||
            (x->head.expect_continue && !b->continued))
            return b->ended;
        got = conn_recv(x->conn, waste,
                        b->left_bytes < sizeof(waste) ? (size_t)b->left_bytes : sizeof(waste),
                        false, 0);
        if (got <= 0)
            return false;
        x->received_bytes += (uint64_t)got;
        b->left_bytes -= (uint64_t)got;
    }
}

/* What http.h promises about the request. */

const struct http_head *http_head(const struct http_exchange *x)
{
    return &x->head;
}

const char *http_client(const struct http_exchange *x)
{
    return x->conn->address ? x->conn->address->text : "";
}

const char *http_request_id(const struct http_exchange *x)
{
    return x->request_id;
}

bool http_is_tls(const struct http_exchange *x)
{
    return x->conn->ssl != NULL;
}

bool http_on_debug(const struct http_exchange *x)
{
    return x->conn->debug;
}

enum http_certificate http_client_certificate(struct http_exchange *x, struct str *ret_der)
{
    return tls_certificate(x->server->tls, x->conn, ret_der);
}

bool http_on_worker(const struct http_exchange *x)
{
    return x->io == NULL;
}

struct reader *http_body(struct http_exchange *x)
{
    return &x->body.reader;
}

struct reader *http_body_later(struct http_exchange *x)
{
    x->body.later = true;
    return &x->body.reader;
}

struct reader *http_body_whole(struct http_exchange *x, size_t max_bytes)
{
    if (x->whole.bytes.max == 0)
        buf_init(&x->whole.bytes, max_bytes + 1);
    x->whole.at = 0;
    return &x->whole.reader;
}

void http_wait_for_body(struct http_exchange *x)
{
    x->headers.n = x->headers_kept;
    x->waiting = x->waited = true;
}

enum err_code http_pause(struct http_exchange *x, struct err *e)
{
    TRY(exchange_why_cut(x, e));
    if (atomic_load(&x->server->stopping))
        return err_tell(e, ERR_UNAVAILABLE, "this server stops; ask again");
    http_wait_for_body(x);
    x->paused = true;
    return err_set(e, ERR_LATER, "it is still being done");
}

void http_headers_stay(struct http_exchange *x)
{
    x->headers_kept = x->headers.n;
}

void http_keep(struct http_exchange *x, void *kept)
{
    x->kept = kept;
}

void *http_kept(const struct http_exchange *x)
{
    return x->kept;
}

bool http_was_waiting(const struct http_exchange *x)
{
    return x->waited;
}

void http_set_route(struct http_exchange *x, const char *route)
{
    x->route = route;
}

void http_set_identity(struct http_exchange *x, const char *identity)
{
    size_t n = strnlen(identity, sizeof(x->identity) - 1);

    memcpy(x->identity, identity, n); /* at each request: snprintf() would be most of its cost */
    x->identity[n] = '\0';
}

void http_set_note(struct http_exchange *x, const char *note)
{
    snprintf(x->note, sizeof(x->note), "%s", note);
}
