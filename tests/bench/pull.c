/*
 * pull: GETs one path over N connections at once and throws the bodies away in the kernel
 * (recv(2) with MSG_TRUNC on TCP copies nothing), so that the client costs as little as a client
 * can. Checks status, Content-Length and the number of bytes of every answer.
 *
 *     pull [-c connections] [-n requests] [-t threads] [-s size] [-k] [-H header] host:port path
 *
 * -n is for each connection; -s is the expected body size; -k keeps the connections open
 * afterwards, until standard input ends. Prints one line of JSON; the time runs from the first
 * request, when all are connected, to the end of the last body. The first byte of a body is timed
 * from its request.
 */
#include "client.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#define SINK_BYTES (4u << 20) /* most bytes dropped in one call */

struct options {
    struct endpoint server;
    const char *path, *header; /* header: a whole line, or "" */
    unsigned connections, requests, threads;
    uint64_t size_bytes; /* UINT64_MAX: any */
    bool keep;
};

struct conn {
    int fd;
    unsigned requests_left;
    bool in_body;
    uint64_t body_left, asked_ns;
    size_t head_n;
    char head[2048];
};

struct worker {
    pthread_t thread;
    const struct options *o;
    const char *request;
    size_t request_n;
    struct conn *conns;
    unsigned n_conns, n_done;
    int epoll_fd;
    uint64_t bytes;
    uint64_t *first_ns; /* of each body, how long its first byte took */
    size_t n_first;
};

static char sink[SINK_BYTES]; /* never written: MSG_TRUNC */

static struct options options_parse(int argc, char **argv)
{
    struct options o = {
        .header = "", .connections = 1, .requests = 1, .threads = 1, .size_bytes = UINT64_MAX};
    int option;

    while ((option = getopt(argc, argv, "c:n:t:s:kH:")) != -1) {
        switch (option) {
        case 'c':
            o.connections = (unsigned)parse_size(optarg);
            break;
        case 'n':
            o.requests = (unsigned)parse_size(optarg);
            break;
        case 't':
            o.threads = (unsigned)parse_size(optarg);
            break;
        case 's':
            o.size_bytes = parse_size(optarg);
            break;
        case 'k':
            o.keep = true;
            break;
        case 'H':
            o.header = optarg;
            break;
        default:
            exit(2);
        }
    }
    if (argc - optind != 2)
        fail("usage: pull [-c connections] [-n requests] [-t threads] [-s size] [-k] [-H header] "
             "host:port path");
    o.server = endpoint_parse(argv[optind]);
    o.path = argv[optind + 1];
    if (o.threads < 1 || o.connections < o.threads || o.requests < 1)
        fail("needs a request, and a connection for each thread");
    return o;
}

/* The next request of a connection, or its end. */
static void conn_next(struct worker *w, struct conn *c)
{
    c->in_body = false;
    c->head_n = 0;
    if (c->requests_left == 0) {
        w->n_done++;
        if (epoll_ctl(w->epoll_fd, EPOLL_CTL_DEL, c->fd, NULL))
            fail("epoll_ctl: %m");
        return;
    }
    c->requests_left--;
    c->asked_ns = now_ns();
    send_all(c->fd, w->request, w->request_n, 0);
}

/* True when the head is complete. Peeks first, so that no byte of the body is copied. */
static bool conn_head(struct worker *w, struct conn *c)
{
    struct answer a;
    ssize_t n = recv(c->fd, c->head, sizeof(c->head), MSG_PEEK | MSG_DONTWAIT);

    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return false;
    if (n <= 0)
        fail("connection closed before a head: %m");
    if (!answer_parse(c->head, (size_t)n, &a)) {
        if ((size_t)n == sizeof(c->head))
            fail("response head is too long");
        return false;
    }
    if (a.status != 200)
        fail("status %d: %.*s", a.status, (int)n, c->head);
    if (a.content_length == UINT64_MAX)
        fail("no Content-Length");
    if (w->o->size_bytes != UINT64_MAX && a.content_length != w->o->size_bytes)
        fail("Content-Length %llu", (unsigned long long)a.content_length);
    if (recv(c->fd, c->head, a.head_n, 0) != (ssize_t)a.head_n)
        fail("recv: %m");
    c->in_body = true;
    c->body_left = a.content_length;
    if (c->body_left == 0)
        w->first_ns[w->n_first++] = now_ns() - c->asked_ns;
    return true;
}

static void conn_ready(struct worker *w, struct conn *c)
{
    if (!c->in_body && !conn_head(w, c))
        return;
    while (c->body_left) {
        size_t cap = c->body_left < SINK_BYTES ? (size_t)c->body_left : SINK_BYTES;
        ssize_t n = recv(c->fd, sink, cap, MSG_TRUNC | MSG_DONTWAIT);

        if (n < 0 && (errno == EAGAIN || errno == EINTR))
            return;
        if (n <= 0)
            fail("connection closed with %llu bytes missing: %m", (unsigned long long)c->body_left);
        if (c->asked_ns) {
            w->first_ns[w->n_first++] = now_ns() - c->asked_ns;
            c->asked_ns = 0;
        }
        c->body_left -= (uint64_t)n;
        w->bytes += (uint64_t)n;
        if ((size_t)n < cap)
            return; /* the others' turn */
    }
    if (recv(c->fd, c->head, 1, MSG_PEEK | MSG_DONTWAIT) > 0)
        fail("bytes after the end of the body");
    conn_next(w, c);
}

static void *worker_run(void *arg)
{
    struct worker *w = arg;
    struct epoll_event events[256];

    for (unsigned i = 0; i < w->n_conns; i++)
        conn_next(w, &w->conns[i]);
    while (w->n_done < w->n_conns) {
        int n = epoll_wait(w->epoll_fd, events, 256, 60000);

        if (n == 0)
            fail("nothing came for 60 s");
        for (int i = 0; i < n; i++)
            conn_ready(w, events[i].data.ptr);
    }
    return NULL;
}

static void worker_connect(struct worker *w, unsigned n_conns)
{
    w->n_conns = n_conns;
    w->conns = calloc(n_conns, sizeof(*w->conns));
    w->first_ns = calloc((size_t)n_conns * w->o->requests, sizeof(*w->first_ns));
    w->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (!w->conns || !w->first_ns || w->epoll_fd < 0)
        fail("out of resources: %m");
    for (unsigned i = 0; i < n_conns; i++) {
        struct conn *c = &w->conns[i];
        struct epoll_event event = {.events = EPOLLIN, .data.ptr = c};

        c->fd = endpoint_connect(&w->o->server);
        c->requests_left = w->o->requests;
        if (epoll_ctl(w->epoll_fd, EPOLL_CTL_ADD, c->fd, &event))
            fail("epoll_ctl: %m");
    }
}

static uint64_t run(struct worker *workers, const struct options *o)
{
    uint64_t bytes = 0;

    for (unsigned i = 1; i < o->threads; i++)
        if (pthread_create(&workers[i].thread, NULL, worker_run, &workers[i]))
            fail("pthread_create");
    worker_run(&workers[0]);
    for (unsigned i = 1; i < o->threads; i++)
        pthread_join(workers[i].thread, NULL);
    for (unsigned i = 0; i < o->threads; i++)
        bytes += workers[i].bytes;
    return bytes;
}

static int compare(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

    return (x > y) - (x < y);
}

static double first_byte_p99_ms(const struct worker *workers, const struct options *o)
{
    size_t n = 0;
    uint64_t *all = calloc((size_t)o->connections * o->requests, sizeof(*all));
    double ms;

    if (!all)
        fail("out of memory");
    for (unsigned i = 0; i < o->threads; i++) {
        memcpy(all + n, workers[i].first_ns, workers[i].n_first * sizeof(*all));
        n += workers[i].n_first;
    }
    qsort(all, n, sizeof(*all), compare);
    ms = (double)all[(n * 99 + 99) / 100 - 1] / 1e6;
    free(all);
    return ms;
}

int main(int argc, char **argv)
{
    struct options o = options_parse(argc, argv);
    struct worker *workers = calloc(o.threads, sizeof(*workers));
    char request[8192];
    int request_n = snprintf(request, sizeof(request), "GET %s HTTP/1.1\r\nHost: %s\r\n%s%s\r\n",
                             o.path, o.server.host, o.header, *o.header ? "\r\n" : "");
    uint64_t start, bytes, took_ns;

    if (!workers || request_n >= (int)sizeof(request))
        fail("path or header is too long");
    raise_descriptor_limit(o.connections + 64);
    for (unsigned i = 0; i < o.threads; i++) {
        workers[i].o = &o;
        workers[i].request = request;
        workers[i].request_n = (size_t)request_n;
        worker_connect(&workers[i], o.connections / o.threads + (i < o.connections % o.threads));
    }
    start = now_ns();
    bytes = run(workers, &o);
    took_ns = now_ns() - start;
    printf("{\"bytes\": %llu, \"seconds\": %.6f, \"first_byte_p99_ms\": %.3f}\n",
           (unsigned long long)bytes, (double)took_ns / 1e9, first_byte_p99_ms(workers, &o));
    fflush(stdout);
    if (o.keep)
        while (getchar() != EOF)
            ;
    return 0;
}
