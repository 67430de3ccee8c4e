#include "core/reindex.h"

#include "cli/command_accounts.h"
#include "cli/command_content.h"
#include "cli/commands.h"

#include <inttypes.h>

static void show(void *ctx, const struct reindex_counts *c)
{
    if (c->done == 0 && c->manifests == 0)
        cli_content_progress(ctx, "listing", c->listed, 0);
    else
        cli_content_progress(ctx, "reindex", c->done, c->listed);
}

static void print_summary(struct cli_content *content, const struct reindex_counts *c)
{
    cli_content_end_line(content);
    fprintf(content->cli->out, "%-12s  %10" PRIu64 "\n", "repositories", c->repositories);
    cli_content_print_count(content, "manifests", c->manifests, c->new_manifests);
    cli_content_print_count(content, "blobs", c->blobs, c->new_blobs);
    cli_content_print_count(content, "tags", c->tags, c->new_tags);
    cli_content_print_end(content, c->moved_tags, c->kept_tags,
                          "left as the database has them; --move-tags moves them to where the "
                          "store says");
}

int cli_reindex(struct cli *cli, const struct cli_args *args)
{
    AUTO(cli_content) struct cli_content content = {0};
    char actor[CLI_ACTOR_SIZE];
    struct reindex r = {
        .move_tags = cli_flag(args, "--move-tags") != NULL,
        .actor = actor,
        .action = args->command->name,
        .problem = cli_content_problem,
        .progress = show,
        .ctx = &content,
    };
    struct reindex_counts counts = {0};
    struct owner before, now;
    struct err e = {0};
    enum err_code code;

    cli_actor(actor);
    if (!cli_content_open_any(cli, args, &content))
        return CLI_FAILED;
    r.registry = content.registry;
    code = reindex_run(&r, &counts, &e);
    if (code == ERR_OK)
        print_summary(&content, &counts);
    if (code == ERR_OK) /* the database has all that the store has now */
        code = cli_content_take(&content, &before, &now, &e);
    return cli_content_status(&content, code, &e, counts.problems);
}
