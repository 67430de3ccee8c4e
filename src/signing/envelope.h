/*
 * A statement about images in its signed envelope:
 *
 *     DSSE       {"payloadType": TYPE, "payload": BASE64, "signatures": [{"sig": BASE64}, ...]};
 *                signed is the "pre-authentication encoding" of type and payload.
 *                secure-systems-lab/dsse, "Protocol"
 *
 *     in-toto    {"_type": ".../Statement/v1", "subject": [{"digest": {"sha256": HEX}}],
 *                "predicateType": URI, "predicate": ...}. in-toto/attestation, "Statement"
 *
 * Pure.
 */
#pragma once

#include "base/buf.h"
#include "base/digest.h"
#include "base/json.h"

#define ENVELOPE_SIGNATURES_MAX 16

struct envelope {
    struct buf message; /* what was signed */
    struct buf payload; /* the statement as it was written */
    struct buf signatures[ENVELOPE_SIGNATURES_MAX];
    size_t n;
    json_t *statement;
};

/* From its JSON. False, and nothing to give back: it is none, or of no statement. More signatures
 * than there is room for are passed over. */
bool envelope_read(const json_t *dsse, struct envelope *ret);
void envelope_done(struct envelope *env);

/* Is that manifest one of the subjects? */
bool envelope_names(const struct envelope *env, const struct digest *image);

/* Of a provenance (slsa.dev/provenance/v0.2 and v1): who built it. "" when it does not say. As long
 * as the envelope. */
struct str envelope_builder(const struct envelope *env);

/* "" when it has none. As long as the envelope. */
struct str envelope_predicate(const struct envelope *env);

static inline void auto_envelope_(struct envelope *env)
{
    envelope_done(env);
}
