/*
 * Local users: records of the collection "users", by name. Everything blocks; any thread; any
 * process that shares the metadata.
 *
 * Errors: NOT_FOUND (no such user), CONFLICT (there is one already), DENIED (the last admin would
 * go), REQUEST_INVALID (a bad name or password), all told; and those of meta.
 */
#pragma once

#include "auth/core/accounts.h"
#include "auth/core/identity.h"
#include "auth/core/record.h"
#include "auth/people/totp.h"

#define USER_CODES_WRONG 50 /* of a million; NIST SP 800-63B, 5.2.2 asks for at most 100 */

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

#define USER_GROUPS_MAX 64

struct user_rights {
    bool admin;
    const struct str *groups; /* names as of people */
    size_t n_groups;
};

ERR_CHECKED enum err_code user_get(struct accounts *a, struct str name, struct user *ret_user,
                                   struct err *e);
ERR_CHECKED enum err_code user_list(struct accounts *a, struct str after, size_t limit,
                                    struct user_list *ret_list, struct err *e);

/* fn for each struct user, by name. Ends with the first error. */
ERR_CHECKED enum err_code user_each(struct accounts *a, record_fn fn, void *ctx, struct err *e);

/* The password must be strong enough (strength.h). */
ERR_CHECKED enum err_code user_add(struct accounts *a, struct str name, struct str password,
                                   const struct user_rights *rights, struct err *e);

/* What is to be another one; the rest stays as it is. */
struct user_change {
    struct str password;      /* p NULL: as it is. It must be strong enough */
    const bool *admin;        /* NULL: as it is */
    const bool *disabled;     /* likewise */
    const struct str *groups; /* likewise */
    size_t n_groups;
    bool force; /* also when no admin that is not disabled is left */
};

/* All of it, or none. What the user was signed in to ends with a new password, and when he is
 * disabled: a disabled user is refused whatever he shows, and earlier sign-ins don't come back. A
 * new password leaves his personal tokens alone. */
ERR_CHECKED enum err_code user_change(struct accounts *a, struct str name,
                                      const struct user_change *c, struct err *e);

/* user_change() of one thing. */
ERR_CHECKED enum err_code user_set_password(struct accounts *a, struct str name,
                                            struct str password, struct err *e);

ERR_CHECKED enum err_code user_set_disabled(struct accounts *a, struct str name, bool disabled,
                                            bool force, struct err *e);

/* With his tokens and whatever he was signed in to. */
ERR_CHECKED enum err_code user_remove(struct accounts *a, struct str name, bool force,
                                      struct err *e);

/* A second factor, in place of an earlier one; and none any more. */
ERR_CHECKED enum err_code user_set_totp(struct accounts *a, struct str name, const char *issuer,
                                        struct totp_setup *ret_setup, struct err *e);
ERR_CHECKED enum err_code user_clear_totp(struct accounts *a, struct str name, struct err *e);

/* Takes a code of the second factor, or a recovery code, which is then used up: each is good for
 * once, also when two ask at the same time. After USER_CODES_WRONG wrong ones in a row, from
 * wherever they came, only recovery codes are taken for an hour: no one guesses those. Error:
 * UNAUTHORIZED. */
ERR_CHECKED enum err_code user_take_code(struct accounts *a, const struct user *u, struct str code,
                                         int64_t now_ms, struct err *e);

/* He was here; written at most once an hour, and without waiting for the disk. */
void user_seen(struct accounts *a, const struct user *u, int64_t now_ms);

/* Who he is for policies: with his groups, and with his stamp. */
struct identity *user_identity(const struct user *u, const char *provider);

static inline void auto_user_(struct user *u)
{
    user_done(u);
}

static inline void auto_user_list_(struct user_list *l)
{
    user_list_done(l);
}
