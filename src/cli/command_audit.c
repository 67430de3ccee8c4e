/* registry audit: the audit trail, for people and for programs. */
#include "auth/core/audit.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "cli/command_accounts.h"
#include "cli/commands.h"
#include "cli/visible.h"

#define PAGE           1000
#define DEFAULT_N      100
#define MOST_N         1000000000
#define ACTOR_MAX      160
#define LINE_MAX_BYTES 16384

struct question {
    struct meta_audit_filter filter;
    char actor[ACTOR_MAX];
    uint64_t n;
    bool json;
};

static void auto_list_(struct meta_audit_list *l)
{
    meta_audit_list_done(l);
}

static int wrong(struct cli *cli, const char *flag, const char *text, const char *allowed)
{
    fprintf(cli->err, "registry: %s: '%s' is not %s\n", flag, text, allowed);
    return CLI_USAGE;
}

static int parse_time(struct cli *cli, const struct cli_args *args, const char *flag,
                      int64_t *ret_ms)
{
    const char *text = cli_flag(args, flag);
    uint64_t ago_ms = 0;

    if (!text || clock_parse(str_of(text), ret_ms))
        return CLI_OK;
    if (!cli_duration(text, &ago_ms))
        return wrong(cli, flag, text,
                     "a time such as 2026-01-31 or 2026-01-31T23:59Z, or a duration such as 2h");
    *ret_ms = clock_wall_ms() - (int64_t)ago_ms;
    return CLI_OK;
}

/* "alice" is "user:alice"; "robot:ci", "anonymous" and the like stand for themselves. */
static struct str parse_actor(const char *text, char dst[static ACTOR_MAX])
{
    bool whole =
        !text || strchr(text, ':') || strcmp(text, "anonymous") == 0 || strcmp(text, "token") == 0;

    snprintf(dst, ACTOR_MAX, "%s%s", whole ? "" : "user:", text ? text : "");
    return str_of(dst);
}

static int parse(struct cli *cli, const struct cli_args *args, struct question *q)
{
    const char *n = cli_flag(args, "-n"), *repository = cli_flag(args, "--repository");
    struct err e;
    int status;

    q->n = DEFAULT_N;
    if (n && (!str_to_u64(str_of(n), MOST_N, &q->n) || q->n == 0))
        return wrong(cli, "-n", n, "a number from 1 to 1000000000");
    q->json = cli_flag(args, "--json") != NULL;
    q->filter.actor = parse_actor(cli_flag(args, "--user"), q->actor);
    q->filter.action = str_of(cli_flag(args, "--action"));
    q->filter.result = str_of(cli_flag(args, "--result"));
    q->filter.address = str_of(cli_flag(args, "--address"));
    if (audit_filter_repository(&q->filter, repository ? repository : "", &e) != ERR_OK)
        return wrong(cli, "--repository", repository, "a name or a pattern, such as dev/**");
    status = parse_time(cli, args, "--since", &q->filter.from_ms);
    return status == CLI_OK ? parse_time(cli, args, "--until", &q->filter.until_ms) : status;
}

static void add_column(struct buf *line, const char *text, size_t width)
{
    size_t start = line->n;

    cli_add_visible(line, text[0] ? text : "-");
    while (line->n - start < width)
        buf_add_char(line, ' ');
    buf_add_text(line, "  ");
}

static void print_row(struct cli *cli, const struct meta_audit *x, bool json)
{
    AUTO(buf) struct buf line = {0};
    char time[CLOCK_RFC3339_SIZE];

    buf_init(&line, LINE_MAX_BYTES);
    if (json) {
        audit_json(x, &line);
    } else {
        clock_rfc3339(x->time_ms, time);
        time[10] = ' ';
        time[19] = '\0';
        add_column(&line, time, 19);
        add_column(&line, x->actor, 20);
        add_column(&line, x->action, 12);
        add_column(&line, x->result, 8);
        add_column(&line, x->address, 15);
        cli_add_visible(&line, x->target);
        if (x->detail[0])
            buf_add_text(&line, "  ");
        cli_add_visible(&line, x->detail);
    }
    fprintf(cli->out, "%s\n", buf_text(&line));
}

static enum err_code print_all(struct cli *cli, struct meta *m, struct question *q, struct err *e)
{
    uint64_t left = q->n;
    bool more = true;

    while (more && left > 0) {
        AUTO(list) struct meta_audit_list page = {0};

        TRY(meta_audit(m, &q->filter, left < PAGE ? (size_t)left : PAGE, &page, e));
        for (size_t i = 0; i < page.n; i++)
            print_row(cli, &page.rows[i], q->json);
        left -= page.n;
        more = page.more;
        q->filter.before = page.next;
    }
    return ERR_OK;
}

int cli_audit(struct cli *cli, const struct cli_args *args)
{
    AUTO(cli_accounts) struct cli_accounts a = {0};
    struct question q = {.n = 0};
    struct err e = {0};
    int status = parse(cli, args, &q);

    if (status != CLI_OK)
        return status;
    if (!cli_accounts_open(cli, args, &a))
        return CLI_FAILED;
    if (!q.json)
        fprintf(cli->out, "%-19s  %-20s  %-12s  %-8s  %-15s  %s\n", "TIME (UTC)", "ACTOR", "ACTION",
                "RESULT", "ADDRESS", "TARGET");
    return cli_accounts_status(cli, print_all(cli, a.meta, &q, &e), &e);
}
