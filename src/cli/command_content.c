#include "cli/command_content.h"

#include "base/clock.h"
#include "base/mem.h"
#include "cli/visible.h"
#include "core/life.h"

#include <inttypes.h>
#include <sys/stat.h>
#include <unistd.h>

#define SHOW_EVERY_MS  250
#define LINE_MAX_BYTES 8192

static bool is_directory(const char *path)
{
    struct stat status;

    return stat(path, &status) == 0 && S_ISDIR(status.st_mode);
}

enum err_code cli_content_place(const char *name, struct conf **ret_conf, struct err *e)
{
    AUTO(conf) struct conf *c = NULL;
    bool directory = is_directory(name);

    TRY(conf_load(directory ? NULL : name, NULL, &c, e));
    if (directory) {
        free(c->storage.root);
        c->storage.root = mem_strdup(name);
    }
    if (c->storage.backend == CONF_STORAGE_MEM)
        return err_set(e, ERR_CONFIG,
                       "'%s': storage.backend is 'mem', whose content is in a server alone", name);
    *ret_conf = STEAL(c);
    return ERR_OK;
}

bool cli_content_both_ends(struct cli *cli, const struct cli_args *args)
{
    if (cli_flag(args, "--from") && cli_flag(args, "--to"))
        return true;
    fprintf(cli->err,
            "registry: --from and --to are needed\n`registry %s --help` shows what there is.\n",
            args->command->name);
    return false;
}

static bool failed(struct cli *cli, const char *why)
{
    fprintf(cli->err, "registry: %s\n", why);
    return false;
}

bool cli_content_open_any(struct cli *cli, const struct cli_args *args, struct cli_content *ret)
{
    struct store *store = NULL;
    struct meta *meta = NULL;
    struct err e = {0};

    ret->cli = cli;
    ret->started_ms = clock_mono_ms();
    if (!cli_config_load(cli, args, &ret->conf))
        return false;
    if (ret->conf->storage.backend == CONF_STORAGE_MEM)
        return failed(cli, "storage.backend is 'mem': there is no content outside of the server");
    if (cli->open_store(ret->conf, &store, &e) != ERR_OK)
        return failed(cli, e.detail);
    if (cli->open_meta(ret->conf, NULL, NULL, &meta, &e) != ERR_OK) {
        store_free(store);
        return failed(cli, e.detail);
    }
    ret->registry = registry_new(store, meta, ret->conf);
    return true;
}

bool cli_content_open(struct cli *cli, const struct cli_args *args, struct cli_content *ret)
{
    struct err e = {0}, unmarked;

    if (!cli_content_open_any(cli, args, ret))
        return false;
    if (owner_claim(ret->registry->store, ret->registry->meta, &unmarked, &e) != ERR_OK)
        return failed(cli, e.detail);
    return true;
}

enum err_code cli_content_take(struct cli_content *c, struct owner *ret_before,
                               struct owner *ret_now, struct err *e)
{
    TRY(owner_take(c->registry->store, c->registry->meta, ret_before, ret_now, e));
    if (ret_before->database.text[0] &&
        strcmp(ret_before->database.text, ret_now->database.text) != 0)
        fprintf(c->cli->out,
                "the store belonged to database %s (since %s, host %s); it is this one's now\n",
                ret_before->database.text, ret_before->since, ret_before->host);
    return ERR_OK;
}

void cli_content_done(struct cli_content *c)
{
    registry_free(c->registry);
    conf_free(c->conf);
}

void cli_content_end_line(struct cli_content *c)
{
    if (c->line_open)
        fputs("\r\033[K", c->cli->err);
    c->line_open = false;
}

void cli_content_progress(struct cli_content *c, const char *what, uint64_t done, uint64_t all)
{
    int64_t now_ms = clock_mono_ms();

    if (now_ms - c->shown_ms < SHOW_EVERY_MS || !isatty(fileno(c->cli->err)))
        return;
    c->shown_ms = now_ms;
    cli_content_end_line(c);
    fprintf(c->cli->err, "%s: %" PRIu64, what, done);
    if (all > 0)
        fprintf(c->cli->err, " of %" PRIu64 " (%" PRIu64 "%%)", all, done * 100 / all);
    fflush(c->cli->err);
    c->line_open = true;
}

void cli_content_problem(void *ctx, const char *text)
{
    struct cli_content *c = ctx;
    AUTO(buf) struct buf line = {0};

    buf_init(&line, LINE_MAX_BYTES);
    cli_add_visible(&line, text);
    cli_content_end_line(c);
    fprintf(c->cli->err, "registry: %s\n", buf_text(&line));
}

int cli_content_status(struct cli_content *c, enum err_code code, const struct err *e,
                       uint64_t problems)
{
    cli_content_end_line(c);
    if (code != ERR_OK) {
        fprintf(c->cli->err, "registry: %s\n", e->detail);
        return CLI_FAILED;
    }
    if (problems > 0)
        fprintf(c->cli->err, "registry: %" PRIu64 " problem%s, told above; all else is there\n",
                problems, problems == 1 ? "" : "s");
    return problems > 0 ? CLI_FAILED : CLI_OK;
}

void cli_content_print_count(struct cli_content *c, const char *what, uint64_t n, uint64_t fresh)
{
    fprintf(c->cli->out, "%-12s  %10" PRIu64 "  %10" PRIu64 " new\n", what, n, fresh);
}

void cli_content_print_end(struct cli_content *c, uint64_t moved_tags, uint64_t kept_tags,
                           const char *kept)
{
    FILE *out = c->cli->out;

    if (moved_tags > 0)
        fprintf(out, "%" PRIu64 " tags moved\n", moved_tags);
    if (kept_tags > 0)
        fprintf(out, "%" PRIu64 " tags %s\n", kept_tags, kept);
    fprintf(out, "took %.1f s\n", (double)(clock_mono_ms() - c->started_ms) / 1000);
}

static void show_copy(void *ctx, const struct copy_counts *c)
{
    if (c->done == 0 && c->manifests == 0)
        cli_content_progress(ctx, "listing", c->listed, 0);
    else
        cli_content_progress(ctx, "copying", c->done, c->listed);
}

enum err_code cli_content_copy(struct cli_content *c, const struct copy *copy,
                               struct copy_counts *ret_counts, struct err *e)
{
    struct copy told = *copy;

    told.problem = cli_content_problem;
    told.progress = show_copy;
    told.ctx = c;
    TRY(copy_run(&told, ret_counts, e));
    cli_content_end_line(c);
    cli_content_print_count(c, "blobs", ret_counts->blobs, ret_counts->new_blobs);
    cli_content_print_count(c, "manifests", ret_counts->manifests, ret_counts->new_manifests);
    cli_content_print_count(c, "tags", ret_counts->tags, ret_counts->new_tags);
    return ERR_OK;
}
