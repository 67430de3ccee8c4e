/*
 * Secrets that all processes on a database share: random bytes, made when one first asks for them
 * and kept in a record.
 */
#pragma once

#include "meta/meta.h"

#define META_SECRET_BYTES 32

/* The secret of that name. Blocks; any thread. Errors: CORRUPT, and those of meta. */
ERR_CHECKED enum err_code meta_secret(struct meta *m, struct str name,
                                      unsigned char ret_key[static META_SECRET_BYTES],
                                      struct err *e);
