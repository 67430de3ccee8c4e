#include "signing/certificate_chain.h"

#include "base/cleanup.h"
#include "signing/certificates.h"

#include <openssl/err.h>
#include <openssl/x509_vfy.h>
#include <openssl/x509v3.h>

#define SECURITY_LEVEL 2 /* 112 bits: no RSA below 2048 bits, no SHA-1 */
#define DEPTH_MAX      8

static void auto_X509_STORE_(X509_STORE **s)
{
    X509_STORE_free(*s);
}

static void auto_X509_STORE_CTX_(X509_STORE_CTX **c)
{
    X509_STORE_CTX_free(*c);
}

/* Roots of the list are trusted; others lead to them, and are no more than what is sent. */
static X509_STORE *store_of(const STACK_OF(X509) * trusted)
{
    X509_STORE *store = X509_STORE_new();

    for (int i = 0; store && i < sk_X509_num(trusted); i++)
        X509_STORE_add_cert(store, sk_X509_value(trusted, i));
    return store;
}

static X509_STORE_CTX *context(const struct certificate_chain *c, X509_STORE *store, int64_t at_ms)
{
    X509_STORE_CTX *ctx = X509_STORE_CTX_new();
    X509_VERIFY_PARAM *param;

    if (!ctx || !store ||
        X509_STORE_CTX_init(ctx, store, c->signer, (STACK_OF(X509) *)c->between) != 1) {
        X509_STORE_CTX_free(ctx);
        return NULL;
    }
    param = X509_STORE_CTX_get0_param(ctx);
    X509_VERIFY_PARAM_set_auth_level(param, SECURITY_LEVEL);
    X509_VERIFY_PARAM_set_depth(param, DEPTH_MAX);
    if (at_ms == CERTIFICATE_ANY_TIME)
        X509_VERIFY_PARAM_set_flags(param, X509_V_FLAG_NO_CHECK_TIME);
    else
        X509_VERIFY_PARAM_set_time(param, (time_t)(at_ms / 1000));
    return ctx;
}

/* Whoever may sign code says so, and all above it allow it; an authority signs nothing but
 * certificates. */
static const char *misused(const STACK_OF(X509) * chain)
{
    X509 *signer = sk_X509_value(chain, 0);

    if (X509_get_extension_flags(signer) & EXFLAG_CA)
        return "it is of an authority, which signs certificates and nothing else";
    if (!(X509_get_extension_flags(signer) & EXFLAG_XKUSAGE))
        return "it does not say that it may sign code";
    if (!(X509_get_key_usage(signer) & KU_DIGITAL_SIGNATURE))
        return "its key may not sign";
    for (int i = 0; i < sk_X509_num(chain); i++) {
        X509 *c = sk_X509_value(chain, i);

        if ((X509_get_extension_flags(c) & EXFLAG_XKUSAGE) &&
            !(X509_get_extended_key_usage(c) & (XKU_CODE_SIGN | XKU_ANYEKU)))
            return "it may not sign code";
    }
    return NULL;
}

static int64_t until(const STACK_OF(X509) * chain)
{
    int64_t first = SIGNATURE_FOR_EVER, from, to;

    for (int i = 0; i < sk_X509_num(chain); i++) {
        if (certificate_validity(sk_X509_value(chain, i), &from, &to) && to < first)
            first = to;
    }
    return first;
}

static bool is_of_time(int error)
{
    return error == X509_V_ERR_CERT_NOT_YET_VALID || error == X509_V_ERR_CERT_HAS_EXPIRED;
}

enum signature_verdict certificate_chain_judge(const struct certificate_chain *c, int64_t at_ms,
                                               const char **ret_why, int64_t *ret_until_ms)
{
    AUTO(X509_STORE) X509_STORE *store = store_of(c->trusted);
    AUTO(X509_STORE_CTX) X509_STORE_CTX *ctx = context(c, store, at_ms);
    bool good = ctx && X509_verify_cert(ctx) == 1;
    int error = ctx ? X509_STORE_CTX_get_error(ctx) : X509_V_ERR_OUT_OF_MEM;

    ERR_clear_error();
    *ret_why =
        good ? misused(X509_STORE_CTX_get0_chain(ctx)) : X509_verify_cert_error_string(error);
    if (*ret_why)
        return !good && is_of_time(error) ? SIGNATURE_EXPIRED : SIGNATURE_UNTRUSTED_CHAIN;
    *ret_until_ms = until(X509_STORE_CTX_get0_chain(ctx));
    return SIGNATURE_GOOD;
}
