/*
 * Tokens of a registry's token service, as clients get them. Sources: distribution-spec's and
 * Docker's "Token Authentication Specification"; RFC 6750, 3 (the challenge); RFC 9110, 11.6.1.
 */
#pragma once

#include "base/buf.h"
#include "base/err.h"
#include "cli/docker_auth.h"

#define BEARER_TOKEN_MAX (64u << 10)

/* What WWW-Authenticate asks for. */
struct bearer_challenge {
    bool basic, bearer;
    char realm[1024], service[256]; /* of bearer */
};

/* One header line of it; there may be several. */
void bearer_challenge_add(struct bearer_challenge *c, struct str value);

/*
 * A token for the scopes (separated by blanks) into *ret_token, whose max bounds it. The service
 * has to be reached by https, or on this machine. auth may be empty. *ret_until_ms: by
 * clock_mono_ms(), when it is better to have a new one. Errors: CONFIG, UNAUTHORIZED, UNAVAILABLE.
 */
ERR_CHECKED enum err_code bearer_token_get(const struct bearer_challenge *c, const char *scopes,
                                           const struct docker_auth *auth, const char *ca_file,
                                           struct buf *ret_token, int64_t *ret_until_ms,
                                           struct err *e);
