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
#include "auth/people/user_record.h"

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

static inline void auto_user_list_(struct user_list *l)
{
    user_list_done(l);
}
