/*
 * Password hashes of crypt(3). Blocks for as long as the hash asks for (tens of ms). Any thread; no
 * more at once than there are processors, because each takes up to 16 MiB as well as its time.
 */
#pragma once

#include "base/err.h"
#include "base/str.h"

/* A hash of a kind that is safe to use: bcrypt, yescrypt, SHA-512 or SHA-256 crypt. */
bool password_hash_known(const char *hash);

/* Constant time in the comparison; false for a password with a NUL or longer than 512 bytes. */
bool password_matches(struct str password, const char *hash);

#define PASSWORD_HASH_MAX 256

/* A new yescrypt hash. Error: INTERNAL. */
ERR_CHECKED enum err_code password_hash(struct str password, char dst[static PASSWORD_HASH_MAX],
                                        struct err *e);
