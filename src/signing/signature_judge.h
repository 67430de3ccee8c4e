/*
 * One signature or attestation as it is stored beside an image, and what is to be said of it. Pure.
 */
#pragma once

#include "base/json.h"
#include "base/str.h"
#include "signing/signature_trust.h"

struct signature_judging {
    const struct digest *image;
    const struct trust *trust;
    int64_t now_ms;
};

/* How it is stored. */
struct signature_form {
    const char *name;
    /* text is the layer, annotations are the layer's. Sets all of *ret but form and manifest, which
     * was UNKNOWN; predicate, where it is an attestation. */
    void (*judge)(const struct signature_judging *j, struct str text, const json_t *annotations,
                  struct signature *ret);
};

/* By the media type of the layer; NULL: it holds none. */
const struct signature_form *signature_form_of(struct str layer_type);
