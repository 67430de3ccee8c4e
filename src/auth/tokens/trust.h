/*
 * Whose tokens are believed that are made elsewhere: those of the keys in a JWKS (RFC 7517), and of
 * the certificates in a bundle. A key is found by its id (kid), or comes in a certificate (x5c)
 * that the bundle vouches for; never from the token alone. A certificate's key has two ids: that
 * of libtrust, as token servers for the reference registry write it, and its thumbprint (RFC 7638).
 *
 * Immutable; any thread.
 */
#pragma once

#include "auth/tokens/jwt.h"

struct trust;

/* PEM and JSON files; one of them may be "". Error: CONFIG, also when there is no key in them. */
ERR_CHECKED enum err_code trust_load(const char *bundle_path, const char *jwks_path,
                                     struct trust **ret_trust, struct err *e);
void trust_free(struct trust *t); /* accepts NULL */

/* As jwt_verify(). Error: UNAUTHORIZED. */
ERR_CHECKED enum err_code trust_verify(const struct trust *t, struct str token,
                                       const char *const *algorithms, json_t **ret_claims,
                                       struct err *e);
