/* What the commands of users and tokens have in common. */
#pragma once

#include "auth/core/accounts.h"
#include "cli/cli.h"

/* The metadata alone: a server that runs holds the store, and may go on. */
struct cli_accounts {
    struct conf *conf;
    struct meta *meta;
    struct accounts *accounts;
};

/* Is there one already? Opening makes it. */
bool cli_has_database(const struct conf *c);

/* False: it was said on cli->err why not. */
bool cli_accounts_open(struct cli *cli, const struct cli_args *args, struct cli_accounts *ret);
void cli_accounts_done(struct cli_accounts *a);

/* CLI_OK, or CLI_FAILED with the error told on cli->err. */
int cli_accounts_status(struct cli *cli, enum err_code code, const struct err *e);

/* "shell:root": the user of the machine, as the audit trail names who runs a command. */
#define CLI_ACTOR_SIZE 64
void cli_actor(char dst[static CLI_ACTOR_SIZE]);

/* A command has done something, for the audit trail: who ran which, to what ("" for all there is),
 * and a JSON object, or "". Durable, and with it what was committed lazily before. */
ERR_CHECKED enum err_code cli_audit_note(struct meta *m, const struct cli_args *args,
                                         const char *target, const char *detail, struct err *e);

/* A change was made, for the audit trail: by which command, to what ("user:alice"), and by which
 * user of the machine. */
ERR_CHECKED enum err_code cli_accounts_audit(const struct cli_accounts *a,
                                             const struct cli_args *args, const char *target,
                                             struct err *e);

/* A note that a change is in vain where nobody is asked who they are. */
void cli_accounts_say_when_off(struct cli *cli, const struct cli_accounts *a);

/* The operand; NULL, and it was said, when it was forgotten. what: "the name of a user". */
const char *cli_accounts_operand(struct cli *cli, const struct cli_args *args, const char *what);

/* "2026-01-31 23:59", in UTC; "never" for 0 and INT64_MAX. */
#define CLI_TIME_SIZE 20
const char *cli_time(int64_t wall_ms, char dst[static CLI_TIME_SIZE]);

static inline void auto_cli_accounts_(struct cli_accounts *a)
{
    cli_accounts_done(a);
}
