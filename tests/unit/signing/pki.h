/* A public key infrastructure of a test: certificates, lists of revoked ones, tokens of time. */
#pragma once

#include "base/buf.h"

#include <openssl/x509.h>

#define PKI_NOW_S 1780000000 /* all is judged at that time, 2026-05-28 */
#define PKI_DAY_S (24 * 60 * 60)

struct party {
    X509 *certificate;
    EVP_PKEY *key;
};

struct party_ask {
    const char *subject;        /* "/C=US/ST=WA/O=acme/CN=signer" */
    const struct party *issuer; /* NULL: itself */
    const char *constraints; /* of base, key usage and so on, as OpenSSL writes them; NULL: none */
    const char *usage;
    const char *extended;
    const char *lists;    /* where lists of revoked ones are, "URI:http://..." */
    int64_t from_s, to_s; /* of PKI_NOW_S; both 0: a year to both sides */
    const char *curve;    /* "" or NULL: P-256 */
    EVP_PKEY *key;        /* borrowed; NULL: one of that curve is made */
    const EVP_MD *hash;   /* NULL: SHA-256 */
};

void party_make(const struct party_ask *ask, struct party *ret);
void party_done(struct party *p);

/* An authority and a signer of code by it. */
void party_make_root(const char *subject, struct party *ret);
void party_make_signer(const char *subject, const struct party *issuer, struct party *ret);

/* A list in PEM that is good until then (of PKI_NOW_S); revoked: NULL: nobody; invalid_s: since
 * when its key is not to be trusted, of PKI_NOW_S; 0: that is not said. */
void pki_list(const struct party *issuer, const struct party *revoked, int64_t invalid_s,
              int64_t to_s, struct buf *ret);

void pki_pem(const struct party *p, struct buf *ret);
void pki_der(const struct party *p, struct buf *ret);

/* A token of RFC 3161. */
void pki_timestamp(const struct party *authority, const struct party *root, struct str message,
                   int64_t at_s, struct buf *ret);
