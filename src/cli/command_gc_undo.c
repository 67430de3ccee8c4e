/* registry gc undo: what a run deleted, back again. */
#include "base/cleanup.h"
#include "base/json.h"
#include "cli/command_accounts.h"
#include "cli/command_content.h"
#include "cli/command_gc_order.h"
#include "cli/commands.h"
#include "core/project.h"
#include "gc/undo.h"

#include <inttypes.h>
#include <stdlib.h>

struct undo_command {
    struct cli *cli;
    struct cli_content content; /* as of `registry gc` */
    struct conf *conf;
    const char *run;
    bool as_json, dry_run;
    char actor[CLI_ACTOR_SIZE];
};

/* ---- what is told */

static const char *const actions[] = {[GC_BACK] = "back",
                                      [GC_LOST] = "lost",
                                      [GC_TAG_BACK] = "tag",
                                      [GC_TAG_ELSEWHERE] = "elsewhere"};

static void print_item_json(struct undo_command *c, const struct gc_undo_item *x)
{
    AUTO(json)
    json_t *o = json_pack(
        "{s:s, s:s, s:s, s:s, s:I, s:s*, s:s*}", "action", actions[x->action], "repository",
        x->repo->text, "kind", x->kind == META_ITEM_BLOB ? "blob" : "manifest", "digest",
        x->digest->text, "size", (json_int_t)x->size_bytes, "tag", x->tag, "why", x->why);
    AUTO(mem) char *line = o ? json_dumps(o, JSON_COMPACT) : NULL;

    fprintf(c->cli->out, "%s\n", line ? line : "{}");
}

static void print_item(void *ctx, const struct gc_undo_item *x)
{
    struct undo_command *c = ctx;
    const char *kind = x->kind == META_ITEM_BLOB ? "blob" : "manifest";

    if (c->as_json)
        print_item_json(c, x);
    else if (x->action == GC_TAG_BACK)
        fprintf(c->cli->out, "back  tag       %s:%s  %s\n", x->repo->text, x->tag, x->digest->text);
    else if (x->action == GC_TAG_ELSEWHERE)
        fprintf(c->cli->out, "left  tag       %s:%s  it points to something else now\n",
                x->repo->text, x->tag);
    else
        fprintf(c->cli->out, "%s  %-8s  %s@%s  %" PRIu64 "  %s\n", actions[x->action], kind,
                x->repo->text, x->digest->text, x->size_bytes, x->why ? x->why : "");
}

static void print_sums(struct undo_command *c, const json_t *sums)
{
    const json_t *back = json_object_get(sums, "back");
    json_int_t manifests = json_integer_value(json_object_get(back, "manifests")),
               blobs = json_integer_value(json_object_get(back, "blobs")),
               bytes = json_integer_value(json_object_get(back, "bytes")),
               tags = json_integer_value(json_object_get(sums, "tags")),
               lost = json_integer_value(json_object_get(sums, "problems"));
    char size[CLI_GC_BYTES_SIZE];

    fprintf(c->cli->out, "%s %lld manifest%s, %lld blob%s (%s) and %lld tag%s\n",
            c->dry_run ? "Would bring back" : "Brought back", (long long)manifests,
            manifests == 1 ? "" : "s", (long long)blobs, blobs == 1 ? "" : "s",
            cli_gc_bytes((uint64_t)bytes, size), (long long)tags, tags == 1 ? "" : "s");
    if (lost > 0)
        fprintf(c->cli->out, "Not to be had any more: %lld\n", (long long)lost);
}

/* ---- here */

static json_t *sums_json(const struct undo_command *c, const struct gc_undo_counts *n)
{
    return json_pack("{s:s, s:b, s:{s:I, s:I, s:I}, s:I, s:I, s:I}", "undo", c->run, "dry_run",
                     c->dry_run, "back", "blobs", (json_int_t)n->back.blobs, "manifests",
                     (json_int_t)n->back.manifests, "bytes",
                     (json_int_t)(n->back.blob_bytes + n->back.manifest_bytes), "tags",
                     (json_int_t)n->tags, "tags_elsewhere", (json_int_t)n->tags_elsewhere,
                     "problems", (json_int_t)n->lost);
}

static enum err_code undo_here(struct undo_command *c, uint64_t *ret_problems, struct err *e)
{
    const struct gc_undo_options o = {.registry = c->content.registry,
                                      .undo = c->run,
                                      .dry_run = c->dry_run,
                                      .actor = c->actor,
                                      .item = print_item,
                                      .ctx = c};
    struct gc_undo_counts n = {0};
    bool more = !c->dry_run;
    AUTO(json) json_t *sums = NULL;
    AUTO(mem) char *text = NULL;

    TRY(gc_undo(&o, &n, e));
    sums = sums_json(c, &n);
    text = c->as_json && sums ? json_dumps(sums, JSON_COMPACT) : NULL;
    if (text)
        fprintf(c->cli->out, "%s\n", text);
    else
        print_sums(c, sums);
    *ret_problems = n.lost;
    while (more)
        TRY(project_pending(c->content.registry, 1, &more, e));
    return ERR_OK;
}

/* ---- by the server */

static void print_lost(struct undo_command *c, const json_t *run)
{
    const json_t *x;
    size_t i;

    json_array_foreach(json_object_get(run, "lost"), i, x) fprintf(
        c->cli->out, "lost  %s@%s  %s\n", json_string_value(json_object_get(x, "repository")),
        json_string_value(json_object_get(x, "digest")),
        json_string_value(json_object_get(x, "why")));
}

static enum err_code print_run(struct undo_command *c, struct meta *m, const char *id,
                               uint64_t *ret_problems, struct err *e)
{
    AUTO(record) struct meta_record record = {0};
    AUTO(json) json_t *run = NULL;
    const char *state;
    enum err_code code = meta_record_get(m, GC_RUNS, str_of(id), &record, e);

    if (code == ERR_NOT_FOUND)
        return err_set(e, code, "there is no run %s that deleted something", c->run);
    TRY(code);
    run = json_loads(record.value, 0, NULL);
    state = json_string_value(json_object_get(run, "state"));
    if (c->as_json)
        fprintf(c->cli->out, "%s\n", record.value);
    else
        print_lost(c, run);
    if (!c->as_json)
        print_sums(c, run);
    *ret_problems = (uint64_t)json_integer_value(json_object_get(run, "problems"));
    return state && strcmp(state, "done") == 0
               ? ERR_OK
               : err_set(e, ERR_INTERNAL, "run %s failed: %s", id,
                         json_string_value(json_object_get(run, "error")));
}

static enum err_code undo_there(struct undo_command *c, struct meta *m, uint64_t *ret_problems,
                                struct err *e)
{
    struct gc_order order = {.undo = c->run, .actor = c->actor};
    bool left;

    TRY(cli_gc_order(c->cli, m, &order, c->as_json, &left, e));
    return left ? ERR_OK : print_run(c, m, order.id, ret_problems, e);
}

static enum err_code run(struct undo_command *c, uint64_t *ret_problems, struct err *e)
{
    struct meta *meta = NULL;
    enum err_code code = cli_gc_open(c->cli, c->conf, c->dry_run, &c->content.registry, &meta, e);

    if (c->content.registry) /* it has the meta */
        return code == ERR_OK ? undo_here(c, ret_problems, e) : code;
    if (code == ERR_OK)
        code = undo_there(c, meta, ret_problems, e);
    meta_free(meta);
    return code;
}

int cli_gc_undo(struct cli *cli, const struct cli_args *args)
{
    struct undo_command c = {.cli = cli, .content = {.cli = cli}};
    uint64_t problems = 0;
    struct err e = {0};
    enum err_code code;
    int status;

    c.as_json = cli_flag(args, "--json") != NULL;
    c.dry_run = cli_flag(args, "--dry-run") != NULL;
    c.run = cli_accounts_operand(cli, args, "a run of `registry gc runs`");
    cli_actor(c.actor);
    if (!c.run)
        return CLI_USAGE;
    if (!cli_config_load(cli, args, &c.conf))
        return CLI_FAILED;
    code = run(&c, &problems, &e);
    status = cli_content_status(&c.content, code, &e, problems);
    c.content.conf = c.conf;
    cli_content_done(&c.content);
    return status;
}
