#include "api/routes_page.h"
#include "base/cleanup.h"
#include "cli/commands.h"
#include "cli/visible.h"
#include "trust/trust_rules.h"

#define OUTPUT_MAX (1024 * 1024)
#define LINE_BYTES 8192

const char *cli_config_path(const struct cli *cli, const struct cli_args *args)
{
    /* ours, and the reference registry's */
    static const char *const variables[] = {"REGISTRY_CONFIG", "REGISTRY_CONFIGURATION_PATH"};
    const char *path = cli_flag(args, "--config");

    if (!path && !args->command->names)
        path = args->operand;
    for (size_t i = 0; !path && i < sizeof(variables) / sizeof(variables[0]); i++)
        path = cli_variable(cli->environment, variables[i]);
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

struct proving {
    struct cli *cli;
    unsigned missing;
};

static void show_right(void *ctx, const struct store_right *r)
{
    static const char *const words[] = {
        [STORE_RIGHT_OK] = "ok",
        [STORE_RIGHT_REFUSED] = "refused",
        [STORE_RIGHT_UNSUPPORTED] = "not supported",
        [STORE_RIGHT_UNTRIED] = "not tried",
    };
    struct proving *p = ctx;
    AUTO(buf) struct buf text = {0};

    buf_init(&text, LINE_BYTES);
    cli_add_visible(&text, r->tried);
    if (r->why[0]) {
        buf_add_text(&text, ": ");
        cli_add_visible(&text, r->why); /* a server's words among them */
    }
    if (r->remedy[0]) {
        buf_add_text(&text, "; ");
        cli_add_visible(&text, r->remedy);
    }
    fprintf(p->cli->out, "%-31s %-14s %s\n", r->name, words[r->state], buf_text(&text));
    p->missing += r->is_missing;
}

static bool prove(struct cli *cli, const struct conf *c)
{
    struct proving p = {cli, 0};
    struct err e;
    bool proven = cli->prove(c, show_right, &p, &e) == ERR_OK;

    if (!proven)
        fprintf(cli->err, "registry: %s\n", e.detail);
    if (p.missing > 0)
        fprintf(cli->err, "registry: %u right%s not proven\n", p.missing,
                p.missing == 1 ? " is" : "s are");
    return proven && p.missing == 0;
}

int cli_config_check(struct cli *cli, const struct cli_args *args)
{
    AUTO(conf) struct conf *c = NULL;
    const char *path = cli_config_path(cli, args);

    struct err e;

    if (!load(cli, args, conf_load_with_files, &c))
        return CLI_FAILED;
    if (trust_rules_check(c, &e) != ERR_OK) {
        fprintf(cli->err, "registry: %s\n", e.detail);
        return CLI_FAILED;
    }
    for (size_t i = 0; i < c->warnings.n; i++)
        fprintf(cli->out, "warning: %s\n", c->warnings.items[i]);
    if (cli_flag(args, "--online") && !prove(cli, c))
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

int cli_config_convert(struct cli *cli, const struct cli_args *args)
{
    AUTO(buf) struct buf text = {0};
    struct err e;

    if (!args->operand) {
        fprintf(cli->err, "registry: which file? 'registry config convert FILE'\n");
        return CLI_USAGE;
    }
    buf_init(&text, OUTPUT_MAX);
    if (conf_convert(args->operand, &text, &e) != ERR_OK) {
        fprintf(cli->err, "registry: %s\n", e.detail);
        return CLI_FAILED;
    }
    return print(cli, &text);
}

int cli_config_distribution(struct cli *cli, const struct cli_args *args)
{
    AUTO(buf) struct buf text = {0};

    (void)args;
    buf_init(&text, OUTPUT_MAX);
    conf_distribution_reference(&text);
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
