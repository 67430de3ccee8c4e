/*
 * push: uploads blobs from memory. Every blob is new: all begin alike and end in 64 bytes of their
 * own, so that one hash of the common part, made before the clock starts, serves all digests.
 *
 *     push [-c at once] [-n pushes] [-T seconds] [-m mode] [-s size] [-r seed] host:port repository
 *
 * -n is for each connection; -T starts no new push after that time. Modes:
 *     put      POST, then PUT with the bytes
 *     patch    POST, PATCH with the bytes, PUT
 *     chunked  the same, PATCH in chunked coding of 32 KiB chunks, as the docker engine sends it
 *     raw      the yardstick's protocol (see yardstick.c)
 * Prints one line of JSON; a push is timed from its first byte to its 201.
 */
#include "client.h"

#include <endian.h>
#include <errno.h>
#include <openssl/evp.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define TAIL_BYTES   64
#define DATA_MAX     (256u << 20) /* a longer blob repeats this much */
#define SEND_BYTES   (1u << 20)
#define DOCKER_CHUNK (32u << 10)
#define NO_BODY      "Content-Length: 0\r\n"

enum mode { MODE_PUT, MODE_PATCH, MODE_CHUNKED, MODE_RAW, MODE_COUNT };

static const char *const mode_names[MODE_COUNT] = {"put", "patch", "chunked", "raw"};

struct options {
    struct endpoint server;
    const char *repository;
    unsigned connections, pushes;
    double seconds; /* 0: no limit */
    enum mode mode;
    uint64_t size_bytes, seed;
};

struct blob {
    uint64_t prefix_bytes; /* of the common part */
    char tail[TAIL_BYTES];
    unsigned char hash[32];
    char digest[72]; /* sha256:<hex> */
};

struct pusher {
    pthread_t thread;
    const struct options *o;
    unsigned index, done;
    uint64_t busy_ns;
    int fd;
    char digest[72]; /* of the last one pushed */
};

static char *data;
static size_t data_n;
static EVP_MD_CTX *prefix_hash;
static pthread_barrier_t barrier;

static struct options options_parse(int argc, char **argv)
{
    struct options o = {.connections = 1, .pushes = 1, .size_bytes = 256u << 20, .seed = now_ns()};
    int option;

    while ((option = getopt(argc, argv, "c:n:T:m:s:r:")) != -1) {
        switch (option) {
        case 'c':
            o.connections = (unsigned)parse_size(optarg);
            break;
        case 'n':
            o.pushes = (unsigned)parse_size(optarg);
            break;
        case 'T':
            o.seconds = atof(optarg);
            break;
        case 'm':
            for (o.mode = 0; strcmp(optarg, mode_names[o.mode]) != 0;)
                if (++o.mode == MODE_COUNT)
                    fail("no such mode: %s", optarg);
            break;
        case 's':
            o.size_bytes = parse_size(optarg);
            break;
        case 'r':
            o.seed = parse_size(optarg);
            break;
        default:
            exit(2);
        }
    }
    if (argc - optind != 2 || o.size_bytes <= TAIL_BYTES || o.connections < 1)
        fail("usage: push [-c at once] [-n pushes] [-T seconds] [-m mode] [-s size] [-r seed] "
             "host:port repository");
    o.server = endpoint_parse(argv[optind]);
    o.repository = argv[optind + 1];
    return o;
}

/* Random bytes that no file system compresses (xorshift64), and the hash of the common part. */
static void data_prepare(const struct options *o)
{
    uint64_t x = o->seed | 1, left = o->size_bytes - TAIL_BYTES;

    data_n = o->size_bytes < DATA_MAX ? (size_t)o->size_bytes : DATA_MAX;
    data = aligned_alloc(4096, (data_n + 4095) & ~(size_t)4095);
    prefix_hash = EVP_MD_CTX_new();
    if (!data || !prefix_hash || !EVP_DigestInit_ex(prefix_hash, EVP_sha256(), NULL))
        fail("out of memory");
    for (size_t i = 0; i < data_n / 8; i++) {
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        memcpy(data + 8 * i, &x, 8);
    }
    for (uint64_t n; left; left -= n) {
        n = left < data_n ? left : data_n;
        EVP_DigestUpdate(prefix_hash, data, (size_t)n);
    }
}

static struct blob blob_make(const struct options *o, unsigned index, unsigned round)
{
    struct blob b = {.prefix_bytes = o->size_bytes - TAIL_BYTES, .digest = "sha256:"};
    EVP_MD_CTX *hash = EVP_MD_CTX_new();

    memset(b.tail, '.', TAIL_BYTES);
    snprintf(b.tail, TAIL_BYTES, "%016llx %u %u %d", (unsigned long long)o->seed, index, round,
             (int)getpid());
    if (!hash || !EVP_MD_CTX_copy_ex(hash, prefix_hash))
        fail("out of memory");
    EVP_DigestUpdate(hash, b.tail, TAIL_BYTES);
    EVP_DigestFinal_ex(hash, b.hash, NULL);
    EVP_MD_CTX_free(hash);
    for (int i = 0; i < 32; i++)
        snprintf(b.digest + 7 + 2 * i, 3, "%02x", b.hash[i]);
    return b;
}

static void send_plain(int fd, const struct blob *b)
{
    uint64_t at = 0;

    while (at < b->prefix_bytes) {
        size_t from = (size_t)(at % data_n), n = SEND_BYTES;

        if (n > data_n - from)
            n = data_n - from;
        if (n > b->prefix_bytes - at)
            n = (size_t)(b->prefix_bytes - at);
        send_all(fd, data + from, n, MSG_MORE);
        at += n;
    }
    send_all(fd, b->tail, TAIL_BYTES, 0);
}

static void send_chunk(int fd, const char *p, size_t n)
{
    char size[24];
    int size_n = snprintf(size, sizeof(size), "%zx\r\n", n);

    send_all(fd, size, (size_t)size_n, MSG_MORE);
    send_all(fd, p, n, MSG_MORE);
    send_all(fd, "\r\n", 2, 0);
}

static void send_chunked(int fd, const struct blob *b)
{
    uint64_t at = 0;

    while (at < b->prefix_bytes) {
        size_t from = (size_t)(at % data_n), n = DOCKER_CHUNK;

        if (n > data_n - from)
            n = data_n - from;
        if (n > b->prefix_bytes - at)
            n = (size_t)(b->prefix_bytes - at);
        send_chunk(fd, data + from, n);
        at += n;
    }
    send_chunk(fd, b->tail, TAIL_BYTES);
    send_all(fd, "0\r\n\r\n", 5, 0);
}

/* Reads one answer to its end; its status must be the wanted one. */
static struct answer answer_read(int fd, int wanted)
{
    char buf[HEAD_MAX];
    struct answer a;
    size_t n = 0;

    for (;;) {
        ssize_t got = recv(fd, buf + n, sizeof(buf) - n, 0);

        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            fail("connection closed before the answer: %m");
        n += (size_t)got;
        if (answer_parse(buf, n, &a) &&
            (a.content_length == UINT64_MAX || n >= a.head_n + a.content_length))
            break;
        if (n == sizeof(buf))
            fail("answer is too long");
    }
    if (a.status != wanted)
        fail("status %d instead of %d: %.*s", a.status, wanted, (int)n, buf);
    return a;
}

/* The path and query of a Location, which may be absolute. */
static const char *location_path(const char *location)
{
    const char *scheme = strstr(location, "://");
    const char *path = scheme ? strchr(scheme + 3, '/') : location;

    if (!path || *path != '/')
        fail("Location without a path: %s", location);
    return path;
}

static void send_head(const struct pusher *p, const char *method, const char *target,
                      const char *digest, const char *framing)
{
    bool no_body = !strcmp(framing, NO_BODY);
    char head[4096];
    const char *join = !digest ? "" : strchr(target, '?') ? "&digest=" : "?digest=";
    int n = snprintf(head, sizeof(head),
                     "%s %s%s%s HTTP/1.1\r\nHost: %s\r\n%s"
                     "Content-Type: application/octet-stream\r\n\r\n",
                     method, target, join, digest ? digest : "", p->o->server.host, framing);

    if (n >= (int)sizeof(head))
        fail("request head is too long");
    send_all(p->fd, head, (size_t)n, no_body ? 0 : MSG_MORE);
}

static void push_http(const struct pusher *p, const struct blob *b)
{
    char target[512], length[64];
    struct answer a;

    snprintf(length, sizeof(length), "Content-Length: %llu\r\n",
             (unsigned long long)p->o->size_bytes);
    snprintf(target, sizeof(target), "/v2/%s/blobs/uploads/", p->o->repository);
    send_head(p, "POST", target, NULL, NO_BODY);
    a = answer_read(p->fd, 202);
    if (p->o->mode == MODE_PUT) {
        send_head(p, "PUT", location_path(a.location), b->digest, length);
        send_plain(p->fd, b);
        answer_read(p->fd, 201);
        return;
    }
    if (p->o->mode == MODE_PATCH) {
        send_head(p, "PATCH", location_path(a.location), NULL, length);
        send_plain(p->fd, b);
    } else {
        send_head(p, "PATCH", location_path(a.location), NULL, "Transfer-Encoding: chunked\r\n");
        send_chunked(p->fd, b);
    }
    a = answer_read(p->fd, 202);
    send_head(p, "PUT", location_path(a.location), b->digest, NO_BODY);
    answer_read(p->fd, 201);
}

static void push_raw(const struct pusher *p, const struct blob *b)
{
    uint64_t size = htobe64(p->o->size_bytes);
    unsigned char digest[32];

    send_all(p->fd, &size, sizeof(size), MSG_MORE);
    send_plain(p->fd, b);
    if (recv(p->fd, digest, sizeof(digest), MSG_WAITALL) != sizeof(digest))
        fail("no digest came back");
    if (memcmp(digest, b->hash, sizeof(digest)) != 0)
        fail("another digest came back");
}

static void *pusher_run(void *arg)
{
    struct pusher *p = arg;
    uint64_t start;

    p->fd = endpoint_connect(&p->o->server);
    pthread_barrier_wait(&barrier);
    start = now_ns();
    for (unsigned i = 0; i < p->o->pushes; i++) {
        struct blob b = blob_make(p->o, p->index, i);
        uint64_t begin = now_ns();

        if (p->o->seconds > 0 && (double)(begin - start) > p->o->seconds * 1e9)
            break;
        if (p->o->mode == MODE_RAW)
            push_raw(p, &b);
        else
            push_http(p, &b);
        p->busy_ns += now_ns() - begin;
        p->done++;
        memcpy(p->digest, b.digest, sizeof(p->digest));
    }
    close(p->fd);
    return NULL;
}

int main(int argc, char **argv)
{
    struct options o = options_parse(argc, argv);
    struct pusher *pushers = calloc(o.connections, sizeof(*pushers));
    unsigned pushes = 0;
    uint64_t start, busy_ns = 0;

    if (!pushers || pthread_barrier_init(&barrier, NULL, o.connections + 1))
        fail("out of resources");
    raise_descriptor_limit(o.connections + 64);
    data_prepare(&o);
    for (unsigned i = 0; i < o.connections; i++) {
        pushers[i] = (struct pusher){.o = &o, .index = i};
        if (pthread_create(&pushers[i].thread, NULL, pusher_run, &pushers[i]))
            fail("pthread_create");
    }
    pthread_barrier_wait(&barrier);
    start = now_ns();
    for (unsigned i = 0; i < o.connections; i++) {
        pthread_join(pushers[i].thread, NULL);
        pushes += pushers[i].done;
        busy_ns += pushers[i].busy_ns;
    }
    printf("{\"pushes\": %u, \"bytes\": %llu, \"seconds\": %.6f, \"busy_seconds\": %.6f, "
           "\"digest\": \"%s\"}\n",
           pushes, (unsigned long long)pushes * o.size_bytes, (double)(now_ns() - start) / 1e9,
           (double)busy_ns / 1e9, pushers[0].digest);
    return 0;
}
