/* What is kept of an access token: a record by its id. For the files access_token*.c. */
#pragma once

#include "auth/core/given.h"
#include "auth/tokens/access_token.h"
#include "base/digest.h"

/* The record's value; the caller frees. */
char *access_token_to_text(const struct access_token *t);

/* Error: CORRUPT. */
ERR_CHECKED enum err_code access_token_from_record(const struct meta_record *r,
                                                   struct access_token *ret_token, struct err *e);

void access_token_add_scope(struct access_token *t, struct str repository, unsigned actions);

/* What is kept in place of the secret. It has 160 random bits, so no slow hash is needed. */
void access_token_hash(struct str secret, struct digest *ret_hash);
