/*
 * Changes of local users, each as a whole or not at all. Everything blocks; any thread.
 *
 * Errors: NOT_FOUND (no such user), CONFLICT (there is one already), DENIED (the last admin would
 * go), REQUEST_INVALID (a bad name or password), all told; and those of meta.
 */
#pragma once

#include "auth/people/user.h"

#define USER_GROUPS_MAX 64

struct user_rights {
    bool admin;
    const struct str *groups; /* names as of people */
    size_t n_groups;
};

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

/* All of it, or none. What the user was signed in to ends with a new password, and when they are
 * disabled: a disabled user is refused whatever they show, and earlier sign-ins don't come back. A
 * new password leaves their personal tokens alone. */
ERR_CHECKED enum err_code user_change(struct accounts *a, struct str name,
                                      const struct user_change *c, struct err *e);

/* user_change() of one thing. */
ERR_CHECKED enum err_code user_set_password(struct accounts *a, struct str name,
                                            struct str password, struct err *e);

ERR_CHECKED enum err_code user_set_disabled(struct accounts *a, struct str name, bool disabled,
                                            bool force, struct err *e);

/* With their tokens and whatever they were signed in to. */
ERR_CHECKED enum err_code user_remove(struct accounts *a, struct str name, bool force,
                                      struct err *e);
