/*
 * Sign-in of people at an OpenID provider (OpenID Connect Core 1.0, 3.1: the authorization code
 * flow; with PKCE, RFC 7636). Nothing is kept between the two steps: who calls keeps struct
 * oidc_start for the browser that begins, where nobody else can read or change it.
 *
 * What the provider said of a person at the latest sign-in, the groups above all, is a record in
 * meta; it holds for each session of that person, also for those of before.
 */
#pragma once

#include "auth/core/accounts.h"
#include "auth/core/provider.h"
#include "auth/core/room.h"
#include "base/buf.h"
#include "conf/conf.h"

struct oidc;

/* c and a must outlive it. Nothing is fetched yet. More sign-ins than at_once are UNAVAILABLE. */
struct oidc *oidc_new(const struct conf_oidc *c, struct accounts *a,
                      const struct room_options *at_once);
void oidc_free(struct oidc *o); /* accepts NULL */

#define OIDC_SECRET_TEXT 64

struct oidc_start { /* random, as hexadecimal digits */
    char state[OIDC_SECRET_TEXT + 1];
    char nonce[OIDC_SECRET_TEXT + 1];
    char verifier[OIDC_SECRET_TEXT + 1];
};

/* Where the browser is to be sent. Blocks. Error: UNAVAILABLE. */
ERR_CHECKED enum err_code oidc_begin(struct oidc *o, const char *redirect_uri,
                                     struct oidc_start *ret_start, struct buf *ret_url,
                                     struct err *e);

struct oidc_answer {
    struct str code;
    struct str issuer;        /* RFC 9207; empty: not there */
    const char *redirect_uri; /* the same as at the beginning */
    const struct oidc_start *start;
};

/* Who came back. Blocks. Errors: DENIED when the provider's answer is not to be believed or the
 * person can't be let in, REQUEST_INVALID when the code is no good (any more), both told;
 * UNAVAILABLE. */
ERR_CHECKED enum err_code oidc_finish(struct oidc *o, const struct oidc_answer *a,
                                      struct identity **ret_identity, struct err *e);

/* Knows no credentials; says who a person with a session is now. o must outlive it. */
struct provider *oidc_provider(struct oidc *o);

/* The claims of an ID token whose signature is right (OpenID Connect Core, 3.1.3.7). Pure.
 * Error: UNAUTHORIZED. */
ERR_CHECKED enum err_code oidc_check_claims(const json_t *claims, const char *issuer,
                                            const char *client_id, const char *nonce, int64_t now_s,
                                            struct err *e);

/* The challenge of a verifier (RFC 7636, 4.2): base64url of its SHA-256. */
#define OIDC_CHALLENGE_TEXT 43
void oidc_challenge(const char *verifier, char ret_challenge[static OIDC_CHALLENGE_TEXT + 1]);
