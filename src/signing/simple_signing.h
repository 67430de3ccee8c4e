/*
 * "Simple signing", what cosign signed before bundles, and still does when it is asked to:
 *
 *     {"critical": {"identity": {"docker-reference": ...},
 *                   "image": {"docker-manifest-digest": DIGEST},
 *                   "type": "cosign container image signature"}, "optional": ...}
 *
 * The bytes themselves are signed. sigstore/cosign, "Signature Specification". The reference is
 * what the signer called the image then, and is not looked at: images are copied.
 */
#pragma once

#include "base/digest.h"

/* Is that the text of a signature of that very manifest? */
bool simple_signing_names(struct str payload, const struct digest *image);
