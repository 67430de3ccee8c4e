#include "signing/timestamp.h"

#include "base/cleanup.h"

#include <limits.h>
#include <openssl/err.h>
#include <openssl/pkcs7.h>
#include <openssl/ts.h>

static void auto_PKCS7_(PKCS7 **p)
{
    PKCS7_free(*p);
}

static void auto_TS_TST_INFO_(TS_TST_INFO **i)
{
    TS_TST_INFO_free(*i);
}

static void auto_TS_VERIFY_CTX_(TS_VERIFY_CTX **c)
{
    TS_VERIFY_CTX_free(*c);
}

static void auto_X509_STORE_(X509_STORE **s)
{
    X509_STORE_free(*s);
}

static void auto_X509_STORE_CTX_(X509_STORE_CTX **c)
{
    X509_STORE_CTX_free(*c);
}

static void auto_signers_(STACK_OF(X509) * *s)
{
    sk_X509_free(*s);
}

static enum err_code refuse(struct err *e, const char *why)
{
    ERR_clear_error();
    return err_set(e, ERR_DENIED, "the timestamp %s", why);
}

static int64_t part(const ASN1_INTEGER *of, int64_t max)
{
    int64_t v = 0;

    if (!of || ASN1_INTEGER_get_int64(&v, of) != 1)
        return 0;
    return v < 0 ? 0 : v > max ? max : v;
}

/* RFC 3161, 2.4.2: "accuracy"; up to a day of it. */
static int64_t accuracy_ms(TS_TST_INFO *info)
{
    TS_ACCURACY *a = TS_TST_INFO_get_accuracy(info);

    if (!a)
        return 0;
    return part(TS_ACCURACY_get_seconds(a), 24 * 60 * 60) * 1000 +
           part(TS_ACCURACY_get_millis(a), 999) +
           (part(TS_ACCURACY_get_micros(a), 999) + 999) / 1000;
}

/* What is as easy to forge as SHA-1 says nothing. */
static bool is_strong(TS_TST_INFO *info)
{
    const ASN1_OBJECT *hash;

    X509_ALGOR_get0(&hash, NULL, NULL, TS_MSG_IMPRINT_get_algo(TS_TST_INFO_get_msg_imprint(info)));
    switch (OBJ_obj2nid(hash)) {
    case NID_sha256:
    case NID_sha384:
    case NID_sha512:
        return true;
    default:
        return false;
    }
}

/* All that is trusted, as of that time. */
static X509_STORE *store_of(const STACK_OF(X509) * roots, int64_t at_ms)
{
    X509_STORE *store = X509_STORE_new();

    for (int i = 0; store && i < sk_X509_num(roots); i++)
        X509_STORE_add_cert(store, sk_X509_value(roots, i));
    if (store)
        X509_VERIFY_PARAM_set_time(X509_STORE_get0_param(store), (time_t)(at_ms / 1000));
    return store;
}

/* RFC 3161, 2.2: the signature, the chain with its key usage, and whose bytes were stamped. */
static bool verifies(PKCS7 *token, struct str message, const STACK_OF(X509) * roots, int64_t at_ms)
{
    AUTO(TS_VERIFY_CTX) TS_VERIFY_CTX *ctx = TS_VERIFY_CTX_new();
    bool good;

    if (!ctx)
        return false;
    TS_VERIFY_CTX_set_flags(ctx, TS_VFY_VERSION | TS_VFY_SIGNATURE | TS_VFY_DATA);
    TS_VERIFY_CTX_set_store(ctx, store_of(roots, at_ms));
    /* Of the authority, which need not have sent its own. */
    TS_VERIFY_CTX_set_certs(ctx, X509_chain_up_ref((STACK_OF(X509) *)roots));
    TS_VERIFY_CTX_set_data(ctx, BIO_new_mem_buf(message.p, (int)message.n));
    good = TS_RESP_verify_token(ctx, token) == 1;
    ERR_clear_error();
    return good;
}

static PKCS7 *parse(struct str token)
{
    const unsigned char *at = (const unsigned char *)token.p;
    PKCS7 *p = token.n <= TIMESTAMP_TOKEN_MAX ? d2i_PKCS7(NULL, &at, (long)token.n) : NULL;

    if (p && !PKCS7_type_is_signed(p)) {
        PKCS7_free(p);
        return NULL;
    }
    return p;
}

enum err_code timestamp_verify(struct str token, struct str message, const STACK_OF(X509) * roots,
                               struct timestamp *ret, struct err *e)
{
    AUTO(PKCS7) PKCS7 *p = parse(token);
    AUTO(TS_TST_INFO) TS_TST_INFO *info = p ? PKCS7_to_TS_TST_INFO(p) : NULL;
    int64_t when_ms, accuracy;

    if (!info || !certificate_time(TS_TST_INFO_get_time(info), &when_ms))
        return refuse(e, "is none of RFC 3161");
    if (!is_strong(info))
        return refuse(e, "is made with a hash other than SHA-256, SHA-384 and SHA-512");
    if (message.n > INT_MAX || !verifies(p, message, roots, when_ms))
        return refuse(e, "is of other bytes, or by an authority that is not trusted");
    accuracy = accuracy_ms(info);
    *ret = (struct timestamp){when_ms - accuracy, when_ms + accuracy};
    return ERR_OK;
}

STACK_OF(X509) * timestamp_chain(struct str token, const STACK_OF(X509) * roots, int64_t at_ms)
{
    AUTO(PKCS7) PKCS7 *p = parse(token);
    AUTO(signers) STACK_OF(X509) *signers = p ? PKCS7_get0_signers(p, NULL, 0) : NULL;
    AUTO(X509_STORE) X509_STORE *store = store_of(roots, at_ms);
    AUTO(X509_STORE_CTX) X509_STORE_CTX *ctx = X509_STORE_CTX_new();
    STACK_OF(X509) *chain = NULL;

    if (store && ctx && sk_X509_num(signers) == 1 &&
        X509_STORE_CTX_init(ctx, store, sk_X509_value(signers, 0), p->d.sign->cert) == 1 &&
        X509_STORE_CTX_set_purpose(ctx, X509_PURPOSE_TIMESTAMP_SIGN) == 1 &&
        X509_verify_cert(ctx) == 1)
        chain = X509_STORE_CTX_get1_chain(ctx);
    ERR_clear_error();
    return chain;
}
