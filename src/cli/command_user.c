#include "auth/people/user.h"

#include "auth/people/strength.h"
#include "auth/people/user_change.h"
#include "auth/people/user_totp.h"
#include "base/cleanup.h"
#include "cli/command_accounts.h"
#include "cli/commands.h"
#include "cli/password_prompt.h"

#include <openssl/crypto.h>
#include <stdlib.h>

#define ISSUER "CyberDock" /* as authenticator apps show it */

static enum err_code audit(struct cli_accounts *a, const struct cli_args *args, struct err *e)
{
    char subject[IDENTITY_SUBJECT_SIZE];

    snprintf(subject, sizeof(subject), "user:%s", args->operand);
    return cli_accounts_audit(a, args, subject, e);
}

/* Commands that take a user: opens, runs, says what came of it. */
typedef enum err_code (*user_command)(struct cli_accounts *a, struct str name,
                                      const struct cli_args *args, struct err *e);

static int with_user(struct cli *cli, const struct cli_args *args, user_command fn,
                     const char *done)
{
    AUTO(cli_accounts) struct cli_accounts a = {0};
    const char *name = cli_accounts_operand(cli, args, "the name of the user");
    struct err e = {0};
    enum err_code code;

    if (!name)
        return CLI_USAGE;
    if (!cli_accounts_open(cli, args, &a))
        return CLI_FAILED;
    code = fn(&a, str_of(name), args, &e);
    if (code == ERR_OK)
        code = audit(&a, args, &e);
    if (code == ERR_OK)
        fprintf(cli->out, "user %s %s\n", name, done);
    return cli_accounts_status(cli, code, &e);
}

/* Names separated by commas. Too many are refused by who takes them. */
static size_t split_groups(const char *text, struct str groups[static USER_GROUPS_MAX + 1])
{
    struct str left = str_of(text), one;
    bool more = left.n > 0;
    size_t n = 0;

    while (more && n <= USER_GROUPS_MAX) {
        more = str_cut(&left, ',', &one);
        groups[n++] = str_trim(one);
    }
    return n;
}

int cli_user_add(struct cli *cli, const struct cli_args *args)
{
    AUTO(cli_accounts) struct cli_accounts a = {0};
    const char *name = cli_accounts_operand(cli, args, "the name of the user");
    char password[CLI_PASSWORD_SIZE];
    struct str groups[USER_GROUPS_MAX + 1];
    struct user_rights rights = {.admin = cli_flag(args, "--admin"), .groups = groups};
    struct err e = {0};
    enum err_code code;

    if (!name)
        return CLI_USAGE;
    if (!cli_accounts_open(cli, args, &a) ||
        !cli_password_read(cli, cli_flag(args, "--password-stdin"), password))
        return CLI_FAILED;
    if (cli_flag(args, "--group"))
        rights.n_groups = split_groups(cli_flag(args, "--group"), groups);
    if (!strength_has_dictionary())
        fputs("registry: note: cracklib-runtime is not installed, so common words are not looked "
              "for in passwords\n",
              cli->err);
    code = user_add(a.accounts, str_of(name), str_of(password), &rights, &e);
    OPENSSL_cleanse(password, sizeof(password));
    if (code == ERR_OK)
        code = audit(&a, args, &e);
    if (code == ERR_OK) {
        fprintf(cli->out, "user %s added\n", name);
        cli_accounts_say_when_off(cli, &a);
    }
    return cli_accounts_status(cli, code, &e);
}

int cli_user_passwd(struct cli *cli, const struct cli_args *args)
{
    AUTO(cli_accounts) struct cli_accounts a = {0};
    AUTO(user) struct user u = {0};
    const char *name = cli_accounts_operand(cli, args, "the name of the user");
    char password[CLI_PASSWORD_SIZE];
    struct err e = {0};
    enum err_code code;

    if (!name)
        return CLI_USAGE;
    if (!cli_accounts_open(cli, args, &a))
        return CLI_FAILED;
    if (user_get(a.accounts, str_of(name), &u, &e) != ERR_OK) /* before a password is asked for */
        return cli_accounts_status(cli, e.code, &e);
    if (!cli_password_read(cli, cli_flag(args, "--password-stdin"), password))
        return CLI_FAILED;
    code = user_set_password(a.accounts, str_of(name), str_of(password), &e);
    OPENSSL_cleanse(password, sizeof(password));
    if (code == ERR_OK)
        code = audit(&a, args, &e);
    if (code == ERR_OK)
        fprintf(cli->out, "user %s has another password\n", name);
    return cli_accounts_status(cli, code, &e);
}

static enum err_code set(struct cli_accounts *a, struct str name, const struct cli_args *args,
                         struct err *e)
{
    bool admin = cli_flag(args, "--admin") != NULL;
    struct str groups[USER_GROUPS_MAX + 1];
    struct user_change c = {.force = cli_flag(args, "--force")};

    if (admin || cli_flag(args, "--no-admin"))
        c.admin = &admin;
    if (cli_flag(args, "--group")) {
        c.groups = groups;
        c.n_groups = split_groups(cli_flag(args, "--group"), groups);
    }
    return user_change(a->accounts, name, &c, e);
}

int cli_user_set(struct cli *cli, const struct cli_args *args)
{
    if (cli_flag(args, "--admin") && cli_flag(args, "--no-admin")) {
        fputs("registry: --admin and --no-admin exclude each other\n", cli->err);
        return CLI_USAGE;
    }
    if (!cli_flag(args, "--admin") && !cli_flag(args, "--no-admin") && !cli_flag(args, "--group")) {
        fputs("registry: one of --admin, --no-admin and --group must be given\n", cli->err);
        return CLI_USAGE;
    }
    return with_user(cli, args, set, "changed");
}

static enum err_code disable(struct cli_accounts *a, struct str name, const struct cli_args *args,
                             struct err *e)
{
    return user_set_disabled(a->accounts, name, true, cli_flag(args, "--force"), e);
}

int cli_user_disable(struct cli *cli, const struct cli_args *args)
{
    return with_user(cli, args, disable, "disabled");
}

static enum err_code enable(struct cli_accounts *a, struct str name, const struct cli_args *args,
                            struct err *e)
{
    (void)args;
    return user_set_disabled(a->accounts, name, false, false, e);
}

int cli_user_enable(struct cli *cli, const struct cli_args *args)
{
    return with_user(cli, args, enable, "enabled");
}

static enum err_code rm(struct cli_accounts *a, struct str name, const struct cli_args *args,
                        struct err *e)
{
    return user_remove(a->accounts, name, cli_flag(args, "--force"), e);
}

int cli_user_rm(struct cli *cli, const struct cli_args *args)
{
    return with_user(cli, args, rm, "removed");
}

static void print_setup(struct cli *cli, const char *name, const struct totp_setup *setup)
{
    fprintf(cli->out,
            "The second factor of %s. This is shown once.\n\n"
            "For an authenticator app:  %s\n"
            "Its secret, to be typed:   %s\n\n"
            "Recovery codes, each good for once, in place of a code of the app:\n",
            name, setup->uri, setup->secret);
    for (size_t i = 0; i < TOTP_RECOVERY_N; i++)
        fprintf(cli->out, "    %s\n", setup->recovery[i]);
    fprintf(cli->out,
            "\ndocker and other clients sign in with a personal token from now on:\n"
            "    registry token create --user %s\n",
            name);
}

static enum err_code totp_off(struct cli_accounts *a, struct str name, const struct cli_args *args,
                              struct err *e)
{
    (void)args;
    return user_clear_totp(a->accounts, name, e);
}

int cli_user_totp(struct cli *cli, const struct cli_args *args)
{
    AUTO(cli_accounts) struct cli_accounts a = {0};
    const char *name = cli_accounts_operand(cli, args, "the name of the user");
    struct totp_setup setup;
    struct err e = {0};
    enum err_code code;

    if (cli_flag(args, "--off"))
        return with_user(cli, args, totp_off, "has no second factor");
    if (!name)
        return CLI_USAGE;
    if (!cli_accounts_open(cli, args, &a))
        return CLI_FAILED;
    code = user_set_totp(a.accounts, str_of(name), ISSUER, &setup, &e);
    if (code == ERR_OK)
        code = audit(&a, args, &e);
    if (code == ERR_OK)
        print_setup(cli, name, &setup);
    OPENSSL_cleanse(&setup, sizeof(setup));
    return cli_accounts_status(cli, code, &e);
}

static enum err_code print_row(void *ctx, const void *row, struct err *e)
{
    const struct cli *cli = ctx;
    const struct user *u = row;
    char created[CLI_TIME_SIZE], last[CLI_TIME_SIZE];

    (void)e;
    fprintf(cli->out, "%-20s  %-8s  %-5s  %-6s  %-16s  %-16s", u->name,
            u->disabled ? "disabled" : "enabled", u->admin ? "yes" : "no", u->totp ? "yes" : "no",
            cli_time(u->created_ms, created), cli_time(u->last_ms, last));
    for (size_t i = 0; i < u->n_groups; i++)
        fprintf(cli->out, "%s%s", i ? "," : "  ", u->groups[i]);
    fputc('\n', cli->out);
    return ERR_OK;
}

int cli_user_list(struct cli *cli, const struct cli_args *args)
{
    AUTO(cli_accounts) struct cli_accounts a = {0};
    struct err e = {0};

    if (!cli_accounts_open(cli, args, &a))
        return CLI_FAILED;
    fprintf(cli->out, "%-20s  %-8s  %-5s  %-6s  %-16s  %-16s  %s\n", "NAME", "STATE", "ADMIN",
            "FACTOR", "CREATED (UTC)", "SIGNED IN", "GROUPS");
    return cli_accounts_status(cli, user_each(a.accounts, print_row, cli, &e), &e);
}
