#include "fixture.h"

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#define HOST  "Host: test\r\n"
#define BYTES (3 * 1000 * 1000 + 17)

static char dir[32], path_cert[64], path_key[64], path_ca[64];

static struct client c;
static SSL_CTX *client_ctx;
static SSL *tls;

static EVP_PKEY *make_key(void)
{
    EVP_PKEY *key = EVP_PKEY_Q_keygen(NULL, NULL, "EC", "P-256");

    assert_non_null(key);
    return key;
}

static X509 *make_certificate(EVP_PKEY *key, const char *name)
{
    X509 *x = X509_new();
    X509_NAME *n;

    assert_non_null(x);
    X509_set_version(x, X509_VERSION_3);
    ASN1_INTEGER_set(X509_get_serialNumber(x), 1);
    X509_gmtime_adj(X509_getm_notBefore(x), -3600);
    X509_gmtime_adj(X509_getm_notAfter(x), 3600);
    X509_set_pubkey(x, key);
    n = X509_get_subject_name(x);
    X509_NAME_add_entry_by_txt(n, "CN", MBSTRING_ASC, (const unsigned char *)name, -1, -1, 0);
    X509_set_issuer_name(x, n);
    assert_true(X509_sign(x, key, EVP_sha256()) > 0);
    return x;
}

/* A self-signed certificate under that name, in files. */
static void write_pair(const char *name, const char *cert, const char *key)
{
    EVP_PKEY *k = make_key();
    X509 *x = make_certificate(k, name);
    FILE *f = fopen(cert, "we");

    assert_non_null(f);
    PEM_write_X509(f, x);
    fclose(f);
    f = fopen(key, "we");
    assert_non_null(f);
    PEM_write_PrivateKey(f, k, NULL, NULL, 0, NULL, NULL);
    fclose(f);
    X509_free(x);
    EVP_PKEY_free(k);
}

static int setup(void **state)
{
    (void)state;
    fixture_defaults();
    fixture_file(BYTES);
    strcpy(dir, "/tmp/http-tls-XXXXXX");
    assert_non_null(mkdtemp(dir));
    snprintf(path_cert, sizeof(path_cert), "%s/cert", dir);
    snprintf(path_key, sizeof(path_key), "%s/key", dir);
    snprintf(path_ca, sizeof(path_ca), "%s/ca", dir);
    write_pair("first", path_cert, path_key);
    fixture.conf.tls.certificate = path_cert;
    fixture.conf.tls.key = path_key;
    client_ctx = SSL_CTX_new(TLS_client_method());
    c.fd = -1;
    return 0;
}

static void hang_up(void)
{
    SSL_free(tls);
    tls = NULL;
    if (c.fd >= 0)
        client_close(&c);
    c.fd = -1;
}

static int teardown(void **state)
{
    (void)state;
    hang_up();
    SSL_CTX_free(client_ctx);
    fixture_stop();
    unlink(path_cert);
    unlink(path_key);
    unlink(path_ca);
    assert_int_equal(rmdir(dir), 0);
    return 0;
}

/* The result of the handshake, as SSL_connect() has it. */
static int call(void)
{
    client_open(&c);
    tls = SSL_new(client_ctx);
    assert_non_null(tls);
    SSL_set_fd(tls, c.fd);
    return SSL_connect(tls);
}

static void say(const char *text)
{
    assert_int_equal(SSL_write(tls, text, (int)strlen(text)), strlen(text));
}

/* Reads until the answer with its body of n bytes is there; the body is at the end of the buffer.
 */
static char *hear(size_t body_n)
{
    size_t cap = body_n + 4096, n = 0;
    char *buf = malloc(cap), *end = NULL;

    assert_non_null(buf);
    while (!end || n < (size_t)(end - buf) + 4 + body_n) {
        int got = SSL_read(tls, buf + n, (int)(cap - n));

        if (got <= 0)
            fail_msg("the answer ended after %zu bytes", n);
        n += (size_t)got;
        end = memmem(buf, n, "\r\n\r\n", 4);
    }
    assert_int_equal(n, (size_t)(end - buf) + 4 + body_n);
    assert_memory_equal(buf, "HTTP/1.1 200 ", 13);
    memmove(buf, end + 4, body_n);
    buf[body_n] = '\0';
    return buf;
}

static void expect(const char *request, const char *body)
{
    char *got;

    say(request);
    got = hear(strlen(body));
    assert_string_equal(got, body);
    free(got);
}

static void server_name(char *dst, size_t cap)
{
    X509 *x = SSL_get1_peer_certificate(tls);

    assert_non_null(x);
    X509_NAME_get_text_by_NID(X509_get_subject_name(x), NID_commonName, dst, (int)cap);
    X509_free(x);
}

static void a_session_moves_between_threads(void **state)
{
    (void)state;
    fixture_start();
    assert_int_equal(call(), 1);
    for (int i = 0; i < 10; i++) {
        expect("GET /quick HTTP/1.1\r\n" HOST "\r\n", "quick");
        expect("POST /echo HTTP/1.1\r\n" HOST "Content-Length: 4\r\n\r\nbody", "body");
    }
    say("GET /quick HTTP/1.1\r\n" HOST "\r\nGET /quick HTTP/1.1\r\n" HOST
        "Connection: close\r\n\r\n");
    hang_up();
}

static void pipelined_requests_in_one_record_are_all_answered(void **state)
{
    char text[40 * 100 + 1] = "";
    size_t n = 0, want = 0;
    char buf[4096];

    (void)state;
    fixture_start();
    assert_int_equal(call(), 1);
    for (int i = 0; i < 100; i++)
        strcat(text, "GET /quick HTTP/1.1\r\n" HOST "\r\n");
    for (int i = 0; i < 40; i++) /* more than the thread's buffer takes at once */
        say(text);
    while (want < 4000) {
        int got = SSL_read(tls, buf + n, (int)(sizeof(buf) - n));
        char *at = buf, *end;

        if (got <= 0)
            fail_msg("ended after %zu answers", want);
        n += (size_t)got;
        while ((end = memmem(at, n - (size_t)(at - buf), "\r\n\r\nquick", 9))) {
            at = end + 9;
            want++;
        }
        n -= (size_t)(at - buf);
        memmove(buf, at, n);
    }
}

static void large_bodies_and_content_pass_encrypted(void **state)
{
    char *body = malloc(900001), *got;

    (void)state;
    assert_non_null(body);
    for (size_t i = 0; i < 900000; i++)
        body[i] = fixture_file_byte(i);
    body[900000] = '\0';
    fixture_start();
    assert_int_equal(call(), 1);
    say("POST /echo HTTP/1.1\r\n" HOST "Content-Length: 900000\r\n\r\n");
    expect(body, body);
    for (int k = 0; k < 4; k++) {
        say(k % 2 ? "GET /copy HTTP/1.1\r\n" HOST "\r\n" : "GET /big HTTP/1.1\r\n" HOST "\r\n");
        got = hear(BYTES);
        for (size_t i = 0; i < BYTES; i++)
            assert_true(got[i] == fixture_file_byte(i));
        free(got);
    }
    free(body);
}

static void content_that_comes_in_pieces_passes_encrypted(void **state)
{
    static const size_t steps[] = {1, 70000, 500000, BYTES};
    char *got;

    (void)state;
    fixture_start();
    assert_int_equal(call(), 1);
    say("GET /piped HTTP/1.1\r\n" HOST "\r\n");
    for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
        fixture_wait_starved((unsigned)i + 1);
        fixture_release(steps[i]);
    }
    got = hear(BYTES);
    for (size_t i = 0; i < BYTES; i++)
        assert_true(got[i] == fixture_file_byte(i));
    free(got);
}

static void the_protocol_is_http_1_1(void **state)
{
    static const unsigned char both[] = "\x02h2\x08http/1.1", h2[] = "\x02h2";
    const unsigned char *chosen;
    unsigned n;

    (void)state;
    fixture_start();
    SSL_CTX_set_alpn_protos(client_ctx, both, sizeof(both) - 1);
    assert_int_equal(call(), 1);
    SSL_get0_alpn_selected(tls, &chosen, &n);
    assert_int_equal(n, 8);
    assert_memory_equal(chosen, "http/1.1", 8);
    hang_up();
    SSL_CTX_set_alpn_protos(client_ctx, h2, sizeof(h2) - 1);
    assert_int_not_equal(call(), 1);
}

static void old_versions_are_refused(void **state)
{
    (void)state;
    fixture.conf.tls.min_version = CONF_TLS_1_3;
    fixture_start();
    SSL_CTX_set_max_proto_version(client_ctx, TLS1_2_VERSION);
    assert_int_not_equal(call(), 1);
    hang_up();
    SSL_CTX_set_max_proto_version(client_ctx, TLS1_3_VERSION);
    assert_int_equal(call(), 1);
}

static void configured_ciphers_are_used(void **state)
{
    (void)state;
    fixture.conf.tls.ciphers = "ECDHE-ECDSA-AES256-GCM-SHA384";
    fixture.conf.tls.ciphersuites = "TLS_CHACHA20_POLY1305_SHA256";
    fixture_start();
    assert_int_equal(call(), 1);
    assert_string_equal(SSL_get_cipher_name(tls), "TLS_CHACHA20_POLY1305_SHA256");
    hang_up();
    SSL_CTX_set_max_proto_version(client_ctx, TLS1_2_VERSION);
    assert_int_equal(call(), 1);
    assert_string_equal(SSL_get_cipher_name(tls), "ECDHE-ECDSA-AES256-GCM-SHA384");
}

static void give_client_certificate(const char *name)
{
    EVP_PKEY *k = make_key();
    X509 *x = make_certificate(k, name);

    assert_int_equal(SSL_CTX_use_certificate(client_ctx, x), 1);
    assert_int_equal(SSL_CTX_use_PrivateKey(client_ctx, k), 1);
    X509_free(x);
    EVP_PKEY_free(k);
}

/* In TLS 1.3 the client is done before the server has judged it: the first answer tells. */
static bool served(void)
{
    static const char request[] = "GET /quick HTTP/1.1\r\n" HOST "\r\n";
    char buf[4096];

    return call() == 1 && SSL_write(tls, request, sizeof(request) - 1) > 0 &&
           SSL_read(tls, buf, sizeof(buf)) > 0;
}

static void trust(char **authorities, size_t n)
{
    fixture.conf.tls.client_ca = (struct conf_strings){authorities, n};
}

static void any_of_the_authorities_may_have_signed_the_certificate(void **state)
{
    char *authorities[] = {path_cert, path_ca};
    EVP_PKEY *k = make_key();
    X509 *x = make_certificate(k, "client");
    FILE *f = fopen(path_ca, "we");

    (void)state;
    assert_non_null(f);
    PEM_write_X509(f, x);
    fclose(f);
    trust(authorities, 2);
    fixture.conf.tls.client_auth = CONF_CLIENT_AUTH_REQUIRED;
    fixture_start();
    assert_int_equal(SSL_CTX_use_certificate(client_ctx, x), 1);
    assert_int_equal(SSL_CTX_use_PrivateKey(client_ctx, k), 1);
    assert_true(served());
    X509_free(x);
    EVP_PKEY_free(k);
}

static void a_client_certificate_is_required_when_configured(void **state)
{
    char *authorities[] = {path_ca};
    EVP_PKEY *k = make_key();
    X509 *x = make_certificate(k, "client");
    FILE *f = fopen(path_ca, "we");

    (void)state;
    assert_non_null(f);
    PEM_write_X509(f, x);
    fclose(f);
    trust(authorities, 1);
    fixture.conf.tls.client_auth = CONF_CLIENT_AUTH_REQUIRED;
    fixture_start();
    assert_false(served());
    hang_up();
    give_client_certificate("stranger");
    assert_false(served());
    hang_up();
    assert_int_equal(SSL_CTX_use_certificate(client_ctx, x), 1);
    assert_int_equal(SSL_CTX_use_PrivateKey(client_ctx, k), 1);
    assert_true(served());
    X509_free(x);
    EVP_PKEY_free(k);
}

static void an_optional_client_certificate_is_still_verified(void **state)
{
    char *authorities[] = {path_ca};

    (void)state;
    write_pair("ca", path_ca, path_key);
    write_pair("first", path_cert, path_key);
    trust(authorities, 1);
    fixture_start();
    assert_true(served());
    hang_up();
    give_client_certificate("stranger");
    assert_false(served());
}

static void a_reload_takes_the_new_certificate_and_keeps_sessions(void **state)
{
    char name[32];
    struct err e = {0};
    SSL *old;
    int old_fd;

    (void)state;
    fixture_start();
    assert_int_equal(call(), 1);
    expect("GET /quick HTTP/1.1\r\n" HOST "\r\n", "quick");
    old = tls;
    old_fd = c.fd;
    write_pair("second", path_cert, path_key);
    assert_int_equal(http_server_reload_tls(fixture.server, &e), ERR_OK);
    assert_int_equal(call(), 1);
    server_name(name, sizeof(name));
    assert_string_equal(name, "second");
    hang_up();
    tls = old;
    c.fd = old_fd;
    server_name(name, sizeof(name));
    assert_string_equal(name, "first");
    expect("GET /quick HTTP/1.1\r\n" HOST "\r\n", "quick");
}

static void a_failed_reload_keeps_the_old_certificate(void **state)
{
    struct err e = {0};
    FILE *f;

    (void)state;
    fixture_start();
    f = fopen(path_cert, "we");
    assert_non_null(f);
    fputs("not a certificate\n", f);
    fclose(f);
    assert_int_equal(http_server_reload_tls(fixture.server, &e), ERR_CONFIG);
    assert_non_null(strstr(e.detail, path_cert));
    assert_int_equal(call(), 1);
    expect("GET /quick HTTP/1.1\r\n" HOST "\r\n", "quick");
}

static void wrong_files_are_named_at_the_start(void **state)
{
    struct http_server *s = NULL;
    struct http_app app = {0};
    struct err e = {0};
    char other_key[64], other_cert[64];

    (void)state;
    fixture.conf.tls.certificate = "/nonexistent/cert";
    assert_int_equal(http_server_new(&fixture.conf, &app, &s, &e), ERR_CONFIG);
    assert_non_null(strstr(e.detail, "/nonexistent/cert"));
    fixture.conf.tls.certificate = path_cert;
    snprintf(other_cert, sizeof(other_cert), "%s/other-cert", dir);
    snprintf(other_key, sizeof(other_key), "%s/other-key", dir);
    write_pair("other", other_cert, other_key);
    fixture.conf.tls.key = other_key;
    assert_int_equal(http_server_new(&fixture.conf, &app, &s, &e), ERR_CONFIG);
    assert_non_null(strstr(e.detail, "http.tls.key"));
    fixture.conf.tls.key = path_key;
    fixture.conf.tls.ciphers = "no-such-cipher";
    assert_int_equal(http_server_new(&fixture.conf, &app, &s, &e), ERR_CONFIG);
    assert_non_null(strstr(e.detail, "no-such-cipher"));
    unlink(other_cert);
    unlink(other_key);
}

static void a_client_without_tls_is_told(void **state)
{
    (void)state;
    fixture_start();
    client_open(&c);
    client_send(&c, "GET /quick HTTP/1.1\r\n" HOST "\r\n");
    client_expect(&c, 400, NULL);
    client_expect_close(&c);
}

static void a_stranger_or_slow_client_is_dropped(void **state)
{
    (void)state;
    fixture.conf.head_timeout_ms = 150;
    fixture_start();
    client_open(&c);
    client_send(&c, "SSH-2.0-x\r\n");
    while (recv(c.fd, c.buf, sizeof(c.buf), 0) > 0) /* an alert, then the end */
        ;
    client_close(&c);
    client_open(&c); /* says nothing at all */
    client_expect_close(&c);
}

static void the_end_is_announced(void **state)
{
    char buf[4096];
    int got;

    (void)state;
    fixture_start();
    assert_int_equal(call(), 1);
    say("GET /quick HTTP/1.1\r\n" HOST "Connection: close\r\n\r\n");
    do {
        got = SSL_read(tls, buf, sizeof(buf));
    } while (got > 0);
    assert_int_equal(SSL_get_error(tls, got), SSL_ERROR_ZERO_RETURN);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_session_moves_between_threads),
        TEST(pipelined_requests_in_one_record_are_all_answered),
        TEST(large_bodies_and_content_pass_encrypted),
        TEST(content_that_comes_in_pieces_passes_encrypted),
        TEST(the_protocol_is_http_1_1),
        TEST(old_versions_are_refused),
        TEST(configured_ciphers_are_used),
        TEST(any_of_the_authorities_may_have_signed_the_certificate),
        TEST(a_client_certificate_is_required_when_configured),
        TEST(an_optional_client_certificate_is_still_verified),
        TEST(a_reload_takes_the_new_certificate_and_keeps_sessions),
        TEST(a_failed_reload_keeps_the_old_certificate),
        TEST(wrong_files_are_named_at_the_start),
        TEST(a_client_without_tls_is_told),
        TEST(a_stranger_or_slow_client_is_dropped),
        TEST(the_end_is_announced),
    };

    return cmocka_run_group_tests_name("http/tls", tests, NULL, NULL);
}
