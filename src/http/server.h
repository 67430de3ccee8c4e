/* Inside of http/: the server, its listeners and what counts connections. */
#pragma once

#include "http/connection.h"
#include "http/http.h"

#include <netinet/in.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/socket.h>

#define ADDRESS_TEXT    46 /* INET6_ADDRSTRLEN */
#define ADDRESS_BUCKETS 1024
#define LISTENERS_MAX   16

/* A client address with its connections; freed with the last one. */
struct address {
    struct address *next;
    uint64_t key[2];
    uint64_t hash;
    unsigned n_connections;
    char text[ADDRESS_TEXT]; /* without port; "unix" for a Unix socket */
};

struct addresses {
    pthread_mutex_t lock;
    uint64_t seed;
    struct address *buckets[ADDRESS_BUCKETS];
};

struct listener {
    uint8_t source; /* enum io_source */
    int fd;
    bool tcp;
    unsigned port;
    char *unlink_path; /* of a Unix socket */
};

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

/* listener.c */

/* where as in conf/listen.h. Accepted sockets inherit timeout_ms. Error: CONFIG. */
ERR_CHECKED enum err_code listener_open(const char *where, uint32_t timeout_ms,
                                        struct listener *ret, struct err *e);
void listener_close(struct listener *l);

/* address.c */

void address_text(const struct sockaddr_storage *peer, char dst[static ADDRESS_TEXT]);

/* The node of the peer, one connection added. With a limit, NULL when it has so many already. */
struct address *address_add(struct addresses *a, const struct sockaddr_storage *peer,
                            uint64_t limit);
void address_remove(struct addresses *a, struct address *node);

/* A client that was turned away before any request, for the log. */
void server_tell_refused(struct http_server *s, const char *client, int status, const char *why);

/* Counts one connection less. */
void server_connection_ended(struct http_server *s);

/* Waits until all threads are there. False: one of them is not, and this one ends. */
bool server_wait_begun(struct http_server *s);

/* Counts one I/O thread less that accepts connections of a server that stops. */
void server_listens_no_more(struct http_server *s);
