#include "cli/command_accounts.h"
#include "cli/command_content.h"
#include "cli/commands.h"

#include <stdio.h>

/* For the audit trail: from which database. */
static enum err_code note(struct cli_content *c, const struct cli_args *args,
                          const struct owner *before, struct err *e)
{
    char detail[64];

    snprintf(detail, sizeof(detail), "{\"from\":\"%s\"}", before->database.text);
    return cli_audit_note(c->registry->meta, args, "", detail, e);
}

static enum err_code take_over(struct cli_content *c, const struct cli_args *args, struct err *e)
{
    struct owner before, now;

    TRY(cli_content_take(c, &before, &now, e));
    fprintf(c->cli->out, "the store belongs to database %s since %s\n", now.database.text,
            now.since);
    if (strcmp(before.database.text, now.database.text) == 0)
        return ERR_OK;
    return note(c, args, &before, e);
}

int cli_take_over(struct cli *cli, const struct cli_args *args)
{
    AUTO(cli_content) struct cli_content content = {0};
    struct err e = {0};

    if (!cli_content_open_any(cli, args, &content))
        return CLI_FAILED;
    return cli_content_status(&content, take_over(&content, args, &e), &e, 0);
}
