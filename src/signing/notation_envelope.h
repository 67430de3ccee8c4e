/*
 * A signature of the Notary Project in its envelope, before anybody asks who is trusted:
 *
 *     JWS     flattened JSON of RFC 7515. notaryproject/specifications, "JWS Signature Envelope"
 *     COSE    COSE_Sign1 of RFC 9052, in CBOR. "COSE Sign1 Signature Envelope"
 *
 * Both say the same: what was signed (an image, by its descriptor), when, up to when it counts, and
 * the chain of certificates from the signer's to a root. "Signature Specification". Pure; any
 * thread.
 */
#pragma once

#include "base/buf.h"
#include "base/digest.h"
#include "base/json.h"
#include "signing/certificates.h"

#define NOTATION_CHAIN_MAX 16

enum notation_scheme {
    NOTATION_X509,     /* the time is what the signer says */
    NOTATION_AUTHORITY /* it is what a signing authority says, which is believed */
};

struct notation_algorithm; /* which goes with the signer's key */

struct notation_envelope {
    const struct notation_algorithm *algorithm;
    enum notation_scheme scheme;
    int64_t signed_ms;      /* wall time */
    int64_t expiry_ms;      /* from when on it doesn't count; INT64_MAX: it always does */
    struct buf payload;     /* JSON, which the message has as well */
    struct buf message;     /* what was signed */
    struct buf signature;   /* as JOSE and COSE have it: ECDSA as two numbers of one length */
    struct buf timestamp;   /* a token (timestamp.h) of the signature; empty: there is none */
    STACK_OF(X509) * chain; /* not empty; the signer's own is the first */
};

/* What notation_jws_read() and notation_cose_read() gave. */
void notation_envelope_done(struct notation_envelope *env);

/* Did the holder of the first certificate's key sign it? Error: DENIED. */
ERR_CHECKED enum err_code notation_envelope_verify(const struct notation_envelope *env,
                                                   struct err *e);

/* What a manifest is: a descriptor of the OCI. */
struct notation_target {
    struct digest digest;
    struct str media_type;
    uint64_t size_bytes;
};

/* Is that manifest what was signed? */
bool notation_envelope_names(const struct notation_envelope *env,
                             const struct notation_target *target);

/* The algorithm that a key of that kind has to sign with; NULL: it may not. "Algorithm Selection".
 */
const struct notation_algorithm *notation_algorithm_of(const EVP_PKEY *key);

/* ---- for both forms */

/* What is protected, as JSON whose names are those of the form. */
struct notation_form {
    const char *algorithm, *critical, *content_type;
    bool (*is_algorithm)(const json_t *value, const struct notation_algorithm *a);
    bool (*time)(const json_t *value, int64_t *ret_wall_ms);
};

const char *notation_algorithm_jws(const struct notation_algorithm *a); /* "PS256" */
int64_t notation_algorithm_cose(const struct notation_algorithm *a);    /* -37 */

ERR_CHECKED enum err_code notation_headers_read(const json_t *headers,
                                                const struct notation_form *form,
                                                struct notation_envelope *env, struct err *e);

/* The next certificate of the chain. */
ERR_CHECKED enum err_code notation_chain_add(struct notation_envelope *env, struct str der,
                                             struct err *e);

static inline void auto_notation_envelope_(struct notation_envelope *env)
{
    notation_envelope_done(env);
}
