#include "cli/command_accounts.h"
#include "cli/command_content.h"
#include "cli/commands.h"
#include "core/project.h"
#include "core/reindex.h"

#include <limits.h>

/* Tags that the database has changed without the store knowing yet: else they would look like
 * content that the import found there. */
static enum err_code carry_tags(struct registry *r, struct err *e)
{
    bool more;

    return project_pending(r, UINT_MAX, &more, e);
}

/* Content first, then what refers to it, as in a push. What the copy told is not told again: it is
 * not in the store. */
static enum err_code import(struct cli_content *c, struct store *from, const struct cli_args *args,
                            uint64_t *ret_problems, struct err *e)
{
    char actor[CLI_ACTOR_SIZE];
    bool move_tags = cli_flag(args, "--move-tags");
    struct copy copy = {
        .from = from,
        .to = c->registry->store,
        .trust = cli_flag(args, "--no-verify"),
        .move_tags = move_tags,
    };
    struct reindex r = {
        .registry = c->registry,
        .move_tags = move_tags,
        .actor = actor,
        .action = args->command->name,
        .problem = cli_content_problem,
        .ctx = c,
    };
    struct copy_counts copied = {0};
    struct reindex_counts indexed = {0};

    cli_actor(actor);
    TRY(carry_tags(c->registry, e));
    TRY(cli_content_copy(c, &copy, &copied, e));
    TRY(reindex_run(&r, &indexed, e));
    cli_content_print_end(c, copied.moved_tags, copied.kept_tags,
                          "are here already and elsewhere; --move-tags moves them to where the "
                          "other registry has them");
    *ret_problems = copied.problems + indexed.problems;
    return ERR_OK;
}

int cli_import_distribution(struct cli *cli, const struct cli_args *args)
{
    AUTO(cli_content) struct cli_content content = {0};
    uint64_t problems = 0;
    struct store *from = NULL;
    struct err e = {0};
    enum err_code code;

    if (!cli_accounts_operand(cli, args, "the data directory of the other registry"))
        return CLI_USAGE;
    if (!cli_content_open(cli, args, &content))
        return CLI_FAILED;
    code = cli->open_distribution(args->operand, &from, &e);
    if (code == ERR_OK)
        code = import(&content, from, args, &problems, &e);
    store_free(from);
    return cli_content_status(&content, code, &e, problems);
}
