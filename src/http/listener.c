/* Listening sockets, by their addresses (conf/listen.h). */
#include "http/listener.h"
#include "base/cleanup.h"
#include "base/mem.h"
#include "conf/listen.h"
#include "http/address.h"
#include "http/conn.h"

#include <errno.h>
#include <limits.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

enum {
    BACKLOG = 4096,
    FAR_BUFFER_BYTES = 4 * 1024 * 1024,
    FAR_UNSENT_BYTES = 1024 * 1024,
};

static void auto_addrinfo_(struct addrinfo **a)
{
    if (*a)
        freeaddrinfo(*a);
}

/* What an accepted socket inherits, so that it costs no call per connection. */
static void set_options(int fd, bool tcp, uint32_t timeout_ms)
{
    struct timeval tv = {.tv_sec = timeout_ms / 1000, .tv_usec = timeout_ms % 1000 * 1000};
    int on = 1;

    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv));
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &tv, sizeof(tv));
    if (!tcp)
        return;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
}

/* BBR spreads what it sends over time, by timers. Within one machine there is no line to spare, and
 * they cost most of the speed and of the processor time (figures: tests/bench/README.md). A socket
 * that once had BBR goes on spreading under another control, so sockets are accepted without it,
 * and those from elsewhere get it back before they send anything. */
static void unpace(int fd, struct listener *l)
{
    socklen_t n = sizeof(l->congestion) - 1;

    if (getsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, l->congestion, &n) < 0 ||
        strncmp(l->congestion, "bbr", 3) != 0 ||
        setsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, "reno", 4) < 0) /* every kernel has it */
        l->congestion[0] = '\0';
}

/* The largest send buffer that the kernel gives on its own. */
static long long grown_max_bytes(void)
{
    AUTO(file) FILE *f = fopen("/proc/sys/net/ipv4/tcp_wmem", "re");
    long long max_bytes;

    if (!f || fscanf(f, "%*d %*d %lld", &max_bytes) != 1)
        return LLONG_MAX;
    return max_bytes;
}

/* A buffer of a fixed size no longer grows, and net.core.wmem_max may make it smaller than what is
 * asked for: so it is tried on a socket that nobody uses. */
static bool far_buffer_helps(void)
{
    AUTO(fd) int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int want = FAR_BUFFER_BYTES, got = 0;
    socklen_t n = sizeof(got);

    return fd >= 0 && setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &want, sizeof(want)) == 0 &&
           getsockopt(fd, SOL_SOCKET, SO_SNDBUF, &got, &n) == 0 &&
           got >= 2 * FAR_BUFFER_BYTES && /* the kernel doubles it; socket(7) */
           got > grown_max_bytes();
}

/* What is sent to a client far away stays in the buffer for a round trip, so the buffer bounds the
 * speed. Of what waits to be sent it takes no more than FAR_UNSENT_BYTES, so that a slow client
 * holds little; under TLS, where that would be copies, the kernel's own measure stays. */
static void widen(int fd)
{
    int buffer = FAR_BUFFER_BYTES, unsent = FAR_UNSENT_BYTES;

    setsockopt(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, &unsent, sizeof(unsent));
    setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &buffer, sizeof(buffer));
}

void listener_settle(const struct listener *l, int fd, const struct sockaddr_storage *peer,
                     bool plain)
{
    if ((!l->congestion[0] && !l->widens) || address_same(fd, peer))
        return;
    if (l->congestion[0])
        setsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, l->congestion,
                   (socklen_t)strlen(l->congestion));
    if (l->widens && plain)
        widen(fd);
}

/* Why bind() or listen() failed, as whoever wrote the address needs to hear it. */
static const char *trouble_of(int error, const struct sockaddr *sa)
{
    struct stat st;

    if (error == EADDRINUSE && sa->sa_family == AF_UNIX &&
        lstat(((const struct sockaddr_un *)(const void *)sa)->sun_path, &st) == 0 &&
        !S_ISSOCK(st.st_mode))
        return "there is a file of that name that is no socket";
    if (error == EADDRINUSE)
        return "address already in use";
    if (error == EADDRNOTAVAIL)
        return "this machine has no such address";
    if (error == EACCES && sa->sa_family != AF_UNIX)
        return "permission denied; ports below 1024 take root or CAP_NET_BIND_SERVICE";
    return strerror(error);
}

static enum err_code bind_and_listen(int fd, const struct sockaddr *sa, socklen_t n,
                                     const char *where, struct err *e)
{
    if (bind(fd, sa, n) < 0 || listen(fd, BACKLOG) < 0)
        return err_set(e, ERR_CONFIG, "listen on '%s': %s", where, trouble_of(errno, sa));
    return ERR_OK;
}

static unsigned bound_port(int fd)
{
    union {
        struct sockaddr any;
        struct sockaddr_in v4;
        struct sockaddr_in6 v6;
    } sa = {.v6 = {0}};
    socklen_t n = sizeof(sa);

    if (getsockname(fd, &sa.any, &n) < 0)
        return 0;
    return ntohs(sa.any.sa_family == AF_INET ? sa.v4.sin_port : sa.v6.sin6_port);
}

static enum err_code open_tcp(const struct addrinfo *a, bool both, const char *where,
                              uint32_t timeout_ms, struct listener *ret, struct err *e)
{
    AUTO(fd) int fd = socket(a->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    int only = !both;

    if (fd < 0)
        return err_set(e, ERR_CONFIG, "listen on '%s': %m", where);
    set_options(fd, true, timeout_ms);
    if (a->ai_family == AF_INET6)
        setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &only, sizeof(only));
    TRY(bind_and_listen(fd, a->ai_addr, a->ai_addrlen, where, e));
    *ret = (struct listener){.source = SOURCE_LISTENER, .tcp = true, .port = bound_port(fd)};
    unpace(fd, ret);
    ret->widens = far_buffer_helps();
    ret->fd = STEAL_FD(fd);
    return ERR_OK;
}

static enum err_code listen_tcp(const struct conf_listen *l, const char *where, uint32_t timeout_ms,
                                struct listener *ret, struct err *e)
{
    AUTO(addrinfo) struct addrinfo *list = NULL;
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE | AI_NUMERICSERV};
    bool all = l->host[0] == '\0';
    char port[8];
    int error;

    snprintf(port, sizeof(port), "%u", l->port);
    if (all) /* one socket for IPv6 and IPv4 where the machine has IPv6 */
        hints.ai_family = AF_INET6;
    error = getaddrinfo(all ? NULL : l->host, port, &hints, &list);
    if (!error && open_tcp(list, all, where, timeout_ms, ret, e) == ERR_OK)
        return ERR_OK;
    if (all) {
        AUTO(addrinfo) struct addrinfo *v4 = NULL;

        hints.ai_family = AF_INET;
        error = getaddrinfo(NULL, port, &hints, &v4);
        if (!error)
            return open_tcp(v4, false, where, timeout_ms, ret, e);
    }
    if (error)
        return err_set(e, ERR_CONFIG, "listen on '%s': %s", where, gai_strerror(error));
    return e->code;
}

/* A socket file that nobody listens at is left over from a process that was killed. */
static bool stale(const struct sockaddr_un *sa)
{
    AUTO(fd) int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    struct stat st;

    if (fd < 0 || lstat(sa->sun_path, &st) < 0 || !S_ISSOCK(st.st_mode))
        return false;
    return connect(fd, (const struct sockaddr *)sa, sizeof(*sa)) < 0 && errno == ECONNREFUSED;
}

static enum err_code listen_unix(const char *path, const char *where, uint32_t timeout_ms,
                                 struct listener *ret, struct err *e)
{
    AUTO(fd) int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    struct sockaddr_un sa = {.sun_family = AF_UNIX};

    if (!str_copy(str_of(path), sa.sun_path, sizeof(sa.sun_path)))
        return err_set(e, ERR_INTERNAL, "listen on '%s': the path is too long", where);
    if (fd < 0)
        return err_set(e, ERR_CONFIG, "listen on '%s': %m", where);
    set_options(fd, false, timeout_ms);
    if (stale(&sa))
        unlink(path);
    TRY(bind_and_listen(fd, (struct sockaddr *)&sa, sizeof(sa), where, e));
    *ret = (struct listener){.source = SOURCE_LISTENER, .unlink_path = mem_strdup(path)};
    ret->fd = STEAL_FD(fd);
    return ERR_OK;
}

enum err_code listener_open(const char *where, uint32_t timeout_ms, struct listener *ret,
                            struct err *e)
{
    struct conf_listen l;

    if (!conf_listen_parse(str_of(where), &l))
        return err_set(e, ERR_CONFIG,
                       "listen on '%s': not an address; use 'HOST:PORT', '[IPV6]:PORT', ':PORT' "
                       "or 'unix:/PATH'",
                       where);
    if (l.kind == CONF_LISTEN_UNIX)
        return listen_unix(l.host, where, timeout_ms, ret, e);
    return listen_tcp(&l, where, timeout_ms, ret, e);
}

void listener_close(struct listener *l)
{
    close(l->fd);
    if (l->unlink_path)
        unlink(l->unlink_path);
    free(l->unlink_path);
}
