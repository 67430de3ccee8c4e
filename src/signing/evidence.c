#include "signing/evidence.h"

#include "base/cleanup.h"
#include "signing/certificates.h"
#include "signing/signed_json.h"
#include "signing/timestamp.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ts.h>

#define ANNOTATION "dev.sigstore.cosign/"

static void auto_BIO_(BIO **b)
{
    BIO_free(*b);
}

static void auto_TS_RESP_(TS_RESP **r)
{
    TS_RESP_free(*r);
}

void evidence_done(struct evidence *v)
{
    X509_free(v->certificate);
    certificates_free(v->between);
    for (size_t i = 0; i < v->n_entries; i++)
        log_entry_done(&v->entries[i]);
    for (size_t i = 0; i < v->n_stamps; i++)
        buf_done(&v->stamps[i]);
    *v = (struct evidence){.n_entries = 0};
}

/* ---- certificates */

/* The first is of the signer. c is used up; NULL: none. */
static void add_certificate(struct evidence *v, X509 *c)
{
    if (!v->certificate)
        v->certificate = c;
    else if (c && sk_X509_num(v->between) < EVIDENCE_MAX)
        sk_X509_push(v->between, c);
    else
        X509_free(c);
}

static void add_der(struct evidence *v, const json_t *of)
{
    AUTO(buf) struct buf der = {0};

    if (signed_json_bytes(of, "rawBytes", &der))
        add_certificate(v, certificate_parse(buf_str(&der)));
}

static void add_pem(struct evidence *v, struct str pem)
{
    AUTO(BIO) BIO *bio = BIO_new_mem_buf(pem.p, (int)pem.n);
    X509 *c;

    for (size_t i = 0; i <= EVIDENCE_MAX && (c = PEM_read_bio_X509(bio, NULL, NULL, NULL)); i++)
        add_certificate(v, c);
    ERR_clear_error();
}

/* ---- timestamps */

/* A response of an authority, of which the token is kept. */
static bool read_stamp(struct str der, struct buf *ret)
{
    const unsigned char *at = (const unsigned char *)der.p;
    AUTO(TS_RESP) TS_RESP *response = d2i_TS_RESP(NULL, &at, (long)der.n);
    PKCS7 *token = response ? TS_RESP_get_token(response) : NULL;
    unsigned char *bytes = NULL;
    int n = token ? i2d_PKCS7(token, &bytes) : -1;

    ERR_clear_error();
    buf_init(ret, TIMESTAMP_TOKEN_MAX);
    if (n > 0)
        buf_add(ret, bytes, (size_t)n);
    OPENSSL_free(bytes);
    return ret->n > 0 && !ret->full;
}

static void add_stamp(struct evidence *v, const json_t *of, const char *key)
{
    AUTO(buf) struct buf der = {0};

    if (v->n_stamps == EVIDENCE_MAX || !signed_json_bytes(of, key, &der))
        return;
    if (read_stamp(buf_str(&der), &v->stamps[v->n_stamps]))
        v->n_stamps++;
    else
        buf_done(&v->stamps[v->n_stamps]);
}

/* ---- entries */

static void add_entry(struct evidence *v, const json_t *of,
                      bool (*read)(const json_t *of, struct log_entry *ret))
{
    if (v->n_entries == EVIDENCE_MAX)
        return;
    if (read(of, &v->entries[v->n_entries]))
        v->n_entries++;
    else
        log_entry_done(&v->entries[v->n_entries]);
}

/* ---- both forms */

void evidence_of_bundle(const json_t *bundle, struct evidence *ret)
{
    const json_t *material = json_object_get(bundle, "verificationMaterial");
    const json_t *chain =
        json_object_get(json_object_get(material, "x509CertificateChain"), "certificates");
    const json_t *entries = json_object_get(material, "tlogEntries");
    const json_t *stamps = json_object_get(json_object_get(material, "timestampVerificationData"),
                                           "rfc3161Timestamps");

    *ret = (struct evidence){.between = sk_X509_new_null()};
    add_der(ret, json_object_get(material, "certificate"));
    for (size_t i = 0; i < json_array_size(chain) && i <= EVIDENCE_MAX; i++)
        add_der(ret, json_array_get(chain, i));
    for (size_t i = 0; i < json_array_size(entries) && i < EVIDENCE_MAX; i++)
        add_entry(ret, json_array_get(entries, i), log_entry_read);
    for (size_t i = 0; i < json_array_size(stamps) && i < EVIDENCE_MAX; i++)
        add_stamp(ret, json_array_get(stamps, i), "signedTimestamp");
}

void evidence_of_annotations(const json_t *annotations, struct evidence *ret)
{
    AUTO(json)
    json_t *entry = signed_json_parse(signed_json_text(annotations, ANNOTATION "bundle"));
    AUTO(json)
    json_t *stamp = signed_json_parse(signed_json_text(annotations, ANNOTATION "rfc3161timestamp"));

    *ret = (struct evidence){.between = sk_X509_new_null()};
    add_pem(ret, signed_json_text(annotations, ANNOTATION "certificate"));
    if (ret->certificate)
        add_pem(ret, signed_json_text(annotations, ANNOTATION "chain"));
    if (entry)
        add_entry(ret, entry, log_entry_read_annotation);
    if (stamp)
        add_stamp(ret, stamp, "SignedRFC3161Timestamp");
}
