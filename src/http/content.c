/* http_send_content(): what of the content is wanted, and its head. RFC 9110 sections 13 and 14. */
#include "base/cleanup.h"
#include "base/mem.h"
#include "base/uuid.h"
#include "http/exchange.h"
#include "http/transfer.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

AUTO_POINTER(transfer, transfer_free);

#define SMALL_BYTES (64 * 1024) /* sent in one call with its head */

bool http_not_modified(const struct http_exchange *x, struct str etag)
{
    return http_etag_listed(&x->head, STR("If-None-Match"), etag, true);
}

bool http_if_match(const struct http_exchange *x, struct str etag)
{
    return !http_field_get(&x->head, STR("If-Match")).p ||
           http_etag_listed(&x->head, STR("If-Match"), etag, false);
}

/* RFC 9110, 13.1.5: with If-Range, the Range counts only for the same content; a date never
 * matches, since we send no Last-Modified. */
static enum http_range_verdict wanted(const struct http_exchange *x, uint64_t size_bytes,
                                      struct str etag, struct http_range *ranges, size_t *ret_n)
{
    struct str range = http_field_get(&x->head, STR("Range"));
    struct str if_range = http_field_get(&x->head, STR("If-Range"));

    if (!range.p || x->head.method != HTTP_GET)
        return HTTP_RANGE_IGNORE;
    if (if_range.p && !str_eq(if_range, etag))
        return HTTP_RANGE_IGNORE;
    return http_range_parse(range, size_bytes, ranges, ret_n);
}

/* Takes the line of that name out of the headers; its value to *ret (up to cap bytes, with NUL). */
static void take_header(struct http_exchange *x, struct str name, char *ret, size_t cap)
{
    struct buf *b = &x->headers;
    size_t at = 0;

    ret[0] = '\0';
    while (at < b->n) {
        const char *lf = memchr(b->p + at, '\n', b->n - at);
        size_t n = (size_t)(lf - (b->p + at)) + 1;
        struct str line = {b->p + at, n - 2}, key;

        str_cut(&line, ':', &key);
        if (str_ieq(key, name)) {
            str_copy(str_trim(line), ret, cap);
            memmove(b->p + at, b->p + at + n, b->n - at - n);
            b->n -= n;
            return;
        }
        at += n;
    }
}

static void add_segment(struct transfer *t, size_t text_from, uint64_t at_bytes, uint64_t n_bytes)
{
    t->segments[t->n_segments++] = (struct transfer_segment){
        .text_at = text_from,
        .text_n = t->text.n - text_from,
        .at_bytes = at_bytes,
        .n_bytes = n_bytes,
    };
}

static void add_head(struct http_exchange *x, struct transfer *t, int status, uint64_t length)
{
    char *at = buf_reserve(&t->text, x->headers.n + HEAD_ROOM);

    t->text.n += response_head(x, status, true, length, at);
}

static void one_part(struct http_exchange *x, struct transfer *t, int status, struct http_range r)
{
    add_head(x, t, status, r.n_bytes);
    add_segment(t, 0, r.first_bytes, r.n_bytes);
}

/* RFC 9110, 14.6. The heads of the parts are formed first, since the length comes before them. */
static void many_parts(struct http_exchange *x, struct transfer *t, uint64_t size_bytes,
                       const struct http_range *ranges, size_t n)
{
    char type[256], boundary[UUID_TEXT + 1];
    struct uuid random;
    struct buf parts;
    size_t from[HTTP_RANGES_MAX + 1], base;
    uint64_t length = 0;

    uuid_make(&random); /* the content must not be able to hold it */
    memcpy(boundary, random.text, sizeof(boundary));
    take_header(x, STR("Content-Type"), type, sizeof(type));
    buf_init(&parts, HTTP_RANGES_MAX * 512);
    for (size_t i = 0; i < n; i++) {
        from[i] = parts.n;
        buf_addf(&parts, "%s--%s\r\n", i ? "\r\n" : "", boundary);
        if (type[0])
            buf_addf(&parts, "Content-Type: %s\r\n", type);
        buf_addf(&parts, "Content-Range: bytes %llu-%llu/%llu\r\n\r\n",
                 (unsigned long long)ranges[i].first_bytes,
                 (unsigned long long)(ranges[i].first_bytes + ranges[i].n_bytes - 1),
                 (unsigned long long)size_bytes);
        length += ranges[i].n_bytes;
    }
    from[n] = parts.n;
    buf_addf(&parts, "\r\n--%s--\r\n", boundary);
    http_headerf(x, "Content-Type", "multipart/byteranges; boundary=%s", boundary);
    add_head(x, t, 206, length + parts.n);
    base = t->text.n;
    buf_add_str(&t->text, buf_str(&parts));
    for (size_t i = 0; i < n; i++) {
        t->segments[t->n_segments++] = (struct transfer_segment){
            .text_at = i ? base + from[i] : 0,
            .text_n = i ? from[i + 1] - from[i] : base + from[1],
            .at_bytes = ranges[i].first_bytes,
            .n_bytes = ranges[i].n_bytes,
        };
    }
    add_segment(t, base + from[n], 0, 0);
    buf_done(&parts);
}

static bool is_small(const struct transfer *t)
{
    uint64_t n_bytes = t->segments[0].n_bytes;

    return t->n_segments == 1 && n_bytes <= SMALL_BYTES &&
           (t->fd >= 0 || (t->held && t->held_n == n_bytes));
}

static ssize_t hand_out(const struct transfer *t, char *at)
{
    memcpy(at, t->held, t->held_n);
    return (ssize_t)t->held_n;
}

/* A small content that is in a file, or all in memory: head and bytes in one call. */
static enum err_code send_small(struct http_exchange *x, struct transfer *t, struct err *e)
{
    const struct transfer_segment *s = &t->segments[0];
    char *at = buf_reserve(&t->text, (size_t)s->n_bytes);
    ssize_t got;

    do {
        got = t->held ? hand_out(t, at) : pread(t->fd, at, (size_t)s->n_bytes, (off_t)s->at_bytes);
    } while (got < 0 && errno == EINTR);
    if (got < 0)
        return err_errno(e, "read content");
    if ((uint64_t)got < s->n_bytes)
        return err_set(e, ERR_CORRUPT, "content is shorter than its size");
    t->text.n += (size_t)got;
    TRY(response_write(x, t->text.p, t->text.n, e));
    x->sent_bytes = s->n_bytes;
    return ERR_OK;
}

/* Sends what was planned, or starts to: afterwards x->transfer says whether it goes on. */
static enum err_code start(struct http_exchange *x, struct transfer *t, struct err *e)
{
    if (is_small(t)) {
        enum err_code code = send_small(x, t, e);

        transfer_free(t);
        return code;
    }
    x->transfer = t;
    return transfer_begin(x, e);
}

/* What of the content is to be sent. */
struct plan {
    enum http_range_verdict verdict;
    struct http_range ranges[HTTP_RANGES_MAX]; /* one at least, but for UNSATISFIABLE */
    size_t n;
};

static void make_plan(const struct http_exchange *x, uint64_t size_bytes, struct str etag,
                      struct plan *ret_plan)
{
    ret_plan->n = 0;
    ret_plan->verdict = wanted(x, size_bytes, etag, ret_plan->ranges, &ret_plan->n);
    if (ret_plan->verdict != HTTP_RANGE_OK) {
        ret_plan->ranges[0] = (struct http_range){0, size_bytes};
        ret_plan->n = 1;
    }
}

/* The head of the answer, and the segments. */
static void form(struct http_exchange *x, struct transfer *t, const struct plan *p, struct str etag)
{
    const struct http_range *first = &p->ranges[0];

    http_header(x, "Accept-Ranges", STR("bytes"));
    http_header(x, "ETag", etag);
    if (p->n > 1) {
        many_parts(x, t, t->size_bytes, p->ranges, p->n);
        return;
    }
    if (p->verdict == HTTP_RANGE_OK)
        http_headerf(x, "Content-Range", "bytes %llu-%llu/%llu",
                     (unsigned long long)first->first_bytes,
                     (unsigned long long)(first->first_bytes + first->n_bytes - 1),
                     (unsigned long long)t->size_bytes);
    one_part(x, t, p->verdict == HTTP_RANGE_OK ? 206 : 200, *first);
}

/* A refusal replaces the type of the content. */
static void refuse(struct http_exchange *x, int status, const char *why)
{
    char type[256];

    take_header(x, STR("Content-Type"), type, sizeof(type));
    response_refuse(x, status, why);
}

/* RFC 9110, 15.5.17 */
static void refuse_range(struct http_exchange *x, uint64_t size_bytes, struct str etag)
{
    char why[64];

    http_header(x, "Accept-Ranges", STR("bytes"));
    http_header(x, "ETag", etag);
    http_headerf(x, "Content-Range", "bytes */%llu", (unsigned long long)size_bytes);
    snprintf(why, sizeof(why), "the content has %llu bytes", (unsigned long long)size_bytes);
    refuse(x, 416, why);
}

/* RFC 9110, 13.2.2 gives the order. True: answered. */
static bool settle_without_content(struct http_exchange *x, uint64_t size_bytes, struct str etag)
{
    if (!http_if_match(x, etag)) {
        refuse(x, 412, "If-Match");
        return true;
    }
    if (!http_not_modified(x, etag) && x->head.method != HTTP_HEAD)
        return false;
    http_header(x, "ETag", etag);
    http_header(x, "Accept-Ranges", STR("bytes"));
    if (http_not_modified(x, etag))
        http_send(x, 304, STR_NONE);
    else /* only the length counts: HEAD gets no body */
        http_send(x, 200, (struct str){"", (size_t)size_bytes});
    return true;
}

/* The first piece of what has no fd. LATER: x keeps t until the reader has something, unless x was
 * cut off. What failed is still answered, without the headers of the content. */
static enum err_code fetch_first(struct http_exchange *x, struct transfer **t, const struct plan *p,
                                 struct err *e)
{
    const struct http_range *first = &p->ranges[0];
    enum err_code code;

    if ((*t)->fd >= 0 || first->n_bytes == 0)
        return ERR_OK;
    code = transfer_fetch(*t, first->first_bytes, first->n_bytes, e);
    if (code == ERR_LATER && exchange_why_cut(x, e) != ERR_OK)
        code = e->code;
    if (code == ERR_LATER)
        x->transfer = STEAL(*t);
    if (code != ERR_OK)
        x->headers.n = x->headers_kept;
    return code;
}

enum err_code http_send_content(struct http_exchange *x, struct reader *r, uint64_t size_bytes,
                                struct str etag, struct err *e)
{
    AUTO(transfer) struct transfer *t = r ? transfer_new(r, size_bytes) : STEAL(x->transfer);
    enum err_code code;
    struct plan plan;

    if (settle_without_content(x, t->size_bytes, etag))
        return ERR_OK;
    make_plan(x, t->size_bytes, etag, &plan);
    if (plan.verdict == HTTP_RANGE_UNSATISFIABLE) {
        refuse_range(x, t->size_bytes, etag);
        return ERR_OK;
    }
    TRY(fetch_first(x, &t, &plan, e));
    form(x, t, &plan, etag);
    code = start(x, STEAL(t), e);
    if (code != ERR_OK) {
        x->fate = CONN_CLOSE;
        x->failed = true;
        if (e && !x->note[0])
            http_set_note(x, e->detail);
    }
    return code;
}

bool http_content_waits(const struct http_exchange *x)
{
    return x->transfer != NULL;
}

enum err_code http_pay_content(struct http_exchange *x, uint64_t bytes, struct err *e)
{
    return exchange_pay_answer(x, bytes, e);
}
