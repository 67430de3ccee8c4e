#include "auth/tokens/access_token.h"

#include "auth/core/given.h"
#include "auth/tokens/access_token_create.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "cli/command_accounts.h"
#include "cli/commands.h"
#include "cli/visible.h"

#include <openssl/crypto.h>
#include <stdlib.h>

#define SCOPES_MAX (64 * 1024)
#define TARGET_MAX (ACCESS_TOKEN_ID + 8)

static int usage(struct cli *cli, const struct cli_args *args, const char *why)
{
    fprintf(cli->err, "registry: %s\n`registry %s --help` shows what there is.\n", why,
            args->command->name);
    return CLI_USAGE;
}

/* "user:NAME" or "robot:NAME", or "" when neither was asked for. */
static bool owner_of(const struct cli_args *args, char dst[static IDENTITY_SUBJECT_SIZE])
{
    const char *user = cli_flag(args, "--user"), *robot = cli_flag(args, "--robot");
    int n = 0;

    dst[0] = '\0';
    if (user && robot)
        return false;
    if (user || robot)
        n = snprintf(dst, IDENTITY_SUBJECT_SIZE, "%s:%s", user ? "user" : "robot",
                     user ? user : robot);
    return n < IDENTITY_SUBJECT_SIZE;
}

int cli_token_create(struct cli *cli, const struct cli_args *args)
{
    AUTO(cli_accounts) struct cli_accounts a = {0};
    const char *user = cli_flag(args, "--user"), *robot = cli_flag(args, "--robot");
    const char *expires = cli_flag(args, "--expires");
    struct access_token_request r = {
        .kind = user ? IDENTITY_USER : IDENTITY_ROBOT,
        .owner = str_of(user ? user : robot),
        .scopes = str_of(cli_flag(args, "--scope")),
        .description = str_of(cli_flag(args, "--description")),
    };
    char secret[ACCESS_TOKEN_TEXT + 1], owner[IDENTITY_SUBJECT_SIZE];
    struct err e = {0};
    enum err_code code;

    if (!owner_of(args, owner) || !*owner)
        return usage(cli, args, "whose token? One of --user NAME and --robot NAME");
    if (access_token_expiry(str_of(expires ? expires : ACCESS_TOKEN_LIFETIME), &r.expires_ms, &e) !=
        ERR_OK) {
        fprintf(cli->err, "registry: --expires %s\n", e.detail);
        return CLI_USAGE;
    }
    if (!cli_accounts_open(cli, args, &a))
        return CLI_FAILED;
    r.max = conf_u64(&a.conf->limits.tokens_per_owner);
    code = access_token_create(a.accounts, &r, secret, &e);
    if (code == ERR_OK)
        code = cli_accounts_audit(&a, args, owner, &e);
    if (code == ERR_OK) {
        fprintf(cli->err, "The token of %s; it is shown this once:\n", user ? user : robot);
        fprintf(cli->out, "%s\n", secret);
    }
    OPENSSL_cleanse(secret, sizeof(secret));
    return cli_accounts_status(cli, code, &e);
}

static void print_scopes(struct cli *cli, const struct access_token *t)
{
    AUTO(buf) struct buf text = {0};

    buf_init(&text, SCOPES_MAX);
    access_token_scopes(t, &text);
    fputs(t->scoped ? buf_text(&text) : "(all that the owner may)", cli->out);
}

static void print_row(struct cli *cli, const struct access_token *t)
{
    char created[CLI_TIME_SIZE], expires[CLI_TIME_SIZE], used[CLI_TIME_SIZE];
    AUTO(buf) struct buf description = {0};
    bool expired = t->expires_ms <= clock_wall_ms();

    buf_init(&description, 4 * ACCESS_TOKEN_NOTE + 1);
    fprintf(cli->out, "%-12s  %-20s  %-16s  %-16s  %-16s  ", t->id, t->owner,
            cli_time(t->created_ms, created),
            expired ? "expired" : cli_time(t->expires_ms, expires), cli_time(t->used_ms, used));
    print_scopes(cli, t);
    cli_add_visible(&description, t->description);
    fprintf(cli->out, "%s%s\n", t->description[0] ? "  " : "", buf_text(&description));
}

struct printing {
    struct cli *cli;
    const char *owner; /* "": all */
};

static enum err_code print_if_owned(void *ctx, const void *row, struct err *e)
{
    const struct printing *p = ctx;
    const struct access_token *t = row;

    (void)e;
    if (!*p->owner || strcmp(t->owner, p->owner) == 0)
        print_row(p->cli, t);
    return ERR_OK;
}

int cli_token_list(struct cli *cli, const struct cli_args *args)
{
    AUTO(cli_accounts) struct cli_accounts a = {0};
    char owner[IDENTITY_SUBJECT_SIZE];
    struct printing printing = {cli, owner};
    struct err e = {0};

    if (!owner_of(args, owner))
        return usage(cli, args, "--user and --robot take a name, and exclude each other");
    if (!cli_accounts_open(cli, args, &a))
        return CLI_FAILED;
    fprintf(cli->out, "%-12s  %-20s  %-16s  %-16s  %-16s  %s\n", "ID", "OWNER", "CREATED (UTC)",
            "EXPIRES", "USED", "SCOPES, DESCRIPTION");
    return cli_accounts_status(cli, access_token_each(a.accounts, print_if_owned, &printing, &e),
                               &e);
}

static enum err_code revoke_all(struct cli *cli, const struct cli_args *args,
                                struct cli_accounts *a, const char *owner, struct err *e)
{
    size_t n;

    TRY(given_take_back(a->accounts, GIVEN_ACCESS_TOKENS, owner, &n, e));
    TRY(cli_accounts_audit(a, args, owner, e));
    fprintf(cli->out, "%zu token%s of %s revoked\n", n, n == 1 ? "" : "s", owner);
    return ERR_OK;
}

/* The secret itself may be given where it leaked and nobody knows its id. */
static enum err_code revoke_one(struct cli *cli, const struct cli_args *args,
                                struct cli_accounts *a, struct str id, struct err *e)
{
    char target[TARGET_MAX];

    if (credential_is_access_token(id))
        id = access_token_id(id);
    TRY(access_token_revoke(a->accounts, id, e));
    snprintf(target, sizeof(target), "token:" STR_FMT, STR_ARG(id));
    TRY(cli_accounts_audit(a, args, target, e));
    fprintf(cli->out, "token " STR_FMT " revoked\n", STR_ARG(id));
    return ERR_OK;
}

int cli_token_revoke(struct cli *cli, const struct cli_args *args)
{
    AUTO(cli_accounts) struct cli_accounts a = {0};
    char owner[IDENTITY_SUBJECT_SIZE];
    struct err e = {0};
    enum err_code code;

    if (!owner_of(args, owner) || !*owner == !args->operand)
        return usage(cli, args, "one of the id of a token, --user NAME and --robot NAME");
    if (!cli_accounts_open(cli, args, &a))
        return CLI_FAILED;
    code = *owner ? revoke_all(cli, args, &a, owner, &e)
                  : revoke_one(cli, args, &a, str_of(args->operand), &e);
    return cli_accounts_status(cli, code, &e);
}
