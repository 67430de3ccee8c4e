/* What names a manifest in a request: a tag or a digest (dist-spec "Pulling manifests"). */
#pragma once

#include "base/digest.h"
#include "base/name.h"

struct reference {
    bool is_digest;
    struct digest digest; /* when is_digest */
    struct tag_name tag;  /* otherwise */
};

/* Anything with a colon is taken for a digest, which no tag can hold.
 * Errors: TAG_INVALID, DIGEST_MALFORMED, told to the client. */
ERR_CHECKED enum err_code reference_parse(struct str s, struct reference *ret_ref, struct err *e);

static inline struct str reference_str(const struct reference *ref)
{
    return ref->is_digest ? digest_str(&ref->digest) : tag_name_str(&ref->tag);
}
