/* registry gc: what nobody needs any more, out of the registry. */
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/json.h"
#include "base/mem.h"
#include "cli/command_accounts.h"
#include "cli/command_content.h"
#include "cli/command_gc_order.h"
#include "cli/commands.h"
#include "core/project.h"
#include "gc/explain.h"
#include "gc/found.h"
#include "gc/journal.h"
#include "gc/lost.h"
#include "gc/server_run.h"

#include <inttypes.h>
#include <stdlib.h>

#define LINE_MAX_BYTES (64 * 1024)

struct gc_command {
    struct cli *cli;
    struct cli_content content; /* the registry, of a run that is ours; else its meta alone */
    struct conf *conf;
    struct repo_name repo;
    bool as_json, dry_run;
    struct gc_options o;
    char actor[CLI_ACTOR_SIZE];
};

/* ---- what is told */

static const char *kind_name(const struct gc_item *item)
{
    return item->kind == META_ITEM_BLOB ? "blob" : "manifest";
}

static void print_item(void *ctx, const struct gc_item *item)
{
    struct gc_command *c = ctx;
    const char *problem = item->problem ? item->problem : "";

    /* Without a grace it is deleted right afterwards, and told then. */
    if (item->action == GC_CONDEMNED && c->o.grace_ms == 0)
        return;
    cli_content_end_line(&c->content);
    if (c->as_json)
        fprintf(c->cli->out,
                "{\"action\":\"%s\",\"repository\":\"%s\",\"kind\":\"%s\",\"digest\":\"%s\","
                "\"size\":%" PRIu64 ",\"reason\":\"%s\"}\n",
                gc_action_name(item->action), item->repo->text, kind_name(item), item->digest->text,
                item->size_bytes, gc_why_text(item->why));
    else
        fprintf(c->cli->out, "%-7s  %-8s  %s%s%s  %" PRIu64 "  %s%s%s\n",
                gc_action_name(item->action), kind_name(item), item->repo->text,
                item->repo->n > 0 ? "@" : "", item->digest->text, item->size_bytes,
                gc_why_text(item->why), *problem ? "; can't be read: " : "", problem);
}

static void print_repo(void *ctx, const struct repo_name *repo)
{
    struct gc_command *c = ctx;

    cli_content_end_line(&c->content);
    if (c->as_json)
        fprintf(c->cli->out,
                "{\"action\":\"delete\",\"repository\":\"%s\",\"kind\":\"repository\","
                "\"reason\":\"it is empty\"}\n",
                repo->text);
    else
        fprintf(c->cli->out, "delete   repository  %s  it is empty\n", repo->text);
}

static void show_progress(void *ctx, uint64_t repos, uint64_t of)
{
    struct gc_command *c = ctx;

    cli_content_progress(&c->content, "repositories", repos, of);
}

static void print_sum(struct gc_command *c, const char *what, const struct gc_sum *s,
                      const char *then)
{
    char size[CLI_GC_BYTES_SIZE];

    if (s->manifests > 0)
        fprintf(c->cli->out, "%s %" PRIu64 " manifest%s (%s)\n", what, s->manifests,
                s->manifests == 1 ? "" : "s", cli_gc_bytes(s->manifest_bytes, size));
    if (s->blobs > 0 || s->manifests == 0)
        fprintf(c->cli->out, "%s %" PRIu64 " %sblob%s%s%s%s\n", what, s->blobs,
                c->dry_run ? "unreferenced " : "", s->blobs == 1 ? "" : "s", *then ? then : " (",
                cli_gc_bytes(s->blob_bytes, size), *then ? "" : ")");
}

static bool is_nothing(const struct gc_sum *s)
{
    return s->blobs == 0 && s->manifests == 0;
}

static void print_counts(struct gc_command *c, const struct gc_counts *n)
{
    cli_content_end_line(&c->content);
    if (c->as_json)
        return;
    if (c->o.grace_ms > 0 && !is_nothing(&n->condemned)) {
        print_sum(c, c->dry_run ? "Would condemn" : "Condemned", &n->condemned, "");
        fprintf(c->cli->out, "What is condemned goes with a run after gc.grace, unless something "
                             "uses it meanwhile.\n");
    }
    if (!is_nothing(&n->revived))
        print_sum(c, c->dry_run ? "Would revive" : "Revived", &n->revived, "");
    if (n->empty > 0)
        fprintf(c->cli->out, "%s %" PRIu64 " empty repositor%s\n",
                c->dry_run ? "Would delete" : "Deleted", n->empty, n->empty == 1 ? "y" : "ies");
    print_sum(c, c->dry_run ? "Would delete" : "Deleted", &n->deleted,
              c->dry_run ? "" : ", reclaimed ");
}

static void print_summary_json(struct gc_command *c, const struct gc_counts *n)
{
    AUTO(json)
    json_t *o = json_pack("{s:b, s:I, s:I, s:I}", "dry_run", c->dry_run, "repositories",
                          (json_int_t)n->repos, "manifests", (json_int_t)n->manifests, "blobs",
                          (json_int_t)n->blobs);
    AUTO(mem) char *text = NULL;

    gc_counts_json(n, o);
    text = o ? json_dumps(o, JSON_COMPACT) : NULL;
    if (c->as_json && text)
        fprintf(c->cli->out, "%s\n", text);
}

/* ---- a run here */

static enum err_code run_here(struct gc_command *c, uint64_t *ret_problems, struct err *e)
{
    struct gc_counts counts = {0};
    bool more = true;
    enum err_code code;

    c->o.item = print_item;
    c->o.repo_gone = print_repo;
    c->o.progress = show_progress;
    c->o.ctx = c;
    code = gc_run(&c->o, &counts, e);
    print_counts(c, &counts);
    print_summary_json(c, &counts);
    *ret_problems = counts.problems;
    TRY(code);
    while (!c->dry_run && more)
        TRY(project_pending(c->o.registry, 1, &more, e));
    return ERR_OK;
}

/* ---- a run of the server */

static struct gc_sum sum_of(const json_t *run, const char *name)
{
    const json_t *o = json_object_get(run, name);

    return (struct gc_sum){
        .blobs = (uint64_t)json_integer_value(json_object_get(o, "blobs")),
        .manifests = (uint64_t)json_integer_value(json_object_get(o, "manifests")),
        .blob_bytes = (uint64_t)json_integer_value(json_object_get(o, "bytes")),
    };
}

static enum err_code print_run(struct gc_command *c, struct meta *m, const char *id,
                               uint64_t *ret_problems, struct err *e)
{
    AUTO(record) struct meta_record record = {0};
    AUTO(json) json_t *run = NULL;
    struct gc_counts n = {0};

    TRY(meta_record_get(m, GC_RUNS, str_of(id), &record, e));
    run = json_loads(record.value, 0, NULL);
    n.revived = sum_of(run, "revived");
    n.condemned = sum_of(run, "condemned");
    n.deleted = sum_of(run, "deleted");
    n.empty = (uint64_t)json_integer_value(json_object_get(run, "empty_repositories"));
    n.problems = (uint64_t)json_integer_value(json_object_get(run, "problems"));
    *ret_problems = n.problems;
    if (c->as_json)
        fprintf(c->cli->out, "%s\n", record.value);
    print_counts(c, &n);
    if (strcmp(json_string_value(json_object_get(run, "state")), "done") != 0)
        return err_set(e, ERR_INTERNAL, "run %s failed: %s", id,
                       json_string_value(json_object_get(run, "error")));
    return ERR_OK;
}

static enum err_code run_there(struct gc_command *c, struct meta *m, uint64_t *ret_problems,
                               struct err *e)
{
    struct gc_order order = {.repo = c->repo,
                             .grace_ms = c->o.grace_ms,
                             .orphans_ms = c->o.orphans_ms,
                             .actor = c->actor};
    bool left;

    TRY(cli_gc_order(c->cli, m, &order, c->as_json, &left, e));
    return left ? ERR_OK : print_run(c, m, order.id, ret_problems, e);
}

/* ---- the command */

/* What is not given stays as it is. */
static enum err_code take_duration(const struct cli_args *args, const char *name, int64_t *ret_ms,
                                   struct err *e)
{
    const char *text = cli_flag(args, name);
    uint64_t ms;

    if (text && !cli_duration(text, &ms))
        return err_set(e, ERR_REQUEST_INVALID, "%s: '%s' is no duration", name, text);
    if (text)
        *ret_ms = (int64_t)ms;
    return ERR_OK;
}

static enum err_code take_flags(struct gc_command *c, const struct cli_args *args, struct err *e)
{
    const char *repo = cli_flag(args, "--repo");

    c->as_json = cli_flag(args, "--json") != NULL;
    c->dry_run = cli_flag(args, "--delete") == NULL;
    c->o = gc_options_of(NULL, &c->conf->gc);
    c->o.dry_run = c->dry_run;
    c->o.actor = c->actor;
    cli_actor(c->actor);
    if (repo) {
        TRY(repo_name_parse(str_of(repo), &c->repo, e));
        c->o.repo = &c->repo;
    }
    TRY(take_duration(args, "--older-than", &c->o.grace_ms, e));
    return take_duration(args, "--orphans", &c->o.orphans_ms, e);
}

static enum err_code run(struct gc_command *c, const struct cli_args *args, uint64_t *ret_problems,
                         struct err *e)
{
    struct meta *meta = NULL;
    enum err_code code;

    TRY(take_flags(c, args, e));
    TRY(cli_gc_open(c->cli, c->conf, c->dry_run, &c->o.registry, &meta, e));
    c->content.registry = c->o.registry;
    if (c->o.registry)
        return run_here(c, ret_problems, e);
    code = run_there(c, meta, ret_problems, e);
    meta_free(meta);
    return code;
}

int cli_gc(struct cli *cli, const struct cli_args *args)
{
    struct gc_command c = {.cli = cli, .content = {.cli = cli}};
    uint64_t problems = 0;
    struct err e = {0};
    enum err_code code;
    int status;

    if (!cli_flag(args, "--delete") == !cli_flag(args, "--dry-run")) {
        fprintf(cli->err, "registry: one of --dry-run and --delete is needed\n"
                          "`registry gc --help` shows what there is.\n");
        return CLI_USAGE;
    }
    if (!cli_config_load(cli, args, &c.conf))
        return CLI_FAILED;
    code = run(&c, args, &problems, &e);
    status = cli_content_status(&c.content, code, &e, problems);
    c.content.conf = c.conf;
    cli_content_done(&c.content);
    return status;
}

/* ---- runs */

static void print_did(FILE *out, const json_t *run)
{
    struct gc_sum condemned = sum_of(run, "condemned"), deleted = sum_of(run, "deleted"),
                  back = sum_of(run, "back");
    const char *undo = json_string_value(json_object_get(run, "undo"));
    char size[CLI_GC_BYTES_SIZE];

    if (undo)
        fprintf(out, "brought back %" PRIu64 " (%s) of %s\n", back.blobs + back.manifests,
                cli_gc_bytes(back.blob_bytes, size), undo);
    else
        fprintf(out, "condemned %" PRIu64 ", deleted %" PRIu64 " (%s)\n",
                condemned.blobs + condemned.manifests, deleted.blobs + deleted.manifests,
                cli_gc_bytes(deleted.blob_bytes, size));
}

static void print_run_line(struct cli *cli, const char *id, const char *record)
{
    AUTO(json) json_t *run = json_loads(record, 0, NULL);
    const char *state = json_string_value(json_object_get(run, "state"));
    char began[CLI_TIME_SIZE];

    fprintf(cli->out, "%-25s  %-16s  %-8s  ", id,
            cli_time(json_integer_value(json_object_get(run, "started")), began),
            state ? state : "");
    print_did(cli->out, run);
}

struct listing {
    struct cli *cli;
    struct meta *meta;
    bool as_json;
    bool unused; /* nobody has the store: what says that it is running is not */
};

static enum err_code print_record(void *ctx, const struct meta_record *record, struct err *e)
{
    const struct listing *l = ctx;
    AUTO(mem) char *lost = NULL;
    const char *text;
    bool is = false;

    if (l->unused)
        TRY(gc_run_is_orderless(l->meta, record, &is, e));
    lost = is ? gc_run_lost_text(record, 0) : NULL;
    text = lost ? lost : record->value;
    if (l->as_json)
        fprintf(l->cli->out, "%s\n", text);
    else
        print_run_line(l->cli, record->key, text);
    return ERR_OK;
}

/* Of files alone commands run (command_gc_order.h), and those are locked then. */
static bool is_unused(const struct conf *c)
{
    int64_t start;

    return c->storage.backend == CONF_STORAGE_FILESYSTEM &&
           !store_fs_is_used(c->storage.root, &start);
}

int cli_gc_runs(struct cli *cli, const struct cli_args *args)
{
    AUTO(cli_accounts) struct cli_accounts a = {0};
    struct listing l = {.cli = cli, .as_json = cli_flag(args, "--json") != NULL};
    struct err e = {0};

    if (!cli_accounts_open(cli, args, &a))
        return CLI_FAILED;
    l.meta = a.meta;
    l.unused = is_unused(a.conf);
    return cli_accounts_status(cli, meta_records_each(a.meta, GC_RUNS, print_record, &l, &e), &e);
}

/* ---- explain */

struct explaining {
    struct cli *cli;
    const struct conf_gc *conf;
    struct meta *meta;
    struct digest digest;
    bool there;
};

static enum err_code explain_in(struct explaining *x, const struct repo_name *repo, struct err *e)
{
    const struct gc_options o = gc_options_of(NULL, x->conf);
    const struct gc_policy p = gc_policy_of(&o, clock_wall_ms());
    AUTO(buf) struct buf text = {0};
    bool there;

    buf_init(&text, LINE_MAX_BYTES);
    TRY(gc_explain(x->meta, repo, &x->digest, &p, (int64_t)conf_u64(&x->conf->grace_ms), &text,
                   &there, e));
    if (there)
        fprintf(x->cli->out, "in %s:\n%s", repo->text, buf_text(&text));
    x->there = x->there || there;
    return ERR_OK;
}

static enum err_code may_be_in(struct explaining *x, const struct repo_name *repo, bool *ret_is,
                               struct err *e)
{
    AUTO(meta_manifest) struct meta_manifest *m = NULL;
    uint64_t size_bytes;
    enum err_code code = meta_blob_stat(x->meta, repo, &x->digest, &size_bytes, e);

    if (code == ERR_BLOB_UNKNOWN)
        code = meta_manifest_by_digest(x->meta, repo, &x->digest, &m, e);
    *ret_is = code != ERR_MANIFEST_UNKNOWN;
    return code == ERR_MANIFEST_UNKNOWN || code == ERR_CORRUPT ? ERR_OK : code;
}

static enum err_code explain_everywhere(struct explaining *x, struct err *e)
{
    AUTO(mem) char *after = mem_strdup("");

    for (bool more = true; more;) {
        AUTO(row_list) struct meta_row_list page = {0};

        TRY(meta_rows(x->meta, META_ROW_REPO, str_of(after), 256, &page, e));
        for (size_t i = 0; i < page.n; i++) {
            struct repo_name repo;
            bool is;

            TRY(repo_name_parse(page.rows[i].texts[0], &repo, e));
            TRY(may_be_in(x, &repo, &is, e));
            if (is)
                TRY(explain_in(x, &repo, e));
        }
        more = page.more && page.n > 0;
        if (more) {
            free(after);
            after = STEAL(page.next);
        }
    }
    return ERR_OK;
}

static enum err_code explain(struct explaining *x, const char *operand, struct err *e)
{
    struct str rest = str_of(operand), first;
    struct repo_name repo = {.n = 0};
    char run[GC_RUN_SIZE];

    if (str_cut(&rest, '@', &first)) {
        TRY(repo_name_parse(first, &repo, e));
        TRY(digest_parse(rest, &x->digest, e));
        TRY(explain_in(x, &repo, e));
    } else {
        TRY(digest_parse(first, &x->digest, e));
        TRY(explain_everywhere(x, e));
    }
    if (x->there)
        return ERR_OK;
    if (gc_journal_find(x->meta, repo.n > 0 ? &repo : NULL, &x->digest, run, e) != ERR_OK)
        return err_set(e, ERR_NOT_FOUND, "%s is not here, and no run is known to have deleted it",
                       x->digest.text);
    fprintf(x->cli->out, "%s was deleted by run %s\n", x->digest.text, run);
    return ERR_OK;
}

int cli_gc_explain(struct cli *cli, const struct cli_args *args)
{
    AUTO(cli_accounts) struct cli_accounts a = {0};
    struct explaining x = {.cli = cli};
    struct err e = {0};
    const char *operand = cli_accounts_operand(cli, args, "a digest");

    if (!operand)
        return CLI_USAGE;
    if (!cli_accounts_open(cli, args, &a))
        return CLI_FAILED;
    x.meta = a.meta;
    x.conf = &a.conf->gc;
    return cli_accounts_status(cli, explain(&x, operand, &e), &e);
}
