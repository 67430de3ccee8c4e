#include "base/clock.h"
#include "cli/command_content.h"
#include "cli/commands.h"

/* Variables of the environment would mean both stores, and count for neither. */
static enum err_code open_named(struct cli *cli, const char *name, struct store **ret_store,
                                struct err *e)
{
    AUTO(conf) struct conf *c = NULL;

    TRY(cli_content_place(name, &c, e));
    return cli->open_store(c, ret_store, e);
}

static enum err_code copy(struct cli_content *c, const struct cli_args *args, struct copy *stores,
                          uint64_t *ret_problems, struct err *e)
{
    struct copy_counts counts = {0};

    TRY(open_named(c->cli, cli_flag(args, "--from"), &stores->from, e));
    TRY(open_named(c->cli, cli_flag(args, "--to"), &stores->to, e));
    TRY(cli_content_copy(c, stores, &counts, e));
    cli_content_print_end(c, counts.moved_tags, counts.kept_tags,
                          "are there already and elsewhere; --move-tags moves them");
    *ret_problems = counts.problems;
    return ERR_OK;
}

int cli_copy_store(struct cli *cli, const struct cli_args *args)
{
    struct cli_content content = {.cli = cli, .started_ms = clock_mono_ms()};
    struct copy stores = {
        .trust = cli_flag(args, "--no-verify"),
        .move_tags = cli_flag(args, "--move-tags"),
    };
    uint64_t problems = 0;
    struct err e = {0};
    enum err_code code;

    if (!cli_content_both_ends(cli, args))
        return CLI_USAGE;
    code = copy(&content, args, &stores, &problems, &e);
    store_free(stores.from);
    store_free(stores.to);
    return cli_content_status(&content, code, &e, problems);
}
