/*
 * A connection. At rest it is this struct and nothing else.
 *
 * Owner: the I/O thread `io`. It alone links, unlinks and frees a connection. While its exchange is
 * EXCHANGE_AWAY (exchange.h) a worker or sender may use the socket, the TLS session, `in` and
 * `out`.
 *
 * The socket is in blocking mode, but for the time of a transfer (transfer.h): an I/O thread says
 * MSG_DONTWAIT at each call, a worker simply waits, at most http.io_timeout.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct conf_http;
struct iothread;
struct address;
struct tls_wait;
struct http_exchange;
struct ssl_st;

/* What an epoll event belongs to: the first member of each such struct. */
enum io_source { SOURCE_CONN, SOURCE_LISTENER, SOURCE_WAKE };

enum conn_state {
    CONN_NEW,       /* accepted, on its way to its I/O thread */
    CONN_HANDSHAKE, /* TLS */
    CONN_REST,      /* waiting for a request: idle, or part of a head is in `in` */
    CONN_BUSY,      /* `x` is under way; in no list */
    CONN_WRITE,     /* waiting to send `out` */
    CONN_LINGER,    /* answered and half-closed; what still comes in is dropped */
};

/* What to do with a connection when its answer is out. */
enum conn_fate { CONN_KEEP, CONN_CLOSE, CONN_HALF_CLOSE };

/* The list of its I/O thread that a connection is in; each has one timeout for all. */
enum conn_list_kind { LIST_IDLE, LIST_HEAD, LIST_WRITE, LIST_LINGER, LIST_COUNT };

struct conn {
    uint8_t source; /* enum io_source */
    uint8_t state;  /* enum conn_state */
    uint8_t fate;   /* enum conn_fate */
    uint8_t list;   /* enum conn_list_kind; LIST_COUNT: in none */
    int fd;
    bool watched;        /* in the epoll set */
    bool writing;        /* for EPOLLOUT instead of EPOLLIN */
    bool refused;        /* over a limit: only lingers */
    bool debug;          /* accepted at http.debug.listen */
    uint32_t least;      /* SO_RCVLOWAT as set; 0: as it is made */
    uint32_t timeout_ms; /* SO_RCVTIMEO and SO_SNDTIMEO as set; 0: not yet */
    uint32_t in_n;
    uint32_t out_at, out_n;
    char *in;  /* received and not used up yet */
    char *out; /* bytes out_at to out_n are still to be sent */
    struct iothread *io;
    const struct conf_http *conf; /* of the server */
    struct address *address;
    struct ssl_st *ssl;
    struct tls_wait *wait;    /* of the call under way, when it may wait */
    struct conn *prev, *next; /* in that list */
    struct conn *next_new;    /* in the I/O thread's inbox, once */
    struct http_exchange *x;  /* while busy */
    int64_t deadline_ms;
    uint32_t lingered_bytes;
};

/* Whether bytes moved in so much waiting for the client are fewer than http.min_rate asks for. Not
 * before there is an average to speak of. */
bool conn_too_slow(const struct conn *c, int64_t waited_ms, uint64_t bytes);
