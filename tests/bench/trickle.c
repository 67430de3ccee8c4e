/*
 * trickle: uploads whose bytes come slowly, all from one thread, until its standard input ends.
 *
 *     trickle [-c uploads] [-s bytes a second each] host:port repository
 *
 * Each has a connection and a session of its own and one PATCH that never ends. Prints a line of
 * JSON when the last has begun, and one at the end; an upload that the server answers or cuts off
 * meanwhile is a failure.
 */
#include "client.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define SLOTS      50 /* each upload sends in one of them, all in turn */
#define SLOT_NS    10000000ull
#define BODY_BYTES (1ull << 30)

struct trickle {
    struct endpoint server;
    const char *repository;
    unsigned uploads, begun;
    size_t piece; /* bytes an upload sends in its slot */
    int *fds;
    uint64_t start_ns, slots_done, sent_bytes;
};

static struct trickle options_parse(int argc, char **argv)
{
    struct trickle t = {.uploads = 5000};
    uint64_t rate = 2048;
    int option;

    while ((option = getopt(argc, argv, "c:s:")) != -1) {
        if (option == '?')
            exit(2);
        if (option == 'c')
            t.uploads = (unsigned)parse_size(optarg);
        else
            rate = parse_size(optarg);
    }
    t.piece = (size_t)(rate * SLOTS * SLOT_NS / 1000000000);
    t.fds = calloc(t.uploads, sizeof(int));
    if (argc - optind != 2 || !t.fds || t.piece < 1)
        fail("usage: trickle [-c uploads] [-s bytes a second each] host:port repository");
    t.server = endpoint_parse(argv[optind]);
    t.repository = argv[optind + 1];
    return t;
}

/* Where the session is that a POST has made. */
static struct answer answer_read(int fd)
{
    char buf[HEAD_MAX];
    struct answer a;
    size_t n = 0;

    do {
        ssize_t got = recv(fd, buf + n, sizeof(buf) - n, 0);

        if (got <= 0)
            fail("connection closed before the answer: %m");
        n += (size_t)got;
    } while (!answer_parse(buf, n, &a) && n < sizeof(buf));
    if (a.status != 202)
        fail("status %d instead of 202: %.*s", a.status, (int)n, buf);
    return a;
}

static void begin_upload(struct trickle *t)
{
    int fd = endpoint_connect(&t->server), n;
    const char *path, *scheme;
    struct answer a;
    char head[4096];

    n = snprintf(head, sizeof(head),
                 "POST /v2/%s/blobs/uploads/ HTTP/1.1\r\nHost: %s\r\nContent-Length: 0\r\n\r\n",
                 t->repository, t->server.host);
    send_all(fd, head, (size_t)n, 0);
    a = answer_read(fd);
    scheme = strstr(a.location, "://");
    path = scheme ? strchr(scheme + 3, '/') : a.location;
    n = snprintf(head, sizeof(head),
                 "PATCH %s HTTP/1.1\r\nHost: %s\r\nContent-Length: %llu\r\n"
                 "Content-Type: application/octet-stream\r\n\r\n",
                 path, t->server.host, BODY_BYTES);
    send_all(fd, head, (size_t)n, 0);
    t->fds[t->begun++] = fd;
}

/* The pieces of all slots whose time has come. */
static void send_due(struct trickle *t)
{
    static const char data[1 << 16];
    uint64_t due = (now_ns() - t->start_ns) / SLOT_NS;
    size_t n = t->piece < sizeof(data) ? t->piece : sizeof(data);

    for (; t->slots_done < due; t->slots_done++) {
        for (unsigned i = (unsigned)(t->slots_done % SLOTS); i < t->begun; i += SLOTS) {
            ssize_t sent = send(t->fds[i], data, n, MSG_DONTWAIT | MSG_NOSIGNAL);

            if (sent < 0 && errno != EAGAIN)
                fail("upload %u: %m", i);
            t->sent_bytes += sent > 0 ? (uint64_t)sent : 0;
        }
    }
}

static void check_none_is_answered(const struct trickle *t)
{
    char c;

    for (unsigned i = 0; i < t->begun; i++)
        if (recv(t->fds[i], &c, 1, MSG_DONTWAIT | MSG_PEEK) >= 0)
            fail("upload %u was answered or cut off", i);
}

int main(int argc, char **argv)
{
    struct trickle t = options_parse(argc, argv);
    struct pollfd input = {.fd = STDIN_FILENO, .events = POLLIN};
    double seconds;

    raise_descriptor_limit(t.uploads + 64);
    t.start_ns = now_ns();
    while (t.begun < t.uploads) {
        begin_upload(&t);
        send_due(&t);
    }
    printf("{\"uploads\": %u}\n", t.begun);
    fflush(stdout);
    t.start_ns = now_ns();
    t.slots_done = t.sent_bytes = 0;
    while (poll(&input, 1, (int)(SLOT_NS / 1000000)) == 0)
        send_due(&t);
    check_none_is_answered(&t);
    seconds = (double)(now_ns() - t.start_ns) / 1e9;
    printf("{\"uploads\": %u, \"bytes_per_second\": %.0f}\n", t.uploads,
           (double)t.sent_bytes / seconds / t.uploads);
    return 0;
}
