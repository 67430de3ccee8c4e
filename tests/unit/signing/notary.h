/* A signer of the Notary Project: envelopes in both forms, right ones and others. */
#pragma once

#include "pki.h"

#define NOTARY_TYPE   "application/vnd.cncf.notary.payload.v1+json"
#define NOTARY_PREFIX "io.cncf.notary."

struct notary_ask {
    const struct party *signer;
    const struct party *chain[8]; /* after the signer's own */
    const char *algorithm;        /* "ES256"; of COSE too */
    const char *payload;
    const char *scheme;    /* NULL: notary.x509 */
    int64_t signed_s;      /* of PKI_NOW_S */
    int64_t expiry_s;      /* of PKI_NOW_S; 0: none */
    const char *critical;  /* one more that is said to be critical, and is there */
    bool nothing_critical; /* not even what has to be */
    const struct party *stamper, *stamper_root; /* NULL: no timestamp */
    int64_t stamped_s;
    bool damaged; /* after it was signed: a byte of the payload */
};

void notary_jws(const struct notary_ask *ask, struct buf *ret);
void notary_cose(const struct notary_ask *ask, struct buf *ret);
