/* An access token as it is kept: a record by its id (core/given.h). */
#pragma once

#include "auth/core/given.h"
#include "auth/core/identity.h"
#include "base/digest.h"

#define ACCESS_TOKEN_SCOPES 64
#define ACCESS_TOKEN_NOTE   200 /* bytes of a description */

struct access_token {
    char *id;
    char *owner;    /* "user:alice", "robot:ci" */
    char *owner_id; /* of a user: the token dies with them, whoever has their name later */
    char *hash;     /* of the secret */
    struct scope *scopes;
    size_t n_scopes;
    bool scoped;        /* false: all that the owner may do */
    int64_t expires_ms; /* INT64_MAX: never */
    char *description;
    int64_t created_ms;
    int64_t used_ms; /* last, to the hour; 0: never */
    int64_t version; /* of the record */
};

void access_token_done(struct access_token *t);

/* The record's value; the caller frees. */
char *access_token_to_text(const struct access_token *t);

/* Error: CORRUPT. */
ERR_CHECKED enum err_code access_token_from_record(const struct meta_record *r,
                                                   struct access_token *ret_token, struct err *e);

void access_token_add_scope(struct access_token *t, struct str repository, unsigned actions);

/* What is kept in place of the secret. It has 160 random bits, so no slow hash is needed. */
void access_token_hash(struct str secret, struct digest *ret_hash);

static inline void auto_access_token_(struct access_token *t)
{
    access_token_done(t);
}
