/* registry retention: which tags go by the policies of the configuration, and letting them go. */
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/json.h"
#include "cli/command_order.h"
#include "cli/commands.h"
#include "core/retention.h"

#include <inttypes.h>
#include <stdlib.h>

struct listing {
    struct cli *cli;
    bool json;
};

static void print_json(struct cli *cli, const struct retention_decision *d)
{
    char time[CLOCK_RFC3339_SIZE];
    AUTO(json) json_t *o = NULL;
    AUTO(mem) char *line = NULL;

    clock_rfc3339(d->tag->pushed_ms, time);
    o = json_pack("{s:s, s:s, s:s, s:s?, s:b, s:s}", "repository", d->repo->text, "tag",
                  d->tag->name.text, "digest", d->tag->digest.text, "pushed",
                  d->tag->pushed_ms > 0 ? time : NULL, "goes", d->goes, "why", d->why);
    line = o ? json_dumps(o, JSON_COMPACT) : NULL;
    fprintf(cli->out, "%s\n", line ? line : "{}");
}

static void print_decision(void *ctx, const struct retention_decision *d)
{
    const struct listing *l = ctx;
    char time[CLI_TIME_SIZE];

    if (l->json)
        print_json(l->cli, d);
    else
        fprintf(l->cli->out, "%-5s  %-16s  %s:%s (%s)\n", d->goes ? "goes" : "stays",
                cli_time(d->tag->pushed_ms, time), d->repo->text, d->tag->name.text, d->why);
}

static void print_told(void *ctx, size_t policy, const char *why)
{
    const struct listing *l = ctx;

    fprintf(l->cli->err, "registry: policy %zu of `retention` is not carried out: %s\n", policy,
            why);
}

static enum err_code look(struct cli_accounts *a, struct listing *l,
                          struct retention_counts *ret_counts, struct err *e)
{
    AUTO(policy) struct policy *policy = NULL;
    struct retention x = {.meta = a->meta,
                          .policies = &a->conf->retention,
                          .now_ms = clock_wall_ms(),
                          .is_immutable = cli_is_immutable,
                          .decided = print_decision,
                          .told = print_told,
                          .ctx = l};

    TRY(cli_policy_in_force(a->conf, a->meta, &policy, e));
    x.immutable_ctx = policy;
    return retention_run(&x, ret_counts, e);
}

int cli_retention(struct cli *cli, const struct cli_args *args)
{
    AUTO(cli_accounts) struct cli_accounts a = {0};
    struct listing l = {.cli = cli, .json = cli_flag(args, "--json") != NULL};
    struct order o = {.kind = ORDER_RETENTION};
    bool dry = cli_flag(args, "--dry-run") != NULL;
    struct retention_counts counts = {0};
    struct err e = {0};
    enum err_code code;
    int status;

    if (!cli_accounts_open(cli, args, &a))
        return CLI_FAILED;
    code = look(&a, &l, &counts, &e);
    if (code != ERR_OK)
        return cli_accounts_status(cli, code, &e);
    if (!l.json)
        fprintf(cli->out, "%s %" PRIu64 " tags, keeping %" PRIu64 "\n",
                dry ? "would delete" : "deleting", counts.gone, counts.kept);
    status = counts.policies_told > 0 ? CLI_FAILED : CLI_OK;
    if (dry || counts.gone == 0)
        return status;
    cli_actor(o.actor);
    return cli_order(cli, args, &a, &o, "retention") == CLI_OK ? status : CLI_FAILED;
}
