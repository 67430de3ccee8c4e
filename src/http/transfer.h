/*
 * Content on its way to a client: a list of segments, each some text (the response's head, the head
 * of a part) and then a range of a file, sent by sendfile, or read and encrypted under TLS. Moved
 * in steps that never wait for the client, so that a slow reader costs no thread: in between the
 * connection lies in the senders' epoll set.
 */
#pragma once

#include "base/buf.h"
#include "base/reader.h"
#include "http/exchange.h"
#include "http/range.h"

#include <stdatomic.h>

#define TRANSFER_SEGMENTS (HTTP_RANGES_MAX + 1)

struct transfer_segment {
    size_t text_at, text_n; /* in transfer.text */
    uint64_t at_bytes, n_bytes;
    bool is_body; /* the text, too */
};

struct transfer {
    struct reader *reader; /* owned; NULL when all is text */
    int fd;                /* of it, or -1 */
    struct buf text;
    struct transfer_segment segments[TRANSFER_SEGMENTS];
    size_t n_segments, current;
    bool nonblocking;                     /* the socket was switched */
    atomic_bool resting;                  /* what follows is for the watch, which looks meanwhile */
    _Atomic int64_t rested_us, waited_us; /* when it went to rest, and the waiting before */
    _Atomic int64_t progress_ms;          /* when bytes last moved */
    atomic_uint_fast64_t sent_bytes;      /* into the socket's queue */
    int unsent_bytes;                     /* of that queue when the watch last looked */
};

struct transfer *transfer_new(struct reader *r); /* r may be NULL */
void transfer_free(struct transfer *t);          /* accepts NULL */

enum transfer_state { TRANSFER_ENDED, TRANSFER_MORE, TRANSFER_WOULD_BLOCK, TRANSFER_FAILED };

/* One step without waiting for the client. MORE: it could go on, but others may want their turn. */
enum transfer_state transfer_step(struct http_exchange *x, struct err *e);

/* The first step, on a worker; x->transfer_over says whether senders must go on. */
ERR_CHECKED enum err_code transfer_begin(struct http_exchange *x, struct err *e);

/* The same to the end, waiting; for readers without an fd. */
ERR_CHECKED enum err_code transfer_run(struct http_exchange *x, struct err *e);
