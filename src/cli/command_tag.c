/* registry tag: where a tag pointed, and the way back; deleting tags by pattern. */
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/json.h"
#include "base/pattern.h"
#include "cli/command_order.h"
#include "cli/commands.h"
#include "cli/visible.h"
#include "core/bulk.h"

#include <inttypes.h>
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

/* ---- deleting by pattern */

static bool parse_which(struct cli *cli, const struct cli_args *args, struct order *o)
{
    const char *age = cli_flag(args, "--older-than");
    uint64_t age_ms = 0;
    struct err e = {0};

    if (args->n_operands != 2) {
        fprintf(cli->err, "registry: a repository and a pattern of tags are needed\n");
        return false;
    }
    if (repo_name_parse(str_of(args->operands[0]), &o->repo, &e) != ERR_OK) {
        fprintf(cli->err, "registry: '%s' is no name of a repository\n", args->operands[0]);
        return false;
    }
    if (!pattern_valid(str_of(args->operands[1])) ||
        !str_copy(str_of(args->operands[1]), o->pattern, sizeof(o->pattern))) {
        fprintf(cli->err, "registry: '%s' is no pattern of tags, such as pr-*\n",
                args->operands[1]);
        return false;
    }
    if (age && !cli_duration(age, &age_ms)) {
        fprintf(cli->err, "registry: --older-than: '%s' is no duration such as 30d\n", age);
        return false;
    }
    if (age)
        o->before_ms = clock_wall_ms() - (int64_t)age_ms;
    return true;
}

struct listing {
    struct cli *cli;
    uint64_t go, stay;
};

static void print_tag(void *ctx, const struct meta_repo_tag *tag, bool goes)
{
    struct listing *l = ctx;
    char time[CLI_TIME_SIZE];

    l->go += goes;
    l->stay += !goes;
    fprintf(l->cli->out, "%-16s  %s  %s%s\n", cli_time(tag->pushed_ms, time), tag->digest.text,
            tag->name.text,
            goes ? "" : " (stays: a rule of the rights lets nobody move or delete it)");
}

static enum err_code look(const struct cli_accounts *a, const struct order *o, struct listing *l,
                          struct err *e)
{
    AUTO(policy) struct policy *policy = NULL;
    struct order_rules rules = {.is_immutable = cli_is_immutable, .repo = &o->repo};
    const struct bulk_tags which = {.pattern = str_of(o->pattern),
                                    .before_ms = o->before_ms,
                                    .may_untag = order_may_untag,
                                    .ctx = &rules};

    TRY(cli_policy_in_force(a->conf, a->meta, &policy, e));
    rules.immutable_ctx = policy;
    return bulk_tags_each(a->meta, &o->repo, &which, print_tag, l, e);
}

int cli_tag_rm(struct cli *cli, const struct cli_args *args)
{
    AUTO(cli_accounts) struct cli_accounts a = {0};
    struct order o = {.kind = ORDER_TAG_RM};
    struct listing l = {.cli = cli};
    bool dry = cli_flag(args, "--dry-run") != NULL;
    struct err e = {0};
    enum err_code code;

    if (!parse_which(cli, args, &o))
        return CLI_USAGE;
    if (!cli_accounts_open(cli, args, &a))
        return CLI_FAILED;
    code = look(&a, &o, &l, &e);
    if (code != ERR_OK)
        return cli_accounts_status(cli, code, &e);
    fprintf(cli->out, "%s %" PRIu64 " tags; their manifests stay\n",
            dry ? "would delete" : "deleting", l.go);
    if (dry || l.go == 0)
        return CLI_OK;
    cli_actor(o.actor);
    return cli_order(cli, args, &a, &o, args->operands[0]);
}
