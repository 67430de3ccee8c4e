/* What is kept of a user: a record by their name. For the files user*.c. */
#pragma once

#include "auth/people/user.h"

#define USER_COLLECTION STR("users")

/* The record's value; the caller frees. */
char *user_to_text(const struct user *u);

/* Error: CORRUPT. */
ERR_CHECKED enum err_code user_from_record(const struct meta_record *r, struct user *ret_user,
                                           struct err *e);

void user_texts_free(char **texts, size_t n);
