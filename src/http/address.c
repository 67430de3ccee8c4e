/* Client addresses: their text, and how many connections each has. */
#include "http/address.h"
#include "base/mem.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

static bool mapped_v4(const struct in6_addr *a)
{
    return IN6_IS_ADDR_V4MAPPED(a);
}

void address_text(const struct sockaddr_storage *peer, char dst[static ADDRESS_TEXT])
{
    const struct sockaddr_in *v4 = (const struct sockaddr_in *)peer;
    const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)peer;

    if (peer->ss_family == AF_INET)
        inet_ntop(AF_INET, &v4->sin_addr, dst, ADDRESS_TEXT);
    else if (peer->ss_family == AF_INET6 && mapped_v4(&v6->sin6_addr))
        inet_ntop(AF_INET, &v6->sin6_addr.s6_addr[12], dst, ADDRESS_TEXT);
    else if (peer->ss_family == AF_INET6)
        inet_ntop(AF_INET6, &v6->sin6_addr, dst, ADDRESS_TEXT);
    else
        memcpy(dst, "unix", 5);
}

/* An IPv4 address has the same key whether it came by an IPv4 or an IPv6 socket. */
static void make_key(const struct sockaddr_storage *peer, uint64_t key[static 2])
{
    const struct sockaddr_in *v4 = (const struct sockaddr_in *)peer;
    const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)peer;

    key[0] = key[1] = 0;
    if (peer->ss_family == AF_INET)
        key[1] = 0xffffull << 32 | ntohl(v4->sin_addr.s_addr);
    else if (peer->ss_family == AF_INET6 && mapped_v4(&v6->sin6_addr))
        key[1] = 0xffffull << 32 | ntohl(v6->sin6_addr.s6_addr32[3]);
    else if (peer->ss_family == AF_INET6)
        memcpy(key, &v6->sin6_addr, 16);
}

bool address_same(int fd, const struct sockaddr_storage *peer)
{
    struct sockaddr_storage own = {0};
    socklen_t n = sizeof(own);
    uint64_t a[2], b[2];

    if (getsockname(fd, (struct sockaddr *)&own, &n) < 0)
        return false;
    make_key(&own, a);
    make_key(peer, b);
    return a[0] == b[0] && a[1] == b[1];
}

/* Mixed with a random seed, so that nobody can choose addresses that share a bucket. */
static uint64_t hash_of(const struct addresses *a, const uint64_t key[static 2])
{
    uint64_t h = a->seed;

    for (int i = 0; i < 2; i++) {
        h ^= key[i];
        h *= 0x9e3779b97f4a7c15ull;
        h ^= h >> 32;
        h *= 0xd6e8feb86659fd93ull;
        h ^= h >> 29;
    }
    return h;
}

struct address *address_add(struct addresses *a, const struct sockaddr_storage *peer,
                            uint64_t limit)
{
    uint64_t key[2], hash;
    struct address *node;

    make_key(peer, key);
    hash = hash_of(a, key);
    pthread_mutex_lock(&a->lock);
    for (node = a->buckets[hash % ADDRESS_BUCKETS]; node; node = node->next) {
        if (node->key[0] == key[0] && node->key[1] == key[1])
            break;
    }
    if (!node) {
        node = NEW(struct address);
        memcpy(node->key, key, sizeof(key));
        node->hash = hash;
        address_text(peer, node->text);
        node->next = a->buckets[hash % ADDRESS_BUCKETS];
        a->buckets[hash % ADDRESS_BUCKETS] = node;
    }
    if (limit == 0 || node->n_connections < limit)
        node->n_connections++;
    else
        node = NULL;
    pthread_mutex_unlock(&a->lock);
    return node;
}

void address_remove(struct addresses *a, struct address *node)
{
    struct address **at;

    pthread_mutex_lock(&a->lock);
    if (--node->n_connections == 0) {
        at = &a->buckets[node->hash % ADDRESS_BUCKETS];
        while (*at != node)
            at = &(*at)->next;
        *at = node->next;
        free(node);
    }
    pthread_mutex_unlock(&a->lock);
}
