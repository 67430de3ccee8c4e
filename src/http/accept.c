/* Accepting connections: limits, running out of descriptors, and spreading them over the threads.
 */
#include "http/accept.h"

#include "base/mem.h"
#include "http/core.h"
#include "http/serving.h"
#include "http/tls.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <unistd.h>

enum {
    ACCEPTS = 16,      /* at one wake, so that connections at hand get their turn */
    REFUSED_MAX = 128, /* refused connections that may linger, above the limit */
    BACK_OFF_MS = 100,
};

static struct iothread *least_busy(struct iothread *io)
{
    struct http_server *s = io->server;
    struct iothread *best = io;
    unsigned least = atomic_load_explicit(&io->n_connections, memory_order_relaxed);

    for (size_t i = 0; i < s->n_io; i++) {
        unsigned n = atomic_load_explicit(&s->io[i].n_connections, memory_order_relaxed);

        if (n < least) {
            least = n;
            best = &s->io[i];
        }
    }
    return best;
}

static struct conn *adopt(struct iothread *io, struct address *address, int fd)
{
    struct conn *c = NEW(struct conn);

    c->source = SOURCE_CONN;
    c->state = CONN_NEW;
    c->list = LIST_COUNT;
    c->fd = fd;
    c->io = least_busy(io);
    c->conf = io->server->conf;
    c->address = address;
    /* Inherited from the listening socket. */
    c->timeout_ms = io->server->accepted_timeout_ms;
    atomic_fetch_add_explicit(&c->io->n_connections, 1, memory_order_relaxed);
    atomic_fetch_add(&io->server->n_connections, 1);
    return c;
}

static void hand_in(struct iothread *io, struct conn *c)
{
    if (c->io == io)
        serving_take_new(io, c);
    else
        iothread_add(c);
}

/* Of the descriptors that this process may have, so many are not for connections: what a request
 * opens, and the process itself. */
#define KEPT_MIN  64
#define KEPT_PART 4 /* or that part of all */

/* What is kept, by RLIMIT_NOFILE as it is now; *ret_all is how many there may be. */
static uint64_t descriptors_kept(uint64_t *ret_all)
{
    struct rlimit limit;
    uint64_t kept;

    *ret_all = UINT64_MAX;
    if (getrlimit(RLIMIT_NOFILE, &limit) < 0 || limit.rlim_cur == RLIM_INFINITY)
        return 0;
    *ret_all = limit.rlim_cur;
    kept = limit.rlim_cur / KEPT_PART > KEPT_MIN ? limit.rlim_cur / KEPT_PART : KEPT_MIN;
    return 2 * kept > limit.rlim_cur ? limit.rlim_cur / 2 : kept;
}

/* How many connections there may be, by the configuration and by what is not kept. */
static uint64_t connections_max(const struct http_server *s)
{
    uint64_t wanted = conf_u64(&s->conf->max_connections), all;
    uint64_t kept = descriptors_kept(&all);

    return wanted < all - kept ? wanted : all - kept;
}

/* And how many more, that were refused. */
static uint64_t refused_max(void)
{
    uint64_t all, kept = descriptors_kept(&all);

    return all == UINT64_MAX || kept / KEPT_PART > REFUSED_MAX ? REFUSED_MAX : kept / KEPT_PART;
}

/* Over a limit: answered at once, then left to linger so that the client can read it. Without room
 * for more of those, and under TLS where nothing can be said before a handshake, it is closed. */
static void turn_away(struct iothread *io, int fd, const char *client, int status, const char *why)
{
    struct http_server *s = io->server;
    char text[RESPONSE_CANNED_BYTES];
    size_t n = response_canned(s, status, why, text, sizeof(text));
    bool told = !s->tls && send(fd, text, n, MSG_DONTWAIT | MSG_NOSIGNAL) == (ssize_t)n;
    uint64_t room = connections_max(s) + refused_max();

    server_tell_refused(s, client, status, why);
    if (told && atomic_load(&s->n_connections) < room) {
        struct conn *c = adopt(io, NULL, fd);

        c->refused = true;
        hand_in(io, c);
        return;
    }
    close(fd);
}

static void welcome(struct iothread *io, const struct listener *l, int fd,
                    const struct sockaddr_storage *peer)
{
    struct http_server *s = io->server;
    struct address *address;
    struct conn *c;
    uint64_t most;

    most = connections_max(s);
    if (atomic_load(&s->n_connections) >= most) {
        char text[ADDRESS_TEXT];

        address_text(peer, text);
        turn_away(io, fd, text, 503,
                  most < conf_u64(&s->conf->max_connections)
                      ? "too many connections for RLIMIT_NOFILE"
                      : "too many connections");
        return;
    }
    address = address_add(&s->addresses, peer, conf_u64(&s->conf->max_connections_per_address));
    if (!address) {
        char text[ADDRESS_TEXT];

        address_text(peer, text);
        turn_away(io, fd, text, 429, "too many connections from this address");
        return;
    }
    c = adopt(io, address, fd);
    c->debug = l->debug;
    if (s->tls && !c->debug && !tls_attach(s->tls, c)) {
        serving_drop(c->io, c); /* no thread knows of it yet */
        return;
    }
    hand_in(io, c);
}

/* No descriptor is free. Without care the listening socket would stay readable and this thread
 * would spin; so a descriptor kept for this moment takes one connection after the other and turns
 * it away. If even that fails the thread stops listening for a while. */
static void out_of_descriptors(struct iothread *io, struct listener *l)
{
    static const char none_left[] = "out of file descriptors";
    char text[RESPONSE_CANNED_BYTES];
    size_t n = response_canned(io->server, 503, none_left, text, sizeof(text));
    int fd;

    close(io->spare_fd);
    fd = accept4(l->fd, NULL, NULL, SOCK_CLOEXEC);
    if (fd >= 0) {
        server_tell_refused(io->server, "", 503, none_left);
        if (!io->server->tls)
            (void)!send(fd, text, n, MSG_DONTWAIT | MSG_NOSIGNAL);
        shutdown(fd, SHUT_WR);
        (void)!recv(fd, text, sizeof(text), MSG_DONTWAIT); /* unread bytes would mean a reset */
        close(fd);
    }
    io->spare_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    iothread_listen(io, false);
    io->listen_again_ms = io->now_ms + (fd >= 0 ? BACK_OFF_MS / 10 : BACK_OFF_MS);
}

void iothread_listen(struct iothread *io, bool on)
{
    struct http_server *s = io->server;

    if (io->listening == on)
        return;
    for (size_t i = 0; i < s->n_listeners; i++) {
        struct epoll_event ev = {.events = EPOLLIN | EPOLLEXCLUSIVE, .data.ptr = &s->listeners[i]};

        epoll_ctl(io->epoll_fd, on ? EPOLL_CTL_ADD : EPOLL_CTL_DEL, s->listeners[i].fd, &ev);
    }
    io->listening = on;
}

bool iothread_accept(struct iothread *io, struct listener *l)
{
    for (int i = 0; i < ACCEPTS; i++) {
        struct sockaddr_storage peer = {0};
        socklen_t n = sizeof(peer);
        int fd = accept4(l->fd, (struct sockaddr *)&peer, &n, SOCK_CLOEXEC);

        if (fd >= 0) {
            listener_settle(l, fd, &peer, !io->server->tls);
            welcome(io, l, fd, &peer);
            continue;
        }
        if (errno == EAGAIN || errno == EWOULDBLOCK)
            return false;
        if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
            out_of_descriptors(io, l);
            return false;
        }
        /* All else is about the one connection, which is gone (accept(2), "Error handling"). */
        if (errno == EINVAL) /* but for this: shut down, as the server stops */
            return false;
    }
    return true;
}
