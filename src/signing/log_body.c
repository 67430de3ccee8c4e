#include "signing/log_body.h"

#include "base/cleanup.h"
#include "base/hex.h"
#include "signing/certificates.h"
#include "signing/signed_json.h"

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>

static void auto_BIO_(BIO **b)
{
    BIO_free(*b);
}

/* ---- parts of a body */

/* Names as either version writes them. */
static const EVP_MD *hash_called(struct str name)
{
    static const struct {
        struct str old, now;
        const EVP_MD *(*hash)(void);
    } rows[] = {
        {STR("sha256"), STR("SHA2_256"), EVP_sha256},
        {STR("sha384"), STR("SHA2_384"), EVP_sha384},
        {STR("sha512"), STR("SHA2_512"), EVP_sha512},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        if (str_eq(name, rows[i].old) || str_eq(name, rows[i].now))
            return rows[i].hash();
    }
    return NULL;
}

static bool is_hash(struct str algorithm, struct str bytes, struct str of)
{
    const EVP_MD *hash = hash_called(algorithm);
    unsigned char made[EVP_MAX_MD_SIZE];
    unsigned int n;

    return hash && EVP_Digest(of.p, of.n, made, &n, hash, NULL) == 1 &&
           str_eq((struct str){(char *)made, n}, bytes);
}

/* {"algorithm": "sha256", "value": HEX} */
static bool is_old_hash(const json_t *j, struct str of)
{
    struct str hex = signed_json_text(j, "value");
    unsigned char bytes[EVP_MAX_MD_SIZE];

    return hex.n / 2 <= sizeof(bytes) && hex_decode(hex, bytes, hex.n / 2) &&
           is_hash(signed_json_text(j, "algorithm"), (struct str){(char *)bytes, hex.n / 2}, of);
}

/* {"algorithm": "SHA2_256", "digest": BASE64} */
static bool is_new_hash(const json_t *j, struct str of)
{
    AUTO(buf) struct buf bytes = {0};

    return signed_json_bytes(j, "digest", &bytes) &&
           is_hash(signed_json_text(j, "algorithm"), buf_str(&bytes), of);
}

static bool is_bytes(const json_t *j, const char *key, struct str of)
{
    AUTO(buf) struct buf bytes = {0};

    return signed_json_bytes(j, key, &bytes) && str_eq(buf_str(&bytes), of);
}

/* Base64 of base64. */
static bool is_encoded_twice(const json_t *j, const char *key, struct str of)
{
    AUTO(buf) struct buf once = {0};
    AUTO(buf) struct buf bytes = {0};

    return signed_json_bytes(j, key, &once) && signed_json_decode(buf_str(&once), &bytes) &&
           str_eq(buf_str(&bytes), of);
}

/* Base64 of PEM. */
static bool is_certificate(const json_t *j, const char *key, const X509 *of)
{
    AUTO(buf) struct buf pem = {0};
    AUTO(BIO) BIO *bio = NULL;
    AUTO(X509) X509 *c = NULL;

    if (!signed_json_bytes(j, key, &pem))
        return false;
    bio = BIO_new_mem_buf(pem.p, (int)pem.n);
    c = bio ? PEM_read_bio_X509(bio, NULL, NULL, NULL) : NULL;
    ERR_clear_error();
    return c && X509_cmp(c, of) == 0;
}

/* {"verifier": {"x509Certificate": {"rawBytes": BASE64}}} */
static bool is_verifier(const json_t *j, const X509 *of)
{
    const json_t *verifier = json_object_get(j, "verifier");
    AUTO(buf) struct buf der = {0};
    AUTO(X509) X509 *c = NULL;

    if (signed_json_bytes(json_object_get(verifier, "x509Certificate"), "rawBytes", &der))
        c = certificate_parse(buf_str(&der));
    return c && X509_cmp(c, of) == 0;
}

/* ---- the forms */

static bool hashedrekord_1(const json_t *spec, const struct log_subject *s)
{
    const json_t *signature = json_object_get(spec, "signature");

    return is_old_hash(json_object_get(json_object_get(spec, "data"), "hash"), s->message) &&
           is_bytes(signature, "content", s->signature) &&
           is_certificate(json_object_get(signature, "publicKey"), "content", s->certificate);
}

static bool hashedrekord_2(const json_t *spec, const struct log_subject *s)
{
    const json_t *of = json_object_get(spec, "hashedRekordV002");
    const json_t *signature = json_object_get(of, "signature");

    return is_new_hash(json_object_get(of, "data"), s->message) &&
           is_bytes(signature, "content", s->signature) && is_verifier(signature, s->certificate);
}

static bool dsse_1(const json_t *spec, const struct log_subject *s)
{
    const json_t *signature = json_array_get(json_object_get(spec, "signatures"), 0);

    return s->payload.n > 0 && is_old_hash(json_object_get(spec, "payloadHash"), s->payload) &&
           is_bytes(signature, "signature", s->signature) &&
           is_certificate(signature, "verifier", s->certificate);
}

static bool dsse_2(const json_t *spec, const struct log_subject *s)
{
    const json_t *of = json_object_get(spec, "dsseV002");
    const json_t *signature = json_array_get(json_object_get(of, "signatures"), 0);

    return s->payload.n > 0 && is_new_hash(json_object_get(of, "payloadHash"), s->payload) &&
           is_bytes(signature, "content", s->signature) && is_verifier(signature, s->certificate);
}

static bool intoto_2(const json_t *spec, const struct log_subject *s)
{
    const json_t *content = json_object_get(spec, "content");
    const json_t *signature =
        json_array_get(json_object_get(json_object_get(content, "envelope"), "signatures"), 0);

    return s->payload.n > 0 && is_old_hash(json_object_get(content, "payloadHash"), s->payload) &&
           is_encoded_twice(signature, "sig", s->signature) &&
           is_certificate(signature, "publicKey", s->certificate);
}

bool log_body_speaks_of(struct str body, const struct log_subject *s)
{
    static const struct {
        struct str kind, version;
        bool (*speaks_of)(const json_t *spec, const struct log_subject *s);
    } forms[] = {
        {STR("hashedrekord"), STR("0.0.1"), hashedrekord_1},
        {STR("hashedrekord"), STR("0.0.2"), hashedrekord_2},
        {STR("dsse"), STR("0.0.1"), dsse_1},
        {STR("dsse"), STR("0.0.2"), dsse_2},
        {STR("intoto"), STR("0.0.2"), intoto_2},
    };
    AUTO(json) json_t *j = signed_json_parse(body);

    for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
        if (str_eq(signed_json_text(j, "kind"), forms[i].kind) &&
            str_eq(signed_json_text(j, "apiVersion"), forms[i].version))
            return forms[i].speaks_of(json_object_get(j, "spec"), s);
    }
    return false;
}
