#include "api/routes_page.h"
#include "base/cleanup.h"
#include "cli/commands.h"

#define OUTPUT_MAX (1024 * 1024)

const char *cli_config_path(const struct cli *cli, const struct cli_args *args)
{
    const char *path = cli_flag(args, "--config");

    if (!path && !args->command->names)
        path = args->operand;
    for (char *const *v = cli->environment; !path && v && *v; v++) {
        if (strncmp(*v, "REGISTRY_CONFIG=", 16) == 0)
            path = *v + 16;
    }
    return path && *path ? path : NULL;
}

typedef enum err_code load_fn(const char *path, char *const *environment, struct conf **ret_conf,
                              struct err *e);

static bool load(struct cli *cli, const struct cli_args *args, load_fn *fn, struct conf **ret_conf)
{
    struct err e;

    if (cli_flag(args, "--config") && args->operand && !args->command->names) {
        fprintf(cli->err, "registry: two configuration files, '%s' and '%s'; only one is read\n",
                cli_flag(args, "--config"), args->operand);
        return false;
    }
    if (fn(cli_config_path(cli, args), cli->environment, ret_conf, &e) != ERR_OK) {
        fprintf(cli->err, "registry: %s\n", e.detail);
        return false;
    }
    return true;
}

bool cli_config_load(struct cli *cli, const struct cli_args *args, struct conf **ret_conf)
{
    return load(cli, args, conf_load, ret_conf);
}

static int print(struct cli *cli, const struct buf *b)
{
    if (fwrite(b->p, 1, b->n, cli->out) != b->n || fflush(cli->out) != 0) {
        fprintf(cli->err, "registry: can't write: %m\n");
        return CLI_FAILED;
    }
    return CLI_OK;
}

int cli_config_check(struct cli *cli, const struct cli_args *args)
{
    AUTO(conf) struct conf *c = NULL;
    const char *path = cli_config_path(cli, args);

    if (!load(cli, args, conf_load_with_files, &c))
        return CLI_FAILED;
    fprintf(cli->out, "OK: %s\n", path ? path : "no file, the defaults and the environment");
    return CLI_OK;
}

int cli_config_print(struct cli *cli, const struct cli_args *args)
{
    AUTO(conf) struct conf *c = NULL;
    AUTO(buf) struct buf text = {0};

    buf_init(&text, OUTPUT_MAX);
    if (!cli_config_load(cli, args, &c))
        return CLI_FAILED;
    conf_print(c, &text);
    return print(cli, &text);
}

int cli_config_reference(struct cli *cli, const struct cli_args *args)
{
    AUTO(buf) struct buf text = {0};

    (void)args;
    buf_init(&text, OUTPUT_MAX);
    conf_reference(&text);
    return print(cli, &text);
}

int cli_routes(struct cli *cli, const struct cli_args *args)
{
    AUTO(buf) struct buf text = {0};

    (void)args;
    buf_init(&text, OUTPUT_MAX);
    routes_page(&text);
    return print(cli, &text);
}
