#include "http/connection.h"

#include "base/clock.h"
#include "base/mem.h"
#include "conf/conf.h"
#include "http/tls.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/time.h>

/* The timeouts are set at the first call that waits, so that a connection which never meets a
 * worker does not pay for them. */
static void set_timeouts(struct conn *c)
{
    uint32_t ms = (uint32_t)conf_u64(&c->conf->io_timeout_ms);
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

/* Of OpenSSL a short wait can't be asked for, and it hands out a record at a time. */
static ssize_t recv_encrypted(struct conn *c, char *p, size_t n, uint32_t wait_ms)
{
    struct pollfd wait = {.fd = c->fd, .events = POLLIN};
    int64_t until_ms = clock_mono_ms() + wait_ms, left_ms;
    ssize_t got = 0;
    size_t done = 0;

    while (done < n) {
        got = tls_recv(c, p + done, n - done, false);
        if (got > 0) {
            done += (size_t)got;
            continue;
        }
        left_ms = until_ms - clock_mono_ms();
        if (got == 0 || errno != EAGAIN || left_ms <= 0)
            break;
        if (poll(&wait, 1, (int)left_ms) < 1) {
            errno = EAGAIN; /* a signal is no end either */
            break;
        }
    }
    return done > 0 ? (ssize_t)done : got;
}

ssize_t conn_recv_patiently(struct conn *c, void *p, size_t n, uint32_t wait_ms)
{
    struct timeval tv = {.tv_usec = wait_ms * 1000};
    ssize_t got;

    if (c->ssl)
        return recv_encrypted(c, p, n, wait_ms);
    if (wait_ms > 0 && c->timeout_ms != wait_ms) {
        setsockopt(c->fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv));
        c->timeout_ms = wait_ms; /* whoever waits in earnest sets both anew */
    }
    do {
        got = recv(c->fd, p, n, wait_ms > 0 ? MSG_WAITALL : MSG_DONTWAIT);
    } while (got < 0 && errno == EINTR);
    return got;
}

void conn_set_least(struct conn *c, uint32_t bytes)
{
    int least = (int)bytes;

    if (c->least == bytes || (bytes == 1 && c->least == 0))
        return;
    setsockopt(c->fd, SOL_SOCKET, SO_RCVLOWAT, &least, sizeof(least));
    c->least = bytes;
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
    if (error == ETIME)
        return err_set(e, ERR_TIMEOUT, "%s: slower than http.min_rate", what);
    if (error == 0)
        return err_set(e, ERR_CLIENT_GONE, "%s: closed by the client", what);
    errno = error;
    return err_set(e, ERR_CLIENT_GONE, "%s: %m", what);
}

/* Sends all n bytes, waiting; *ret_n is how many went out. */
static enum err_code send_waiting(struct conn *c, const char *p, size_t n, int flags, size_t *ret_n,
                                  struct err *e)
{
    int64_t start_ms = clock_mono_ms();

    *ret_n = 0;
    while (*ret_n < n) {
        ssize_t put = conn_send(c, p + *ret_n, n - *ret_n, true, flags);

        if (put <= 0)
            return conn_err(c, put < 0 ? errno : 0, "send", e);
        *ret_n += (size_t)put;
        if (*ret_n < n && conn_too_slow(c, clock_mono_ms() - start_ms, *ret_n))
            return conn_err(c, ETIME, "send", e);
    }
    return ERR_OK;
}

enum err_code conn_send_all(struct conn *c, const void *p, size_t n, int flags, struct err *e)
{
    size_t sent;

    return send_waiting(c, p, n, flags, &sent, e);
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
    enum err_code code;
    size_t sent;

    code = send_waiting(c, c->out + c->out_at, c->out_n - c->out_at, flags, &sent, e);
    c->out_at += (uint32_t)sent; /* nothing is sent twice, whoever goes on */
    TRY(code);
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
