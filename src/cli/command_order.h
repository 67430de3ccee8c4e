/*
 * Doing something to content from the command line: by the server that runs, as an order in the
 * database that both use (core/order.h), or here where none does.
 */
#pragma once

#include "auth/policy/policy.h"
#include "cli/command_accounts.h"
#include "core/order.h"

/* Done when it returns CLI_OK, or, where no server takes it up for some seconds, left to the next
 * one, which is said. What failed is told. Leaves an entry in the audit trail, of target. */
int cli_order(struct cli *cli, const struct cli_args *args, struct cli_accounts *a,
              const struct order *o, const char *target);

/* The rules of the configuration and of the database; *ret_policy is the caller's, also after an
 * error. */
ERR_CHECKED enum err_code cli_policy_in_force(const struct conf *c, struct meta *m,
                                              struct policy **ret_policy, struct err *e);

static inline void auto_policy_(struct policy **p)
{
    policy_unref(*p);
}

/* For registry.is_immutable; policy is a struct policy. */
bool cli_is_immutable(void *policy, const struct repo_name *repo, const struct tag_name *tag);
