/*
 * struct reader: a source of bytes, as a table of callbacks. A request body is one, a stored blob
 * is one. One thread at a time. The embedding struct has it as its first member.
 */
#pragma once

#include "base/cleanup.h"
#include "base/err.h"

#include <poll.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct reader;

/* What is in a file: n_bytes at at_bytes of fd. */
struct reader_span {
    int fd;
    uint64_t at_bytes, n_bytes;
};

struct reader_ops {
    /* Up to cap bytes; *ret_n is 0 only at the end (or when cap is 0). Blocks. A reader fills as
     * much of buf as it can without giving up liveness: callers pass large buffers. Error of a
     * reader that does not wait: LATER, when there is nothing now and there may be more. */
    enum err_code (*read)(struct reader *r, void *buf, size_t cap, size_t *ret_n, struct err *e);

    /* Next read starts at offset_bytes from the beginning. Where waiting for that is needed, the
     * next read has it, and its errors. NULL when it can't seek. */
    enum err_code (*seek)(struct reader *r, uint64_t offset_bytes, struct err *e);

    /* What is read from now on ends before that offset, until this is called again: a hint, by
     * which no more is fetched from elsewhere. NULL when it is of no use. */
    void (*expect)(struct reader *r, uint64_t end_bytes);

    /* What was read is not what it should be: a copy of what can be had elsewhere is thrown away,
     * so that the next reader has it from there. NULL when there is none. */
    void (*distrust)(struct reader *r);

    /* A file descriptor whose contents are these bytes from offset 0, for sendfile; it stays the
     * reader's. NULL, or -1, when there is none. What can't be read from it is to be read from the
     * reader, which may have it from elsewhere, or an error that says more. */
    int (*fd)(struct reader *r);

    /* The same of a reader that has no such descriptor but parts of whose contents are in files:
     * true when what is at offset_bytes is in *ret_span, which is good until the next call of this
     * or of a read. Where reads go on is left as it is. NULL when there are none. */
    bool (*span)(struct reader *r, uint64_t offset_bytes, struct reader_span *ret_span);

    /* An epoll set that becomes readable when a read that failed with LATER may succeed; it stays
     * the reader's, the same one to the end, and no other reader has it. Asked for when a read has.
     * Others may add what else is to wake who waits for it. NULL: reads never fail with LATER but
     * block. */
    int (*wait_fd)(struct reader *r);

    void (*free)(struct reader *r);
};

/* Where the bytes come from, when there is a cache before their store. */
enum reader_cache { READER_NO_CACHE, READER_HIT, READER_MISS };

struct reader {
    const struct reader_ops *ops;
    enum reader_cache cache;
};

ERR_CHECKED static inline enum err_code reader_read(struct reader *r, void *buf, size_t cap,
                                                    size_t *ret_n, struct err *e)
{
    return r->ops->read(r, buf, cap, ret_n, e);
}

/* Waits where a read fails with LATER. */
ERR_CHECKED static inline enum err_code reader_read_waiting(struct reader *r, void *buf, size_t cap,
                                                            size_t *ret_n, struct err *e)
{
    enum err_code code;

    while ((code = reader_read(r, buf, cap, ret_n, e)) == ERR_LATER) {
        struct pollfd wait = {.fd = r->ops->wait_fd(r), .events = POLLIN};

        poll(&wait, 1, -1);
    }
    return code;
}

/* Error: UNSUPPORTED when the reader can't seek. */
ERR_CHECKED static inline enum err_code reader_seek(struct reader *r, uint64_t offset_bytes,
                                                    struct err *e)
{
    if (!r->ops->seek)
        return err_set(e, ERR_UNSUPPORTED, "this reader can't seek");
    return r->ops->seek(r, offset_bytes, e);
}

static inline void reader_expect(struct reader *r, uint64_t end_bytes)
{
    if (r->ops->expect)
        r->ops->expect(r, end_bytes);
}

static inline void reader_distrust(struct reader *r)
{
    if (r->ops->distrust)
        r->ops->distrust(r);
}

static inline int reader_fd(struct reader *r)
{
    return r->ops->fd ? r->ops->fd(r) : -1;
}

static inline bool reader_span(struct reader *r, uint64_t offset_bytes,
                               struct reader_span *ret_span)
{
    return r->ops->span && r->ops->span(r, offset_bytes, ret_span);
}

/* -1: its reads never fail with LATER. */
static inline int reader_wait_fd(struct reader *r)
{
    return r->ops->wait_fd ? r->ops->wait_fd(r) : -1;
}

static inline void reader_free(struct reader *r)
{
    if (r)
        r->ops->free(r);
}

static inline void auto_reader_(struct reader **r)
{
    reader_free(*r);
}
