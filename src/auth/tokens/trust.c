#include "auth/tokens/trust.h"

#include "base/base64.h"
#include "base/cleanup.h"
#include "base/file.h"
#include "base/json.h"
#include "base/mem.h"

#include <fcntl.h>
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <stdlib.h>

#define JWKS_MAX_BYTES (1u << 20)
#define CHAIN_MAX      8    /* certificates in a token */
#define NUMBER_MAX     1024 /* bytes: RSA of 8192 bits */
#define TEXT_MAX       (NUMBER_MAX / 3 * 4 + 8)
#define LIBTRUST_BYTES 30
#define LIBTRUST_TEXT  60 /* 12 groups of 4, with what stands between them, and NUL */

struct trust {
    struct jwt_keys *keys;
    X509_STORE *store; /* NULL: no bundle */
};

static void auto_X509_(X509 **x)
{
    X509_free(*x);
}

static void auto_BIO_(BIO **b)
{
    BIO_free(*b);
}

static void auto_EVP_PKEY_(EVP_PKEY **k)
{
    EVP_PKEY_free(*k);
}

/* Base64url without padding. dst has room for TEXT_MAX. */
static void url_text(const unsigned char *p, size_t n, char *dst)
{
    size_t end = (size_t)EVP_EncodeBlock((unsigned char *)dst, p, (int)n);

    while (end > 0 && dst[end - 1] == '=')
        end--;
    dst[end] = '\0';
    for (size_t i = 0; i < end; i++)
        dst[i] = dst[i] == '+' ? '-' : dst[i] == '/' ? '_' : dst[i];
}

/* A number of the key, of size_bytes (0: as many as it has). NULL: it has none, or too large. */
static json_t *number(const EVP_PKEY *key, const char *name, size_t size_bytes)
{
    unsigned char bytes[NUMBER_MAX];
    char text[TEXT_MAX];
    BIGNUM *bn = NULL;
    size_t n = 0;

    if (EVP_PKEY_get_bn_param(key, name, &bn) != 1)
        return NULL;
    n = size_bytes ? size_bytes : (size_t)BN_num_bytes(bn);
    n = n <= NUMBER_MAX && BN_bn2binpad(bn, bytes, (int)n) > 0 ? n : 0;
    BN_free(bn);
    url_text(bytes, n, text);
    return n ? json_string(text) : NULL;
}

/* RFC 7518, 6.2 and 6.3: the members that the thumbprint is made of too. NULL: another kind. */
static json_t *jwk_of(const EVP_PKEY *key)
{
    static const struct {
        const char *group, *curve;
        size_t size_bytes;
    } curves[] = {
        {"prime256v1", "P-256", 32}, {"secp384r1", "P-384", 48}, {"secp521r1", "P-521", 66}};
    char group[64];

    if (EVP_PKEY_is_a(key, "RSA"))
        return json_pack("{s:s, s:o, s:o}", "kty", "RSA", "n",
                         number(key, OSSL_PKEY_PARAM_RSA_N, 0), "e",
                         number(key, OSSL_PKEY_PARAM_RSA_E, 0));
    if (!EVP_PKEY_is_a(key, "EC") || EVP_PKEY_get_group_name(key, group, sizeof(group), NULL) != 1)
        return NULL;
    for (size_t i = 0; i < sizeof(curves) / sizeof(curves[0]); i++) {
        if (strcmp(group, curves[i].group) == 0)
            return json_pack("{s:s, s:s, s:o, s:o}", "kty", "EC", "crv", curves[i].curve, "x",
                             number(key, OSSL_PKEY_PARAM_EC_PUB_X, curves[i].size_bytes), "y",
                             number(key, OSSL_PKEY_PARAM_EC_PUB_Y, curves[i].size_bytes));
    }
    return NULL;
}

/* RFC 7638, 3: the members in the order of their names, without blanks. */
static void thumbprint(const json_t *jwk, char dst[static TEXT_MAX])
{
    char *text = json_dumps(jwk, JSON_COMPACT | JSON_SORT_KEYS);
    unsigned char hash[EVP_MAX_MD_SIZE];

    dst[0] = '\0';
    if (text && EVP_Q_digest(NULL, "SHA256", NULL, text, strlen(text), hash, NULL) == 1)
        url_text(hash, 32, dst);
    free(text);
}

/* Base32 of the first 240 bits of SHA-256 of the key (DER), in groups of four. */
static void libtrust_id(const EVP_PKEY *key, char dst[static LIBTRUST_TEXT])
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
    unsigned char hash[EVP_MAX_MD_SIZE], *der = NULL;
    int n = i2d_PUBKEY(key, &der);
    char *at = dst;

    if (n > 0 && EVP_Q_digest(NULL, "SHA256", NULL, der, (size_t)n, hash, NULL) == 1) {
        for (size_t bit = 0; bit < LIBTRUST_BYTES * 8; bit += 5) {
            unsigned pair = hash[bit / 8] * 256u + hash[bit / 8 + 1];

            if (bit && bit % 20 == 0)
                *at++ = ':';
            *at++ = digits[pair >> (11 - bit % 8) & 31];
        }
    }
    *at = '\0';
    OPENSSL_free(der);
}

/* The certificate's key, as a JWK without an id. */
static json_t *key_of(X509 *x)
{
    AUTO(EVP_PKEY) EVP_PKEY *key = X509_get_pubkey(x);

    return key ? jwk_of(key) : NULL;
}

/* Twice, under its two ids. */
static void add_certificate(X509 *x, json_t *keys)
{
    AUTO(EVP_PKEY) EVP_PKEY *key = X509_get_pubkey(x);
    AUTO(json) json_t *jwk = key ? jwk_of(key) : NULL;
    char id[LIBTRUST_TEXT], print[TEXT_MAX];
    json_t *again;

    if (!jwk)
        return;
    thumbprint(jwk, print);
    libtrust_id(key, id);
    again = json_copy(jwk);
    json_object_set_new(again, "kid", json_string(id));
    json_array_append_new(keys, again);
    json_object_set_new(jwk, "kid", json_string(print));
    json_array_append(keys, jwk);
}

/* Certificates are no secret: whoever encrypted one is not asked for a passphrase. */
static int no_passphrase(char *dst, int room, int writing, void *arg)
{
    (void)dst, (void)room, (void)writing, (void)arg;
    return -1;
}

/* After the last certificate of a PEM file: is there nothing but the end? */
static bool at_end(void)
{
    unsigned long code = ERR_peek_last_error();

    return ERR_GET_LIB(code) == ERR_LIB_PEM && ERR_GET_REASON(code) == PEM_R_NO_START_LINE;
}

static enum err_code load_bundle(struct trust *t, const char *path, json_t *keys, struct err *e)
{
    AUTO(BIO) BIO *file = BIO_new_file(path, "re");
    size_t n = 0;
    bool whole;
    X509 *x;

    if (!file) {
        ERR_clear_error();
        return err_set(e, ERR_CONFIG, "auth.token.rootcertbundle '%s': %m", path);
    }
    t->store = X509_STORE_new();
    /* What stands in the bundle is trusted, signed by itself or not, as the reference does. */
    X509_STORE_set_flags(t->store, X509_V_FLAG_PARTIAL_CHAIN);
    while ((x = PEM_read_bio_X509(file, NULL, no_passphrase, NULL))) {
        X509_STORE_add_cert(t->store, x);
        add_certificate(x, keys);
        X509_free(x);
        n++;
        ERR_clear_error();
    }
    whole = at_end();
    ERR_clear_error();
    if (!whole)
        return err_set(e, ERR_CONFIG,
                       "auth.token.rootcertbundle '%s': it is cut off or damaged after %zu "
                       "certificates",
                       path, n);
    if (n == 0)
        return err_set(e, ERR_CONFIG, "auth.token.rootcertbundle '%s': it holds none in PEM form",
                       path);
    return ERR_OK;
}

static enum err_code load_jwks(const char *path, json_t *keys, struct err *e)
{
    AUTO(buf) struct buf text = {0};
    AUTO(json) json_t *root = NULL;
    json_error_t where;

    buf_init(&text, JWKS_MAX_BYTES);
    if (file_read_at(AT_FDCWD, path, &text, e) != ERR_OK) {
        err_prefix(e, "auth.token.jwks '%s'", path);
        return e->code = ERR_CONFIG;
    }
    root = json_loadb(text.p, text.n, JSON_REJECT_DUPLICATES, &where);
    if (!root)
        return err_set(e, ERR_CONFIG, "auth.token.jwks '%s': not JSON: line %d, column %d", path,
                       where.line, where.column);
    if (!json_is_array(json_object_get(root, "keys")))
        return err_set(e, ERR_CONFIG, "auth.token.jwks '%s': not a JWKS: no list 'keys'", path);
    json_array_extend(keys, json_object_get(root, "keys"));
    return ERR_OK;
}

/* A set of those keys. The list is the callee's. */
static enum err_code keys_from(json_t *list, struct jwt_keys **ret_keys, struct err *e)
{
    AUTO(json) json_t *root = json_pack("{s:o}", "keys", list);
    AUTO(mem) char *text = root ? json_dumps(root, JSON_COMPACT) : NULL;

    return text ? jwt_keys_parse(str_of(text), ret_keys, e)
                : err_set(e, ERR_INTERNAL, "keys can't be written");
}

/* How many of them are of use for tokens. */
static enum err_code count_useful(json_t *list, size_t *ret_n, struct err *e)
{
    AUTO(jwt_keys) struct jwt_keys *keys = NULL;

    TRY(keys_from(json_incref(list), &keys, e));
    *ret_n = jwt_keys_count(keys);
    return ERR_OK;
}

/* What one file has, behind what others have. */
static enum err_code add_keys(const char *which, const char *path, json_t *more, json_t *keys,
                              struct err *e)
{
    size_t n;

    TRY(count_useful(more, &n, e));
    if (n == 0)
        return err_set(e, ERR_CONFIG,
                       "%s '%s' has no key for tokens (RSA of 2048 to 8192 bits, or EC)", which,
                       path);
    json_array_extend(keys, more);
    return ERR_OK;
}

static enum err_code load(struct trust *t, const char *bundle_path, const char *jwks_path,
                          struct err *e)
{
    AUTO(json) json_t *keys = json_array(), *bundle = json_array(), *jwks = json_array();

    if (bundle_path[0]) {
        TRY(load_bundle(t, bundle_path, bundle, e));
        TRY(add_keys("auth.token.rootcertbundle", bundle_path, bundle, keys, e));
    }
    if (jwks_path[0]) {
        TRY(load_jwks(jwks_path, jwks, e));
        TRY(add_keys("auth.token.jwks", jwks_path, jwks, keys, e));
    }
    if (json_array_size(keys) > JWT_KEYS_MAX)
        return err_set(e, ERR_CONFIG,
                       "auth.token.rootcertbundle and auth.token.jwks have more than %d keys "
                       "(a certificate counts twice)",
                       JWT_KEYS_MAX);
    return keys_from(STEAL(keys), &t->keys, e);
}

enum err_code trust_load(const char *bundle_path, const char *jwks_path, struct trust **ret_trust,
                         struct err *e)
{
    struct trust *t = NEW(struct trust);
    enum err_code code = load(t, bundle_path, jwks_path, e);

    if (code == ERR_OK)
        *ret_trust = t;
    else
        trust_free(t);
    return code;
}

void trust_free(struct trust *t)
{
    if (!t)
        return;
    jwt_keys_free(t->keys);
    X509_STORE_free(t->store);
    free(t);
}

/* RFC 7515, 4.1.6: base64, not base64url, of DER. */
static X509 *certificate_from(const json_t *text)
{
    struct str coded = str_of(json_string_value(text));
    AUTO(mem) unsigned char *der = mem_alloc(BASE64_ROOM(coded.n));
    const unsigned char *at = der;
    size_t n;

    return coded.n && base64_decode(coded, der, &n) ? d2i_X509(NULL, &at, (long)n) : NULL;
}

static bool vouched_for(X509_STORE *store, X509 *leaf, STACK_OF(X509) * others)
{
    X509_STORE_CTX *ctx = X509_STORE_CTX_new();
    bool good =
        ctx && X509_STORE_CTX_init(ctx, store, leaf, others) == 1 && X509_verify_cert(ctx) == 1;

    X509_STORE_CTX_free(ctx);
    return good;
}

/* The key of the token's own certificate, which the bundle must vouch for; under whatever id the
 * token calls it by. */
static enum err_code key_from_chain(const struct trust *t, const json_t *header,
                                    struct jwt_keys **ret_keys, struct err *e)
{
    const json_t *chain = json_object_get(header, "x5c"), *kid = json_object_get(header, "kid");
    AUTO(X509) X509 *leaf = certificate_from(json_array_get(chain, 0));
    STACK_OF(X509) *others = sk_X509_new_null();
    bool good = leaf && json_array_size(chain) <= CHAIN_MAX;
    json_t *jwk;

    for (size_t i = 1; good && i < json_array_size(chain); i++) {
        X509 *x = certificate_from(json_array_get(chain, i));

        good = x && sk_X509_push(others, x) > 0;
    }
    good = good && vouched_for(t->store, leaf, others);
    sk_X509_pop_free(others, X509_free);
    ERR_clear_error();
    if (!good || !(jwk = key_of(leaf)))
        return err_set(e, ERR_UNAUTHORIZED, "nobody vouches for the certificate of the token");
    if (json_is_string(kid))
        json_object_set_new(jwk, "kid", json_string(json_string_value(kid)));
    return keys_from(json_pack("[o]", jwk), ret_keys, e);
}

enum err_code trust_verify(const struct trust *t, struct str token, const char *const *algorithms,
                           json_t **ret_claims, struct err *e)
{
    AUTO(json) json_t *header = jwt_peek_header(token);
    AUTO(jwt_keys) struct jwt_keys *own = NULL;

    if (!t->store || !json_object_get(header, "x5c"))
        return jwt_verify(t->keys, token, algorithms, ret_claims, NULL, e);
    TRY(key_from_chain(t, header, &own, e));
    return jwt_verify(own, token, algorithms, ret_claims, NULL, e);
}
