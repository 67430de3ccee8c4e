/*
 * What the metadata store knows of people and robots, and that it has changed. Users are in
 * user.h, robot accounts and personal tokens in access_token.h; both write through
 * accounts_commit().
 *
 * The command line and other replicas write to the same metadata while a server runs. So each
 * change also bumps one record, and accounts_poll(), called once a second, looks at it: a user who
 * was disabled or a token that was revoked elsewhere is refused within that second.
 */
#pragma once

#include "meta/meta.h"

#include <jansson.h>

struct accounts;

struct accounts *accounts_new(struct meta *m); /* m must outlive it */
void accounts_free(struct accounts *a);        /* accepts NULL */
struct meta *accounts_meta(const struct accounts *a);

/* The OpenID provider whose people count (oidc_person.h); at first "", none. Before a is shared;
 * issuer must outlive it. */
void accounts_set_issuer(struct accounts *a, const char *issuer);
const char *accounts_issuer(const struct accounts *a);

/* Grows when what was said of anybody may be wrong now. Never blocks. */
uint64_t accounts_generation(const struct accounts *a);

/* Has another process changed something? Blocks for one look-up. */
ERR_CHECKED enum err_code accounts_poll(struct accounts *a, struct err *e);

/* The version of all of it: given to accounts_commit(), nothing else may have changed meanwhile. */
ERR_CHECKED enum err_code accounts_version(struct accounts *a, int64_t *ret_version, struct err *e);

#define ACCOUNTS_OPS_MAX 8

/* Commits the operations and bumps the version. version: expected, or META_ANY. Error: CONFLICT. */
ERR_CHECKED enum err_code accounts_commit(struct accounts *a, const struct meta_op *ops, size_t n,
                                          int64_t version, struct err *e);

/* accounts_commit() of removing one record. */
ERR_CHECKED enum err_code accounts_remove(struct accounts *a, struct str collection, struct str key,
                                          struct err *e);

static inline void auto_accounts_(struct accounts **a)
{
    accounts_free(*a);
}
