/*
 * An I/O thread, as others see it: an epoll set, the connections it owns, one buffer each way that
 * all of them share, and an inbox for connections that are handed to it.
 */
#pragma once

#include "http/exchange.h"

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

/* Hands c to its I/O thread: a new one, or one that comes back with c->fate. Any thread. */
void iothread_give(struct conn *c);
void iothread_wake(struct iothread *io);
