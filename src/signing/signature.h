/*
 * Signatures of an image, as cosign stores them beside it, and whether they are good:
 *
 *     tag sha256-HEX.sig  a manifest whose layers are payloads (simple_signing.h), each with its
 *                         signature in an annotation. sigstore/cosign, "Signature Specification"
 *
 *     referrers           manifests whose layer is a bundle: a statement about the image
 *                         (envelope.h). sigstore/protobuf-specs, "Bundle", version 0.3. Or
 *                         manifests as above, by a type of their own. Or manifests whose layer is a
 *                         signature of the Notary Project (notation_envelope.h)
 *
 * What is beside an image was written by anybody: it is counted, bounded, and never more than
 * looked at.
 */
#pragma once

#include "signing/signature_trust.h"

#include "base/buf.h"
#include "base/err.h"

#define SIGNATURES_MAX          64          /* of an image that are looked at */
#define SIGNATURE_LOOKS_MAX     512         /* documents of an image that are read */
#define SIGNATURE_DOCUMENT_MAX  (64u << 10) /* bytes of a manifest */
#define SIGNATURE_BLOB_MAX      (1u << 20)  /* of a payload, a bundle, an attestation */
#define SIGNATURE_REFERRERS_MAX (1u << 20)  /* of their list */
#define SIGNATURE_IMAGE_MAX     (64u << 20) /* of the image's own manifest */

struct signature_list {
    struct signature rows[SIGNATURES_MAX];
    size_t n;
    size_t looks; /* at documents */
    bool more;    /* there are others, which were not looked at */
};

/* Where an image and what is beside it are. Texts and blobs go to *ret, whose max bounds them. */
struct signature_source {
    /* A tag or a digest. Errors: MANIFEST_UNKNOWN, and what else there is. *ret_digest is of the
     * bytes. */
    enum err_code (*manifest)(void *ctx, const char *reference, struct buf *ret,
                              struct digest *ret_digest, struct err *e);
    /* Of dist-spec "Listing Referrers": an index, in JSON. *ret_more, false before: there are
     * others, which are not in it. CORRUPT: there is no room for it. */
    enum err_code (*referrers)(void *ctx, const struct digest *subject, struct buf *ret,
                               bool *ret_more, struct err *e);
    /* Bytes with that digest. Error: BLOB_UNKNOWN, and what else there is. */
    enum err_code (*blob)(void *ctx, const struct digest *d, struct buf *ret, struct err *e);
    void *ctx;
    int64_t now_ms;         /* the wall time that is judged by; 0: the clock's */
    const char *repository; /* of the image, as notation_policy_for() has it; NULL: nobody knows */
    struct str image; /* its manifest, which may not be there yet; "": to be read by its digest */
};

/* All of the image. An attestation is none. *ret_list is the caller's, and is to be done with in
 * either case. Errors: those of the source, but what is missing or too large for its bound is a
 * signature that is not understood. */
ERR_CHECKED enum err_code signatures_find(const struct signature_source *s,
                                          const struct digest *image, const struct trust *trust,
                                          struct signature_list *ret_list, struct err *e);

/* The same for attestations: statements about the image (in-toto), each with what it states. */
ERR_CHECKED enum err_code attestations_find(const struct signature_source *s,
                                            const struct digest *image, const struct trust *trust,
                                            struct signature_list *ret_list, struct err *e);

void signature_list_done(struct signature_list *l);

static inline void auto_signature_list_(struct signature_list *l)
{
    signature_list_done(l);
}
