#include "net/redis_tls.h"

#include <arpa/inet.h>
#include <errno.h>
#include <openssl/err.h>
#include <openssl/x509_vfy.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

enum err_code redis_tls_new(const char *ca_file, SSL_CTX **ret_ctx, struct err *e)
{
    SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
    char why[160] = "";

    if (!ctx)
        return err_set(e, ERR_INTERNAL, "TLS can't be set up");
    SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION);
    SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, NULL);
    SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
                              SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER | SSL_MODE_AUTO_RETRY);
    if (ca_file[0] ? SSL_CTX_load_verify_file(ctx, ca_file) != 1
                   : SSL_CTX_set_default_verify_paths(ctx) != 1) {
        redis_tls_trouble(NULL, why, sizeof(why));
        SSL_CTX_free(ctx);
        return err_set(e, ERR_CONFIG, "authorities of Redis '%.150s': %s",
                       ca_file[0] ? ca_file : "the system's", why);
    }
    *ret_ctx = ctx;
    return ERR_OK;
}

/* A BIO of a socket that raises no SIGPIPE. */

static int socket_of(BIO *b)
{
    return *(int *)BIO_get_data(b);
}

static int moved(BIO *b, ssize_t n, void (*again)(BIO *b))
{
    BIO_clear_retry_flags(b);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        again(b);
    return (int)n;
}

static void again_write(BIO *b)
{
    BIO_set_retry_write(b);
}

static void again_read(BIO *b)
{
    BIO_set_retry_read(b);
}

static int write_some(BIO *b, const char *p, int n)
{
    return moved(b, send(socket_of(b), p, (size_t)n, MSG_NOSIGNAL), again_write);
}

static int read_some(BIO *b, char *p, int n)
{
    ssize_t got = recv(socket_of(b), p, (size_t)n, 0);

    if (got == 0)
        BIO_set_flags(b, BIO_FLAGS_IN_EOF);
    return moved(b, got, again_read);
}

static long control(BIO *b, int what, long n, void *p)
{
    (void)n;
    (void)p;
    if (what == BIO_CTRL_EOF)
        return BIO_test_flags(b, BIO_FLAGS_IN_EOF) != 0;
    return what == BIO_CTRL_FLUSH;
}

static BIO_METHOD *method;

static void make_method(void)
{
    method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "redis");
    if (!method)
        return;
    BIO_meth_set_write(method, write_some);
    BIO_meth_set_read(method, read_some);
    BIO_meth_set_ctrl(method, control);
}

static BIO *bio_over(int *fd)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    BIO *b;

    pthread_once(&once, make_method);
    b = method ? BIO_new(method) : NULL;
    if (b) {
        BIO_set_data(b, fd);
        BIO_set_init(b, 1);
    }
    return b;
}

/* RFC 6125: an address is compared with the addresses of the certificate, and not told (RFC 6066,
 * section 3). */
static bool expect(SSL *s, const char *host)
{
    unsigned char address[16];

    if (inet_pton(AF_INET, host, address) == 1 || inet_pton(AF_INET6, host, address) == 1)
        return X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(s), host) == 1;
    return SSL_set1_host(s, host) == 1 && SSL_set_tlsext_host_name(s, host) == 1;
}

SSL *redis_tls_over(SSL_CTX *ctx, int *fd, const char *host)
{
    SSL *s = SSL_new(ctx);
    BIO *b = s ? bio_over(fd) : NULL;

    if (!b || !expect(s, host)) {
        BIO_free(b);
        SSL_free(s);
        ERR_clear_error();
        return NULL;
    }
    SSL_set_bio(s, b, b);
    return s;
}

void redis_tls_trouble(const SSL *session, char *dst, size_t size)
{
    long verdict = session ? SSL_get_verify_result(session) : X509_V_OK;
    unsigned long code = ERR_peek_error();
    const char *reason =
        ERR_SYSTEM_ERROR(code) ? strerror(ERR_GET_REASON(code)) : ERR_reason_error_string(code);

    if (verdict != X509_V_OK)
        snprintf(dst, size, "its certificate: %s", X509_verify_cert_error_string(verdict));
    else
        snprintf(dst, size, "%s", reason ? reason : "the connection was closed");
    ERR_clear_error();
}
