/*
 * A public key that signatures of images are checked with: ECDSA on the NIST curves, RSA, Ed25519,
 * as `cosign generate-key-pair`, key services and OpenSSL write them (SubjectPublicKeyInfo, PEM).
 *
 * What is signed is a message. ECDSA hashes it with SHA-256, or with the hash that goes with its
 * curve: signers differ, and both are as good. RSA is PKCS #1 v1.5 with SHA-256, of at least
 * PUBLIC_KEY_RSA_MIN bits.
 */
#pragma once

#include "base/err.h"
#include "base/str.h"

#include <openssl/types.h>

#define PUBLIC_KEY_RSA_MIN 2048
#define PUBLIC_KEY_PEM_MAX (16u << 10)

struct public_key; /* never changes; any thread */

/* The first key of the text. Errors: CONFIG, as people are to read it. */
ERR_CHECKED enum err_code public_key_parse(struct str pem, struct public_key **ret_key,
                                           struct err *e);

/* Of its DER; of a key that OpenSSL has, of which it takes a reference. Errors as above. */
ERR_CHECKED enum err_code public_key_parse_der(struct str der, struct public_key **ret_key,
                                               struct err *e);
ERR_CHECKED enum err_code public_key_of(EVP_PKEY *key, struct public_key **ret_key, struct err *e);

/* Likewise, of a file that somebody configured. */
ERR_CHECKED enum err_code public_key_read(const char *path, struct public_key **ret_key,
                                          struct err *e);
void public_key_free(struct public_key *k); /* accepts NULL */

/* The SHA-256 of its DER, in hex: what two keys are told apart by. */
const char *public_key_fingerprint(const struct public_key *k);

/* Is that a signature of the message, made with the private half? */
bool public_key_verifies(const struct public_key *k, struct str message, struct str signature);

static inline void auto_public_key_(struct public_key **k)
{
    public_key_free(*k);
}
