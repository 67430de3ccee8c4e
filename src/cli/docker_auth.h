/*
 * Credentials as `docker login` and `podman login` leave them: in $DOCKER_AUTH_CONFIG (the text
 * itself), else in config.json below $DOCKER_CONFIG or ~/.docker; or with a helper that this file
 * names (credHelpers, credsStore), which is asked first.
 */
#pragma once

#include "base/buf.h"
#include "base/err.h"

#define DOCKER_AUTH_MAX 4096

struct docker_auth {
    struct buf basic;          /* base64 of "user:password"; empty: none */
    struct buf identity_token; /* for the token service, in its place; empty: none */
};

void docker_auth_init(struct docker_auth *a);
void docker_auth_done(struct docker_auth *a); /* leaves no secret in memory */

void docker_auth_set(struct docker_auth *a, struct str user, struct str password);

/*
 * Of HOST[:PORT]; *a, initialised, stays as it is when there is none. A helper of credsStore that
 * is not installed has none; one that is named for the server has to be there. Errors: CONFIG, the
 * file is none; NOT_FOUND, UNAVAILABLE, those of the helper.
 */
ERR_CHECKED enum err_code docker_auth_find(char *const *environment, struct str server,
                                           struct docker_auth *a, struct err *e);

static inline void auto_docker_auth_(struct docker_auth *a)
{
    docker_auth_done(a);
}
