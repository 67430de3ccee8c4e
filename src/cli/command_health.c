/*
 * `registry health`: one GET /healthz with a client of its own, small enough to run every few
 * seconds in a container that has nothing but this program.
 */
#include "base/cleanup.h"
#include "base/clock.h"
#include "cli/commands.h"
#include "conf/listen.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/un.h>

#define TIMEOUT_MS 2000

/* Whom to ask. */
struct target {
    struct conf_listen address;
    bool tls;
    bool tls_client_auth; /* it insists on a client certificate, which we have none of */
    char path[256];
    char shown[400]; /* for messages */
};

struct peer {
    int fd;
    SSL_CTX *ctx;
    SSL *ssl; /* NULL: plain */
    int64_t deadline_ms;
};

static void peer_done(struct peer *p)
{
    SSL_free(p->ssl);
    SSL_CTX_free(p->ctx);
    if (p->fd >= 0)
        close(p->fd);
}

static enum err_code wait_for(const struct peer *p, short events, struct err *e)
{
    struct pollfd fd = {.fd = p->fd, .events = events};
    int64_t left = p->deadline_ms - clock_mono_ms();
    int ready = poll(&fd, 1, left > 0 ? (int)left : 0);

    if (ready > 0)
        return ERR_OK;
    if (ready == 0)
        return err_set(e, ERR_TIMEOUT, "no answer within %d seconds", TIMEOUT_MS / 1000);
    return err_set(e, ERR_INTERNAL, "poll: %m");
}

static enum err_code connect_to(struct peer *p, const struct sockaddr *sa, socklen_t n,
                                struct err *e)
{
    int failure = 0;
    socklen_t size = sizeof(failure);

    p->fd = socket(sa->sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (p->fd < 0)
        return err_set(e, ERR_INTERNAL, "socket: %m");
    if (connect(p->fd, sa, n) == 0)
        return ERR_OK;
    if (errno != EINPROGRESS)
        return err_set(e, ERR_UNAVAILABLE, "can't connect: %m");
    TRY(wait_for(p, POLLOUT, e));
    getsockopt(p->fd, SOL_SOCKET, SO_ERROR, &failure, &size);
    errno = failure;
    return failure ? err_set(e, ERR_UNAVAILABLE, "can't connect: %m") : ERR_OK;
}

static enum err_code connect_unix(struct peer *p, const struct conf_listen *l, struct err *e)
{
    struct sockaddr_un sa = {.sun_family = AF_UNIX};

    if (!str_copy(str_of(l->host), sa.sun_path, sizeof(sa.sun_path)))
        return err_set(e, ERR_CONFIG, "the socket's path is too long");
    return connect_to(p, (struct sockaddr *)&sa, sizeof(sa), e);
}

/* A server that listens on all addresses is asked on loopback. */
static const char *dialable(const char *host)
{
    if (*host == '\0' || strcmp(host, "0.0.0.0") == 0)
        return "127.0.0.1";
    return strcmp(host, "::") == 0 ? "::1" : host;
}

static enum err_code connect_tcp(struct peer *p, const struct conf_listen *l, struct err *e)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV}, *list;
    enum err_code code = ERR_OK;
    char port[8];
    int failed;

    snprintf(port, sizeof(port), "%u", l->port);
    failed = getaddrinfo(dialable(l->host), port, &hints, &list);
    if (failed)
        return err_set(e, ERR_UNAVAILABLE, "'%s': %s", l->host, gai_strerror(failed));
    for (struct addrinfo *a = list; a; a = a->ai_next) {
        code = connect_to(p, a->ai_addr, a->ai_addrlen, e);
        if (code == ERR_OK || !a->ai_next)
            break;
        close(p->fd);
        p->fd = -1;
    }
    freeaddrinfo(list);
    return code;
}

/* What an SSL call that returned `result` waits for, or why it failed. */
static enum err_code ssl_wait(struct peer *p, int result, struct err *e)
{
    unsigned long reason;

    switch (SSL_get_error(p->ssl, result)) {
    case SSL_ERROR_WANT_READ:
        return wait_for(p, POLLIN, e);
    case SSL_ERROR_WANT_WRITE:
        return wait_for(p, POLLOUT, e);
    case SSL_ERROR_SYSCALL:
        return err_set(e, ERR_UNAVAILABLE, "TLS: the connection was closed");
    default:
        reason = ERR_get_error();
        if (ERR_GET_REASON(reason) == SSL_R_TLSV13_ALERT_CERTIFICATE_REQUIRED ||
            ERR_GET_REASON(reason) == SSL_R_SSLV3_ALERT_HANDSHAKE_FAILURE)
            return err_set(e, ERR_UNAUTHORIZED, "TLS: a client certificate is required");
        return err_set(e, ERR_UNAVAILABLE, "TLS: %s", ERR_reason_error_string(reason));
    }
}

static enum err_code start_tls(struct peer *p, const struct target *t, struct err *e)
{
    struct in6_addr address;
    bool name = inet_pton(AF_INET, t->address.host, &address) != 1 &&
                inet_pton(AF_INET6, t->address.host, &address) != 1;
    int result;

    p->ctx = SSL_CTX_new(TLS_client_method());
    p->ssl = p->ctx ? SSL_new(p->ctx) : NULL;
    if (!p->ssl || SSL_set_fd(p->ssl, p->fd) != 1)
        return err_set(e, ERR_INTERNAL, "TLS can't be set up");
    SSL_set_verify(p->ssl, SSL_VERIFY_NONE, NULL); /* it asks itself; names rarely match */
    if (name && t->address.kind == CONF_LISTEN_TCP)
        SSL_set_tlsext_host_name(p->ssl, t->address.host);
    while ((result = SSL_connect(p->ssl)) != 1)
        TRY(ssl_wait(p, result, e));
    return ERR_OK;
}

static enum err_code peer_send(struct peer *p, const char *text, size_t n, struct err *e)
{
    while (n > 0) {
        ssize_t sent;

        if (p->ssl) {
            sent = SSL_write(p->ssl, text, (int)n);
            if (sent <= 0) {
                TRY(ssl_wait(p, (int)sent, e));
                continue;
            }
        } else {
            sent = send(p->fd, text, n, MSG_NOSIGNAL);
            if (sent < 0 && errno == EAGAIN) {
                TRY(wait_for(p, POLLOUT, e));
                continue;
            }
            if (sent < 0)
                return err_set(e, ERR_UNAVAILABLE, "send: %m");
        }
        text += sent;
        n -= (size_t)sent;
    }
    return ERR_OK;
}

static enum err_code peer_receive(struct peer *p, char *dst, size_t cap, size_t *ret_n,
                                  struct err *e)
{
    for (;;) {
        ssize_t got;

        if (p->ssl) {
            got = SSL_read(p->ssl, dst, (int)cap);
            if (got <= 0) {
                TRY(ssl_wait(p, (int)got, e));
                continue;
            }
        } else {
            got = recv(p->fd, dst, cap, 0);
            if (got < 0 && errno == EAGAIN) {
                TRY(wait_for(p, POLLIN, e));
                continue;
            }
            if (got <= 0)
                return err_set(e, ERR_UNAVAILABLE, "the connection was closed");
        }
        *ret_n = (size_t)got;
        return ERR_OK;
    }
}

/* The status of the answer: the three digits of "HTTP/1.1 200" (RFC 9112, 4). */
static enum err_code receive_status(struct peer *p, int *ret_status, struct err *e)
{
    char line[12];
    uint64_t status;
    size_t n = 0;

    while (n < sizeof(line)) {
        size_t got = 0;

        TRY(peer_receive(p, line + n, sizeof(line) - n, &got, e));
        n += got;
    }
    if (memcmp(line, "HTTP/1.", 7) != 0 || !str_to_u64((struct str){line + 9, 3}, 599, &status))
        return err_set(e, ERR_UNAVAILABLE, "the answer is not HTTP");
    *ret_status = (int)status;
    return ERR_OK;
}

static enum err_code ask_peer(struct peer *p, const struct target *t, int *ret_status,
                              struct err *e)
{
    char request[512];
    int n;

    if (t->address.kind == CONF_LISTEN_UNIX)
        TRY(connect_unix(p, &t->address, e));
    else
        TRY(connect_tcp(p, &t->address, e));
    if (t->tls)
        TRY(start_tls(p, t, e));
    n = snprintf(request, sizeof(request),
                 "GET %s HTTP/1.1\r\nHost: localhost\r\nUser-Agent: registry-health\r\n"
                 "Connection: close\r\n\r\n",
                 t->path);
    if (peer_send(p, request, (size_t)n, e) == ERR_TIMEOUT)
        return ERR_TIMEOUT;
    /* After any other failure too: who closed on us may have said why (TLS 1.3 asks for the client
     * certificate after our half of the handshake). */
    return receive_status(p, ret_status, e);
}

static enum err_code ask(const struct target *t, int *ret_status, struct err *e)
{
    struct peer p = {.fd = -1, .deadline_ms = clock_mono_ms() + TIMEOUT_MS};
    enum err_code code = ask_peer(&p, t, ret_status, e);

    peer_done(&p);
    return code;
}

static enum err_code target_from_url(const char *url, struct target *t, struct err *e)
{
    struct str rest = str_of(url), authority;
    char with_port[256];
    bool has_port;

    snprintf(t->shown, sizeof(t->shown), "%s", url);
    t->tls = str_starts(rest, STR("https://"));
    if (!t->tls && !str_starts(rest, STR("http://")))
        return err_set(e, ERR_CONFIG, "a URL starts with http:// or https://");
    rest = str_sub(rest, t->tls ? 8 : 7, rest.n - (t->tls ? 8 : 7));
    str_cut(&rest, '/', &authority);
    has_port = authority.n && memrchr(authority.p, ':', authority.n) &&
               authority.p[authority.n - 1] != ']';
    snprintf(with_port, sizeof(with_port), STR_FMT "%s", STR_ARG(authority),
             has_port ? "" : (t->tls ? ":443" : ":80"));
    if (authority.n == 0 || !conf_listen_parse(str_of(with_port), &t->address))
        return err_set(e, ERR_CONFIG, "a URL names a host and perhaps a port");
    for (size_t i = 0; i < rest.n; i++) {
        if (rest.p[i] <= ' ' || rest.p[i] >= 0x7f)
            return err_set(e, ERR_CONFIG, "a URL holds no blanks and no control characters");
    }
    if (rest.n >= sizeof(t->path) - 1)
        return err_set(e, ERR_CONFIG, "the URL is too long");
    if (rest.n)
        snprintf(t->path, sizeof(t->path), "/" STR_FMT, STR_ARG(rest));
    return ERR_OK;
}

static enum err_code target_from_conf(const struct conf *c, struct target *t, struct err *e)
{
    const char *listen = c->http.listen.items[0];

    snprintf(t->shown, sizeof(t->shown), "%s", listen);
    t->tls = *c->http.tls.certificate != '\0';
    t->tls_client_auth = c->http.tls.client_auth == CONF_CLIENT_AUTH_REQUIRED;
    if (!conf_listen_parse(str_of(listen), &t->address))
        return err_set(e, ERR_CONFIG, "it is not an address");
    if (t->address.kind == CONF_LISTEN_TCP && t->address.port == 0)
        return err_set(e, ERR_CONFIG, "its port is any free one; name the server with --url");
    return ERR_OK;
}

static enum err_code find_target(struct cli *cli, const struct cli_args *args, struct target *t,
                                 struct err *e)
{
    AUTO(conf) struct conf *c = NULL;

    if (cli_flag(args, "--url"))
        return target_from_url(cli_flag(args, "--url"), t, e);
    if (conf_load(cli_config_path(cli, args), cli->environment, &c, e) != ERR_OK) {
        snprintf(t->shown, sizeof(t->shown), "configuration");
        return e->code;
    }
    return target_from_conf(c, t, e);
}

int cli_health(struct cli *cli, const struct cli_args *args)
{
    struct target t = {.path = "/healthz"};
    enum err_code code;
    int status = 0;
    struct err e;

    signal(SIGPIPE, SIG_IGN); /* OpenSSL writes without MSG_NOSIGNAL */
    code = find_target(cli, args, &t, &e);
    if (code == ERR_OK)
        code = ask(&t, &status, &e);
    if (code == ERR_UNAUTHORIZED && t.tls_client_auth) {
        /* It speaks TLS and guards its door: as much as a stranger can find out. */
        fprintf(cli->out, "healthy: %s asks for a client certificate\n", t.shown);
        return CLI_OK;
    }
    if (code != ERR_OK) {
        fprintf(cli->err, "unhealthy: %s: %s\n", t.shown, e.detail);
        return CLI_FAILED;
    }
    if (status != 200) {
        fprintf(cli->err, "unhealthy: %s answered %d\n", t.shown, status);
        return CLI_FAILED;
    }
    fprintf(cli->out, "healthy: %s\n", t.shown);
    return CLI_OK;
}
