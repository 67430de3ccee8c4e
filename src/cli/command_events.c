/* registry events: the event log, for people and for programs. */
#include "base/cleanup.h"
#include "base/json.h"
#include "base/pattern.h"
#include "cli/command_accounts.h"
#include "cli/commands.h"
#include "cli/visible.h"
#include "core/event_log.h"

#include <poll.h>

#define PAGE           256
#define LINE_MAX_BYTES 8192
#define LOOK_EVERY_MS  1000
#define SEQ_MOST       9999999999999999ull

struct question {
    uint64_t after;
    const char *repository, *event; /* patterns; NULL: all */
    bool json, follow;
};

static int wrong(struct cli *cli, const char *flag, const char *text, const char *allowed)
{
    fprintf(cli->err, "registry: %s: '%s' is not %s\n", flag, text, allowed);
    return CLI_USAGE;
}

static int parse(struct cli *cli, const struct cli_args *args, struct question *q)
{
    const char *after = cli_flag(args, "--after");

    q->repository = cli_flag(args, "--repository");
    q->event = cli_flag(args, "--event");
    q->json = cli_flag(args, "--json") != NULL;
    q->follow = cli_flag(args, "--follow") != NULL;
    if (after && !str_to_u64(str_of(after), SEQ_MOST, &q->after))
        return wrong(cli, "--after", after, "the number of an event");
    if (q->repository && !pattern_valid(str_of(q->repository)))
        return wrong(cli, "--repository", q->repository, "a name or a pattern, such as dev/**");
    if (q->event && !pattern_valid(str_of(q->event)))
        return wrong(cli, "--event", q->event, "the name of an event or a pattern, such as tag.*");
    return CLI_OK;
}

static const char *member(const json_t *event, const char *key)
{
    const char *text = json_string_value(json_object_get(event, key));

    return text ? text : "";
}

static bool is_asked_for(const struct question *q, const json_t *event)
{
    return (!q->repository ||
            pattern_matches(str_of(q->repository), str_of(member(event, "repository")))) &&
           (!q->event || pattern_matches(str_of(q->event), str_of(member(event, "event"))));
}

/* "team/app:v1", "team/app@sha256:..." */
static void add_target(struct buf *line, const json_t *event)
{
    const char *tag = member(event, "tag"), *digest = member(event, "digest");
    const json_t *tags = json_object_get(event, "tags");

    if (!tag[0] && json_array_size(tags) > 0)
        tag = json_string_value(json_array_get(tags, 0));
    cli_add_visible(line, member(event, "repository"));
    if (tag && tag[0])
        buf_add_char(line, ':');
    else if (digest[0])
        buf_add_char(line, '@');
    cli_add_visible(line, tag && tag[0] ? tag : digest);
}

static void add_column(struct buf *line, const char *text, size_t width)
{
    size_t start = line->n;

    cli_add_visible(line, text[0] ? text : "-");
    while (line->n - start < width)
        buf_add_char(line, ' ');
    buf_add_text(line, "  ");
}

static void print_event(struct cli *cli, const struct event *row, const struct question *q)
{
    AUTO(json) json_t *event = json_loads(row->json, 0, NULL);
    AUTO(buf) struct buf line = {0};
    char seq[STR_DECIMAL_MAX];

    if (!event || !is_asked_for(q, event))
        return;
    if (q->json) {
        fprintf(cli->out, "{\"seq\":%llu,%s\n", (unsigned long long)row->seq, row->json + 1);
        return;
    }
    buf_init(&line, LINE_MAX_BYTES);
    snprintf(seq, sizeof(seq), "%llu", (unsigned long long)row->seq);
    add_column(&line, seq, 8);
    add_column(&line, member(event, "time"), 24);
    add_column(&line, member(event, "event"), 24);
    add_column(&line, member(event, "actor"), 20);
    add_target(&line, event);
    fprintf(cli->out, "%s\n", buf_text(&line));
}

static enum err_code print_all(struct cli *cli, struct meta *m, struct question *q, struct err *e)
{
    for (;;) {
        AUTO(events) struct event_list page = {0};

        TRY(event_log_read(m, q->after, PAGE, &page, e));
        for (size_t i = 0; i < page.n; i++)
            print_event(cli, &page.rows[i], q);
        if (page.n > 0)
            q->after = page.rows[page.n - 1].seq;
        if (fflush(cli->out) != 0)
            return ERR_OK; /* nobody reads any more */
        if (!page.more && !q->follow)
            return ERR_OK;
        if (!page.more)
            (void)!poll(NULL, 0, LOOK_EVERY_MS);
    }
}

int cli_events(struct cli *cli, const struct cli_args *args)
{
    AUTO(cli_accounts) struct cli_accounts a = {0};
    struct question q = {.after = 0};
    struct err e = {0};
    int status = parse(cli, args, &q);

    if (status != CLI_OK)
        return status;
    if (!cli_accounts_open(cli, args, &a))
        return CLI_FAILED;
    if (!q.json)
        fprintf(cli->out, "%-8s  %-24s  %-24s  %-20s  %s\n", "NUMBER", "TIME", "EVENT", "ACTOR",
                "TARGET");
    return cli_accounts_status(cli, print_all(cli, a.meta, &q, &e), &e);
}
