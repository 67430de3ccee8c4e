/* A signature as all of this program tells programs of it:
 *
 *     {"manifest": DIGEST, "form": ..., "verdict": NAME, "key": FINGERPRINT or null,
 *      "identity": TEXT or null, "issuer": TEXT or null, "why": TEXT or null,
 *      and of an attestation: "predicate_type": TEXT, "builder": TEXT or null}
 */
#pragma once

#include "base/buf.h"
#include "signing/signature_trust.h"

/* trust is what it was judged by. */
void signature_json(struct buf *b, const struct signature *s, const struct trust *trust);
