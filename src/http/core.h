/*
 * Inside of http/: what all files share of the server, and what its threads tell each other. What
 * makes it, and ends it, is server.c.
 */
#pragma once

#include "http/address.h"
#include "http/http.h"
#include "http/listener.h"

#include <pthread.h>
#include <stdatomic.h>

#define LISTENERS_MAX 20 /* of http.listen and http.debug.listen */

/* An I/O thread receives into one buffer and forms answers in another. */
#define IO_IN_BYTES   (64 * 1024) /* no less than the largest http.max_head_bytes */
#define IO_ANSWER_MAX (HTTP_QUICK_MAX + HEADERS_MAX + HEAD_ROOM) /* of one answer */
#define IO_OUT_BYTES  (3 * IO_ANSWER_MAX) /* a batch always has room for one more */

#define HEADERS_MAX (16 * 1024) /* of a response */
#define HEAD_ROOM   1024        /* for what the server itself adds to them */

struct iothread;
struct workers;
struct senders;
struct tls;

struct http_server {
    const struct conf_http *conf;
    struct http_app app;
    struct listener listeners[LISTENERS_MAX];
    size_t n_listeners;
    struct iothread *io;
    size_t n_io;
    struct workers *workers;
    struct senders *senders;
    struct tls *tls; /* NULL: plain */
    struct addresses addresses;
    atomic_uint n_connections;
    atomic_uint_fast64_t collected_bytes; /* of bodies, against http.body_memory */
    atomic_uint_fast64_t answer_bytes;    /* of long answers, against as much */
    atomic_bool stopping;                 /* nothing new; answers say Connection: close */
    atomic_bool cut;                      /* end what is still there */
    atomic_bool quit;                     /* I/O threads end */
    pthread_mutex_t lock;
    pthread_cond_t drained;       /* n_connections or n_listening is 0 while stopping */
    size_t n_listening;           /* I/O threads that have not heard of the stop */
    uint32_t accepted_timeout_ms; /* of the sockets the listeners give */
    pthread_cond_t begun;         /* `running` is set, or `quit` */
    bool running, stopped;        /* running: all threads are there, and listen */
};

/* A client that was turned away before any request, for the log. */
void server_tell_refused(struct http_server *s, const char *client, int status, const char *why);

/* Counts one connection less. */
void server_connection_ended(struct http_server *s);

/* Waits until all threads are there. False: one of them is not, and this one ends. */
bool server_wait_begun(struct http_server *s);

/* Counts one I/O thread less that accepts connections of a server that stops. */
void server_listens_no_more(struct http_server *s);
