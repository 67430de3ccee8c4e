/* registry tag: where a tag pointed, and the way back. */
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/json.h"
#include "cli/command_order.h"
#include "cli/commands.h"
#include "cli/visible.h"
#include "core/reference.h"

#include <stdlib.h>

#define PAGE           256
#define LINE_MAX_BYTES (16 * 1024)

struct place {
    struct repo_name repo;
    struct tag_name tag;
};

/* "dev/app:latest". */
static bool parse_place(struct cli *cli, const struct cli_args *args, struct place *ret)
{
    const char *text = cli_accounts_operand(cli, args, "REPOSITORY:TAG");
    const char *colon = text ? strrchr(text, ':') : NULL;
    struct err e = {0};

    if (!text)
        return false;
    if (colon &&
        repo_name_parse((struct str){text, (size_t)(colon - text)}, &ret->repo, &e) == ERR_OK &&
        tag_name_parse(str_of(colon + 1), &ret->tag, &e) == ERR_OK)
        return true;
    fprintf(cli->err, "registry: '%s' is not REPOSITORY:TAG, such as dev/app:latest\n", text);
    return false;
}

static const char *text_or(const struct digest *d, const char *none)
{
    return d->n > 0 ? d->text : none;
}

static void print_json(struct cli *cli, const struct meta_move *v)
{
    char time[CLOCK_RFC3339_SIZE];
    AUTO(json) json_t *o = NULL;
    AUTO(mem) char *line = NULL;

    clock_rfc3339(v->time_ms, time);
    o = json_pack("{s:s?, s:s?, s:s, s:s, s:I}", "digest", text_or(&v->digest, NULL), "previous",
                  text_or(&v->previous, NULL), "time", time, "actor", v->actor, "version",
                  (json_int_t)v->version);
    line = o ? json_dumps(o, JSON_COMPACT) : NULL;
    fprintf(cli->out, "%s\n", line ? line : "{}");
}

static void print_row(struct cli *cli, const struct meta_move *v)
{
    char time[CLI_TIME_SIZE];
    AUTO(buf) struct buf who = {0};

    buf_init(&who, LINE_MAX_BYTES);
    cli_add_visible(&who, v->actor[0] ? v->actor : "-");
    fprintf(cli->out, "%-16s  %-20s  %s\n", cli_time(v->time_ms, time), buf_text(&who),
            text_or(&v->digest, "deleted"));
}

static enum err_code print_all(struct cli *cli, struct meta *m, const struct place *at,
                               bool as_json, struct err *e)
{
    int64_t below = INT64_MAX;

    for (bool more = true; more;) {
        AUTO(moves) struct meta_move_list page = {0};

        TRY(meta_moves(m, &at->repo, &at->tag, below, PAGE, &page, e));
        for (size_t i = 0; i < page.n; i++) {
            (as_json ? print_json : print_row)(cli, &page.rows[i]);
            below = page.rows[i].version;
        }
        more = page.more && page.n > 0;
    }
    return ERR_OK;
}

int cli_tag_history(struct cli *cli, const struct cli_args *args)
{
    AUTO(cli_accounts) struct cli_accounts a = {0};
    bool as_json = cli_flag(args, "--json") != NULL;
    struct place at = {.repo = {.n = 0}};
    struct err e = {0};

    if (!parse_place(cli, args, &at))
        return CLI_USAGE;
    if (!cli_accounts_open(cli, args, &a))
        return CLI_FAILED;
    if (!as_json)
        fprintf(cli->out, "%-16s  %-20s  %s\n", "TIME (UTC)", "ACTOR", "DIGEST");
    return cli_accounts_status(cli, print_all(cli, a.meta, &at, as_json, &e), &e);
}

int cli_tag_rollback(struct cli *cli, const struct cli_args *args)
{
    AUTO(cli_accounts) struct cli_accounts a = {0};
    struct order o = {.kind = ORDER_ROLLBACK};
    struct place at = {.repo = {.n = 0}};
    struct err e = {0};

    if (!parse_place(cli, args, &at))
        return CLI_USAGE;
    if (args->n_operands == 2 && digest_parse(str_of(args->operands[1]), &o.to, &e) != ERR_OK) {
        fprintf(cli->err, "registry: '%s' is not a digest, such as sha256:...\n",
                args->operands[1]);
        return CLI_USAGE;
    }
    if (!cli_accounts_open(cli, args, &a))
        return CLI_FAILED;
    o.repo = at.repo;
    o.tag = at.tag;
    cli_actor(o.actor);
    return cli_order(cli, args, &a, &o, args->operand);
}
