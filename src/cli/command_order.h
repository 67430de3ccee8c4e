/*
 * Doing something to content from the command line: by the server that runs, as an order in the
 * database that both use (core/order.h), or here where none does.
 */
#pragma once

#include "cli/command_accounts.h"
#include "core/order.h"

/* Done when it returns CLI_OK, or, where no server takes it up for some seconds, left to the next
 * one, which is said. What failed is told. Leaves an entry in the audit trail, of target. */
int cli_order(struct cli *cli, const struct cli_args *args, struct cli_accounts *a,
              const struct order *o, const char *target);
