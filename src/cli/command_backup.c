/* registry backup, registry restore */
#include "backup/backup.h"

#include "backup/backup_image.h"
#include "backup/prune.h"
#include "backup/restore.h"
#include "base/clock.h"
#include "cli/command_content.h"
#include "cli/commands.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <sys/stat.h>

#define KEEP_MAX 100000

/* What a command has open: the registry, and the place of backups. */
struct ends {
    struct conf *conf;
    struct store *store, *place;
    struct meta *meta;
};

static inline void auto_ends_(struct ends *ends)
{
    store_free(ends->place);
    store_free(ends->store);
    meta_free(ends->meta);
    conf_free(ends->conf);
}

static const char *work_of(const struct cli_args *args)
{
    const char *named = cli_flag(args, "--work"), *usual = getenv("TMPDIR");

    return named ? named : usual && *usual ? usual : "/tmp";
}

static void show(void *ctx, const char *what, uint64_t done, uint64_t all)
{
    cli_content_progress(ctx, what, done, all);
}

static struct backup_told told_by(struct cli_content *c)
{
    return (struct backup_told){.problem = cli_content_problem, .progress = show, .ctx = c};
}

/* A name that is neither a file nor a directory becomes a directory. */
static enum err_code make_place(const char *name, struct err *e)
{
    struct stat status;

    if (stat(name, &status) == 0 || mkdir(name, 0700) == 0)
        return ERR_OK;
    return err_errno(e, "make '%s'", name);
}

/* The store of a registry would have its content among that of backups, and lose it with them. */
static enum err_code check_place(struct store *place, const char *name, struct err *e)
{
    AUTO(buf) struct buf mark = {0};
    enum err_code code;

    buf_init(&mark, STORE_MARK_MAX);
    code = store_mark_get(place, &mark, e);
    if (code == ERR_NOT_FOUND)
        return ERR_OK;
    TRY(code);
    return err_set(e, ERR_CONFIG,
                   "'%s' is the store of a registry: backups need a place of their own", name);
}

static enum err_code open_place(struct cli *cli, const char *name, struct store **ret_store,
                                struct err *e)
{
    AUTO(conf) struct conf *c = NULL;

    TRY(cli_content_place(name, &c, e));
    TRY(cli->open_store(c, ret_store, e));
    return check_place(*ret_store, name, e);
}

static enum err_code open_registry(struct cli *cli, struct ends *ends, bool beside, struct err *e)
{
    if (ends->conf->storage.backend == CONF_STORAGE_MEM)
        return err_set(e, ERR_CONFIG,
                       "storage.backend is 'mem': there is no content outside of the server");
    ends->conf->registry.manifest_cache_bytes = 0; /* it would know nothing of what others write */
    TRY((beside ? cli->open_store_beside : cli->open_store)(ends->conf, &ends->store, e));
    return cli->open_meta(ends->conf, NULL, NULL, &ends->meta, e);
}

static void print_counts(struct cli_content *c, const struct backup_counts *n)
{
    FILE *out = c->cli->out;

    cli_content_end_line(c);
    fprintf(out, "repositories  %10" PRIu64 "\n", n->repositories);
    cli_content_print_count(c, "blobs", n->blobs, n->new_blobs);
    cli_content_print_count(c, "manifests", n->manifests, n->new_manifests);
    fprintf(out, "tags          %10" PRIu64 "\n", n->tags);
}

static enum err_code take_keep(const struct cli_args *args, size_t *ret_keep, struct err *e)
{
    const char *text = cli_flag(args, "--keep");
    uint64_t n = 0;

    if (text && (!str_to_u64(str_of(text), KEEP_MAX, &n) || n == 0))
        return err_set(e, ERR_CONFIG, "--keep is '%s', and may be 1 to %d", text, KEEP_MAX);
    *ret_keep = (size_t)n;
    return ERR_OK;
}

static enum err_code prune(struct cli_content *c, const struct cli_args *args,
                           const struct ends *ends, size_t keep, struct err *e)
{
    const struct prune p = {
        .place = ends->place, .keep = keep, .work = work_of(args), .told = told_by(c)};
    struct prune_counts n;

    TRY(prune_run(&p, &n, e));
    cli_content_end_line(c);
    fprintf(c->cli->out,
            "%" PRIu64 " old backups removed, with %" PRIu64 " manifests and %" PRIu64
            " blobs (%" PRIu64 " bytes)\n",
            n.backups, n.manifests, n.blobs, n.bytes);
    return ERR_OK;
}

static enum err_code save(struct cli_content *c, const struct cli_args *args, struct ends *ends,
                          uint64_t *ret_missing, struct err *e)
{
    struct backup b = {.work = work_of(args), .told = told_by(c)};
    struct backup_counts counts;
    size_t keep = 0;

    TRY(take_keep(args, &keep, e));
    TRY(open_registry(c->cli, ends, true, e));
    TRY(make_place(args->operand, e));
    TRY(open_place(c->cli, args->operand, &ends->place, e));
    b.meta = ends->meta;
    b.store = ends->store;
    b.to = ends->place;
    TRY(backup_run(&b, &counts, e));
    print_counts(c, &counts);
    fprintf(c->cli->out, "%s saved\n", counts.tag.text);
    if (keep > 0)
        TRY(prune(c, args, ends, keep, e));
    cli_content_print_end(c, 0, 0, "");
    *ret_missing = counts.missing;
    return ERR_OK;
}

static bool has_place(struct cli *cli, const struct cli_args *args)
{
    if (args->operand)
        return true;
    fprintf(cli->err,
            "registry: where backups are is needed\n`registry %s --help` shows what there is.\n",
            args->command->name);
    return false;
}

typedef enum err_code (*backup_fn)(struct cli_content *c, const struct cli_args *args,
                                   struct ends *ends, uint64_t *ret_missing, struct err *e);

static int run(struct cli *cli, const struct cli_args *args, backup_fn fn)
{
    AUTO(ends) struct ends ends = {0};
    struct cli_content content = {.cli = cli, .started_ms = clock_mono_ms()};
    uint64_t missing = 0;
    struct err e = {0};
    enum err_code code;

    if (!has_place(cli, args))
        return CLI_USAGE;
    if (!cli_config_load(cli, args, &ends.conf))
        return CLI_FAILED;
    code = fn(&content, args, &ends, &missing, &e);
    return cli_content_status(&content, code, &e, missing);
}

int cli_backup(struct cli *cli, const struct cli_args *args)
{
    return run(cli, args, save);
}

/* ---- restore */

struct tags {
    char **names;
    size_t n;
};

static inline void auto_tags_(struct tags *t)
{
    while (t->n > 0)
        free(t->names[--t->n]);
    free(t->names);
}

static enum err_code choose(const struct tags *t, const char *wanted, struct tag_name *ret_tag,
                            struct err *e)
{
    if (t->n == 0)
        return err_set(e, ERR_CONFIG, "there is no backup");
    if (!wanted)
        return tag_name_parse(str_of(t->names[t->n - 1]), ret_tag, e);
    for (size_t i = 0; i < t->n; i++) {
        if (strcmp(t->names[i], wanted) == 0)
            return tag_name_parse(str_of(wanted), ret_tag, e);
    }
    return err_set(e, ERR_CONFIG, "there is no backup '%s': --list shows which there are", wanted);
}

static enum err_code bring_back(struct cli_content *c, const struct cli_args *args,
                                struct ends *ends, const struct tag_name *tag,
                                uint64_t *ret_missing, struct err *e)
{
    struct restore r = {.tag = tag,
                        .work = work_of(args),
                        .take_over = cli_flag(args, "--take-over") != NULL,
                        .told = told_by(c)};
    struct backup_counts counts;

    TRY(open_registry(c->cli, ends, false, e));
    r.from = ends->place;
    r.to = ends->store;
    r.meta = ends->meta;
    TRY(restore_run(&r, &counts, e));
    print_counts(c, &counts);
    fprintf(c->cli->out, "%s restored\n", tag->text);
    cli_content_print_end(c, 0, 0, "");
    *ret_missing = counts.missing;
    return ERR_OK;
}

static enum err_code restore(struct cli_content *c, const struct cli_args *args, struct ends *ends,
                             uint64_t *ret_missing, struct err *e)
{
    AUTO(tags) struct tags tags = {0};
    struct tag_name tag;

    TRY(open_place(c->cli, args->operand, &ends->place, e));
    TRY(backup_image_list(ends->place, &tags.names, &tags.n, e));
    if (cli_flag(args, "--list")) {
        for (size_t i = 0; i < tags.n; i++)
            fprintf(c->cli->out, "%s\n", tags.names[i]);
        return ERR_OK;
    }
    TRY(choose(&tags, cli_flag(args, "--at"), &tag, e));
    return bring_back(c, args, ends, &tag, ret_missing, e);
}

int cli_restore(struct cli *cli, const struct cli_args *args)
{
    return run(cli, args, restore);
}
