/*
 * JSON Web Tokens (RFC 7519) signed with keys we hold. Signing and checking of signatures is
 * cjose's; what may be believed is decided here: the algorithm must be one that the caller allows
 * and fit the key, the key is one of the set and never one that the token brings.
 */
#pragma once

#include "base/err.h"
#include "base/str.h"

#include <jansson.h>
#include <stdint.h>

#define JWT_MAX_BYTES (16 * 1024)
#define JWT_LEEWAY_S  60 /* clocks of other machines */
#define JWT_KEYS_MAX  64 /* in a set; what comes after them is left out */

struct jwt_keys; /* a set of public or private keys; read by any number of threads */

/* A JWKS (RFC 7517). Keys of other kinds than RSA of 2048 bits and more, and EC, and such for
 * encryption, are left out. Error: INTERNAL when it is no JWKS. */
ERR_CHECKED enum err_code jwt_keys_parse(struct str jwks, struct jwt_keys **ret_keys,
                                         struct err *e);
void jwt_keys_free(struct jwt_keys *k); /* accepts NULL */
size_t jwt_keys_count(const struct jwt_keys *k);

/* The public halves, as a JWKS. The caller frees the text. */
char *jwt_keys_public(const struct jwt_keys *k);

/* A new private key as JSON, to be kept secret; algorithm is "ES256" or "RS256". */
ERR_CHECKED enum err_code jwt_key_make(const char *algorithm, const char *kid, char **ret_json,
                                       struct err *e);

/* claims as a compact token, signed with the key of that kid. The caller frees. */
ERR_CHECKED enum err_code jwt_sign(const struct jwt_keys *k, const char *kid, const json_t *claims,
                                   char **ret_token, struct err *e);

/*
 * The claims of a token whose signature is right; the caller frees with json_decref().
 * algorithms: names, ending with NULL; "none" and "HS*" are never accepted. Error: UNAUTHORIZED;
 * *ret_unknown_kid (may be NULL): it names a key that is not in the set.
 */
ERR_CHECKED enum err_code jwt_verify(const struct jwt_keys *k, struct str token,
                                     const char *const *algorithms, json_t **ret_claims,
                                     bool *ret_unknown_kid, struct err *e);

/* The claims, or the header, of a token without any check, to see who it says made it. NULL: no
 * token. */
json_t *jwt_peek(struct str token);
json_t *jwt_peek_header(struct str token);

/* iss, aud (one of them), exp (required), nbf, iat. audience NULL: not looked at. */
ERR_CHECKED enum err_code jwt_check_claims(const json_t *claims, const char *issuer,
                                           const char *audience, int64_t now_s, struct err *e);

static inline void auto_jwt_keys_(struct jwt_keys **k)
{
    jwt_keys_free(*k);
}
