#include "http/connection.h"

#include "base/mem.h"
#include "http/iothread.h"
#include "http/server.h"
#include "http/tls.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/time.h>

/* The timeouts are set at the first call that waits, so that a connection which never meets a
 * worker does not pay for them. */
static void set_timeouts(struct conn *c)
{
    uint32_t ms = (uint32_t)conf_u64(&c->io->server->conf->io_timeout_ms);
    struct timeval tv = {.tv_sec = ms / 1000, .tv_usec = ms % 1000 * 1000};

    if (c->timeout_ms == ms)
        return;
    setsockopt(c->fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv));
    setsockopt(c->fd, SOL_SOCKET, SO_SNDTIMEO, &tv, sizeof(tv));
    c->timeout_ms = ms;
}

ssize_t conn_recv(struct conn *c, void *p, size_t n, bool wait, int flags)
{
    ssize_t got;

    if (wait)
        set_timeouts(c);
    if (c->ssl)
        return tls_recv(c, p, n, wait);
    do {
        got = recv(c->fd, p, n, flags | (wait ? 0 : MSG_DONTWAIT));
    } while (got < 0 && errno == EINTR);
    return got;
}

ssize_t conn_send(struct conn *c, const void *p, size_t n, bool wait, int flags)
{
    ssize_t put;

    if (wait)
        set_timeouts(c);
    if (c->ssl)
        return tls_send(c, p, n, wait);
    do {
        put = send(c->fd, p, n, flags | MSG_NOSIGNAL | (wait ? 0 : MSG_DONTWAIT));
    } while (put < 0 && errno == EINTR);
    return put;
}

enum err_code conn_err(struct conn *c, int error, const char *what, struct err *e)
{
    bool late = error == EAGAIN || error == EWOULDBLOCK || error == ETIMEDOUT;

    if (late)
        return err_set(e, ERR_TIMEOUT, "%s: no progress in %u ms", what, c->timeout_ms);
    if (error == 0)
        return err_set(e, ERR_CLIENT_GONE, "%s: closed by the client", what);
    errno = error;
    return err_set(e, ERR_CLIENT_GONE, "%s: %m", what);
}

enum err_code conn_send_all(struct conn *c, const void *p, size_t n, int flags, struct err *e)
{
    const char *at = p;

    while (n > 0) {
        ssize_t put = conn_send(c, at, n, true, flags);

        if (put <= 0)
            return conn_err(c, put < 0 ? errno : 0, "send", e);
        at += put;
        n -= (size_t)put;
    }
    return ERR_OK;
}

void conn_keep_out(struct conn *c, const void *p, size_t n)
{
    size_t left = c->out_n - c->out_at;
    char *all = mem_alloc(left + n);

    if (left)
        memcpy(all, c->out + c->out_at, left);
    memcpy(all + left, p, n);
    free(c->out);
    c->out = all;
    c->out_at = 0;
    c->out_n = (uint32_t)(left + n);
}

static void out_is_empty(struct conn *c)
{
    free(c->out);
    c->out = NULL;
    c->out_at = c->out_n = 0;
}

enum err_code conn_flush_waiting(struct conn *c, int flags, struct err *e)
{
    if (c->out_n > 0)
        TRY(conn_send_all(c, c->out + c->out_at, c->out_n - c->out_at, flags, e));
    out_is_empty(c);
    return ERR_OK;
}

int conn_flush(struct conn *c)
{
    while (c->out_at < c->out_n) {
        ssize_t put = conn_send(c, c->out + c->out_at, c->out_n - c->out_at, false, 0);

        if (put < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
            return 0;
        if (put <= 0)
            return -1;
        c->out_at += (uint32_t)put;
    }
    out_is_empty(c);
    return 1;
}
