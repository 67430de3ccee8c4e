/*
 * An I/O thread, as others see it: an epoll set, the connections it owns and those of their
 * exchanges that are on the heap, one buffer each way that all of them share, and an inbox: of
 * connections that are new to it, and of exchanges that come back.
 */
#pragma once

#include "http/exchange.h"

#define LENT_CHECK_MS 1000 /* between looks at the exchanges that are on the heap */

struct conn_list {
    struct conn *first, *last;
};

struct exchange_list {
    struct http_exchange *first, *last;
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
    int64_t check_ms;        /* when the exchanges that are lent are looked at next */
    atomic_uint n_connections;
    _Atomic(struct conn *) new_ones;
    _Atomic(struct http_exchange *) inbox;
    struct conn_list lists[LIST_COUNT];
    struct exchange_list lent; /* to workers and senders, or waiting for them */
    int64_t now_ms;
    char *in;
    char *out;
    size_t out_n;
    struct http_exchange *x; /* of the request at hand, used again and again */
};

/* Hands a new connection to its I/O thread. Any thread. */
void iothread_add(struct conn *c);

/* A worker or sender gives x back: answered, with the fate of its connection, or to wait. */
void iothread_give(struct http_exchange *x);

void iothread_wake(struct iothread *io);
