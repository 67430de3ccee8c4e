/*
 * One request and its response. On an I/O thread it is the thread's own struct and its strings
 * point into the thread's buffer; for a worker it moves to the heap, its bytes into conn->in.
 */
#pragma once

#include "http/chunk.h"
#include "http/connection.h"
#include "http/core.h"
#include "http/http.h"

#include <stdatomic.h>

#define EXCHANGE_REQUEST_ID 64
#define EXCHANGE_DRAIN_MAX                                                                         \
    (64 * 1024) /* of an unread body that is skipped to keep a connection                          \
                 */

/* Why the watch over exchanges that are lent cut one off. */
enum exchange_cut { CUT_NOT, CUT_REQUEST_TIMEOUT, CUT_IO_TIMEOUT, CUT_RATE, CUT_GONE, CUT_DRAIN };

struct exchange_body {
    struct reader reader;
    struct http_chunk chunk;
    uint64_t left_bytes; /* by Content-Length */
    bool ended, failed, continued;
    bool later;   /* reads do not wait for a slow client */
    bool trickle; /* the last one of these found little: the next waits for nothing */
};

/* A body that is collected before it is read. */
struct exchange_whole {
    struct reader reader;
    struct buf bytes;
    size_t at;           /* read so far */
    uint64_t paid_bytes; /* of http.body_memory */
    bool collected;
};

/* While the I/O thread waits for more of the body. */
struct exchange_rest {
    int64_t since_us;
    int64_t progress_ms; /* when bytes last came */
    int unread_bytes;    /* in the socket, when last looked at */
    int64_t hung_up_ms; /* in a pause: when the client was first seen to have gone; 0: it has not */
};

/* Where one on the heap is; known to its I/O thread, which alone changes it. */
enum exchange_place {
    EXCHANGE_AWAY,  /* with a worker or a sender, until it comes back with iothread_give() */
    EXCHANGE_WAITS, /* for more of its body, or for a worker again */
};

struct transfer;

struct http_exchange {
    struct http_server *server;
    struct conn *conn;
    struct iothread *io;        /* NULL on a worker */
    struct http_exchange *next; /* in the queue of the workers, or in the I/O thread's inbox */
    unsigned bucket;            /* of that queue */
    enum exchange_place place;
    struct http_exchange *prev_lent, *next_lent; /* of the same I/O thread, on the heap as well */
    int64_t start_us;
    int64_t waited_us;    /* for the client, in body reads and sends */
    const char *head_end; /* in conn->in, on a worker */
    const char *ahead;    /* bytes received behind the head and not used up yet */
    size_t ahead_n;
    struct exchange_body body;
    struct exchange_whole whole;
    struct exchange_rest rest;
    void *kept;                /* the app's, from quick() to serve() and between its calls */
    size_t headers_kept;       /* bytes of headers that stay while it waits */
    bool waiting;              /* serve() wants more of the body before it goes on */
    bool paused;               /* ... or rather some time */
    bool waited;               /* it did so before */
    char *surplus;             /* received behind a chunked body; ahead points into it */
    struct transfer *transfer; /* content under way */
    uint64_t answer_bytes;     /* of a long answer, from http.body_memory */
    _Atomic(struct transfer *) parked; /* the same, while a sender has it and no worker */
    struct buf headers;
    const char *route;
    uint64_t received_bytes, sent_bytes;
    int status;
    bool has_head, answered, close;
    bool transfer_over;  /* nothing of it is left for a sender */
    bool failed;         /* while the answer was sent */
    enum err_code error; /* why, when a sender was at it */
    enum conn_fate fate; /* when answered */
    _Atomic(enum exchange_cut) cut;
    atomic_bool responding; /* answered, for the watch */
    char request_id[EXCHANGE_REQUEST_ID + 1];
    char identity[128];
    char note[240];
    struct http_head head; /* last: a copy for a worker has only the fields there are */
};

/* request.c */

/* Readies x for a request whose head is in x->head. */
void exchange_begin(struct http_exchange *x, struct conn *c);

/* A copy on the heap for a worker; the request's bytes (raw, with all that was received behind the
 * head) are copied into conn->in. */
struct http_exchange *exchange_detach(struct http_exchange *x, const char *raw, size_t raw_n);
void exchange_free(struct http_exchange *x); /* accepts NULL; and the transfer in it */

/* Tells app.done(). */
void exchange_done(struct http_exchange *x);

/* Before the I/O thread waits for more of the body: memory that is not needed meanwhile goes. */
void exchange_before_rest(struct http_exchange *x);

/* How many bytes are certain still to come, as long as the client does what it said; at least 1. */
uint64_t exchange_owed_bytes(const struct http_exchange *x);

/* Memory for an answer that may wait for a slow client, until x ends; asked for once. Error:
 * UNAVAILABLE. */
ERR_CHECKED enum err_code exchange_pay_answer(struct http_exchange *x, uint64_t bytes,
                                              struct err *e);

/* Uses up what is left of the body if that needs no waiting; false when some is still to come. */
bool exchange_skip_body(struct http_exchange *x);

/* Adds to the time spent waiting for the client. Error: TIMEOUT, when the average rate of `bytes`
 * over it has fallen below http.min_rate. */
ERR_CHECKED enum err_code exchange_waited(struct http_exchange *x, int64_t us, uint64_t bytes,
                                          struct err *e);

/* Why x was cut off, as an error in place of the socket's; ERR_OK when it was not. */
enum err_code exchange_why_cut(struct http_exchange *x, struct err *e);

/* response.c */

/* Forms the head of a response: what the server adds, the headers set, the empty line. has_length
 * false leaves Content-Length out. dst has room for x->headers.n + HEAD_ROOM bytes.
 * Decides x->fate, and marks x answered. */
size_t response_head(struct http_exchange *x, int status, bool has_length, uint64_t length,
                     char *dst);

/* An answer of the server's own, with its body from app.refusal(). */
void response_refuse(struct http_exchange *x, int status, const char *why);

#define RESPONSE_CANNED_BYTES 2048 /* room for one */

/* Such an answer for a connection that has no exchange, complete, closing. Returns its bytes. */
size_t response_canned(struct http_server *s, int status, const char *why, char *dst, size_t cap);

/* Worker: sends n bytes, which are the caller's; what would block is left to the I/O thread when
 * it is little, else waited for. */
ERR_CHECKED enum err_code response_write(struct http_exchange *x, const void *p, size_t n,
                                         struct err *e);
