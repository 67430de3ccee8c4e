#include "cli/command_accounts.h"

#include "base/clock.h"

#include <limits.h>
#include <pwd.h>
#include <unistd.h>

static int failed(struct cli *cli, const char *why)
{
    fprintf(cli->err, "registry: %s\n", why);
    return CLI_FAILED;
}

bool cli_has_database(const struct conf *c)
{
    char path[PATH_MAX];

    if (c->metadata.driver != CONF_METADATA_SQLITE)
        return true; /* it is made elsewhere, or as soon as it is opened */
    if (c->metadata.sqlite_path[0])
        return access(c->metadata.sqlite_path, F_OK) == 0;
    snprintf(path, sizeof(path), "%s/registry.db", c->storage.root);
    return c->storage.backend != CONF_STORAGE_MEM && access(path, F_OK) == 0;
}

/* Right before the first start; else the server has another configuration. */
static void tell_of_new(struct cli *cli, const struct conf *c)
{
    bool named = c->metadata.sqlite_path[0];

    fprintf(cli->err,
            "registry: note: there was no database yet; made %s%s. A server with another "
            "configuration\n"
            "registry: note: does not see it: name its file with --config or REGISTRY_CONFIG\n",
            named ? c->metadata.sqlite_path : c->storage.root, named ? "" : "/registry.db");
}

bool cli_accounts_open(struct cli *cli, const struct cli_args *args, struct cli_accounts *ret)
{
    struct err e = {0};
    bool fresh;

    if (!cli_config_load(cli, args, &ret->conf))
        return false;
    if (ret->conf->storage.backend == CONF_STORAGE_MEM && !cli_has_database(ret->conf) &&
        !ret->conf->metadata.sqlite_path[0]) {
        failed(cli, "storage.backend is 'mem': there are no accounts outside of the server");
        return false;
    }
    fresh = !cli_has_database(ret->conf);
    cli->warn_of_missing(ret->conf);
    if (cli->open_meta(ret->conf, NULL, NULL, &ret->meta, &e) != ERR_OK) {
        failed(cli, e.detail);
        return false;
    }
    if (fresh)
        tell_of_new(cli, ret->conf);
    ret->accounts = accounts_new(ret->meta);
    accounts_set_issuer(ret->accounts, ret->conf->auth.oidc.issuer);
    return true;
}

void cli_accounts_done(struct cli_accounts *a)
{
    accounts_free(a->accounts);
    meta_free(a->meta);
    conf_free(a->conf);
}

int cli_accounts_status(struct cli *cli, enum err_code code, const struct err *e)
{
    return code == ERR_OK ? CLI_OK : failed(cli, e->detail);
}

void cli_actor(char dst[static CLI_ACTOR_SIZE])
{
    const struct passwd *pw = getpwuid(getuid());

    if (pw)
        snprintf(dst, CLI_ACTOR_SIZE, "shell:%s", pw->pw_name);
    else
        snprintf(dst, CLI_ACTOR_SIZE, "shell:%u", (unsigned)getuid());
}

enum err_code cli_audit_note(struct meta *m, const struct cli_args *args, const char *target,
                             const char *detail, struct err *e)
{
    char actor[CLI_ACTOR_SIZE];
    struct meta_audit entry = {
        .time_ms = clock_wall_ms(),
        .actor = actor,
        .action = args->command->name,
        .target = target,
        .address = "",
        .result = "ok",
        .detail = detail,
    };
    struct meta_op op = meta_op_audit_add(&entry);

    cli_actor(actor);
    return meta_commit(m, &op, 1, 0, NULL, e);
}

enum err_code cli_accounts_audit(const struct cli_accounts *a, const struct cli_args *args,
                                 const char *target, struct err *e)
{
    return cli_audit_note(a->meta, args, target, "", e);
}

void cli_accounts_say_when_off(struct cli *cli, const struct cli_accounts *a)
{
    if (!conf_auth_on(&a->conf->auth))
        fputs("registry: note: this configuration asks nobody who they are; `auth: local` does\n",
              cli->err);
}

const char *cli_accounts_operand(struct cli *cli, const struct cli_args *args, const char *what)
{
    if (args->operand && *args->operand)
        return args->operand;
    fprintf(cli->err, "registry: %s is missing\n`registry %s --help` shows what there is.\n", what,
            args->command->name);
    return NULL;
}

const char *cli_time(int64_t wall_ms, char dst[static CLI_TIME_SIZE])
{
    char text[CLOCK_RFC3339_SIZE];

    if (wall_ms == 0 || wall_ms == INT64_MAX)
        return "never";
    clock_rfc3339(wall_ms, text);
    text[10] = ' ';
    snprintf(dst, CLI_TIME_SIZE, "%.16s", text);
    return dst;
}
