/* What an Authorization header holds: foreign bytes, parsed once. */
#pragma once

#include "auth/core/provider.h"

/* The secret of an access token (tokens/access_token.h): to be recognised by people, by scanners
 * for leaked secrets, and by us without a look at the database. */
#define ACCESS_TOKEN_PREFIX STR("cdt_")
#define ACCESS_TOKEN_ID     12
#define ACCESS_TOKEN_TEXT   (4 + ACCESS_TOKEN_ID + 40)

/* It has that form. */
bool credential_is_access_token(struct str secret);

/* It may be a guess. Nobody guesses a session or a certificate: those can only be good no more. */
bool credential_guessed(const struct credential *c);

/* For 8 KiB of user and password, decoded: tokens may be long. */
#define CREDENTIAL_BASIC_ROOM (8192 + 3)

/*
 * Basic (RFC 7617) or Bearer (RFC 6750). Fills kind, user and secret of *ret; those of Basic point
 * into memory, which the caller wipes. False: it is neither, or malformed.
 */
bool credential_parse(struct str header, struct credential *ret,
                      char memory[static CREDENTIAL_BASIC_ROOM]);
