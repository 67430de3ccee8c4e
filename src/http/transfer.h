/*
 * Content on its way to a client: a list of segments, each some text (the response's head, the head
 * of a part) and then a range of the content. Of a file, or the spans of several, it is sent by
 * sendfile, or read and encrypted under TLS; else it is read in pieces. Moved in steps that wait
 * neither for the client nor for the source, so that a slow one costs no thread: in between the
 * connection lies in the senders' epoll set, for the client's socket or for reader_wait_fd().
 *
 * What was read of a piece and the client had no room for is held in memory until it has: at most
 * PIECE_BYTES a transfer, and only while a client is waited for.
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
    struct reader *reader;   /* owned; NULL when all is text */
    int fd;                  /* of it, or -1 */
    struct reader_span span; /* of what begins at span_at_bytes, when fd is -1; n_bytes 0: none */
    uint64_t span_at_bytes;
    bool no_spans;        /* one could not be read */
    bool until_end;       /* of the reader, whatever the segment says */
    uint64_t size_bytes;  /* of the whole content */
    uint64_t read_bytes;  /* where the reader is */
    uint64_t expects_end; /* what it was told; 0: nothing */
    char *held;           /* read and not sent: bytes held_at to held_n, or NULL */
    size_t held_at, held_n;
    struct buf text;
    struct transfer_segment segments[TRANSFER_SEGMENTS];
    size_t n_segments, current;
    bool nonblocking;                     /* the socket was switched */
    bool starved;                         /* what is waited for is the reader */
    bool on_client, on_source;            /* in the senders' epoll set, armed or not */
    _Atomic int source_fd;                /* of the reader that is waited for; -1: none is */
    int64_t hung_up_ms;                   /* for the watch: since when the client has; 0: not */
    atomic_bool resting;                  /* for the client: the watch looks at what follows */
    _Atomic int64_t rested_us, waited_us; /* when it went to rest, and the waiting before */
    _Atomic int64_t progress_ms;          /* when bytes last moved */
    atomic_uint_fast64_t sent_bytes;      /* into the socket's queue */
    int unsent_bytes;                     /* of that queue when the watch last looked */
};

struct transfer *transfer_new(struct reader *r, uint64_t size_bytes); /* r may be NULL */
void transfer_free(struct transfer *t);                               /* accepts NULL */

enum transfer_state {
    TRANSFER_ENDED,
    TRANSFER_MORE,        /* it could go on, but others may want their turn */
    TRANSFER_WOULD_BLOCK, /* the client has no room; transfer.starved: the reader has nothing yet */
    TRANSFER_FAILED,
};

/* Reads the first piece of so many bytes at at_bytes, to be sent by the first steps. Of a reader
 * without an fd, before there is a head: what is wrong with the source can still be said in an
 * answer. Errors: LATER, and those of the reader. */
ERR_CHECKED enum err_code transfer_fetch(struct transfer *t, uint64_t at_bytes, uint64_t n_bytes,
                                         struct err *e);

/* One step, which waits for nobody. */
enum transfer_state transfer_step(struct http_exchange *x, struct err *e);

/* The first step, on a worker; x->transfer_over says whether senders must go on. */
ERR_CHECKED enum err_code transfer_begin(struct http_exchange *x, struct err *e);
