#include "http/verifier.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/mem.h"
#include "base/watch.h"
#include "http/tls_error.h"

#include <openssl/err.h>
#include <pthread.h>
#include <stdlib.h>
#include <time.h>

struct verifier {
    const struct conf_tls *conf;
    struct http_app app;
    struct watch watch; /* of the list */
    int peer_index;     /* of struct peer in an SSL */
    pthread_mutex_t lock;
    X509_STORE *store;
    int64_t until_s; /* the first of the lists is out of date then */
    atomic_ullong generation;
};

/* What is known of a connection's certificate; belongs to its SSL. */
struct peer {
    uint64_t generation; /* of the verifier that said so */
    int64_t until_s;     /* and it holds until then */
    bool good;
    unsigned char *der;
    size_t der_n;
};

static void auto_X509_STORE_(X509_STORE **s)
{
    X509_STORE_free(*s);
}

static void peer_free(void *parent, void *p, CRYPTO_EX_DATA *ad, int index, long n, void *arg)
{
    struct peer *peer = p;

    (void)parent, (void)ad, (void)index, (void)n, (void)arg;
    if (!peer)
        return;
    OPENSSL_free(peer->der);
    free(peer);
}

/* Seconds since the epoch; no time at all is no limit. */
static int64_t seconds_of(const ASN1_TIME *t)
{
    struct tm tm;

    return t && ASN1_TIME_to_tm(t, &tm) ? (int64_t)timegm(&tm) : INT64_MAX;
}

static int64_t earlier(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

/* RFC 5280, 6.3: a list for each authority of the chain, none of them out of date, or the
 * certificate is refused. */
static enum err_code load_lists(X509_STORE *store, const char *path, int64_t *ret_until_s,
                                struct err *e)
{
    X509_LOOKUP *lookup = X509_STORE_add_lookup(store, X509_LOOKUP_file());
    STACK_OF(X509_OBJECT) * objects;

    *ret_until_s = INT64_MAX;
    if (!path || !path[0])
        return ERR_OK;
    if (!lookup || X509_load_crl_file(lookup, path, X509_FILETYPE_PEM) <= 0)
        return tls_err(e, "http.tls.client_crl", path);
    X509_STORE_set_flags(store, X509_V_FLAG_CRL_CHECK | X509_V_FLAG_CRL_CHECK_ALL);
    objects = X509_STORE_get0_objects(store);
    for (int i = 0; i < sk_X509_OBJECT_num(objects); i++) {
        const X509_CRL *list = X509_OBJECT_get0_X509_CRL(sk_X509_OBJECT_value(objects, i));

        if (list)
            *ret_until_s = earlier(*ret_until_s, seconds_of(X509_CRL_get0_nextUpdate(list)));
    }
    return ERR_OK;
}

enum err_code verifier_reload(struct verifier *v, struct err *e)
{
    AUTO(X509_STORE) X509_STORE *store = X509_STORE_new();
    X509_STORE *old;
    int64_t until_s;

    if (!v)
        return ERR_OK;
    ERR_clear_error();
    for (size_t i = 0; i < v->conf->client_ca.n; i++) {
        const char *file = v->conf->client_ca.items[i];

        if (!store || X509_STORE_load_file(store, file) != 1)
            return tls_err(e, "http.tls.client_ca", file);
    }
    TRY(load_lists(store, v->conf->client_crl, &until_s, e));
    ERR_clear_error();
    pthread_mutex_lock(&v->lock);
    old = v->store;
    v->store = STEAL(store);
    v->until_s = until_s;
    atomic_fetch_add(&v->generation, 1);
    pthread_mutex_unlock(&v->lock);
    X509_STORE_free(old);
    return ERR_OK;
}

enum err_code verifier_new(const struct conf_tls *conf, struct verifier **ret_v, struct err *e)
{
    struct verifier *v;

    *ret_v = NULL;
    if (conf->client_ca.n == 0)
        return ERR_OK;
    v = NEW(struct verifier);
    v->conf = conf;
    v->peer_index = SSL_get_ex_new_index(0, NULL, NULL, NULL, peer_free);
    pthread_mutex_init(&v->lock, NULL);
    watch_init(&v->watch, conf->client_crl);
    if (verifier_reload(v, e) != ERR_OK) {
        verifier_free(v);
        return ERR_CONFIG;
    }
    *ret_v = v;
    return ERR_OK;
}

void verifier_free(struct verifier *v)
{
    if (!v)
        return;
    X509_STORE_free(v->store);
    pthread_mutex_destroy(&v->lock);
    free(v);
}

void verifier_report_to(struct verifier *v, const struct http_app *app)
{
    if (v)
        v->app = *app;
}

static void look(struct verifier *v)
{
    struct err e = {0};

    if (!watch_changed(&v->watch) || verifier_reload(v, &e) == ERR_OK)
        return;
    if (v->app.trouble)
        v->app.trouble(v->app.ctx, &e);
}

/* The store of now, as a reference of the caller's. */
static X509_STORE *store_of(struct verifier *v, uint64_t *ret_generation, int64_t *ret_until_s)
{
    X509_STORE *store;

    pthread_mutex_lock(&v->lock);
    store = v->store;
    X509_STORE_up_ref(store);
    *ret_generation = atomic_load(&v->generation);
    *ret_until_s = v->until_s;
    pthread_mutex_unlock(&v->lock);
    return store;
}

bool verifier_attach(struct verifier *v, SSL *ssl)
{
    uint64_t generation;
    X509_STORE *store;
    int64_t until_s;

    if (!v)
        return true;
    look(v);
    store = store_of(v, &generation, &until_s);
    return SSL_set0_verify_cert_store(ssl, store) == 1;
}

/* As the handshake did, with the certificates that the client sent then. */
static void verify(struct verifier *v, SSL *ssl, X509 *leaf, struct peer *p)
{
    AUTO(X509_STORE) X509_STORE *store = store_of(v, &p->generation, &p->until_s);
    X509_STORE_CTX *ctx = X509_STORE_CTX_new();

    p->good = ctx && X509_STORE_CTX_init(ctx, store, leaf, SSL_get_peer_cert_chain(ssl)) == 1 &&
              X509_STORE_CTX_set_default(ctx, "ssl_client") == 1 && X509_verify_cert(ctx) == 1;
    for (int i = 0; p->good && i < sk_X509_num(X509_STORE_CTX_get0_chain(ctx)); i++) {
        const X509 *one = sk_X509_value(X509_STORE_CTX_get0_chain(ctx), i);

        p->until_s = earlier(p->until_s, seconds_of(X509_get0_notAfter(one)));
    }
    X509_STORE_CTX_free(ctx);
    ERR_clear_error();
}

static struct peer *peer_of(struct verifier *v, SSL *ssl, X509 *leaf)
{
    struct peer *p = SSL_get_ex_data(ssl, v->peer_index);
    int n;

    if (p)
        return p;
    p = NEW(struct peer);
    n = i2d_X509(leaf, &p->der);
    p->der_n = n > 0 ? (size_t)n : 0;
    if (SSL_set_ex_data(ssl, v->peer_index, p) != 1)
        abort(); /* out of memory */
    return p;
}

enum http_certificate verifier_check(struct verifier *v, SSL *ssl, struct str *ret_der)
{
    X509 *leaf = v ? SSL_get0_peer_certificate(ssl) : NULL;
    struct peer *p;

    *ret_der = STR_NONE;
    if (!leaf)
        return HTTP_CERTIFICATE_NONE;
    look(v);
    p = peer_of(v, ssl, leaf);
    /* A certificate is good to the end of that second (RFC 5280, 4.1.2.5). */
    if (!p->good || p->generation != atomic_load(&v->generation) ||
        clock_wall_ms() / 1000 > p->until_s)
        verify(v, ssl, leaf, p);
    *ret_der = (struct str){(const char *)p->der, p->der_n};
    return p->good && p->der_n ? HTTP_CERTIFICATE_GOOD : HTTP_CERTIFICATE_BAD;
}
