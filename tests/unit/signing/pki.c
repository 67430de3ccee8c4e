#include "pki.h"

#include <openssl/bio.h>
#include <openssl/ec.h>
#include <openssl/pem.h>
#include <openssl/ts.h>
#include <openssl/x509v3.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static long serial;

static void set_subject(X509_NAME *n, const char *subject)
{
    char *text = strdup(subject), *at = text, *part;

    while ((part = strsep(&at, "/"))) {
        char *value = strchr(part, '=');

        if (!value)
            continue;
        *value++ = '\0';
        assert_int_equal(X509_NAME_add_entry_by_txt(n, part, MBSTRING_UTF8,
                                                    (const unsigned char *)value, -1, -1, 0),
                         1);
    }
    free(text);
}

static void extend(X509 *c, int nid, const char *value)
{
    X509_EXTENSION *x = value ? X509V3_EXT_conf_nid(NULL, NULL, nid, value) : NULL;

    assert_true(!value || x);
    if (x)
        assert_int_equal(X509_add_ext(c, x, -1), 1);
    X509_EXTENSION_free(x);
}

static void set_times(X509 *c, const struct party_ask *ask)
{
    bool year = ask->from_s == 0 && ask->to_s == 0;

    ASN1_TIME_set(X509_getm_notBefore(c), PKI_NOW_S + (year ? -365 * PKI_DAY_S : ask->from_s));
    ASN1_TIME_set(X509_getm_notAfter(c), PKI_NOW_S + (year ? 365 * PKI_DAY_S : ask->to_s));
}

void party_make(const struct party_ask *ask, struct party *ret)
{
    X509 *c = X509_new();

    ret->key = ask->key;
    if (ask->key)
        EVP_PKEY_up_ref(ask->key);
    else
        ret->key = EVP_EC_gen(ask->curve ? ask->curve : "P-256");
    X509_set_version(c, X509_VERSION_3);
    ASN1_INTEGER_set(X509_get_serialNumber(c), ++serial);
    set_subject(X509_get_subject_name(c), ask->subject);
    X509_set_issuer_name(c, X509_get_subject_name(ask->issuer ? ask->issuer->certificate : c));
    X509_set_pubkey(c, ret->key);
    set_times(c, ask);
    extend(c, NID_basic_constraints, ask->constraints);
    extend(c, NID_key_usage, ask->usage);
    extend(c, NID_ext_key_usage, ask->extended);
    extend(c, NID_crl_distribution_points, ask->lists);
    assert_true(X509_sign(c, ask->issuer ? ask->issuer->key : ret->key,
                          ask->hash ? ask->hash : EVP_sha256()) > 0);
    ret->certificate = c;
}

void party_done(struct party *p)
{
    X509_free(p->certificate);
    EVP_PKEY_free(p->key);
    *p = (struct party){NULL, NULL};
}

void party_make_root(const char *subject, struct party *ret)
{
    const struct party_ask ask = {.subject = subject,
                                  .constraints = "critical,CA:true",
                                  .usage = "critical,keyCertSign,cRLSign"};

    party_make(&ask, ret);
}

void party_make_signer(const char *subject, const struct party *issuer, struct party *ret)
{
    const struct party_ask ask = {.subject = subject,
                                  .issuer = issuer,
                                  .usage = "critical,digitalSignature",
                                  .extended = "codeSigning"};

    party_make(&ask, ret);
}

static void add_revoked(X509_CRL *list, const X509 *c, int64_t invalid_s)
{
    X509_REVOKED *row = X509_REVOKED_new();
    ASN1_TIME *when = ASN1_TIME_set(NULL, PKI_NOW_S - PKI_DAY_S);
    ASN1_GENERALIZEDTIME *since =
        invalid_s ? ASN1_GENERALIZEDTIME_set(NULL, PKI_NOW_S + invalid_s) : NULL;

    X509_REVOKED_set_serialNumber(row, (ASN1_INTEGER *)X509_get0_serialNumber(c));
    X509_REVOKED_set_revocationDate(row, when);
    if (since)
        X509_REVOKED_add1_ext_i2d(row, NID_invalidity_date, since, 0, 0);
    X509_CRL_add0_revoked(list, row);
    ASN1_TIME_free(when);
    ASN1_GENERALIZEDTIME_free(since);
}

static void take(BIO *bio, struct buf *ret)
{
    char *p = NULL;
    long n = BIO_get_mem_data(bio, &p);

    buf_add(ret, p, (size_t)n);
    BIO_free(bio);
}

void pki_list(const struct party *issuer, const struct party *revoked, int64_t invalid_s,
              int64_t to_s, struct buf *ret)
{
    X509_CRL *list = X509_CRL_new();
    ASN1_TIME *from = ASN1_TIME_set(NULL, PKI_NOW_S - 300 * PKI_DAY_S);
    ASN1_TIME *to = ASN1_TIME_set(NULL, PKI_NOW_S + to_s);
    BIO *bio = BIO_new(BIO_s_mem());

    X509_CRL_set_version(list, X509_CRL_VERSION_2);
    X509_CRL_set_issuer_name(list, X509_get_subject_name(issuer->certificate));
    X509_CRL_set1_lastUpdate(list, from);
    X509_CRL_set1_nextUpdate(list, to);
    if (revoked)
        add_revoked(list, revoked->certificate, invalid_s);
    assert_true(X509_CRL_sign(list, issuer->key, EVP_sha256()) > 0);
    PEM_write_bio_X509_CRL(bio, list);
    take(bio, ret);
    X509_CRL_free(list);
    ASN1_TIME_free(from);
    ASN1_TIME_free(to);
}

void pki_pem(const struct party *p, struct buf *ret)
{
    BIO *bio = BIO_new(BIO_s_mem());

    PEM_write_bio_X509(bio, p->certificate);
    take(bio, ret);
}

void pki_der(const struct party *p, struct buf *ret)
{
    BIO *bio = BIO_new(BIO_s_mem());

    i2d_X509_bio(bio, p->certificate);
    take(bio, ret);
}

/* ---- time */

static ASN1_INTEGER *next_serial(TS_RESP_CTX *ctx, void *data)
{
    ASN1_INTEGER *n = ASN1_INTEGER_new();

    (void)ctx, (void)data;
    ASN1_INTEGER_set(n, ++serial);
    return n;
}

static int at_that_time(TS_RESP_CTX *ctx, void *data, long *s, long *us)
{
    (void)ctx;
    *s = (long)*(int64_t *)data;
    *us = 0;
    return 1;
}

static BIO *request_of(struct str message)
{
    unsigned char hash[EVP_MAX_MD_SIZE];
    unsigned n = 0;
    TS_REQ *q = TS_REQ_new();
    TS_MSG_IMPRINT *imprint = TS_MSG_IMPRINT_new();
    X509_ALGOR *algorithm = X509_ALGOR_new();
    BIO *bio = BIO_new(BIO_s_mem());

    EVP_Digest(message.p, message.n, hash, &n, EVP_sha256(), NULL);
    X509_ALGOR_set0(algorithm, OBJ_nid2obj(NID_sha256), V_ASN1_NULL, NULL);
    TS_REQ_set_version(q, 1);
    TS_MSG_IMPRINT_set_algo(imprint, algorithm);
    TS_MSG_IMPRINT_set_msg(imprint, hash, (int)n);
    TS_REQ_set_msg_imprint(q, imprint);
    TS_REQ_set_cert_req(q, 1);
    i2d_TS_REQ_bio(bio, q);
    TS_REQ_free(q);
    TS_MSG_IMPRINT_free(imprint);
    X509_ALGOR_free(algorithm);
    return bio;
}

void pki_timestamp(const struct party *authority, const struct party *root, struct str message,
                   int64_t at_s, struct buf *ret)
{
    TS_RESP_CTX *ctx = TS_RESP_CTX_new();
    ASN1_OBJECT *policy = OBJ_txt2obj("1.2.3.4", 1);
    STACK_OF(X509) *more = sk_X509_new_null();
    BIO *request = request_of(message), *token = BIO_new(BIO_s_mem());
    TS_RESP *answer;

    sk_X509_push(more, root->certificate);
    at_s += PKI_NOW_S;
    assert_int_equal(TS_RESP_CTX_set_signer_cert(ctx, authority->certificate), 1);
    TS_RESP_CTX_set_signer_key(ctx, authority->key);
    TS_RESP_CTX_set_signer_digest(ctx, EVP_sha256());
    TS_RESP_CTX_set_ess_cert_id_digest(ctx, EVP_sha256());
    TS_RESP_CTX_set_certs(ctx, more);
    TS_RESP_CTX_set_def_policy(ctx, policy);
    TS_RESP_CTX_add_md(ctx, EVP_sha256());
    TS_RESP_CTX_set_serial_cb(ctx, next_serial, NULL);
    TS_RESP_CTX_set_time_cb(ctx, at_that_time, &at_s);
    answer = TS_RESP_create_response(ctx, request);
    assert_non_null(answer);
    assert_non_null(TS_RESP_get_token(answer));
    i2d_PKCS7_bio(token, TS_RESP_get_token(answer));
    take(token, ret);
    TS_RESP_free(answer);
    TS_RESP_CTX_free(ctx);
    sk_X509_free(more);
    ASN1_OBJECT_free(policy);
    BIO_free(request);
}
