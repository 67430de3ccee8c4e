#include "http/tls.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/mem.h"
#include "http/tls_error.h"
#include "http/verifier.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/socket.h>

struct tls {
    const struct conf_tls *conf;
    struct verifier *verifier; /* of client certificates; NULL: none are asked for */
    BIO_METHOD *method;
    pthread_mutex_t lock; /* over ctx: sessions hold a reference to the one they were made from */
    SSL_CTX *ctx;
};

static void auto_SSL_CTX_(SSL_CTX **c)
{
    SSL_CTX_free(*c);
}

/*
 * The BIO: recv() and send() of the connection, waiting or not as the call under way wants. OpenSSL
 * calls them until a record is whole, which a client can make as many calls as it has bytes; so
 * each call that waits is held to http.min_rate by itself.
 */

struct tls_wait {
    int64_t start_ms;
    uint64_t bytes;
};

static void begin(struct conn *c, struct tls_wait *w)
{
    if (w)
        *w = (struct tls_wait){.start_ms = clock_mono_ms()};
    c->wait = w;
    ERR_clear_error();
    errno = 0;
}

static bool too_slow(struct conn *c)
{
    if (!c->wait || !conn_too_slow(c, clock_mono_ms() - c->wait->start_ms, c->wait->bytes))
        return false;
    errno = ETIME;
    return true;
}

static void count(struct conn *c, ssize_t n)
{
    if (c->wait && n > 0)
        c->wait->bytes += (uint64_t)n;
}

static int bio_write(BIO *b, const char *p, size_t n, size_t *ret_n)
{
    struct conn *c = BIO_get_data(b);
    ssize_t put;

    BIO_clear_retry_flags(b);
    *ret_n = 0;
    if (too_slow(c))
        return 0;
    put = send(c->fd, p, n, MSG_NOSIGNAL | (c->wait ? 0 : MSG_DONTWAIT));
    count(c, put);
    if (put < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR))
        BIO_set_retry_write(b);
    *ret_n = put > 0 ? (size_t)put : 0;
    return put > 0;
}

static int bio_read(BIO *b, char *p, size_t n, size_t *ret_n)
{
    struct conn *c = BIO_get_data(b);
    ssize_t got;

    BIO_clear_retry_flags(b);
    *ret_n = 0;
    if (too_slow(c))
        return 0;
    got = recv(c->fd, p, n, c->wait ? 0 : MSG_DONTWAIT);
    count(c, got);
    if (got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR))
        BIO_set_retry_read(b);
    if (got == 0)
        BIO_set_flags(b, BIO_FLAGS_IN_EOF);
    *ret_n = got > 0 ? (size_t)got : 0;
    return got > 0;
}

static long bio_ctrl(BIO *b, int command, long n, void *p)
{
    (void)n;
    (void)p;
    switch (command) {
    case BIO_CTRL_FLUSH:
        return 1;
    case BIO_CTRL_EOF:
        return BIO_test_flags(b, BIO_FLAGS_IN_EOF) != 0;
    default:
        return 0;
    }
}

static BIO_METHOD *make_method(void)
{
    BIO_METHOD *m = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "connection");

    if (!m)
        abort(); /* out of memory */
    BIO_meth_set_write_ex(m, bio_write);
    BIO_meth_set_read_ex(m, bio_read);
    BIO_meth_set_ctrl(m, bio_ctrl);
    return m;
}

/* The context. */

/* Nobody is asked: a server has no terminal, or one that it must not wait at. */
static int no_passphrase(char *dst, int room, int writing, void *arg)
{
    (void)dst, (void)room, (void)writing, (void)arg;
    return -1;
}

/* RFC 7301: we speak http/1.1; a client that offers only others is refused. */
static int choose_alpn(SSL *ssl, const unsigned char **out, unsigned char *out_n,
                       const unsigned char *in, unsigned in_n, void *arg)
{
    static const unsigned char ours[] = "\x08http/1.1";
    unsigned char *chosen;

    (void)ssl;
    (void)arg;
    if (SSL_select_next_proto(&chosen, out_n, ours, sizeof(ours) - 1, in, in_n) !=
        OPENSSL_NPN_NEGOTIATED)
        return SSL_TLSEXT_ERR_ALERT_FATAL;
    *out = chosen;
    return SSL_TLSEXT_ERR_OK;
}

static enum err_code set_protocol(SSL_CTX *ctx, const struct conf_tls *conf, struct err *e)
{
    int min = conf->min_version == CONF_TLS_1_3 ? TLS1_3_VERSION : TLS1_2_VERSION;

    SSL_CTX_set_min_proto_version(ctx, min);
    if (conf->ciphers && conf->ciphers[0] && !SSL_CTX_set_cipher_list(ctx, conf->ciphers))
        return tls_err(e, "http.tls.ciphers", conf->ciphers);
    if (conf->ciphersuites && conf->ciphersuites[0] &&
        !SSL_CTX_set_ciphersuites(ctx, conf->ciphersuites))
        return tls_err(e, "http.tls.ciphersuites", conf->ciphersuites);
    SSL_CTX_set_options(ctx, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
                                 SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_PRIORITIZE_CHACHA);
    /* Tickets keep no state here; a cache of sessions would. */
    SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_num_tickets(ctx, 1);
    SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
                              SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    SSL_CTX_set_read_ahead(ctx, 1);
    SSL_CTX_set_alpn_select_cb(ctx, choose_alpn, NULL);
    return ERR_OK;
}

static enum err_code set_client_ca(SSL_CTX *ctx, const struct conf_tls *conf, struct err *e)
{
    int mode = SSL_VERIFY_PEER;
    STACK_OF(X509_NAME) * names;

    if (conf->client_ca.n == 0)
        return ERR_OK;
    names = sk_X509_NAME_new_null();
    SSL_CTX_set_client_CA_list(ctx, names);
    for (size_t i = 0; i < conf->client_ca.n; i++) {
        if (!names || SSL_add_file_cert_subjects_to_stack(names, conf->client_ca.items[i]) != 1)
            return tls_err(e, "http.tls.client_ca", conf->client_ca.items[i]);
    }
    if (conf->client_auth == CONF_CLIENT_AUTH_REQUIRED)
        mode |= SSL_VERIFY_FAIL_IF_NO_PEER_CERT;
    SSL_CTX_set_verify(ctx, mode, NULL);
    /* A resumed session would be as good as the certificate was when it began. */
    SSL_CTX_set_options(ctx, SSL_OP_NO_TICKET);
    SSL_CTX_set_num_tickets(ctx, 0);
    return ERR_OK;
}

static enum err_code make_ctx(const struct conf_tls *conf, SSL_CTX **ret_ctx, struct err *e)
{
    AUTO(SSL_CTX) SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());

    if (!ctx)
        return tls_err(e, "TLS", "context");
    ERR_clear_error();
    SSL_CTX_set_default_passwd_cb(ctx, no_passphrase);
    TRY(set_protocol(ctx, conf, e));
    if (SSL_CTX_use_certificate_chain_file(ctx, conf->certificate) != 1)
        return tls_err(e, "http.tls.certificate", conf->certificate);
    if (SSL_CTX_use_PrivateKey_file(ctx, conf->key ? conf->key : "", SSL_FILETYPE_PEM) != 1)
        return tls_err(e, "http.tls.key", conf->key ? conf->key : "");
    if (SSL_CTX_check_private_key(ctx) != 1) /* of another kind than the certificate's */
        return tls_err(e, "http.tls.key", conf->key);
    TRY(set_client_ca(ctx, conf, e));
    *ret_ctx = STEAL(ctx);
    return ERR_OK;
}

enum err_code tls_new(const struct conf_tls *conf, struct tls **ret_tls, struct err *e)
{
    AUTO(SSL_CTX) SSL_CTX *ctx = NULL;
    struct verifier *verifier;
    struct tls *t;

    *ret_tls = NULL;
    if (!conf->certificate || !conf->certificate[0])
        return ERR_OK;
    TRY(make_ctx(conf, &ctx, e));
    TRY(verifier_new(conf, &verifier, e));
    t = NEW(struct tls);
    t->conf = conf;
    t->verifier = verifier;
    t->ctx = STEAL(ctx);
    t->method = make_method();
    pthread_mutex_init(&t->lock, NULL);
    *ret_tls = t;
    return ERR_OK;
}

void tls_report_to(struct tls *t, const struct http_app *app)
{
    verifier_report_to(t->verifier, app);
}

void tls_free(struct tls *t)
{
    if (!t)
        return;
    verifier_free(t->verifier);
    SSL_CTX_free(t->ctx);
    BIO_meth_free(t->method);
    pthread_mutex_destroy(&t->lock);
    free(t);
}

enum err_code tls_reload(struct tls *t, struct err *e)
{
    AUTO(SSL_CTX) SSL_CTX *ctx = NULL;
    SSL_CTX *old;

    TRY(make_ctx(t->conf, &ctx, e));
    TRY(verifier_reload(t->verifier, e));
    pthread_mutex_lock(&t->lock);
    old = t->ctx;
    t->ctx = STEAL(ctx);
    pthread_mutex_unlock(&t->lock);
    SSL_CTX_free(old);
    return ERR_OK;
}

/* A session. */

bool tls_attach(struct tls *t, struct conn *c)
{
    BIO *b = BIO_new(t->method);

    if (!b)
        return false;
    BIO_set_data(b, c);
    BIO_set_init(b, 1);
    pthread_mutex_lock(&t->lock);
    c->ssl = SSL_new(t->ctx);
    pthread_mutex_unlock(&t->lock);
    if (!c->ssl) {
        BIO_free(b);
        return false;
    }
    SSL_set_bio(c->ssl, b, b);
    SSL_set_accept_state(c->ssl);
    return verifier_attach(t->verifier, c->ssl);
}

void tls_half_close(struct conn *c)
{
    if (!c->ssl || !SSL_is_init_finished(c->ssl))
        return;
    begin(c, NULL);
    SSL_shutdown(c->ssl);
}

void tls_detach(struct conn *c)
{
    if (!c->ssl)
        return;
    if (!(SSL_get_shutdown(c->ssl) & SSL_SENT_SHUTDOWN))
        tls_half_close(c);
    SSL_free(c->ssl);
    c->ssl = NULL;
    ERR_clear_error();
}

int tls_handshake(struct conn *c, bool *ret_write)
{
    int r;

    begin(c, NULL);
    r = SSL_do_handshake(c->ssl);
    if (r == 1)
        return 1;
    r = SSL_get_error(c->ssl, r);
    *ret_write = r == SSL_ERROR_WANT_WRITE;
    return r == SSL_ERROR_WANT_READ || r == SSL_ERROR_WANT_WRITE ? 0 : -1;
}

/* The result of a call that failed, as recv() and send() have it. */
static ssize_t result(struct conn *c, int r, int error)
{
    switch (SSL_get_error(c->ssl, r)) {
    case SSL_ERROR_WANT_READ:
    case SSL_ERROR_WANT_WRITE:
        errno = EAGAIN;
        return -1;
    case SSL_ERROR_ZERO_RETURN:
        return 0;
    case SSL_ERROR_SYSCALL:
        errno = error ? error : ECONNRESET;
        return -1;
    default:
        errno = EPROTO;
        return -1;
    }
}

ssize_t tls_recv(struct conn *c, void *p, size_t n, bool wait)
{
    struct tls_wait w;
    size_t got;
    int r;

    begin(c, wait ? &w : NULL);
    r = SSL_read_ex(c->ssl, p, n, &got);
    c->wait = NULL;
    return r == 1 ? (ssize_t)got : result(c, r, errno);
}

ssize_t tls_send(struct conn *c, const void *p, size_t n, bool wait)
{
    struct tls_wait w;
    size_t put;
    int r;

    if (n == 0)
        return 0;
    begin(c, wait ? &w : NULL);
    r = SSL_write_ex(c->ssl, p, n, &put);
    c->wait = NULL;
    return r == 1 ? (ssize_t)put : result(c, r, errno);
}

enum http_certificate tls_certificate(struct tls *t, struct conn *c, struct str *ret_der)
{
    if (c->ssl)
        return verifier_check(t->verifier, c->ssl, ret_der);
    *ret_der = STR_NONE;
    return HTTP_CERTIFICATE_NONE;
}

const char *tls_refusal(const struct conn *c)
{
    long result = SSL_get_verify_result(c->ssl);

    return result == X509_V_OK ? NULL : X509_verify_cert_error_string(result);
}

bool tls_heard_http(void)
{
    unsigned long code = ERR_peek_error();

    return ERR_GET_LIB(code) == ERR_LIB_SSL && ERR_GET_REASON(code) == SSL_R_HTTP_REQUEST;
}

bool tls_pending(const struct conn *c)
{
    return c->ssl && SSL_has_pending(c->ssl);
}
