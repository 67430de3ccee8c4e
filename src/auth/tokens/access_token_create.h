/* Making an access token. */
#pragma once

#include "auth/tokens/access_token.h"

struct access_token_request {
    enum identity_kind kind; /* IDENTITY_USER: who must be there; IDENTITY_ROBOT */
    struct str owner;        /* name */
    struct str scopes;  /* "REPOSITORIES:ACTIONS", several separated by blanks; "": no limits */
    int64_t expires_ms; /* wall clock; INT64_MAX: never */
    struct str description;
    uint64_t max; /* refused when the owner has so many that have not expired; 0: no limit */
};

#define ACCESS_TOKEN_LIFETIME "90d" /* when none is asked for */

/* When a token of that lifetime ("30d", "12h", "never") ends. */
ERR_CHECKED enum err_code access_token_expiry(struct str lifetime, int64_t *ret_ms, struct err *e);

/* ret_secret is shown once and kept nowhere. */
ERR_CHECKED enum err_code access_token_create(struct accounts *a,
                                              const struct access_token_request *r,
                                              char ret_secret[static ACCESS_TOKEN_TEXT + 1],
                                              struct err *e);
