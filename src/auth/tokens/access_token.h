/*
 * Access tokens: random secrets that stand for a person (personal tokens) or for a machine (robot
 * accounts, which are nothing but a name and their tokens). Records of the collection "tokens", by
 * id; of the secret only its SHA-256 is kept. Scoped, expiring, revocable.
 *
 * A secret is ACCESS_TOKEN_PREFIX, the id and 40 random hexadecimal digits (core/credential.h).
 *
 * Errors: NOT_FOUND, REQUEST_INVALID, told; and those of meta.
 */
#pragma once

#include "auth/core/accounts.h"
#include "auth/core/credential.h"
#include "auth/core/record.h"
#include "auth/people/user.h"
#include "auth/tokens/access_token_record.h"
#include "base/buf.h"

struct access_token_list {
    struct access_token *rows; /* by id */
    size_t n;
    bool more;
};

void access_token_list_done(struct access_token_list *l);

/* Of a secret of that form (credential_is_access_token()). */
struct str access_token_id(struct str secret);

/* As they were asked for, separated by blanks; "" when it is not scoped. */
void access_token_scopes(const struct access_token *t, struct buf *ret_text);
void access_token_scope(const struct scope *s, struct buf *ret_text);

/* For whom a personal token may stand: a user of the database or, when there is none of that name,
 * a person who signed in at the OpenID provider, with the groups of then. Error: NOT_FOUND, told.
 */
ERR_CHECKED enum err_code access_token_owner(struct accounts *a, struct str name,
                                             struct user *ret_user, struct err *e);

ERR_CHECKED enum err_code access_token_get(struct accounts *a, struct str id,
                                           struct access_token *ret_token, struct err *e);
ERR_CHECKED enum err_code access_token_list(struct accounts *a, struct str after, size_t limit,
                                            struct access_token_list *ret_list, struct err *e);

/* fn for each struct access_token, by id; it may remove that one. Ends with the first error. */
ERR_CHECKED enum err_code access_token_each(struct accounts *a, record_fn fn, void *ctx,
                                            struct err *e);

ERR_CHECKED enum err_code access_token_revoke(struct accounts *a, struct str id, struct err *e);

/* All that expired before then (wall clock). */
ERR_CHECKED enum err_code access_token_prune(struct accounts *a, int64_t before_ms, struct err *e);

static inline void auto_access_token_list_(struct access_token_list *l)
{
    access_token_list_done(l);
}
