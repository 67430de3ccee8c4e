/* Whether a certificate leads to a root that is trusted, for signing code (RFC 5280, 6). Pure. */
#pragma once

#include "signing/signature_trust.h"

#include <openssl/x509.h>

struct certificate_chain {
    X509 *signer;
    const STACK_OF(X509) * between; /* as whoever signed sent them; NULL: none */
    const STACK_OF(X509) * trusted; /* roots, and what stands below them */
};

#define CERTIFICATE_ANY_TIME INT64_MIN

/* GOOD, EXPIRED (at that wall time) or UNTRUSTED_CHAIN; *ret_why: a text of OpenSSL, or another
 * constant, where it is not good. *ret_until_ms, where it is: when the first of them expires. */
enum signature_verdict certificate_chain_judge(const struct certificate_chain *c, int64_t at_ms,
                                               const char **ret_why, int64_t *ret_until_ms);
