/*
 * An I/O thread: an epoll set, the connections it owns, and one buffer each way that all of them
 * share.
 */
#pragma once

#include "http/connection.h"
#include "http/exchange.h"
#include "http/server.h"

/* A batch of answers is formed in one buffer, which always has room for one more. */
#define IO_ANSWER_MAX (HTTP_QUICK_MAX + EXCHANGE_HEADERS_MAX + EXCHANGE_HEAD_ROOM)
#define IO_OUT_BYTES  (3 * IO_ANSWER_MAX)
#define IO_IN_BYTES   (64 * 1024) /* no less than the largest http.max_head_bytes */

#define AWAY_CHECK_MS 1000 /* between looks at the connections that are away */

struct conn_list {
    struct conn *first, *last;
};

struct iothread {
    struct http_server *server;
    pthread_t thread;
    bool started;
    uint8_t wake; /* enum io_source: tag of wake_fd in the epoll set */
    int epoll_fd, wake_fd, spare_fd;
    bool listening;
    bool stopping;           /* has seen that the server stops */
    int64_t listen_again_ms; /* after running out of descriptors */
    int64_t check_ms;        /* when the connections that are away are looked at next */
    atomic_uint n_connections;
    _Atomic(struct conn *) inbox;
    struct conn_list lists[LIST_COUNT];
    int64_t now_ms;
    char *in;
    char *out;
    size_t out_n;
    struct http_exchange *x; /* of the request at hand, used again and again */
};

ERR_CHECKED enum err_code iothread_init(struct iothread *io, struct http_server *s, struct err *e);
ERR_CHECKED enum err_code iothread_start(struct iothread *io, struct err *e);
void iothread_done(struct iothread *io); /* joins it when it was started */

/* Hands c to its I/O thread: a new one, or one that comes back with c->fate. Any thread. */
void iothread_give(struct conn *c);
void iothread_wake(struct iothread *io);

/* Of its own thread only. */
void iothread_listen(struct iothread *io, bool on);

/* accept.c: takes some of the connections that wait at l, and gives each to the thread with the
 * fewest. False when no more wait. */
bool iothread_accept(struct iothread *io, struct listener *l);
