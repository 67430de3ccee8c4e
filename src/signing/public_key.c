#include "signing/public_key.h"

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/digest.h"
#include "base/file.h"
#include "base/mem.h"

#include <fcntl.h>
#include <openssl/bio.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <stdlib.h>

#define HASHES_MAX 2
#define GROUP_MAX  64

struct public_key {
    EVP_PKEY *key;
    const EVP_MD *hashes[HASHES_MAX]; /* one of which was signed; NULL: the message itself */
    size_t n_hashes;
    char fingerprint[DIGEST_TEXT_MAX + 1];
};

static void auto_BIO_(BIO **b)
{
    BIO_free(*b);
}

static void auto_EVP_MD_CTX_(EVP_MD_CTX **c)
{
    EVP_MD_CTX_free(*c);
}

void public_key_free(struct public_key *k)
{
    if (!k)
        return;
    EVP_PKEY_free(k->key);
    free(k);
}

const char *public_key_fingerprint(const struct public_key *k)
{
    return k->fingerprint;
}

/* ---- what is taken */

static const struct curve {
    const char *name;
    const EVP_MD *(*hash)(void);
} curves[] = {
    {"prime256v1", EVP_sha256},
    {"secp384r1", EVP_sha384},
    {"secp521r1", EVP_sha512},
};

static const struct curve *curve_of(const EVP_PKEY *key)
{
    char name[GROUP_MAX];

    if (EVP_PKEY_get_group_name(key, name, sizeof(name), NULL) != 1)
        return NULL;
    for (size_t i = 0; i < sizeof(curves) / sizeof(curves[0]); i++) {
        if (strcmp(curves[i].name, name) == 0)
            return &curves[i];
    }
    return NULL;
}

static enum err_code take_ecdsa(struct public_key *k, struct err *e)
{
    const struct curve *curve = curve_of(k->key);

    if (!curve)
        return err_set(e, ERR_CONFIG, "the key is on a curve other than P-256, P-384 and P-521");
    k->hashes[k->n_hashes++] = EVP_sha256();
    if (curve->hash() != EVP_sha256())
        k->hashes[k->n_hashes++] = curve->hash();
    return ERR_OK;
}

static enum err_code take_rsa(struct public_key *k, struct err *e)
{
    int bits = EVP_PKEY_get_bits(k->key);

    if (bits < PUBLIC_KEY_RSA_MIN)
        return err_set(e, ERR_CONFIG, "the RSA key has %d bits; allowed is %d or more", bits,
                       PUBLIC_KEY_RSA_MIN);
    k->hashes[k->n_hashes++] = EVP_sha256();
    return ERR_OK;
}

static enum err_code take(struct public_key *k, struct err *e)
{
    switch (EVP_PKEY_get_base_id(k->key)) {
    case EVP_PKEY_EC:
        return take_ecdsa(k, e);
    case EVP_PKEY_RSA:
        return take_rsa(k, e);
    case EVP_PKEY_ED25519:
        k->hashes[k->n_hashes++] = NULL;
        return ERR_OK;
    default:
        return err_set(e, ERR_CONFIG, "the key is neither ECDSA nor RSA nor Ed25519");
    }
}

static void name(struct public_key *k)
{
    unsigned char *der = NULL;
    int n = i2d_PUBKEY(k->key, &der);
    struct digest d = {.n = 0};

    digest_of(DIGEST_SHA256, der, n > 0 ? (size_t)n : 0, &d);
    str_copy(digest_hex(&d), k->fingerprint, sizeof(k->fingerprint));
    OPENSSL_free(der);
}

/* key may be NULL, and is used up. */
static enum err_code make(EVP_PKEY *key, const char *wanted, struct public_key **ret_key,
                          struct err *e)
{
    AUTO(public_key) struct public_key *k = NEW(struct public_key);

    ERR_clear_error();
    k->key = key;
    if (!key)
        return err_set(e, ERR_CONFIG, "it is no public key; wanted is one as %s", wanted);
    TRY(take(k, e));
    name(k);
    *ret_key = STEAL(k);
    return ERR_OK;
}

enum err_code public_key_parse(struct str pem, struct public_key **ret_key, struct err *e)
{
    AUTO(BIO) BIO *bio = pem.n <= PUBLIC_KEY_PEM_MAX ? BIO_new_mem_buf(pem.p, (int)pem.n) : NULL;

    return make(bio ? PEM_read_bio_PUBKEY(bio, NULL, NULL, NULL) : NULL,
                "PEM, which begins with '-----BEGIN PUBLIC KEY-----'", ret_key, e);
}

enum err_code public_key_parse_der(struct str der, struct public_key **ret_key, struct err *e)
{
    const unsigned char *at = (const unsigned char *)der.p;

    return make(d2i_PUBKEY(NULL, &at, (long)der.n), "DER", ret_key, e);
}

enum err_code public_key_of(EVP_PKEY *key, struct public_key **ret_key, struct err *e)
{
    if (key)
        EVP_PKEY_up_ref(key);
    return make(key, "OpenSSL has it", ret_key, e);
}

enum err_code public_key_read(const char *path, struct public_key **ret_key, struct err *e)
{
    AUTO(buf) struct buf text = {0};

    buf_init(&text, PUBLIC_KEY_PEM_MAX);
    TRY(file_read_at(AT_FDCWD, path, &text, e));
    return public_key_parse(buf_str(&text), ret_key, e);
}

/* ---- what is verified */

static bool verifies_as(const struct public_key *k, const EVP_MD *hash, struct str message,
                        struct str signature)
{
    AUTO(EVP_MD_CTX) EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    bool good;

    good = ctx && EVP_DigestVerifyInit(ctx, NULL, hash, NULL, k->key) == 1 &&
           EVP_DigestVerify(ctx, (const unsigned char *)signature.p, signature.n,
                            (const unsigned char *)message.p, message.n) == 1;
    ERR_clear_error();
    return good;
}

bool public_key_verifies(const struct public_key *k, struct str message, struct str signature)
{
    for (size_t i = 0; i < k->n_hashes; i++) {
        if (verifies_as(k, k->hashes[i], message, signature))
            return true;
    }
    return false;
}
