/* http_send_stream(): content of which nobody knows how long it will be. RFC 9112, 7.1. */
#include "base/cleanup.h"
#include "base/mem.h"
#include "http/exchange.h"
#include "http/transfer.h"

#include <stdio.h>
#include <stdlib.h>

/* A piece of the inner reader as a chunk: its size stands before it in so many digits. */
struct chunked {
    struct reader reader;
    struct reader *inner;
    bool ended;
};

#define SIZE_LINE "%08zx\r\n"
#define SIZE_N    10
#define END_N     2
#define CHUNK_MIN 64

static enum err_code read_end(struct chunked *c, char *buf, size_t *ret_n)
{
    static const struct str last = {"0\r\n\r\n", 5};

    *ret_n = c->ended ? 0 : last.n;
    memcpy(buf, last.p, *ret_n);
    c->ended = true;
    return ERR_OK;
}

static enum err_code chunked_read(struct reader *r, void *buf, size_t cap, size_t *ret_n,
                                  struct err *e)
{
    struct chunked *c = (struct chunked *)r;
    char *at = buf, line[32];
    size_t n;

    if (cap < CHUNK_MIN)
        return err_set(e, ERR_INTERNAL, "no room for a chunk");
    if (c->ended)
        return read_end(c, at, ret_n);
    TRY(reader_read(c->inner, at + SIZE_N, cap - SIZE_N - END_N, &n, e));
    if (n == 0)
        return read_end(c, at, ret_n);
    snprintf(line, sizeof(line), SIZE_LINE, n);
    memcpy(at, line, SIZE_N);
    memcpy(at + SIZE_N + n, "\r\n", END_N);
    *ret_n = SIZE_N + n + END_N;
    return ERR_OK;
}

static int chunked_wait_fd(struct reader *r)
{
    return reader_wait_fd(((struct chunked *)r)->inner);
}

static void chunked_free(struct reader *r)
{
    reader_free(((struct chunked *)r)->inner);
    free(r);
}

static struct reader *chunked_new(struct reader *inner)
{
    static const struct reader_ops ops = {
        .read = chunked_read, .wait_fd = chunked_wait_fd, .free = chunked_free};
    struct chunked *c = NEW(struct chunked);

    c->reader.ops = &ops;
    c->inner = inner;
    return &c->reader;
}

enum err_code http_send_stream(struct http_exchange *x, struct reader *r, struct err *e)
{
    bool chunks = x->head.minor > 0;
    struct transfer *t;
    char *at;

    if (x->head.method == HTTP_HEAD) {
        reader_free(r);
        http_send(x, 200, STR_NONE);
        return ERR_OK;
    }
    t = transfer_new(chunks ? chunked_new(r) : r, UINT64_MAX);
    t->until_end = true;
    if (chunks)
        http_header(x, "Transfer-Encoding", STR("chunked"));
    else
        http_close_after(x);
    at = buf_reserve(&t->text, x->headers.n + HEAD_ROOM);
    t->text.n += response_head(x, 200, false, 0, at);
    t->segments[t->n_segments++] =
        (struct transfer_segment){.text_n = t->text.n, .n_bytes = UINT64_MAX};
    x->transfer = t;
    if (transfer_begin(x, e) == ERR_OK)
        return ERR_OK;
    x->fate = CONN_CLOSE;
    x->failed = true;
    if (!x->note[0])
        http_set_note(x, e->detail);
    return e->code;
}
