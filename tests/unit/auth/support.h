/* Accounts in a metadata store in memory, for each test anew. */
#pragma once

#include "auth/people/user.h"
#include "auth/people/user_change.h"
#include "auth/people/user_totp.h"

#define PASSWORD "Tr0ub4dor&3xyz"
#define OTHER    "k9-Vexing.Llama"

extern struct meta *meta;
extern struct accounts *accounts;

int accounts_setup(void **state);
int accounts_teardown(void **state);

/* A user with PASSWORD; group may be NULL. */
void make_user(const char *name, bool admin, const char *group);

/* One who is asked for a code as well. */
void make_user_with_factor(const char *name, struct totp_setup *ret);

/* user_change() of both. */
enum err_code set_rights(const char *name, const struct user_rights *rights, bool force,
                         struct err *e);
