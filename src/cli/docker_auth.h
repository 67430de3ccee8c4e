/*
 * Credentials as `docker login` and `podman login` leave them: in $DOCKER_AUTH_CONFIG (the text
 * itself), else in config.json below $DOCKER_CONFIG or ~/.docker. Those that a helper keeps
 * (credsStore, credHelpers) are not asked for.
 */
#pragma once

#include "base/buf.h"
#include "base/err.h"

/* Base64 of "user:password" for HOST[:PORT] into ret_basic, which stays empty when there is none.
 * Error: CONFIG, when the file is there and is none. */
ERR_CHECKED enum err_code docker_auth_find(char *const *environment, struct str server,
                                           struct buf *ret_basic, struct err *e);
