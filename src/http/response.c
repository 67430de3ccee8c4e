/* The response: its head, and answers whose body is in memory. */
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/mem.h"
#include "http/core.h"
#include "http/exchange.h"
#include "http/inbox.h"
#include "http/transfer.h"

#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

/* X(status, reason): RFC 9110, 15, and RFC 6585 */
#define STATUS_TABLE(X)                                                                            \
    X(200, "OK")                                                                                   \
    X(201, "Created")                                                                              \
    X(202, "Accepted")                                                                             \
    X(204, "No Content")                                                                           \
    X(206, "Partial Content")                                                                      \
    X(301, "Moved Permanently")                                                                    \
    X(302, "Found")                                                                                \
    X(303, "See Other")                                                                            \
    X(304, "Not Modified")                                                                         \
    X(307, "Temporary Redirect")                                                                   \
    X(308, "Permanent Redirect")                                                                   \
    X(400, "Bad Request")                                                                          \
    X(401, "Unauthorized")                                                                         \
    X(403, "Forbidden")                                                                            \
    X(404, "Not Found")                                                                            \
    X(405, "Method Not Allowed")                                                                   \
    X(406, "Not Acceptable")                                                                       \
    X(408, "Request Timeout")                                                                      \
    X(409, "Conflict")                                                                             \
    X(410, "Gone")                                                                                 \
    X(411, "Length Required")                                                                      \
    X(412, "Precondition Failed")                                                                  \
    X(413, "Content Too Large")                                                                    \
    X(414, "URI Too Long")                                                                         \
    X(415, "Unsupported Media Type")                                                               \
    X(416, "Range Not Satisfiable")                                                                \
    X(417, "Expectation Failed")                                                                   \
    X(422, "Unprocessable Content")                                                                \
    X(423, "Locked")                                                                               \
    X(428, "Precondition Required")                                                                \
    X(429, "Too Many Requests")                                                                    \
    X(431, "Request Header Fields Too Large")                                                      \
    X(451, "Unavailable For Legal Reasons")                                                        \
    X(460, "Checksum Mismatch") /* tus 1.0, "Checksum" */                                          \
    X(500, "Internal Server Error")                                                                \
    X(501, "Not Implemented")                                                                      \
    X(502, "Bad Gateway")                                                                          \
    X(503, "Service Unavailable")                                                                  \
    X(504, "Gateway Timeout")                                                                      \
    X(505, "HTTP Version Not Supported")                                                           \
    X(507, "Insufficient Storage")

static struct str status_line(int status)
{
    switch (status) {
#define STATUS_CASE(code, reason)                                                                  \
    case code:                                                                                     \
        return STR("HTTP/1.1 " #code " " reason "\r\n");
        STATUS_TABLE(STATUS_CASE)
#undef STATUS_CASE
    default:
        return STR_NONE;
    }
}

/* The Date line, formed once a second per thread. */
static struct str date_line(void)
{
    static __thread time_t second;
    static __thread char line[6 + CLOCK_HTTP_SIZE + 2];
    struct timespec now;

    clock_gettime(CLOCK_REALTIME_COARSE, &now);
    if (now.tv_sec != second) {
        second = now.tv_sec;
        memcpy(line, "Date: ", 6);
        clock_http((int64_t)second * 1000, line + 6);
        memcpy(line + 6 + CLOCK_HTTP_SIZE - 1, "\r\n", 2);
    }
    return (struct str){line, 6 + CLOCK_HTTP_SIZE - 1 + 2};
}

static char *add(char *at, struct str s)
{
    memcpy(at, s.p, s.n);
    return at + s.n;
}

static char *add_u64(char *at, uint64_t v)
{
    char digits[STR_DECIMAL_MAX];

    return add(at, str_decimal(v, digits));
}

static char *add_status_line(char *at, int status)
{
    struct str line = status_line(status);

    if (line.n > 0)
        return add(at, line);
    at = add(at, STR("HTTP/1.1 "));
    at = add_u64(at, (uint64_t)status);
    return add(at, STR(" \r\n")); /* RFC 9112, 4: the reason may be empty */
}

/* What becomes of the connection. When the body was not read to its end, bytes of it are still on
 * their way: what follows could not be told from a next request. */
static enum conn_fate decide_fate(struct http_exchange *x)
{
    bool whole = x->has_head && exchange_skip_body(x);

    if (x->has_head && whole && !x->close && x->head.keep_alive &&
        !atomic_load_explicit(&x->server->stopping, memory_order_relaxed) &&
        atomic_load_explicit(&x->cut, memory_order_relaxed) == CUT_NOT)
        return CONN_KEEP;
    return whole && x->ahead_n == 0 ? CONN_CLOSE : CONN_HALF_CLOSE;
}

size_t response_head(struct http_exchange *x, int status, bool has_length, uint64_t length,
                     char *dst)
{
    char *at = add_status_line(dst, status);

    x->fate = decide_fate(x);
    x->status = status;
    x->answered = true;
    atomic_store_explicit(&x->responding, true, memory_order_relaxed);
    at = add(at, date_line());
    if (has_length) {
        at = add(at, STR("Content-Length: "));
        at = add_u64(at, length);
        at = add(at, STR("\r\n"));
    }
    if (x->fate != CONN_KEEP)
        at = add(at, STR("Connection: close\r\n"));
    else if (x->head.minor == 0)
        at = add(at, STR("Connection: keep-alive\r\n"));
    at = add(at, STR("X-Content-Type-Options: nosniff\r\nX-Request-Id: "));
    at = add(at, str_of(x->request_id));
    at = add(at, STR("\r\n"));
    if (x->headers.n)
        at = add(at, buf_str(&x->headers));
    at = add(at, STR("\r\n"));
    return (size_t)(at - dst);
}

/* Headers. A name or value that is not one is a bug of the caller: a response must never be split
 * by what a client put into it. */
static bool header_valid(struct str name, struct str value)
{
    unsigned bad = name.n == 0;

    /* No branch depends on a byte, so that the compiler looks at many at once: this sees every byte
     * of every answer's head. */
    for (size_t i = 0; i < name.n; i++) {
        unsigned char c = (unsigned char)name.p[i];
        unsigned char letter = (unsigned char)((c | 0x20) - 'a'), digit = (unsigned char)(c - '0');

        bad |= (letter > 'z' - 'a') & (digit > 9) & (c != '-');
    }
    for (size_t i = 0; i < value.n; i++) {
        unsigned char c = (unsigned char)value.p[i];

        bad |= ((c < ' ') & (c != '\t')) | (c == 0x7f);
    }
    return !bad;
}

void http_header(struct http_exchange *x, const char *name, struct str value)
{
    struct str n = str_of(name);

    if (!header_valid(n, value)) {
        assert(!"malformed response header");
        return;
    }
    if (x->headers.max - x->headers.n < n.n + value.n + 4) {
        assert(!"too many response headers");
        return;
    }
    buf_add_str(&x->headers, n);
    buf_add(&x->headers, ": ", 2);
    buf_add_str(&x->headers, value);
    buf_add(&x->headers, "\r\n", 2);
}

void http_headerf(struct http_exchange *x, const char *name, const char *fmt, ...)
{
    char value[2048];
    va_list ap;
    int n;

    va_start(ap, fmt);
    n = vsnprintf(value, sizeof(value), fmt, ap);
    va_end(ap);
    if (n < 0 || (size_t)n >= sizeof(value)) {
        assert(!"response header is too long");
        return;
    }
    http_header(x, name, (struct str){value, (size_t)n});
}

void http_close_after(struct http_exchange *x)
{
    x->close = true;
}

bool http_answered(const struct http_exchange *x)
{
    return x->answered;
}

/* Sending. */

enum err_code response_write(struct http_exchange *x, const void *p, size_t n, struct err *e)
{
    struct conn *c = x->conn;
    const char *at = p;
    int64_t before_us;
    enum err_code code;

    if (c->out_n == 0) {
        ssize_t put = conn_send(c, at, n, false, 0);

        if (put < 0 && errno != EAGAIN && errno != EWOULDBLOCK)
            return conn_err(c, errno, "send", e);
        if (put > 0) {
            at += put;
            n -= (size_t)put;
        }
        if (n == 0)
            return ERR_OK;
    }
    if (n + c->out_n <= IO_ANSWER_MAX) {
        conn_keep_out(c, at, n);
        return ERR_OK;
    }
    before_us = clock_mono_us();
    code = conn_flush_waiting(c, MSG_MORE, e);
    if (code == ERR_OK)
        code = conn_send_all(c, at, n, 0, e);
    x->waited_us += clock_mono_us() - before_us;
    return code;
}

/* Head and body in one write. */
static enum err_code send_short(struct http_exchange *x, int status, bool has_length,
                                uint64_t length, struct str body, struct err *e)
{
    AUTO(mem) char *p = mem_alloc(x->headers.n + HEAD_ROOM + body.n);
    size_t n = response_head(x, status, has_length, length, p);

    if (body.n)
        memcpy(p + n, body.p, body.n);
    TRY(response_write(x, p, n + body.n, e));
    x->sent_bytes = body.n;
    return ERR_OK;
}

/* A long answer is content: what the client does not take at once goes on without a worker. */
static enum err_code send_long(struct http_exchange *x, int status, struct str body, struct err *e)
{
    struct transfer *t = transfer_new(NULL, body.n);
    size_t head_max = x->headers.n + HEAD_ROOM, head_n;
    char *at;

    buf_init(&t->text, head_max + body.n);
    at = buf_reserve(&t->text, head_max + body.n);
    head_n = response_head(x, status, true, body.n, at);
    memcpy(at + head_n, body.p, body.n);
    t->text.n = head_n + body.n;
    t->segments[t->n_segments++] = (struct transfer_segment){.text_n = head_n};
    t->segments[t->n_segments++] =
        (struct transfer_segment){.text_at = head_n, .text_n = body.n, .is_body = true};
    transfer_free(x->transfer); /* of content that was to be the answer */
    x->transfer = t;
    return transfer_begin(x, e);
}

/* Bodies up to this wait for slow clients where they are, in their connection's buffer. */
#define SHORT_MAX HTTP_QUICK_MAX

static void send_on_worker(struct http_exchange *x, int status, bool has_length, struct str body,
                           bool with_body)
{
    struct err e;
    enum err_code code;

    if (!with_body || body.n <= SHORT_MAX) {
        struct str sent = with_body ? body : STR_NONE;

        code = send_short(x, status, has_length, body.n, sent, &e);
    } else if (exchange_pay_answer(x, body.n, &e) == ERR_OK) {
        code = send_long(x, status, body, &e);
    } else { /* in place of what the handler wanted to say */
        x->headers.n = x->headers_kept;
        http_header(x, "Retry-After", STR("1"));
        response_refuse(x, err_status(e.code), e.detail);
        return;
    }
    if (code == ERR_OK)
        return;
    x->fate = CONN_CLOSE;
    x->failed = true;
    if (!x->note[0])
        http_set_note(x, e.detail);
}

void http_send(struct http_exchange *x, int status, struct str body)
{
    /* RFC 9110, 8.6: no Content-Length with 204; one with 304 would have to be that of a 200. */
    bool bodiless = status == 204 || status == 304 || status < 200;
    bool with_body = !bodiless && !(x->has_head && x->head.method == HTTP_HEAD);
    struct iothread *io = x->io;
    char *dst;
    size_t n;

    assert(!x->answered);
    if (x->answered)
        return;
    if (!io) {
        send_on_worker(x, status, !bodiless, body, with_body);
        return;
    }
    assert(body.n <= HTTP_QUICK_MAX);
    dst = io->out + io->out_n;
    n = response_head(x, status, !bodiless, body.n, dst);
    if (with_body && body.n && body.n <= HTTP_QUICK_MAX) {
        memcpy(dst + n, body.p, body.n);
        n += body.n;
        x->sent_bytes = body.n;
    }
    io->out_n += n;
}

#define REFUSAL_MAX (4 * 1024)

void response_refuse(struct http_exchange *x, int status, const char *why)
{
    const struct http_app *app = &x->server->app;
    struct buf body;

    buf_init(&body, REFUSAL_MAX);
    if (app->refusal) {
        app->refusal(app->ctx, status, why, &body);
        http_header(x, "Content-Type", STR("application/json"));
    }
    http_set_note(x, why);
    http_send(x, status, buf_str(&body));
    buf_done(&body);
}

size_t response_canned(struct http_server *s, int status, const char *why, char *dst, size_t cap)
{
    struct buf body;
    char *at = dst;

    buf_init(&body, cap - 512);
    if (s->app.refusal)
        s->app.refusal(s->app.ctx, status, why, &body);
    at = add_status_line(at, status);
    at = add(at, date_line());
    at = add(at, STR("Content-Length: "));
    at = add_u64(at, body.n);
    at = add(at, STR("\r\nContent-Type: application/json\r\nConnection: close\r\n"
                     "X-Content-Type-Options: nosniff\r\n"));
    if (status == 429 || status == 503)
        at = add(at, STR("Retry-After: 1\r\n"));
    at = add(at, STR("\r\n"));
    if (body.n)
        at = add(at, buf_str(&body));
    buf_done(&body);
    return (size_t)(at - dst);
}
