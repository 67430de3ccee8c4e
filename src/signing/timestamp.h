/*
 * A token of a time-stamping authority (RFC 3161), which says when bytes were there already.
 * Pure; any thread.
 */
#pragma once

#include "signing/certificates.h"

#define TIMESTAMP_TOKEN_MAX (32u << 10) /* bytes */

/* When, as exactly as the authority vouches for: in wall milliseconds. */
struct timestamp {
    int64_t from_ms, to_ms;
};

/* Is that a token (a ContentInfo in DER) of those bytes, by an authority that one of the roots
 * vouches for? Its certificates had to be valid then. Error: DENIED, with why not. */
ERR_CHECKED enum err_code timestamp_verify(struct str token, struct str message,
                                           const STACK_OF(X509) * roots, struct timestamp *ret,
                                           struct err *e);

/* The chain of the authority that made it, from its certificate to the root, as of that time; NULL:
 * there is none. The caller frees it. */
STACK_OF(X509) * timestamp_chain(struct str token, const STACK_OF(X509) * roots, int64_t at_ms);
