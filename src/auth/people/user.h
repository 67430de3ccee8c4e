/*
 * Local users: records of the collection "users", by name. Everything blocks; any thread; any
 * process that shares the metadata.
 *
 * Errors: NOT_FOUND (no such user), told; and those of meta. Changes of one are in user_change.h.
 */
#pragma once

#include "auth/core/accounts.h"
#include "auth/core/identity.h"
#include "auth/core/record.h"

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

struct user_list {
    struct user *rows; /* by name */
    size_t n;
    bool more;
};

void user_list_done(struct user_list *l);

ERR_CHECKED enum err_code user_get(struct accounts *a, struct str name, struct user *ret_user,
                                   struct err *e);
ERR_CHECKED enum err_code user_list(struct accounts *a, struct str after, size_t limit,
                                    struct user_list *ret_list, struct err *e);

/* fn for each struct user, by name. Ends with the first error. */
ERR_CHECKED enum err_code user_each(struct accounts *a, record_fn fn, void *ctx, struct err *e);

/* They were here; written at most once an hour, and without waiting for the disk. */
void user_seen(struct accounts *a, const struct user *u, int64_t now_ms);

/* Who they are for policies: with their groups, and with their stamp. */
struct identity *user_identity(const struct user *u, const char *provider);

static inline void auto_user_(struct user *u)
{
    user_done(u);
}

static inline void auto_user_list_(struct user_list *l)
{
    user_list_done(l);
}
