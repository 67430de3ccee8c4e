/*
 * Signatures of an image by keys, as cosign stores them beside it, and whether they are good:
 *
 *     tag sha256-HEX.sig  a manifest whose layers are payloads (simple_signing.h), each with its
 *                         signature in an annotation. sigstore/cosign, "Signature Specification"
 *
 *     referrers           manifests whose layer is a bundle: a statement about the image
 *                         (envelope.h). sigstore/protobuf-specs, "Bundle", version 0.3. Or
 *                         manifests as above, by a type of their own
 *
 * What is beside an image was written by anybody: it is counted, bounded, and never more than
 * looked at.
 */
#pragma once

#include "signing/public_key.h"

#include "base/buf.h"
#include "base/digest.h"

#define SIGNATURES_MAX         64          /* of an image that are looked at */
#define SIGNATURE_DOCUMENT_MAX (64u << 10) /* bytes of a manifest, a payload, a bundle */

enum signature_verdict {
    SIGNATURE_GOOD,
    SIGNATURE_OTHER_KEY,   /* by none of the keys, or tampered with: nobody can tell which */
    SIGNATURE_OTHER_IMAGE, /* by one of the keys, of another manifest */
    SIGNATURE_UNKNOWN,     /* not of a form that is understood here, or damaged */
    SIGNATURE_VERDICTS
};

const char *signature_verdict_name(enum signature_verdict v); /* for machines: "other_key" */
const char *signature_verdict_text(enum signature_verdict v); /* for people */

struct signature {
    enum signature_verdict verdict;
    struct digest manifest; /* that it stands in */
    const char *form;       /* "simple signing", "sigstore bundle"; a constant */
    size_t key;             /* which one; of GOOD and OTHER_IMAGE */
};

struct signature_list {
    struct signature rows[SIGNATURES_MAX];
    size_t n;
    bool more; /* there are others, which were not looked at */
};

/* The keys that count; borrowed. */
struct signature_keys {
    struct public_key *const *keys;
    size_t n;
};

/* Where an image and what is beside it are. Texts and blobs go to *ret, whose max bounds them. */
struct signature_source {
    /* A tag or a digest. Errors: MANIFEST_UNKNOWN, and what else there is. *ret_digest is of the
     * bytes. */
    enum err_code (*manifest)(void *ctx, const char *reference, struct buf *ret,
                              struct digest *ret_digest, struct err *e);
    /* Of dist-spec "Listing Referrers": an index, in JSON. */
    enum err_code (*referrers)(void *ctx, const struct digest *subject, struct buf *ret,
                               struct err *e);
    /* Bytes with that digest. Error: BLOB_UNKNOWN, and what else there is. */
    enum err_code (*blob)(void *ctx, const struct digest *d, struct buf *ret, struct err *e);
    void *ctx;
};

/* All of the image. An attestation is none. Errors: those of the source, but what is missing or too
 * large for its bound is a signature that is not understood. */
ERR_CHECKED enum err_code signatures_find(const struct signature_source *s,
                                          const struct digest *image,
                                          const struct signature_keys *keys,
                                          struct signature_list *ret_list, struct err *e);
