/* Clients by their address, and how many connections each has. Any thread. */
#pragma once

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#define ADDRESS_TEXT    46 /* INET6_ADDRSTRLEN */
#define ADDRESS_BUCKETS 1024

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

void address_text(const struct sockaddr_storage *peer, char dst[static ADDRESS_TEXT]);

/* Whether both ends of the connection have one address, as on this machine itself. */
bool address_same(int fd, const struct sockaddr_storage *peer);

/* The node of the peer, one connection added. With a limit, NULL when it has so many already. */
struct address *address_add(struct addresses *a, const struct sockaddr_storage *peer,
                            uint64_t limit);
void address_remove(struct addresses *a, struct address *node);
