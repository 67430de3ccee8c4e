/* registry jobs: what is done in the background, and what failed too often. */
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/json.h"
#include "cli/command_accounts.h"
#include "cli/commands.h"
#include "cli/visible.h"

#include <inttypes.h>
#include <stdlib.h>

#define PAGE           256
#define LINE_MAX_BYTES (64 * 1024)

static const char *state_name(const struct meta_job *j)
{
    static const char *const names[] = {[META_JOB_WAITING] = "waiting",
                                        [META_JOB_RUNNING] = "running",
                                        [META_JOB_STOPPED] = "stopped"};

    if (j->cancelled)
        return "cancelled";
    return (unsigned)j->state < sizeof(names) / sizeof(names[0]) ? names[j->state] : "";
}

static void print_json(struct cli *cli, const struct meta_job *j)
{
    char due[CLOCK_RFC3339_SIZE], changed[CLOCK_RFC3339_SIZE];
    AUTO(mem) char *line = NULL;
    AUTO(json) json_t *o = NULL;

    clock_rfc3339(j->due_ms, due);
    clock_rfc3339(j->changed_ms, changed);
    o = json_pack("{s:s, s:s, s:s, s:s, s:s, s:I, s:I, s:b, s:s, s:s}", "kind", j->kind, "key",
                  j->key, "state", state_name(j), "due", due, "changed", changed, "attempts",
                  (json_int_t)(j->attempts + j->passes), "priority", (json_int_t)j->priority,
                  "again", j->again, "holder", j->holder, "note", j->note);
    line = o ? json_dumps(o, JSON_COMPACT) : NULL;
    fprintf(cli->out, "%s\n", line ? line : "{}");
}

static void print_row(struct cli *cli, const struct meta_job *j)
{
    AUTO(buf) struct buf line = {0};
    char time[CLI_TIME_SIZE];
    int64_t at_ms = j->state == META_JOB_WAITING ? j->due_ms : j->changed_ms;

    buf_init(&line, LINE_MAX_BYTES);
    buf_addf(&line, "%-9s  %-16s  %8" PRId64 "  ", state_name(j), cli_time(at_ms, time),
             j->attempts + j->passes);
    cli_add_visible(&line, j->kind);
    buf_add_char(&line, ' ');
    cli_add_visible(&line, j->key);
    if (j->note[0])
        buf_add_text(&line, ": ");
    cli_add_visible(&line, j->note);
    fprintf(cli->out, "%s\n", buf_text(&line));
}

static enum err_code print_all(struct cli *cli, struct meta *m, bool as_json, struct err *e)
{
    AUTO(meta_job) struct meta_job last = {0};

    for (bool more = true; more;) {
        AUTO(meta_jobs) struct meta_job_list page = {0};

        TRY(meta_jobs(m, str_of(last.kind), str_of(last.key), PAGE, &page, e));
        for (size_t i = 0; i < page.n; i++)
            (as_json ? print_json : print_row)(cli, &page.rows[i]);
        more = page.more && page.n > 0;
        if (more) {
            meta_job_done(&last);
            last = page.rows[page.n - 1];
            page.rows[page.n - 1] = (struct meta_job){0};
        }
    }
    return ERR_OK;
}

int cli_jobs_list(struct cli *cli, const struct cli_args *args)
{
    AUTO(cli_accounts) struct cli_accounts a = {0};
    bool as_json = cli_flag(args, "--json") != NULL;
    struct err e = {0};

    if (!cli_accounts_open(cli, args, &a))
        return CLI_FAILED;
    if (!as_json)
        fprintf(cli->out, "%-9s  %-16s  %8s  %s\n", "STATE", "DUE, SINCE (UTC)", "ATTEMPTS", "JOB");
    return cli_accounts_status(cli, print_all(cli, a.meta, as_json, &e), &e);
}

static bool has_name(struct cli *cli, const struct cli_args *args)
{
    if (args->n_operands == 2 && *args->operands[0] && *args->operands[1])
        return true;
    fprintf(cli->err,
            "registry: the kind and the key of a job are missing; `registry jobs list` shows them\n"
            "`registry %s --help` shows what there is.\n",
            args->command->name);
    return false;
}

static void print_whole(struct cli *cli, const struct meta_job *j)
{
    AUTO(buf) struct buf text = {0};
    char due[CLI_TIME_SIZE], changed[CLI_TIME_SIZE];
    const struct {
        const char *what, *text;
    } rows[] = {{"kind", j->kind},
                {"key", j->key},
                {"state", state_name(j)},
                {"due", cli_time(j->due_ms, due)},
                {"since", cli_time(j->changed_ms, changed)},
                {"holder", j->holder},
                {"note", j->note}};

    buf_init(&text, LINE_MAX_BYTES);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        buf_addf(&text, "%-9s ", rows[i].what);
        cli_add_visible(&text, rows[i].text[0] ? rows[i].text : "-");
        buf_add_char(&text, '\n');
    }
    fprintf(cli->out, "%sattempts  %" PRId64 "\n", buf_text(&text), j->attempts + j->passes);
}

int cli_jobs_show(struct cli *cli, const struct cli_args *args)
{
    AUTO(cli_accounts) struct cli_accounts a = {0};
    AUTO(meta_job) struct meta_job j = {0};
    struct err e = {0};
    enum err_code code;

    if (!has_name(cli, args))
        return CLI_USAGE;
    if (!cli_accounts_open(cli, args, &a))
        return CLI_FAILED;
    code = meta_job_get(a.meta, str_of(args->operands[0]), str_of(args->operands[1]), &j, &e);
    if (code == ERR_OK)
        (cli_flag(args, "--json") ? print_json : print_whole)(cli, &j);
    return cli_accounts_status(cli, code, &e);
}

static int change(struct cli *cli, const struct cli_args *args, struct meta_op op, const char *said)
{
    AUTO(cli_accounts) struct cli_accounts a = {0};
    AUTO(buf) struct buf target = {0};
    struct err e = {0};
    enum err_code code;

    if (!cli_accounts_open(cli, args, &a))
        return CLI_FAILED;
    buf_init(&target, LINE_MAX_BYTES);
    buf_addf(&target, "%s %s", args->operands[0], args->operands[1]);
    code = meta_commit(a.meta, &op, 1, 0, NULL, &e);
    if (code == ERR_OK)
        code = cli_accounts_audit(&a, args, buf_text(&target), &e);
    if (code == ERR_OK)
        fprintf(cli->out, "%s: %s\n", buf_text(&target), said);
    return cli_accounts_status(cli, code, &e);
}

int cli_jobs_retry(struct cli *cli, const struct cli_args *args)
{
    if (!has_name(cli, args))
        return CLI_USAGE;
    return change(
        cli, args,
        meta_op_job_retry(str_of(args->operands[0]), str_of(args->operands[1]), clock_wall_ms()),
        "will be run");
}

int cli_jobs_cancel(struct cli *cli, const struct cli_args *args)
{
    if (!has_name(cli, args))
        return CLI_USAGE;
    return change(cli, args,
                  meta_op_job_cancel(str_of(args->operands[0]), str_of(args->operands[1])),
                  "will not be run, or not to its end");
}
