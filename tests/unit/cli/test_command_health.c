#include "base/clock.h"
#include "fixture.h"

#include <arpa/inet.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

/* A server that takes one connection, keeps the request and gives a fixed answer. */
struct server {
    int fd;
    unsigned port;
    pthread_t thread;
    SSL_CTX *tls; /* NULL: plain */
    const char *answer;
    char request[1024];
};

static void serve_plain(struct server *s, int fd)
{
    ssize_t n = recv(fd, s->request, sizeof(s->request) - 1, 0);

    if (n > 0 && s->answer)
        (void)send(fd, s->answer, strlen(s->answer), MSG_NOSIGNAL);
    else if (n > 0)
        (void)recv(fd, s->request + n, 1, 0); /* silent until the client gives up */
}

static void serve_tls(struct server *s, int fd)
{
    SSL *ssl = SSL_new(s->tls);

    SSL_set_fd(ssl, fd);
    if (SSL_accept(ssl) == 1) {
        SSL_read(ssl, s->request, sizeof(s->request) - 1);
        SSL_write(ssl, s->answer, (int)strlen(s->answer));
        SSL_shutdown(ssl);
    }
    SSL_free(ssl);
}

static void *serve(void *arg)
{
    struct server *s = arg;
    int fd = accept(s->fd, NULL, NULL);

    if (fd < 0)
        return NULL;
    if (s->tls)
        serve_tls(s, fd);
    else
        serve_plain(s, fd);
    close(fd);
    return NULL;
}

static void start(struct server *s, const struct sockaddr *sa, socklen_t n)
{
    s->fd = socket(sa->sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(s->fd >= 0);
    assert_int_equal(bind(s->fd, sa, n), 0);
    assert_int_equal(listen(s->fd, 8), 0);
}

static void start_tcp(struct server *s, const char *answer)
{
    struct sockaddr_in sa = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t n = sizeof(sa);

    s->answer = answer;
    start(s, (struct sockaddr *)&sa, n);
    assert_int_equal(getsockname(s->fd, (struct sockaddr *)&sa, &n), 0);
    s->port = ntohs(sa.sin_port);
    assert_int_equal(pthread_create(&s->thread, NULL, serve, s), 0);
}

static void finish(struct server *s)
{
    shutdown(s->fd, SHUT_RDWR); /* ends an accept() that nobody came to */
    pthread_join(s->thread, NULL);
    close(s->fd);
    SSL_CTX_free(s->tls);
}

/* `registry health --url SCHEME://127.0.0.1:PORT`. */
static int ask(const struct server *s, const char *scheme, const char *path)
{
    char url[128];

    snprintf(url, sizeof(url), "%s://127.0.0.1:%u%s", scheme, s->port, path);
    return run("health", "--url", url);
}

static int ask_configured(const char *fmt, unsigned port, const char *more)
{
    char variable[128];
    char *environment[] = {variable, (char *)more, (char[]){"REGISTRY_AUTH=none"}, NULL};

    snprintf(variable, sizeof(variable), "REGISTRY_HTTP_LISTEN=%s%u", fmt, port);
    return run_with(environment, "health", NULL);
}

static void a_server_that_answers_200_is_healthy(void **state)
{
    struct server s = {0};

    (void)state;
    start_tcp(&s, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    assert_int_equal(ask(&s, "http", ""), CLI_OK);
    finish(&s);
    assert_memory_equal(run_out, "healthy: http://127.0.0.1:", 26);
    assert_memory_equal(s.request, "GET /healthz HTTP/1.1\r\nHost: ", 29);
}

static void another_path_may_be_asked(void **state)
{
    struct server s = {0};

    (void)state;
    start_tcp(&s, "HTTP/1.0 200\r\n\r\n");
    assert_int_equal(ask(&s, "http", "/readyz?full=1"), CLI_OK);
    finish(&s);
    assert_memory_equal(s.request, "GET /readyz?full=1 HTTP/1.1\r\n", 29);
}

static void any_other_answer_is_unhealthy(void **state)
{
    static const struct {
        const char *answer, *why;
    } rows[] = {
        {"HTTP/1.1 503 no\r\n\r\n", " answered 503\n"},
        {"SSH-2.0-OpenSSH_9.2p1\r\n", "the answer is not HTTP\n"},
        {"HTTP", "the connection was closed\n"},
        {"HTTP/1.1 2x0 no\r\n", "the answer is not HTTP\n"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct server s = {0};

        start_tcp(&s, rows[i].answer);
        assert_int_equal(ask(&s, "http", ""), CLI_FAILED);
        finish(&s);
        assert_memory_equal(run_err, "unhealthy: http://127.0.0.1:", 28);
        assert_non_null(strstr(run_err, rows[i].why));
    }
}

static void the_configured_address_is_asked(void **state)
{
    static const char *const listens[] = {"127.0.0.1:", ":", "0.0.0.0:", "localhost:"};

    (void)state;
    for (size_t i = 0; i < sizeof(listens) / sizeof(listens[0]); i++) {
        struct server s = {0};

        start_tcp(&s, "HTTP/1.1 200 OK\r\n\r\n");
        assert_int_equal(ask_configured(listens[i], s.port, "X=1"), CLI_OK);
        finish(&s);
    }
}

static void nobody_there_is_unhealthy(void **state)
{
    struct server s = {0};

    (void)state;
    start_tcp(&s, "");
    finish(&s); /* the port was free a moment ago */
    assert_int_equal(ask_configured("127.0.0.1:", s.port, "X=1"), CLI_FAILED);
    assert_non_null(strstr(run_err, "can't connect: Connection refused\n"));
}

static void a_silent_server_is_unhealthy_after_two_seconds(void **state)
{
    struct server s = {0};
    int64_t before = clock_mono_ms();

    (void)state;
    start_tcp(&s, NULL);
    assert_int_equal(ask(&s, "http", ""), CLI_FAILED);
    assert_in_range(clock_mono_ms() - before, 1900, 10000);
    finish(&s);
    assert_non_null(strstr(run_err, "no answer within 2 seconds\n"));
}

static void a_unix_socket_is_asked(void **state)
{
    char directory[] = "/tmp/test-health-XXXXXX", variable[128];
    char *environment[] = {variable, NULL};
    struct sockaddr_un sa = {.sun_family = AF_UNIX};
    struct server s = {.answer = "HTTP/1.1 200 OK\r\n\r\n"};

    (void)state;
    assert_non_null(mkdtemp(directory));
    snprintf(sa.sun_path, sizeof(sa.sun_path), "%s/s", directory);
    snprintf(variable, sizeof(variable), "REGISTRY_HTTP_LISTEN=unix:%s", sa.sun_path);
    start(&s, (struct sockaddr *)&sa, sizeof(sa));
    assert_int_equal(pthread_create(&s.thread, NULL, serve, &s), 0);
    assert_int_equal(run_with(environment, "health", NULL), CLI_OK);
    finish(&s);
    unlink(sa.sun_path);
    rmdir(directory);
}

/* A server context with a key and a certificate signed by itself. */
static SSL_CTX *make_tls(void)
{
    SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *cert = X509_new();

    assert_non_null(key);
    ASN1_INTEGER_set(X509_get_serialNumber(cert), 1);
    X509_gmtime_adj(X509_getm_notBefore(cert), 0);
    X509_gmtime_adj(X509_getm_notAfter(cert), 3600);
    X509_set_pubkey(cert, key);
    assert_true(X509_sign(cert, key, EVP_sha256()) > 0);
    assert_int_equal(SSL_CTX_use_certificate(ctx, cert), 1);
    assert_int_equal(SSL_CTX_use_PrivateKey(ctx, key), 1);
    X509_free(cert);
    EVP_PKEY_free(key);
    return ctx;
}

static void tls_is_spoken_without_looking_at_the_certificate(void **state)
{
    struct server s = {.tls = make_tls()};

    (void)state;
    start_tcp(&s, "HTTP/1.1 200 OK\r\n\r\n");
    assert_int_equal(ask(&s, "https", ""), CLI_OK);
    finish(&s);
    assert_memory_equal(s.request, "GET /healthz HTTP/1.1\r\n", 23);
}

static void tls_to_a_plain_server_is_unhealthy(void **state)
{
    struct server s = {0};

    (void)state;
    start_tcp(&s, "HTTP/1.1 400 Bad Request\r\n\r\n");
    assert_int_equal(ask(&s, "https", ""), CLI_FAILED);
    finish(&s);
    assert_non_null(strstr(run_err, "TLS: "));
}

static int refuse_certificate(int ok, X509_STORE_CTX *ctx)
{
    (void)ok, (void)ctx;
    return 0;
}

static void a_server_that_demands_a_client_certificate_is_healthy(void **state)
{
    static const int versions[] = {TLS1_2_VERSION, TLS1_3_VERSION};

    (void)state;
    for (size_t i = 0; i < 2; i++) {
        struct server s = {.tls = make_tls()};
        char listen[64];
        char *environment[] = {listen,
                               (char[]){"REGISTRY_HTTP_TLS_CERTIFICATE=/c"},
                               (char[]){"REGISTRY_HTTP_TLS_KEY=/k"},
                               (char[]){"REGISTRY_HTTP_TLS_CLIENT_CA=/a"},
                               (char[]){"REGISTRY_HTTP_TLS_CLIENT_AUTH=required"},
                               NULL};

        SSL_CTX_set_verify(s.tls, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT,
                           refuse_certificate);
        SSL_CTX_set_max_proto_version(s.tls, versions[i]);
        start_tcp(&s, "never sent");
        snprintf(listen, sizeof(listen), "REGISTRY_HTTP_LISTEN=127.0.0.1:%u", s.port);
        assert_int_equal(run_with(environment, "health", NULL), CLI_OK);
        finish(&s);
        assert_non_null(strstr(run_out, "asks for a client certificate\n"));
    }
}

static void wrong_urls_are_refused(void **state)
{
    static const char *const urls[] = {
        "127.0.0.1:5000", "ftp://a",           "http://",     "http:///x", "http://a b/",
        "http://a:x/",    "http://a/\r\nX: y", "http://[::1", "unix:/x",
    };

    (void)state;
    for (size_t i = 0; i < sizeof(urls) / sizeof(urls[0]); i++)
        assert_int_equal(run("health", "--url", urls[i]), CLI_FAILED);
}

static void a_port_that_is_not_fixed_cannot_be_asked(void **state)
{
    (void)state;
    assert_int_equal(ask_configured("127.0.0.1:", 0, "X=1"), CLI_FAILED);
    assert_non_null(strstr(run_err, "name the server with --url"));
}

static void a_wrong_configuration_is_unhealthy(void **state)
{
    (void)state;
    assert_int_equal(run("health", "--config", "/nonexistent"), CLI_FAILED);
    assert_non_null(strstr(run_err, "unhealthy: configuration"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_server_that_answers_200_is_healthy),
        cmocka_unit_test(another_path_may_be_asked),
        cmocka_unit_test(any_other_answer_is_unhealthy),
        cmocka_unit_test(the_configured_address_is_asked),
        cmocka_unit_test(nobody_there_is_unhealthy),
        cmocka_unit_test(a_silent_server_is_unhealthy_after_two_seconds),
        cmocka_unit_test(a_unix_socket_is_asked),
        cmocka_unit_test(tls_is_spoken_without_looking_at_the_certificate),
        cmocka_unit_test(tls_to_a_plain_server_is_unhealthy),
        cmocka_unit_test(a_server_that_demands_a_client_certificate_is_healthy),
        cmocka_unit_test(wrong_urls_are_refused),
        cmocka_unit_test(a_port_that_is_not_fixed_cannot_be_asked),
        cmocka_unit_test(a_wrong_configuration_is_unhealthy),
    };

    return cmocka_run_group_tests(tests, NULL, run_done);
}
