#include "signing/signing_chain.h"

#include "base/cleanup.h"
#include "signing/notation_envelope.h"

#include <openssl/err.h>

#define SUBJECT_SHOWN 160

static enum err_code refuse(const X509 *c, const char *what, struct err *e)
{
    char subject[SUBJECT_SHOWN];

    certificate_subject(c, subject, sizeof(subject));
    ERR_clear_error();
    return err_set(e, ERR_DENIED, "certificate '%s' %s", subject, what);
}

/* ---- who issued whom */

static bool is_weak(const X509 *c)
{
    int hash = NID_undef;

    X509_get_signature_info((X509 *)c, &hash, NULL, NULL, NULL);
    return hash == NID_sha1 || hash == NID_md5;
}

static bool is_issued_by(X509 *c, X509 *issuer)
{
    return X509_NAME_cmp(X509_get_issuer_name(c), X509_get_subject_name(issuer)) == 0 &&
           X509_verify(c, X509_get0_pubkey(issuer)) == 1;
}

static enum err_code check_issuer(const STACK_OF(X509) * chain, int i, struct err *e)
{
    X509 *c = sk_X509_value(chain, i);
    bool last = i == sk_X509_num(chain) - 1;

    if (is_weak(c))
        return refuse(c, "is signed with SHA-1 or MD5", e);
    if (last)
        return is_issued_by(c, c) ? ERR_OK : refuse(c, "ends the chain and is no root", e);
    if (is_issued_by(c, c))
        return refuse(c, "is a root and does not end the chain", e);
    return is_issued_by(c, sk_X509_value(chain, i + 1))
               ? ERR_OK
               : refuse(c, "is not issued by the next of the chain", e);
}

/* ---- what it may be used for */

static bool is_critical(const X509 *c, int nid)
{
    int at = X509_get_ext_by_NID(c, nid, -1);

    return at >= 0 && X509_EXTENSION_get_critical(X509_get_ext(c, at));
}

static void auto_BASIC_CONSTRAINTS_(BASIC_CONSTRAINTS **b)
{
    BASIC_CONSTRAINTS_free(*b);
}

static bool is_authority(const X509 *c)
{
    int critical = 0;
    AUTO(BASIC_CONSTRAINTS)
    BASIC_CONSTRAINTS *b = X509_get_ext_d2i(c, NID_basic_constraints, &critical, NULL);

    return b && b->ca;
}

/* How many authorities may stand between it and the signer; -1: as many as there are. */
static long path_length(X509 *c)
{
    return X509_get_pathlen(c);
}

static enum err_code check_authority(X509 *c, int between, struct err *e)
{
    if (!is_authority(c))
        return refuse(c, "is of no authority (basic constraints)", e);
    if (path_length(c) >= 0 && path_length(c) < between)
        return refuse(c, "stands too far from the signer's (path length)", e);
    if (!is_critical(c, NID_key_usage) || !(X509_get_key_usage(c) & KU_KEY_CERT_SIGN))
        return refuse(c, "may not sign certificates (key usage)", e);
    return ERR_OK;
}

static void auto_EXTENDED_KEY_USAGE_(EXTENDED_KEY_USAGE **u)
{
    EXTENDED_KEY_USAGE_free(*u);
}

/* "Leaf Certificates": what it is for is not said, or said and nothing of these. */
static bool is_for_code(const X509 *c)
{
    static const int others[] = {NID_anyExtendedKeyUsage, NID_server_auth, NID_client_auth,
                                 NID_email_protect,       NID_time_stamp,  NID_OCSP_sign};
    AUTO(EXTENDED_KEY_USAGE)
    EXTENDED_KEY_USAGE *uses = X509_get_ext_d2i(c, NID_ext_key_usage, NULL, NULL);

    for (int i = 0; i < sk_ASN1_OBJECT_num(uses); i++) {
        int use = OBJ_obj2nid(sk_ASN1_OBJECT_value(uses, i));

        for (size_t k = 0; k < sizeof(others) / sizeof(others[0]); k++) {
            if (use == others[k])
                return false;
        }
    }
    return true;
}

static enum err_code check_signer(X509 *c, struct err *e)
{
    const uint32_t others = KU_KEY_ENCIPHERMENT | KU_DATA_ENCIPHERMENT | KU_KEY_AGREEMENT |
                            KU_KEY_CERT_SIGN | KU_CRL_SIGN | KU_ENCIPHER_ONLY | KU_DECIPHER_ONLY;
    uint32_t uses = X509_get_key_usage(c);

    if (is_authority(c))
        return refuse(c, "is of an authority, and none that signs code", e);
    if (!is_critical(c, NID_key_usage) || !(uses & KU_DIGITAL_SIGNATURE) || (uses & others))
        return refuse(c, "may not sign, or not only (key usage)", e);
    if (!is_for_code(c))
        return refuse(c, "is for something else than code (extended key usage)", e);
    if (!notation_algorithm_of(X509_get0_pubkey(c)))
        return refuse(c,
                      "has a key that is none of RSA of 2048, 3072 or 4096 bits, P-256, P-384 "
                      "and P-521",
                      e);
    return ERR_OK;
}

/* ---- all */

enum err_code signing_chain_check(const STACK_OF(X509) * chain, struct err *e)
{
    for (int i = 0; i < sk_X509_num(chain); i++) {
        X509 *c = sk_X509_value(chain, i);

        if (X509_get_extension_flags(c) & EXFLAG_INVALID)
            return refuse(c, "has damaged extensions", e);
        TRY(check_issuer(chain, i, e));
        TRY(i == 0 ? check_signer(c, e) : check_authority(c, i - 1, e));
    }
    return ERR_OK;
}

bool signing_chain_validity(const STACK_OF(X509) * chain, int64_t *ret_from_ms, int64_t *ret_to_ms)
{
    *ret_from_ms = INT64_MIN;
    *ret_to_ms = INT64_MAX;
    for (int i = 0; i < sk_X509_num(chain); i++) {
        int64_t from, to;

        if (!certificate_validity(sk_X509_value(chain, i), &from, &to))
            return false;
        *ret_from_ms = from > *ret_from_ms ? from : *ret_from_ms;
        *ret_to_ms = to < *ret_to_ms ? to : *ret_to_ms;
    }
    return true;
}
