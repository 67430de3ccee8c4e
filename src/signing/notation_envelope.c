#include "signing/notation_envelope.h"

#include "base/cleanup.h"
#include "signing/signed_json.h"

#include <openssl/ecdsa.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/rsa.h>

#define PAYLOAD_TYPE STR("application/vnd.cncf.notary.payload.v1+json")
#define SCHEME       "io.cncf.notary.signingScheme"
#define SIGNED       "io.cncf.notary.signingTime"
#define AUTHENTIC    "io.cncf.notary.authenticSigningTime"
#define EXPIRY       "io.cncf.notary.expiry"
#define PLUGIN       "io.cncf.notary.verificationPlugin"
#define SHOWN_MAX    80

void notation_envelope_done(struct notation_envelope *env)
{
    buf_done(&env->payload);
    buf_done(&env->message);
    buf_done(&env->signature);
    buf_done(&env->timestamp);
    certificates_free(env->chain);
    *env = (struct notation_envelope){.algorithm = NULL};
}

/* ---- algorithms */

/* "Signature Specification", "Algorithm Selection" */
struct notation_algorithm {
    const char *jws;
    int64_t cose;
    int type; /* of the key */
    int bits; /* of it, exactly */
    const EVP_MD *(*hash)(void);
};

static const struct notation_algorithm algorithms[] = {
    {"PS256", -37, EVP_PKEY_RSA, 2048, EVP_sha256}, {"PS384", -38, EVP_PKEY_RSA, 3072, EVP_sha384},
    {"PS512", -39, EVP_PKEY_RSA, 4096, EVP_sha512}, {"ES256", -7, EVP_PKEY_EC, 256, EVP_sha256},
    {"ES384", -35, EVP_PKEY_EC, 384, EVP_sha384},   {"ES512", -36, EVP_PKEY_EC, 521, EVP_sha512},
};

const char *notation_algorithm_jws(const struct notation_algorithm *a)
{
    return a->jws;
}

int64_t notation_algorithm_cose(const struct notation_algorithm *a)
{
    return a->cose;
}

static bool is_nist(const EVP_PKEY *key)
{
    static const char *const curves[] = {"prime256v1", "secp384r1", "secp521r1"};
    char name[32];

    if (EVP_PKEY_get_group_name(key, name, sizeof(name), NULL) != 1)
        return false;
    for (size_t i = 0; i < sizeof(curves) / sizeof(curves[0]); i++) {
        if (strcmp(curves[i], name) == 0)
            return true;
    }
    return false;
}

const struct notation_algorithm *notation_algorithm_of(const EVP_PKEY *key)
{
    int type = key ? EVP_PKEY_get_base_id(key) : 0;

    for (size_t i = 0; i < sizeof(algorithms) / sizeof(algorithms[0]); i++) {
        const struct notation_algorithm *a = &algorithms[i];

        if (a->type == type && a->bits == EVP_PKEY_get_bits(key) &&
            (type != EVP_PKEY_EC || is_nist(key)))
            return a;
    }
    return NULL;
}

/* ---- the signature */

static void auto_EVP_MD_CTX_(EVP_MD_CTX **c)
{
    EVP_MD_CTX_free(*c);
}

static void auto_ECDSA_SIG_(ECDSA_SIG **s)
{
    ECDSA_SIG_free(*s);
}

/* RFC 7518, 3.4, and RFC 9053, 2.1: two numbers, each as long as the curve is wide; OpenSSL wants
 * DER. */
static bool to_der(struct str raw, int bits, struct buf *ret)
{
    AUTO(ECDSA_SIG) ECDSA_SIG *s = ECDSA_SIG_new();
    size_t half = ((size_t)bits + 7) / 8;
    const unsigned char *p = (const unsigned char *)raw.p;
    unsigned char *der = NULL;
    int n;

    buf_init(ret, 256);
    if (!s || raw.n != 2 * half)
        return false;
    ECDSA_SIG_set0(s, BN_bin2bn(p, (int)half, NULL), BN_bin2bn(p + half, (int)half, NULL));
    n = i2d_ECDSA_SIG(s, &der);
    if (n > 0)
        buf_add(ret, der, (size_t)n);
    OPENSSL_free(der);
    return n > 0 && !ret->full;
}

static bool verifies(EVP_PKEY *key, const struct notation_algorithm *a, struct str message,
                     struct str signature)
{
    AUTO(EVP_MD_CTX) EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    EVP_PKEY_CTX *of;

    if (!ctx || EVP_DigestVerifyInit(ctx, &of, a->hash(), NULL, key) != 1)
        return false;
    if (a->type == EVP_PKEY_RSA &&
        (EVP_PKEY_CTX_set_rsa_padding(of, RSA_PKCS1_PSS_PADDING) != 1 ||
         EVP_PKEY_CTX_set_rsa_pss_saltlen(of, RSA_PSS_SALTLEN_AUTO) != 1))
        return false;
    return EVP_DigestVerify(ctx, (const unsigned char *)signature.p, signature.n,
                            (const unsigned char *)message.p, message.n) == 1;
}

enum err_code notation_envelope_verify(const struct notation_envelope *env, struct err *e)
{
    EVP_PKEY *key = X509_get0_pubkey(sk_X509_value(env->chain, 0));
    const struct notation_algorithm *a = env->algorithm;
    AUTO(buf) struct buf der = {0};
    struct str signature = buf_str(&env->signature);
    bool good = notation_algorithm_of(key) == a;

    if (!good)
        return err_set(e, ERR_DENIED, "the certificate's key is not one that signs with %s",
                       a->jws);
    if (a->type == EVP_PKEY_EC) {
        good = to_der(signature, a->bits, &der);
        signature = buf_str(&der);
    }
    good = good && verifies(key, a, buf_str(&env->message), signature);
    ERR_clear_error();
    return good ? ERR_OK
                : err_set(e, ERR_DENIED, "it was not made with the key of its certificate");
}

/* ---- what is protected */

static enum err_code refuse(struct err *e, const char *what)
{
    return err_set(e, ERR_UNSUPPORTED, "%s", what);
}

/* A name that somebody foreign gave, for a message. */
static struct str shown(const json_t *text)
{
    const char *p = json_is_string(text) ? json_string_value(text) : "";
    struct str s = {p, strnlen(p, SHOWN_MAX + 1)};

    return s.n <= SHOWN_MAX && str_is_text(s) ? s : STR("(a name that can not be shown)");
}

static bool is_critical(const json_t *list, const char *name)
{
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *row = json_array_get(list, i);

        if (json_is_string(row) && strcmp(json_string_value(row), name) == 0)
            return true;
    }
    return false;
}

static bool is_known(const json_t *name, const struct notation_form *form)
{
    const char *const known[] = {
        form->algorithm, form->critical, form->content_type, SCHEME, SIGNED, AUTHENTIC, EXPIRY};

    for (size_t i = 0; json_is_string(name) && i < sizeof(known) / sizeof(known[0]); i++) {
        if (strcmp(json_string_value(name), known[i]) == 0)
            return true;
    }
    return false;
}

/* "Signed Attributes": what is critical and not understood is refused, and there is nobody here to
 * run plugins. What has to be critical is. */
static enum err_code check_critical(const json_t *headers, const struct notation_form *form,
                                    struct err *e)
{
    const json_t *list = json_object_get(headers, form->critical);
    const json_t *plugin = json_object_get(headers, PLUGIN);

    if (plugin)
        return err_set(e, ERR_UNSUPPORTED, "it asks for the plugin '" STR_FMT "' to verify it",
                       STR_ARG(shown(plugin)));
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *name = json_array_get(list, i);

        if (!is_known(name, form))
            return err_set(e, ERR_UNSUPPORTED,
                           "its critical attribute '" STR_FMT "' is not understood",
                           STR_ARG(shown(name)));
        if (!json_object_get(headers, json_string_value(name)))
            return refuse(e, "an attribute is said to be critical and is not there");
    }
    if (!is_critical(list, SCHEME) ||
        (json_object_get(headers, AUTHENTIC) && !is_critical(list, AUTHENTIC)) ||
        (json_object_get(headers, EXPIRY) && !is_critical(list, EXPIRY)))
        return refuse(e, "an attribute that has to be critical is not");
    return ERR_OK;
}

static enum err_code read_scheme(const json_t *headers, struct notation_envelope *env,
                                 struct err *e)
{
    struct str scheme = signed_json_text(headers, SCHEME);

    if (str_eq(scheme, STR("notary.x509")))
        env->scheme = NOTATION_X509;
    else if (str_eq(scheme, STR("notary.x509.signingAuthority")))
        env->scheme = NOTATION_AUTHORITY;
    else
        return refuse(e, "its signing scheme is none of notary.x509 and "
                         "notary.x509.signingAuthority");
    return ERR_OK;
}

static enum err_code read_times(const json_t *headers, const struct notation_form *form,
                                struct notation_envelope *env, struct err *e)
{
    bool authority = env->scheme == NOTATION_AUTHORITY;
    const json_t *expiry = json_object_get(headers, EXPIRY);

    if (json_object_get(headers, authority ? SIGNED : AUTHENTIC))
        return refuse(e, "it has a signing time of another scheme");
    if (!form->time(json_object_get(headers, authority ? AUTHENTIC : SIGNED), &env->signed_ms))
        return refuse(e, "its signing time is missing, or none");
    env->expiry_ms = INT64_MAX;
    if (expiry && !form->time(expiry, &env->expiry_ms))
        return refuse(e, "its expiry is no time");
    return env->expiry_ms > env->signed_ms ? ERR_OK : refuse(e, "it expires before it is made");
}

static enum err_code read_algorithm(const json_t *headers, const struct notation_form *form,
                                    struct notation_envelope *env, struct err *e)
{
    const json_t *value = json_object_get(headers, form->algorithm);

    for (size_t i = 0; i < sizeof(algorithms) / sizeof(algorithms[0]); i++) {
        if (form->is_algorithm(value, &algorithms[i])) {
            env->algorithm = &algorithms[i];
            return ERR_OK;
        }
    }
    return refuse(e, "its algorithm is none of PS256, PS384, PS512, ES256, ES384, ES512");
}

enum err_code notation_headers_read(const json_t *headers, const struct notation_form *form,
                                    struct notation_envelope *env, struct err *e)
{
    if (!json_is_object(headers))
        return refuse(e, "its protected header is damaged");
    if (!str_eq(signed_json_text(headers, form->content_type), PAYLOAD_TYPE))
        return refuse(e, "what it signs is of another type than "
                         "application/vnd.cncf.notary.payload.v1+json");
    TRY(check_critical(headers, form, e));
    TRY(read_scheme(headers, env, e));
    TRY(read_times(headers, form, env, e));
    return read_algorithm(headers, form, env, e);
}

enum err_code notation_chain_add(struct notation_envelope *env, struct str der, struct err *e)
{
    X509 *c;

    if (!env->chain)
        env->chain = sk_X509_new_null();
    if (sk_X509_num(env->chain) == NOTATION_CHAIN_MAX)
        return err_set(e, ERR_UNSUPPORTED, "its chain has more than %d certificates",
                       NOTATION_CHAIN_MAX);
    c = certificate_parse(der);
    if (!c)
        return refuse(e, "a certificate of its chain is damaged");
    sk_X509_push(env->chain, c);
    return ERR_OK;
}

/* ---- what is signed */

/* "Payload": {"targetArtifact": {"mediaType", "digest", "size", ...}} */
bool notation_envelope_names(const struct notation_envelope *env,
                             const struct notation_target *target)
{
    AUTO(json) json_t *j = signed_json_parse(buf_str(&env->payload));
    const json_t *artifact = json_object_get(j, "targetArtifact");
    const json_t *size = json_object_get(artifact, "size");

    return str_eq(signed_json_text(artifact, "digest"), digest_str(&target->digest)) &&
           str_eq(signed_json_text(artifact, "mediaType"), target->media_type) &&
           json_is_integer(size) && json_integer_value(size) >= 0 &&
           (uint64_t)json_integer_value(size) == target->size_bytes;
}
