/*
 * An issuer of tokens (OpenID Connect Discovery 1.0, RFC 8414): where its endpoints are, and the
 * keys that it signs with. What was found is kept for an hour; the keys are fetched again when a
 * token names one that is not among them (but not more often than every ten seconds), and stay in
 * use while the issuer can't be reached. Nothing is fetched before it is needed.
 *
 * Any thread. Who fetches holds up only those who can't go on without what is fetched.
 */
#pragma once

#include "auth/tokens/jwt.h"

struct issuer;

/* The texts must outlive the issuer. */
struct issuer_options {
    const char *url;      /* what `iss` says */
    const char *jwks_uri; /* ""; found by discovery */
    const char *ca_file;  /* "": the system's authorities */
};

struct issuer *issuer_new(const struct issuer_options *o);
void issuer_free(struct issuer *i); /* accepts NULL */

/* As jwt_verify(). Errors: UNAUTHORIZED; UNAVAILABLE when the keys can't be had. */
ERR_CHECKED enum err_code issuer_verify(struct issuer *i, struct str token,
                                        const char *const *algorithms, json_t **ret_claims,
                                        struct err *e);

#define ISSUER_URL_MAX 2048

/* Each is https, unless the issuer itself is not. "": there is none. */
struct issuer_endpoints {
    char authorization[ISSUER_URL_MAX], token[ISSUER_URL_MAX], userinfo[ISSUER_URL_MAX];
    bool secret_in_header, secret_in_form; /* client_secret_basic, client_secret_post */
    bool names_itself;                     /* an authorization response has `iss` (RFC 9207) */
};

/* Error: UNAVAILABLE. */
ERR_CHECKED enum err_code issuer_endpoints(struct issuer *i, struct issuer_endpoints *ret,
                                           struct err *e);
