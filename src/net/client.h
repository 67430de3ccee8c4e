/*
 * Connections to a server that is asked often (object stores, DynamoDB): kept open between
 * requests, each used by one request at a time. A request's answer is a stream of bytes, which is
 * read without waiting; client_run() waits, and collects it.
 *
 * Requests are sent as they are given: where to, and whether in plain HTTP, is the operator's
 * choice; no redirect is followed, certificates are checked. HTTP/1.1.
 */
#pragma once

#include "base/buf.h"
#include "base/err.h"

#include <stdint.h>

struct client;
struct client_stream; /* a request and its answer; one thread at a time */

struct client_options {
    const char *ca_file;    /* PEM; NULL or "": the system's authorities */
    uint64_t connect_ms;    /* 0: 5 s */
    uint64_t stall_ms;      /* without a byte in either direction; 0: 30 s */
    unsigned idle;          /* connections kept open at most; 0: 16 */
    const char *user_agent; /* NULL: "registry" */
};

/* Error: UNAVAILABLE when libcurl can't be loaded. Any thread may use it. */
ERR_CHECKED enum err_code client_new(const struct client_options *o, struct client **ret_client,
                                     struct err *e);
void client_free(struct client *c); /* accepts NULL; no stream is open */

/* The program ends: whole requests, those that run and those that come, have only so long left, or
 * what an earlier call left when that is less. */
void client_hurry(struct client *c, uint64_t ms);

/* Waits for so long; false at once when client_hurry() left no time for that. */
bool client_pause(struct client *c, uint64_t ms);

/* A part of a file, as a body: it is read while it is sent. */
struct client_file {
    int fd;
    uint64_t bytes;
    uint64_t at_bytes; /* where it begins */
    void (*sent)(void *ctx,
                 uint64_t sent_bytes); /* so much is read; from that thread; NULL: none */
    void *ctx;
};

struct client_request {
    const char *method; /* a constant */
    const char *url;
    const char *const *headers; /* "Name: value" lines, ending with NULL */
    struct str body;            /* stays the caller's, to the end of the stream; .p NULL: none */
    const struct client_file *file; /* likewise, in its stead; NULL: none */
    const char *content_type;       /* of either; NULL: bytes */
};

/* Called for each header line of the answer (not of an interim one), in the thread that reads. */
typedef void (*client_header_fn)(void *ctx, struct str name, struct str value);

/* Begins a request; nothing is sent before the first read. */
ERR_CHECKED enum err_code client_stream_new(struct client *c, const struct client_request *r,
                                            client_header_fn header, void *ctx,
                                            struct client_stream **ret_stream, struct err *e);

/* Up to cap bytes of the answer; *ret_n is 0 at its end. Errors: LATER, when there is nothing now;
 * UNAVAILABLE, when the connection or the server fails. */
ERR_CHECKED enum err_code client_stream_read(struct client_stream *s, void *buf, size_t cap,
                                             size_t *ret_n, struct err *e);

/* Waits until a read that failed with LATER may succeed. */
void client_stream_wait(struct client_stream *s);

/* A descriptor that becomes readable then; the stream's. */
int client_stream_fd(const struct client_stream *s);

/* The status of the answer; 0 while its head has not come. */
int client_stream_status(const struct client_stream *s);

/* Gives the connection back; one in the middle of an answer is closed. Accepts NULL. */
void client_stream_free(struct client_stream *s);

/* A whole request, waiting. The answer's body is appended to *ret_body, whose max bounds it.
 * Errors: as client_stream_read() but LATER; and UNAVAILABLE for an answer that is too large. */
ERR_CHECKED enum err_code client_run(struct client *c, const struct client_request *r,
                                     client_header_fn header, void *ctx, int *ret_status,
                                     struct buf *ret_body, struct err *e);
