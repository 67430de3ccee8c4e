/* registry check: do store and database agree, and are they whole? */
#include "check/checkup.h"

#include "base/json.h"
#include "cli/command_content.h"
#include "cli/commands.h"
#include "cli/visible.h"
#include "core/life.h"

#include <inttypes.h>

#define LINE_MAX_BYTES 8192

struct checking {
    struct cli_content *content;
    bool as_json;
    bool quiet; /* no process had the store at the beginning */
    int64_t start;
    struct repo_name repo;
    struct check_options options;
    uint64_t by_code[CHECK_CODES];
};

/* ---- what is told */

static void print_json(FILE *out, const struct check_finding *f)
{
    const char *path = f->path ? f->path : "";
    AUTO(json)
    json_t *o = json_pack("{s:s, s:s, s:s, s:s, s:s, s:s}", "code", check_kinds[f->code].name,
                          "repository", f->repo.text, "digest", f->digest.text, "tag", f->tag.text,
                          "path", path, "detail", f->detail);
    AUTO(mem) char *line = o ? json_dumps(o, JSON_COMPACT) : NULL;

    fprintf(out, "%s\n", line ? line : "{}");
}

static void print_row(FILE *out, const struct check_finding *f)
{
    AUTO(buf) struct buf line = {0};
    char subject[FINDING_SUBJECT_MAX];

    buf_init(&line, LINE_MAX_BYTES);
    check_subject(f, subject);
    cli_add_visible(&line, subject);
    if (f->detail[0])
        buf_add_text(&line, ": ");
    cli_add_visible(&line, f->detail);
    fprintf(out, "%-16s  %s\n", check_kinds[f->code].name, buf_text(&line));
}

/* A server that came meanwhile changes things that were not looked at for long enough. */
static enum err_code still_quiet(const struct checking *c, struct err *e)
{
    int64_t start;

    if (!c->quiet ||
        (!store_fs_is_used(c->content->conf->storage.root, &start) && start == c->start))
        return ERR_OK;
    return err_set(e, ERR_UNAVAILABLE, "a registry was started meanwhile: run the check again");
}

static enum err_code found(void *ctx, const struct check_finding *f, struct err *e)
{
    struct checking *c = ctx;

    TRY(still_quiet(c, e));
    cli_content_end_line(c->content);
    c->by_code[f->code]++;
    (c->as_json ? print_json : print_row)(c->content->cli->out, f);
    return ERR_OK;
}

static void progress(void *ctx, const char *what, uint64_t done)
{
    struct checking *c = ctx;

    cli_content_progress(c->content, what, done, 0);
}

static void explain(const struct checking *c)
{
    FILE *out = c->content->cli->out;

    for (size_t i = 0; i < CHECK_CODES; i++) {
        if (c->by_code[i] > 0)
            fprintf(out, "\n%s: %" PRIu64 "\n  %s\n  %s\n", check_kinds[i].name, c->by_code[i],
                    check_kinds[i].means, check_kinds[i].remedy);
    }
}

static void print_counts(const struct checking *c, const struct check_counts *n)
{
    FILE *out = c->content->cli->out;

    cli_content_end_line(c->content);
    if (c->as_json) {
        fprintf(out,
                "{\"blobs\":%" PRIu64 ",\"manifests\":%" PRIu64 ",\"tags\":%" PRIu64
                ",\"objects\":%" PRIu64 ",\"findings\":%" PRIu64 "}\n",
                n->blobs, n->manifests, n->tags, n->objects, n->findings);
        return;
    }
    explain(c);
    fprintf(out,
            "%s%" PRIu64 " blobs, %" PRIu64 " manifests, %" PRIu64 " tags; %" PRIu64
            " objects in the store: ",
            n->findings ? "\n" : "", n->blobs, n->manifests, n->tags, n->objects);
    if (n->findings)
        fprintf(out, "%" PRIu64 " finding%s\n", n->findings, n->findings == 1 ? "" : "s");
    else
        fprintf(out, "all is well\n");
}

/* ---- the command */

static enum err_code take_repo(struct checking *c, const struct cli_args *args, struct err *e)
{
    const char *name = cli_flag(args, "--repo");

    if (!name)
        return ERR_OK;
    TRY(repo_name_parse(str_of(name), &c->repo, e));
    c->options.repo = &c->repo;
    return ERR_OK;
}

static bool can_be_quiet(const struct conf *c)
{
    return c->storage.backend == CONF_STORAGE_FILESYSTEM &&
           c->metadata.driver == CONF_METADATA_SQLITE;
}

/* Nothing is kept in memory: others change what is looked at. */
static enum err_code open_all(struct checking *c, struct err *e)
{
    struct cli_content *content = c->content;
    struct conf *conf = content->conf;
    struct store *store = NULL;
    struct meta *meta = NULL;

    if (conf->storage.backend == CONF_STORAGE_MEM)
        return err_set(e, ERR_CONFIG,
                       "storage.backend is 'mem': there is no content outside of the server");
    c->quiet = can_be_quiet(conf) && !store_fs_is_used(conf->storage.root, &c->start);
    conf->registry.manifest_cache_bytes = 0;
    TRY(content->cli->open_store_beside(conf, &store, e));
    if (content->cli->open_meta(conf, NULL, NULL, &meta, e) != ERR_OK) {
        store_free(store);
        return e->code;
    }
    content->registry = registry_new(store, meta, conf);
    c->options.registry = content->registry;
    c->options.settle_ms = c->quiet ? 0 : (int64_t)conf->check.settle_ms;
    c->options.min_free_bytes = conf_u64(&conf->check.min_free_bytes);
    return ERR_OK;
}

static enum err_code run(struct checking *c, const struct cli_args *args, uint64_t *ret_findings,
                         struct err *e)
{
    struct check_counts counts = {0};

    TRY(take_repo(c, args, e));
    TRY(open_all(c, e));
    TRY(check_run(&c->options, &counts, e));
    print_counts(c, &counts);
    *ret_findings = counts.findings;
    return ERR_OK;
}

int cli_check(struct cli *cli, const struct cli_args *args)
{
    AUTO(cli_content) struct cli_content content = {.cli = cli};
    struct checking c = {
        .content = &content,
        .as_json = cli_flag(args, "--json") != NULL,
        .options = {.found = found, .progress = progress, .ctx = &c},
    };
    uint64_t findings = 0;
    struct err e = {0};

    if (!cli_config_load(cli, args, &content.conf))
        return CLI_UNCHECKED;
    if (run(&c, args, &findings, &e) != ERR_OK) {
        cli_content_status(&content, e.code, &e, 0);
        return CLI_UNCHECKED;
    }
    return findings > 0 ? CLI_FAILED : CLI_OK;
}

int cli_findings(struct cli *cli, const struct cli_args *args)
{
    (void)args;
    fprintf(cli->out, "| finding | what it means | what to do |\n| --- | --- | --- |\n");
    for (size_t i = 0; i < CHECK_CODES; i++)
        fprintf(cli->out, "| `%s` | %s | %s |\n", check_kinds[i].name, check_kinds[i].means,
                check_kinds[i].remedy);
    return CLI_OK;
}
