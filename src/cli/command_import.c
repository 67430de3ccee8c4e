#include "cli/command_accounts.h"
#include "cli/command_content.h"
#include "cli/commands.h"
#include "core/project.h"
#include "core/reindex.h"

#include <limits.h>
#include <stdlib.h>

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

#define BUCKET_URL "s3://"

/* Which bucket the operand names. Server and keys are those of the configuration, which means the
 * bucket that is filled. */
static enum err_code name_bucket(struct conf *c, const char *url, struct err *e)
{
    struct str prefix = str_of(url + strlen(BUCKET_URL)), bucket;
    AUTO(buf) struct buf settled = {0};
    struct conf_s3 *s3 = &c->storage.s3;

    if (c->storage.backend != CONF_STORAGE_S3)
        return err_set(e, ERR_CONFIG,
                       "'%s': which server that is on, and its keys, would be those of storage.s3, "
                       "which is not in use here; give the configuration file of the other "
                       "registry instead",
                       url);
    str_cut(&prefix, '/', &bucket);
    while (prefix.n > 0 && prefix.p[prefix.n - 1] == '/')
        prefix.n--;
    buf_init(&settled, prefix.n + 2);
    buf_addf(&settled, STR_FMT "%s", STR_ARG(prefix), prefix.n ? "/" : "");
    free(s3->bucket);
    free(s3->prefix);
    s3->bucket = str_dup(bucket);
    s3->prefix = str_dup(buf_str(&settled));
    return bucket.n ? ERR_OK : err_set(e, ERR_CONFIG, "'%s' names no bucket", url);
}

/* Where the other registry keeps its content: a bucket beside ours, a directory, or what its own
 * configuration file says. Variables of the environment mean this one. */
static enum err_code find_theirs(struct cli *cli, const struct cli_args *args,
                                 struct conf **ret_conf, struct err *e)
{
    const char *operand = args->operand;

    if (str_starts(str_of(operand), STR(BUCKET_URL))) {
        TRY(conf_load(cli_config_path(cli, args), cli->environment, ret_conf, e));
        return name_bucket(*ret_conf, operand, e);
    }
    return cli_content_place(operand, ret_conf, e);
}

static enum err_code open_theirs(struct cli *cli, const struct cli_args *args,
                                 struct store **ret_store, struct err *e)
{
    AUTO(conf) struct conf *c = NULL;

    TRY(find_theirs(cli, args, &c, e));
    return cli->open_distribution(c, ret_store, e);
}

int cli_import_distribution(struct cli *cli, const struct cli_args *args)
{
    AUTO(cli_content) struct cli_content content = {0};
    uint64_t problems = 0;
    struct store *from = NULL;
    struct err e = {0};
    enum err_code code;

    if (!cli_accounts_operand(
            cli, args,
            "the data directory, the bucket or the configuration file of the other registry"))
        return CLI_USAGE;
    if (!cli_content_open(cli, args, &content))
        return CLI_FAILED;
    code = open_theirs(cli, args, &from, &e);
    if (code == ERR_OK)
        code = import(&content, from, args, &problems, &e);
    store_free(from);
    return cli_content_status(&content, code, &e, problems);
}
