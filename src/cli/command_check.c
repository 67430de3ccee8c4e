/* registry check: do store and database agree, and are they whole? */
#include "cli/check_repair.h"

#include "base/clock.h"
#include "base/json.h"
#include "check/checkup.h"
#include "check/deep.h"
#include "cli/command_content.h"
#include "cli/commands.h"
#include "cli/visible.h"
#include "core/conditions.h"
#include "core/life.h"
#include "core/owner.h"

#include <inttypes.h>
#include <time.h>

#define LINE_MAX_BYTES 8192

/* Where `check --deep` goes on, as a record. */
#define PLACES         STR("check")
#define PLACE          STR("deep")
#define PLACE_EVERY_MS 5000

struct checking {
    struct cli_content *content;
    bool as_json;
    bool quiet; /* no process had the store at the beginning */
    int64_t start;
    struct repo_name repo;
    struct check_options options;
    struct check_repair repair;
    struct meta_record place; /* to go on from */
    int64_t reading_since_ms, placed_ms;
    uint64_t read_bytes;
    uint64_t by_code[CHECK_CODES];
    uint64_t left_of_tags; /* findings about tags of the store that were not repaired */
};

/* ---- what is told */

static void print_json(struct checking *c, const struct check_finding *f, bool mended)
{
    FILE *out = c->content->cli->out;
    const char *path = f->path ? f->path : "";
    AUTO(json)
    json_t *o = json_pack("{s:s, s:s, s:s, s:s, s:s, s:s}", "code", check_kinds[f->code].name,
                          "repository", f->repo.text, "digest", f->digest.text, "tag", f->tag.text,
                          "path", path, "detail", f->detail);
    AUTO(mem) char *line = NULL;

    if (o && c->options.mend)
        json_object_set_new(o, "repaired", json_boolean(mended));
    line = o ? json_dumps(o, JSON_COMPACT) : NULL;
    fprintf(out, "%s\n", line ? line : "{}");
}

static void print_row(struct checking *c, const struct check_finding *f, bool mended)
{
    AUTO(buf) struct buf line = {0};
    char subject[FINDING_SUBJECT_MAX];

    buf_init(&line, LINE_MAX_BYTES);
    check_subject(f, subject);
    cli_add_visible(&line, subject);
    if (f->detail[0])
        buf_add_text(&line, ": ");
    cli_add_visible(&line, f->detail);
    fprintf(c->content->cli->out, "%-16s  %s%s\n", check_kinds[f->code].name, buf_text(&line),
            mended ? ": repaired" : "");
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

static bool is_of_link(enum check_code code)
{
    return code == CHECK_TAG_MISSING || code == CHECK_TAG_DIFFERS || code == CHECK_TAG_UNKNOWN ||
           code == CHECK_MANIFEST_MISSING || code == CHECK_LINK_FOREIGN;
}

static enum err_code found(void *ctx, const struct check_finding *f, bool mended, struct err *e)
{
    struct checking *c = ctx;

    TRY(still_quiet(c, e));
    cli_content_end_line(c->content);
    c->by_code[f->code]++;
    c->left_of_tags += is_of_link(f->code) && !mended;
    (c->as_json ? print_json : print_row)(c, f, mended);
    return ERR_OK;
}

static enum err_code mend(void *ctx, const struct check_finding *list, size_t n, bool *ret_mended,
                          struct err *e)
{
    struct checking *c = ctx;

    return check_repair_all(&c->repair, list, n, ret_mended, e);
}

static void failed(void *ctx, const struct check_finding *f, const struct err *e)
{
    struct checking *c = ctx;
    char subject[FINDING_SUBJECT_MAX];
    AUTO(buf) struct buf line = {0};

    buf_init(&line, LINE_MAX_BYTES);
    check_subject(f, subject);
    cli_add_visible(&line, subject);
    cli_content_end_line(c->content);
    fprintf(c->content->cli->err, "registry: could not repair %s: %s\n", buf_text(&line),
            e->detail);
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
            fprintf(out, "\n%s: %" PRIu64 "\n  %s\n  --repair: %s\n", check_kinds[i].name,
                    c->by_code[i], check_kinds[i].means, check_kinds[i].repair);
    }
}

static void print_counts(const struct checking *c, const struct check_counts *n)
{
    FILE *out = c->content->cli->out;

    cli_content_end_line(c->content);
    if (c->as_json) {
        fprintf(out,
                "{\"blobs\":%" PRIu64 ",\"manifests\":%" PRIu64 ",\"tags\":%" PRIu64
                ",\"objects\":%" PRIu64 ",\"findings\":%" PRIu64 ",\"repaired\":%" PRIu64 "}\n",
                n->blobs, n->manifests, n->tags, n->objects, n->findings, n->mended);
        return;
    }
    explain(c);
    fprintf(out,
            "%s%" PRIu64 " blobs, %" PRIu64 " manifests, %" PRIu64 " tags; %" PRIu64
            " objects in the store: ",
            n->findings ? "\n" : "", n->blobs, n->manifests, n->tags, n->objects);
    if (n->findings)
        fprintf(out, "%" PRIu64 " finding%s", n->findings, n->findings == 1 ? "" : "s");
    if (n->findings && c->options.mend)
        fprintf(out, ", %" PRIu64 " repaired", n->mended);
    if (n->findings)
        fprintf(out, "\n");
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

/* To repair, it must be ours alone, or the servers are asked to. */
static enum err_code open_store(struct checking *c, bool repair, struct store **ret_store,
                                struct err *e)
{
    struct cli *cli = c->content->cli;
    struct conf *conf = c->content->conf;
    enum err_code code;

    if (!repair || conf->storage.backend == CONF_STORAGE_S3) {
        c->quiet = can_be_quiet(conf) && !store_fs_is_used(conf->storage.root, &c->start);
        c->options.settle_ms = c->quiet ? 0 : (int64_t)conf->check.settle_ms;
        return cli->open_store_beside(conf, ret_store, e);
    }
    code = cli->open_store(conf, ret_store, e);
    if (code != ERR_UNAVAILABLE)
        return code;
    c->repair.beside = true;
    c->options.settle_ms = (int64_t)conf->check.settle_ms;
    return cli->open_store_beside(conf, ret_store, e);
}

/* Nothing is kept in memory: others change what is looked at. */
static enum err_code open_all(struct checking *c, bool repair, struct err *e)
{
    struct cli_content *content = c->content;
    struct conf *conf = content->conf;
    struct store *store = NULL;
    struct meta *meta = NULL;

    if (conf->storage.backend == CONF_STORAGE_MEM)
        return err_set(e, ERR_CONFIG,
                       "storage.backend is 'mem': there is no content outside of the server");
    conf->registry.manifest_cache_bytes = 0;
    TRY(open_store(c, repair, &store, e));
    if (content->cli->open_meta(conf, NULL, NULL, &meta, e) != ERR_OK) {
        store_free(store);
        return e->code;
    }
    content->registry = registry_new(store, meta, conf);
    TRY(owner_match(store, meta, e)); /* else all would be unknown */
    c->options.registry = c->repair.registry = content->registry;
    c->options.min_free_bytes = conf_u64(&conf->check.min_free_bytes);
    if (!repair)
        return ERR_OK;
    c->options.mend = mend;
    return check_repair_begin(&c->repair, e);
}

/* ---- reading everything */

static bool goes_on(void *ctx, uint64_t bytes)
{
    struct checking *c = ctx;
    uint64_t rate = conf_u64(&c->content->conf->check.rate_bytes);
    int64_t rest_ms;

    c->read_bytes += bytes;
    rest_ms = deep_rest_ms(rate, c->read_bytes, clock_mono_ms() - c->reading_since_ms);
    if (rest_ms > 0) {
        struct timespec t = {.tv_sec = rest_ms / 1000, .tv_nsec = rest_ms % 1000 * 1000000};

        nanosleep(&t, NULL);
    }
    return true;
}

static enum err_code note_place(void *ctx, const char *place, struct err *e)
{
    struct checking *c = ctx;
    struct meta_op op = meta_op_record_put(PLACES, PLACE, str_of(place), META_ANY);

    if (clock_mono_ms() - c->placed_ms < PLACE_EVERY_MS)
        return ERR_OK;
    c->placed_ms = clock_mono_ms();
    return meta_commit(c->content->registry->meta, &op, 1, 0, NULL, e);
}

static enum err_code begin_deep(struct checking *c, const struct cli_args *args, struct err *e)
{
    enum err_code code;

    c->options.deep = cli_flag(args, "--deep") != NULL;
    c->reading_since_ms = clock_mono_ms();
    c->placed_ms = c->reading_since_ms - PLACE_EVERY_MS; /* the first is noted at once */
    if (!cli_flag(args, "--continue"))
        return ERR_OK;
    code = meta_record_get(c->content->registry->meta, PLACES, PLACE, &c->place, e);
    if (code == ERR_NOT_FOUND)
        return ERR_OK;
    TRY(code);
    c->options.deep_from = str_of(c->place.value);
    return ERR_OK;
}

static enum err_code end_deep(struct checking *c, struct err *e)
{
    struct meta_op op = meta_op_record_delete(PLACES, PLACE, META_ANY);

    return c->options.deep ? meta_commit(c->content->registry->meta, &op, 1, 0, NULL, e) : ERR_OK;
}

/* ---- the command */

/* For /readyz of the servers. Where it can't be noted, what was found is told all the same. */
static void note_tags(struct checking *c)
{
    if (!c->options.repo)
        (void)!conditions_note(c->content->registry, c->left_of_tags, ERR_IGNORED);
}

static enum err_code run(struct checking *c, const struct cli_args *args, uint64_t *ret_left,
                         struct err *e)
{
    struct check_counts counts = {0};

    TRY(take_repo(c, args, e));
    TRY(open_all(c, cli_flag(args, "--repair") != NULL, e));
    TRY(begin_deep(c, args, e));
    TRY(check_run(&c->options, &counts, e));
    TRY(end_deep(c, e));
    note_tags(c);
    if (counts.mended > 0)
        TRY(check_repair_note(&c->repair, args, &counts, e));
    print_counts(c, &counts);
    *ret_left = counts.findings - counts.mended;
    return ERR_OK;
}

int cli_check(struct cli *cli, const struct cli_args *args)
{
    AUTO(cli_content) struct cli_content content = {.cli = cli};
    struct checking c = {
        .content = &content,
        .as_json = cli_flag(args, "--json") != NULL,
        .repair = {.move_tags = cli_flag(args, "--move-tags") != NULL, .failed = failed, .ctx = &c},
        .options = {.found = found,
                    .progress = progress,
                    .deep_goes_on = goes_on,
                    .deep_page = note_place,
                    .ctx = &c},
    };
    uint64_t left = 0;
    struct err e = {0};
    enum err_code code;

    if (!cli_config_load(cli, args, &content.conf))
        return CLI_UNCHECKED;
    code = run(&c, args, &left, &e);
    meta_record_done(&c.place);
    if (code != ERR_OK) {
        cli_content_status(&content, code, &e, 0);
        return CLI_UNCHECKED;
    }
    return left > 0 ? CLI_FAILED : CLI_OK;
}

int cli_findings(struct cli *cli, const struct cli_args *args)
{
    (void)args;
    fprintf(cli->out, "| finding | what it means | what `--repair` does |\n| --- | --- | --- |\n");
    for (size_t i = 0; i < CHECK_CODES; i++)
        fprintf(cli->out, "| `%s` | %s | %s |\n", check_kinds[i].name, check_kinds[i].means,
                check_kinds[i].repair);
    return CLI_OK;
}
