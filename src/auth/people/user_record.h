/* A local user as it is kept: a record of the collection "users", by name. */
#pragma once

#include "meta/meta.h"

#define USER_COLLECTION STR("users")

struct user {
    char *name;
    char *id;   /* random; another one when the name is given again */
    char *hash; /* of the password */
    char **groups;
    size_t n_groups;
    bool admin, disabled;
    char *totp;                        /* secret of the second factor, in base32; NULL: none */
    int64_t totp_step;                 /* time step of the code that was taken last */
    int64_t totp_wrong, totp_wrong_ms; /* codes in a row, and when the last one was */
    char **recovery;                   /* hashes of the recovery codes that are left */
    size_t n_recovery;
    int64_t stamp; /* random; another one when earlier sign-ins are to end */
    int64_t created_ms, changed_ms;
    int64_t last_ms; /* signed in last, to the hour; 0: never */
    int64_t version; /* of the record */
};

void user_done(struct user *u);

/* The record's value; the caller frees. */
char *user_to_text(const struct user *u);

/* Error: CORRUPT. */
ERR_CHECKED enum err_code user_from_record(const struct meta_record *r, struct user *ret_user,
                                           struct err *e);

void user_texts_free(char **texts, size_t n);

static inline void auto_user_(struct user *u)
{
    user_done(u);
}
