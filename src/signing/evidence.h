/*
 * What comes with a signature by a certificate: the certificate, what stands between it and a
 * root, entries of transparency logs, timestamps.
 *
 * From a bundle (sigstore/protobuf-specs, "VerificationMaterial") or from the annotations that
 * cosign 1 and 2 write (sigstore/cosign, "Signature Specification"). All of it is foreign. Pure.
 */
#pragma once

#include "signing/log_entry.h"

#include <openssl/x509.h>

#define EVIDENCE_MAX 8 /* of each kind; what goes beyond is passed over */

struct evidence {
    X509 *certificate; /* NULL: there is none */
    STACK_OF(X509) * between;
    struct log_entry entries[EVIDENCE_MAX];
    struct buf stamps[EVIDENCE_MAX]; /* tokens of RFC 3161 */
    size_t n_entries, n_stamps;
};

void evidence_of_bundle(const json_t *bundle, struct evidence *ret);
void evidence_of_annotations(const json_t *annotations, struct evidence *ret);
void evidence_done(struct evidence *v);

static inline void auto_evidence_(struct evidence *v)
{
    evidence_done(v);
}
