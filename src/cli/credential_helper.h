/*
 * Credentials that another program keeps, as Docker has them kept: docker-credential-NAME of PATH
 * is run with the word "get" and the server on its standard input. No shell is in between.
 */
#pragma once

#include "base/buf.h"
#include "base/err.h"

/*
 * What the helper has for the server; both stay empty when it has nothing. The bufs are
 * initialised by the caller. Errors: NOT_FOUND, no such program; CONFIG, a name that is none;
 * UNAVAILABLE, it fails, or answers otherwise than a helper does.
 */
ERR_CHECKED enum err_code credential_helper_get(char *const *environment, struct str name,
                                                struct str server, struct buf *ret_user,
                                                struct buf *ret_secret, struct err *e);
