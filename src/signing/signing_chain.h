/*
 * A chain of certificates from a signer's to a root, as the Notary Project wants it:
 * notaryproject/specifications, "Signature Specification", "Certificate Requirements". Each is
 * issued by the next one, the last by itself; the first may sign code, the others certificates.
 * When they are valid and who trusts them is for others to ask. Pure; any thread.
 */
#pragma once

#include "signing/certificates.h"

/* Error: DENIED, with which certificate is wrong, and why. */
ERR_CHECKED enum err_code signing_chain_check(const STACK_OF(X509) * chain, struct err *e);

/* What all of them are valid in: from the latest beginning to the earliest end. False: a validity
 * is damaged. */
bool signing_chain_validity(const STACK_OF(X509) * chain, int64_t *ret_from_ms, int64_t *ret_to_ms);
