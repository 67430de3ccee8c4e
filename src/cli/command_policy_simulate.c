/* registry policy simulate: what a pull policy would have done to the pulls of the last days. */
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/file.h"
#include "cli/command_accounts.h"
#include "cli/commands.h"
#include "core/life.h"
#include "core/registry.h"
#include "scan/pull_image.h"
#include "scan/simulate.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>

#define RULES_MAX_BYTES (1u << 20)
#define DAYS_USUAL      7
#define DAYS_MAX        3650
#define DAY_MS          ((int64_t)86400 * 1000)

struct simulating {
    struct cli *cli;
    bool json;
};

static void print_json(struct cli *cli, const struct simulated *s)
{
    AUTO(buf) struct buf line = {0}, text = {0};
    char time[CLOCK_RFC3339_SIZE];

    clock_rfc3339(s->pulled_ms, time);
    buf_init(&line, 4096);
    buf_init(&text, PULL_TEXT_MAX);
    pull_verdict_text(s->verdict, &text);
    buf_addf(&line, "{\"repository\":\"%s\",\"reference\":\"" STR_FMT "\",\"digest\":\"%s\"",
             s->repo->text, STR_ARG(reference_str(s->ref)), s->digest->text);
    buf_addf(&line, ",\"pulled_at\":\"%s\",\"blocked\":%s,\"reason\":\"%s\",\"message\":", time,
             s->verdict->blocked ? "true" : "false", pull_why_name(s->verdict->why));
    buf_add_json(&line, buf_str(&text));
    fprintf(cli->out, "%s}\n", buf_text(&line));
}

static enum err_code print_one(void *ctx, const struct simulated *s, struct err *e)
{
    const struct simulating *x = ctx;
    AUTO(buf) struct buf text = {0};
    char time[CLI_TIME_SIZE];

    (void)e;
    if (x->json) {
        print_json(x->cli, s);
        return ERR_OK;
    }
    buf_init(&text, PULL_TEXT_MAX);
    pull_verdict_text(s->verdict, &text);
    fprintf(x->cli->out, "%s  %s  %s%c" STR_FMT "  %s\n",
            s->verdict->blocked ? "blocked" : "warned ", cli_time(s->pulled_ms, time),
            s->repo->text, s->ref->is_digest ? '@' : ':', STR_ARG(reference_str(s->ref)),
            buf_text(&text));
    return ERR_OK;
}

/* The rules of the file, or those of the configuration. */
static enum err_code read_rules(const struct cli_args *args, struct conf *c,
                                struct conf_pull_rules *ret, struct err *e)
{
    const char *path = cli_flag(args, "--rules");
    AUTO(buf) struct buf text = {0};

    if (!path) {
        *ret = c->pull_policy;
        c->pull_policy = (struct conf_pull_rules){NULL, 0};
        return ERR_OK;
    }
    buf_init(&text, RULES_MAX_BYTES);
    TRY(file_read_at(AT_FDCWD, path, &text, e));
    if (conf_pull_rules_parse(buf_str(&text), ret, e) != ERR_OK)
        return err_prefix(e, "%s", path);
    return ERR_OK;
}

static inline void auto_rules_(struct conf_pull_rules *rules)
{
    conf_pull_rules_free(rules);
}

static inline void auto_alone_(struct registry **r)
{
    registry_free(*r);
}

static enum err_code run(struct cli *cli, const struct cli_args *args, struct conf *c,
                         uint64_t days, struct simulating *s, struct simulated_counts *ret,
                         struct err *e)
{
    AUTO(rules) struct conf_pull_rules rules = {NULL, 0};
    AUTO(alone) struct registry *registry = NULL;
    AUTO(gate) struct gate *gate = NULL;
    struct store *store = NULL;
    struct meta *meta = NULL;
    struct simulation x = {.rules = &rules, .now_ms = clock_wall_ms()};
    enum err_code code;

    TRY(read_rules(args, c, &rules, e));
    TRY(cli->open_store_beside(c, &store, e));
    code = cli->open_meta(c, NULL, NULL, &meta, e);
    if (code != ERR_OK) {
        store_free(store);
        return code;
    }
    registry = registry_new(store, meta, c);
    gate = gate_new(pull_image_look, registry, 0);
    x.gate = gate;
    x.registry = registry;
    x.since_ms = x.now_ms - (int64_t)days * DAY_MS;
    return simulate(&x, print_one, s, ret, e);
}

static bool take_days(struct cli *cli, const struct cli_args *args, uint64_t *ret)
{
    const char *text = cli_flag(args, "--days");

    *ret = DAYS_USUAL;
    if (!text || (str_to_u64(str_of(text), DAYS_MAX, ret) && *ret > 0))
        return true;
    fprintf(cli->err, "registry: --days '%.40s' is no number of days from 1 to %d\n", text,
            DAYS_MAX);
    return false;
}

int cli_policy_simulate(struct cli *cli, const struct cli_args *args)
{
    AUTO(conf) struct conf *c = NULL;
    struct simulating s = {.cli = cli, .json = cli_flag(args, "--json") != NULL};
    struct simulated_counts counts = {0};
    struct err e = {0};
    uint64_t days;

    if (!take_days(cli, args, &days))
        return CLI_USAGE;
    if (!cli_config_load(cli, args, &c))
        return CLI_FAILED;
    if (run(cli, args, c, days, &s, &counts, &e) != ERR_OK)
        return cli_accounts_status(cli, e.code, &e);
    if (counts.since_ms == 0)
        fputs("registry: pulls are not recorded: that begins when a server runs with rules in "
              "pull_policy\n",
              cli->err);
    if (!s.json)
        fprintf(cli->out,
                "of %" PRIu64 " pulls in %" PRIu64 " days, %" PRIu64 " would have been blocked and "
                "%" PRIu64 " warned of; %" PRIu64 " are of what is gone\n",
                counts.pulls, days, counts.blocked, counts.warned, counts.gone);
    return CLI_OK;
}
