/* What an Authorization header holds: foreign bytes, parsed once. */
#pragma once

#include "auth/core/provider.h"

/* For 8 KiB of user and password, decoded: tokens may be long. */
#define CREDENTIAL_BASIC_ROOM (8192 + 3)

/*
 * Basic (RFC 7617) or Bearer (RFC 6750). Fills kind, user and secret of *ret; those of Basic point
 * into memory, which the caller wipes. False: it is neither, or malformed.
 */
bool credential_parse(struct str header, struct credential *ret,
                      char memory[static CREDENTIAL_BASIC_ROOM]);
