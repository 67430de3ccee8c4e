/*
 * What people and robots were given to come back with: random secrets, each a record that says for
 * whom it stands ("user:alice"). Who may no longer come back with them loses them.
 */
#pragma once

#include "auth/core/accounts.h"

#define ACCESS_TOKEN_COLLECTION  STR("tokens")
#define REFRESH_TOKEN_COLLECTION STR("refresh-tokens")

enum given {
    GIVEN_ACCESS_TOKENS,  /* tokens/access_token.h */
    GIVEN_REFRESH_TOKENS, /* tokens/token.h */
};

/* Removes all of the subject. ret_n (may be NULL): how many they were. Errors: those of meta. */
ERR_CHECKED enum err_code given_take_back(struct accounts *a, enum given g, const char *subject,
                                          size_t *ret_n, struct err *e);
