#include "net/redis_line.h"

#include "base/clock.h"
#include "base/mem.h"
#include "net/redis_tls.h"

#include <errno.h>
#include <limits.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <poll.h>
#include <stdio.h>
#include <sys/socket.h>

#define READ_BYTES 16384

struct redis_line {
    int fd;
    SSL *tls; /* NULL: in the clear */
    redisReader *reader;
    size_t unparsed; /* bytes that came since the last whole reply */
    char name[300];
};

void redis_reply_done(struct redis_reply *r)
{
    if (r->r)
        libhiredis()->freeReplyObject(r->r);
    r->r = NULL;
}

struct str redis_reply_str(const redisReply *r)
{
    if (!r || (r->type != REDIS_REPLY_STRING && r->type != REDIS_REPLY_STATUS))
        return STR_NONE;
    return (struct str){r->str, r->len};
}

const redisReply *redis_reply_at(const redisReply *r, size_t i)
{
    return r && r->type == REDIS_REPLY_ARRAY && i < r->elements ? r->element[i] : NULL;
}

/* Moving bytes. */

/* False: not until the deadline. */
static bool wait_for(const struct redis_line *l, short events, int64_t deadline_ms)
{
    struct pollfd p = {.fd = l->fd, .events = events};
    int64_t left;
    int n;

    do {
        left = deadline_ms - clock_mono_ms();
        n = poll(&p, 1, left <= 0 ? 0 : left > INT_MAX ? INT_MAX : (int)left);
    } while (n < 0 && errno == EINTR);
    return n > 0;
}

static enum err_code too_late(const struct redis_line *l, struct err *e)
{
    return err_set(e, ERR_LATER, "Redis %s: no answer in time", l->name);
}

static enum err_code broken(const struct redis_line *l, const char *why, struct err *e)
{
    return err_set(e, ERR_UNAVAILABLE, "Redis %s: %s", l->name, why);
}

/* What a call of OpenSSL that did not succeed waits for; fails when that does not come, or can't.
 */
static enum err_code tls_wait(struct redis_line *l, int result, int64_t deadline_ms, struct err *e)
{
    int what = SSL_get_error(l->tls, result);
    char why[200];

    if (what == SSL_ERROR_WANT_READ || what == SSL_ERROR_WANT_WRITE)
        return wait_for(l, what == SSL_ERROR_WANT_READ ? POLLIN : POLLOUT, deadline_ms)
                   ? ERR_OK
                   : too_late(l, e);
    if (what == SSL_ERROR_SYSCALL && ERR_peek_error() == 0 && errno)
        snprintf(why, sizeof(why), "%s", strerror(errno));
    else
        redis_tls_trouble(l->tls, why, sizeof(why));
    return broken(l, why, e);
}

/* At least one byte: *ret_n. Errors: LATER, UNAVAILABLE. */
static enum err_code read_some(struct redis_line *l, char *p, size_t cap, int64_t deadline_ms,
                               size_t *ret_n, struct err *e)
{
    for (;;) {
        ssize_t n;

        errno = 0;
        n = l->tls ? SSL_read(l->tls, p, (int)cap) : recv(l->fd, p, cap, 0);
        if (n > 0) {
            *ret_n = (size_t)n;
            return ERR_OK;
        }
        if (l->tls)
            TRY(tls_wait(l, (int)n, deadline_ms, e));
        else if (n == 0)
            return broken(l, "it closed the connection", e);
        else if (errno != EAGAIN && errno != EINTR)
            return broken(l, strerror(errno), e);
        else if (!wait_for(l, POLLIN, deadline_ms))
            return too_late(l, e);
    }
}

/* *ret_begun: some of it may have reached the server. */
static enum err_code write_all(struct redis_line *l, struct str bytes, int64_t deadline_ms,
                               bool *ret_begun, struct err *e)
{
    *ret_begun = false;
    while (bytes.n > 0) {
        int most = bytes.n > INT_MAX ? INT_MAX : (int)bytes.n;
        ssize_t n;

        errno = 0;
        n = l->tls ? SSL_write(l->tls, bytes.p, most)
                   : send(l->fd, bytes.p, (size_t)most, MSG_NOSIGNAL);
        *ret_begun |= n > 0 || l->tls;
        if (n > 0)
            bytes = str_sub(bytes, (size_t)n, bytes.n - (size_t)n);
        else if (l->tls)
            TRY(tls_wait(l, (int)n, deadline_ms, e));
        else if (errno != EAGAIN && errno != EINTR)
            return broken(l, strerror(errno), e);
        else if (!wait_for(l, POLLOUT, deadline_ms))
            return too_late(l, e);
    }
    return ERR_OK;
}

/* Opening. */

static enum err_code connect_to(struct redis_line *l, const struct addrinfo *a, int64_t deadline_ms,
                                struct err *e)
{
    static const int on = 1;
    int error = 0;
    socklen_t n = sizeof(error);

    l->fd = socket(a->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (l->fd < 0)
        return broken(l, strerror(errno), e);
    setsockopt(l->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    setsockopt(l->fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
    if (connect(l->fd, a->ai_addr, a->ai_addrlen) != 0) {
        if (errno != EINPROGRESS)
            error = errno;
        else if (!wait_for(l, POLLOUT, deadline_ms))
            error = ETIMEDOUT;
        else if (getsockopt(l->fd, SOL_SOCKET, SO_ERROR, &error, &n) != 0)
            error = errno;
    }
    if (!error)
        return ERR_OK;
    close(l->fd);
    l->fd = -1;
    return broken(l, strerror(error), e);
}

/* Each address of the host in turn. */
static enum err_code connect_any(struct redis_line *l, const char *host, uint16_t port,
                                 int64_t deadline_ms, struct err *e)
{
    const struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV};
    struct addrinfo *list;
    enum err_code code = ERR_UNAVAILABLE;
    char service[8];
    int failed;

    snprintf(service, sizeof(service), "%u", port);
    failed = getaddrinfo(host, service, &hints, &list);
    if (failed)
        return broken(l, gai_strerror(failed), e);
    for (const struct addrinfo *a = list; a && code != ERR_OK; a = a->ai_next)
        code = connect_to(l, a, deadline_ms, e);
    freeaddrinfo(list);
    return code;
}

static enum err_code start_tls(struct redis_line *l, SSL_CTX *ctx, const char *host,
                               int64_t deadline_ms, struct err *e)
{
    int done;

    l->tls = redis_tls_over(ctx, &l->fd, host);
    if (!l->tls)
        return broken(l, "TLS can't be set up", e);
    while (errno = 0, (done = SSL_connect(l->tls)) != 1)
        TRY(tls_wait(l, done, deadline_ms, e));
    return ERR_OK;
}

enum err_code redis_line_open(const char *host, uint16_t port, SSL_CTX *tls, int64_t deadline_ms,
                              struct redis_line **ret_line, struct err *e)
{
    AUTO(redis_line) struct redis_line *l = NULL;
    enum err_code code;

    if (!libhiredis())
        return err_set(e, ERR_UNAVAILABLE, "libhiredis can't be loaded; install libhiredis0.14");
    l = NEW(struct redis_line);
    l->fd = -1;
    snprintf(l->name, sizeof(l->name), strchr(host, ':') ? "[%s]:%u" : "%s:%u", host, port);
    l->reader = libhiredis()->redisReaderCreate();
    if (!l->reader)
        return broken(l, "no memory", e);
    code = connect_any(l, host, port, deadline_ms, e);
    if (code == ERR_OK && tls)
        code = start_tls(l, tls, host, deadline_ms, e);
    if (code != ERR_OK)
        return e->code = ERR_UNAVAILABLE;
    *ret_line = STEAL(l);
    return ERR_OK;
}

void redis_line_close(struct redis_line *l)
{
    if (!l)
        return;
    SSL_free(l->tls);
    if (l->fd >= 0)
        close(l->fd);
    if (l->reader)
        libhiredis()->redisReaderFree(l->reader);
    free(l);
}

const char *redis_line_name(const struct redis_line *l)
{
    return l->name;
}

/* Session tickets of TLS 1.3 come by themselves; they are read away here. */
bool redis_line_rests(struct redis_line *l)
{
    char byte;

    if (l->unparsed > 0)
        return false;
    if (!l->tls)
        return recv(l->fd, &byte, 1, MSG_PEEK) < 0 && errno == EAGAIN;
    errno = 0;
    return SSL_get_error(l->tls, SSL_peek(l->tls, &byte, 1)) == SSL_ERROR_WANT_READ;
}

/* Asking. */

/* *ret_reply: NULL when it is not whole yet. */
static enum err_code parse(struct redis_line *l, redisReply **ret_reply, struct err *e)
{
    void *reply = NULL;

    if (libhiredis()->redisReaderGetReply(l->reader, &reply) != 0)
        return broken(l, l->reader->errstr, e);
    if (reply)
        l->unparsed = l->reader->len - l->reader->pos;
    *ret_reply = reply;
    return ERR_OK;
}

/* Errors: LATER, UNAVAILABLE. */
static enum err_code read_reply(struct redis_line *l, int64_t deadline_ms, redisReply **ret_reply,
                                struct err *e)
{
    char bytes[READ_BYTES];
    redisReply *reply;
    size_t n = 0;

    for (;;) {
        TRY(parse(l, &reply, e));
        if (reply) {
            *ret_reply = reply;
            return ERR_OK;
        }
        TRY(read_some(l, bytes, sizeof(bytes), deadline_ms, &n, e));
        l->unparsed += n;
        if (l->unparsed > REDIS_REPLY_BYTES)
            return broken(l, "a reply is too large", e);
        if (libhiredis()->redisReaderFeed(l->reader, bytes, n) != 0)
            return broken(l, l->reader->errstr, e);
    }
}

static enum err_code send_words(struct redis_line *l, const struct str *words, size_t n,
                                int64_t deadline_ms, bool *ret_begun, struct err *e)
{
    const char *texts[REDIS_ARGUMENTS_MAX];
    size_t sizes[REDIS_ARGUMENTS_MAX];
    char *command = NULL;
    enum err_code code;
    int bytes;

    *ret_begun = false;
    if (n > REDIS_ARGUMENTS_MAX)
        return err_set(e, ERR_INTERNAL, "a command of %zu words", n);
    for (size_t i = 0; i < n; i++) {
        texts[i] = words[i].p ? words[i].p : "";
        sizes[i] = words[i].n;
    }
    bytes = libhiredis()->redisFormatCommandArgv(&command, (int)n, texts, sizes);
    if (bytes < 0)
        return broken(l, "no memory", e);
    code = write_all(l, (struct str){command, (size_t)bytes}, deadline_ms, ret_begun, e);
    libhiredis()->redisFreeCommand(command);
    return code;
}

enum redis_outcome redis_line_ask(struct redis_line *l, const struct str *words, size_t n,
                                  int64_t deadline_ms, struct redis_reply *ret_reply, struct err *e)
{
    struct redis_reply reply = {0};
    bool begun;
    enum err_code code = send_words(l, words, n, deadline_ms, &begun, e);

    if (code == ERR_OK)
        code = read_reply(l, deadline_ms, &reply.r, e);
    if (code != ERR_OK) {
        e->code = ERR_UNAVAILABLE;
        return begun ? REDIS_DOUBTFUL : REDIS_UNSENT;
    }
    if (reply.r->type == REDIS_REPLY_ERROR) {
        err_set(e, ERR_UNAVAILABLE, "Redis %s: %.200s", l->name, reply.r->str);
        redis_reply_done(&reply);
        return REDIS_REFUSED;
    }
    *ret_reply = reply;
    return REDIS_ANSWERED;
}

enum err_code redis_line_send(struct redis_line *l, const struct str *words, size_t n,
                              int64_t deadline_ms, struct err *e)
{
    bool begun;

    if (send_words(l, words, n, deadline_ms, &begun, e) == ERR_OK)
        return ERR_OK;
    return e->code = ERR_UNAVAILABLE;
}

enum err_code redis_line_next(struct redis_line *l, int64_t deadline_ms,
                              struct redis_reply *ret_reply, struct err *e)
{
    return read_reply(l, deadline_ms, &ret_reply->r, e);
}

void redis_line_cut(struct redis_line *l)
{
    shutdown(l->fd, SHUT_RDWR);
}
