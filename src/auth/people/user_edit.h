/*
 * Changing the record of a user: read, changed and written as one, tried again when another change
 * came between, and never so that no admin is left. For the files user*.c.
 */
#pragma once

#include "auth/people/user.h"

typedef enum err_code (*user_edit_fn)(struct user *u, void *ctx, struct err *e);

struct user_edit {
    struct str name;
    user_edit_fn fn; /* may be called several times; NULL: the user goes */
    void *ctx;
    bool force; /* the last admin may go */
    bool quiet; /* it is use, no change that they would know of, or that voids what is known of them
                 */
};

/* Errors: those of user.h and of fn. */
ERR_CHECKED enum err_code user_edit(struct accounts *a, const struct user_edit *edit,
                                    struct err *e);

/* Refresh tokens of who may not come back with them are of no more use. */
ERR_CHECKED enum err_code user_end_sign_ins(struct accounts *a, struct str name, struct err *e);
