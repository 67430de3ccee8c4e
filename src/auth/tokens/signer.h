/*
 * The keys that this registry signs its tokens with: made at first start, kept in meta so that
 * every replica has them, replaced every so often; an old key is published until the last token it
 * signed has expired.
 */
#pragma once

#include "auth/tokens/jwt.h"
#include "meta/meta.h"

struct signer;

struct signer_options {
    const char *algorithm; /* "ES256" or "RS256" */
    uint64_t rotate_ms;    /* a key is used for signing for so long */
    uint64_t lifetime_ms;  /* of the longest token */
};

/* Loads the keys; makes the first. m must outlive it. */
ERR_CHECKED enum err_code signer_new(struct meta *m, const struct signer_options *o,
                                     struct signer **ret_signer, struct err *e);
void signer_free(struct signer *s); /* accepts NULL */

/* Loads what other replicas made, makes a new key when it is time, drops those of no more use. To
 * be called now and then, from any thread. */
ERR_CHECKED enum err_code signer_tend(struct signer *s, struct err *e);

/* As jwt_sign() with the newest key, and jwt_verify() with all. Any thread. */
ERR_CHECKED enum err_code signer_sign(struct signer *s, const json_t *claims, char **ret_token,
                                      struct err *e);
ERR_CHECKED enum err_code signer_verify(struct signer *s, struct str token, json_t **ret_claims,
                                        struct err *e);
char *signer_jwks(struct signer *s); /* the caller frees */
