#include "core/migrate.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "cli/command_content.h"
#include "cli/commands.h"

#include <inttypes.h>
#include <stdlib.h>

#define DIGEST_SHOWN 16 /* digits: to be compared by eye with an earlier run */

struct end {
    struct conf *conf;
    struct store *store; /* held, so that no server has it meanwhile; NULL where that is no use */
    struct meta *meta;
};

static inline void auto_end_(struct end *end)
{
    store_free(end->store);
    meta_free(end->meta);
    conf_free(end->conf);
}

static bool is_same_root(const struct conf *a, const struct conf *b)
{
    AUTO(mem) char *one = realpath(a->storage.root, NULL);
    AUTO(mem) char *other = realpath(b->storage.root, NULL);

    return one && other && strcmp(one, other) == 0;
}

/* A store of files has one user at a time, the server or us; of a bucket nobody can tell. */
static enum err_code hold_store(struct cli *cli, struct end *end, const struct end *other,
                                struct err *e)
{
    if (end->conf->storage.backend != CONF_STORAGE_FILESYSTEM)
        return ERR_OK;
    if (other && other->store && is_same_root(end->conf, other->conf))
        return ERR_OK;
    return cli->open_store(end->conf, &end->store, e);
}

static enum err_code open_end(struct cli *cli, const char *name, const struct end *other,
                              struct end *end, struct err *e)
{
    TRY(cli_content_place(name, &end->conf, e));
    TRY(hold_store(cli, end, other, e));
    end->conf->storage.cache.type = CONF_CACHE_NONE; /* nobody else uses it, or may have to hear */
    return cli->open_meta(end->conf, NULL, NULL, &end->meta, e);
}

static void show(void *ctx, enum migrate_step step, enum meta_row_kind kind, uint64_t done)
{
    static const char *const steps[] = {
        [MIGRATE_COPY] = "copying",
        [MIGRATE_VERIFY_FROM] = "verifying the source",
        [MIGRATE_VERIFY_TO] = "verifying the target",
    };
    char what[64];

    snprintf(what, sizeof(what), "%s, %s", steps[step], meta_row_kind_name(kind));
    cli_content_progress(ctx, what, done, 0);
}

static void print_summary(struct cli_content *c, bool resumed, const struct migrate_count *counts)
{
    FILE *out = c->cli->out;

    cli_content_end_line(c);
    if (resumed)
        fputs("went on where an earlier run was stopped\n", out);
    for (int kind = 0; kind < META_ROW_KINDS; kind++)
        fprintf(out, "%-12s  %10" PRIu64 "  %.*s\n", meta_row_kind_name((enum meta_row_kind)kind),
                counts[kind].rows, DIGEST_SHOWN, digest_hex(&counts[kind].digest).p);
    fputs("both sides have the same\n", out);
    cli_content_print_end(c, 0, 0, "");
}

static enum err_code migrate(struct cli_content *c, const struct cli_args *args, struct err *e)
{
    AUTO(end) struct end from = {0};
    AUTO(end) struct end to = {0};
    struct migrate_count counts[META_ROW_KINDS];
    struct migrate m = {.progress = show, .ctx = c};
    bool resumed;

    TRY(open_end(c->cli, cli_flag(args, "--from"), NULL, &from, e));
    TRY(open_end(c->cli, cli_flag(args, "--to"), &from, &to, e));
    m.from = from.meta;
    m.to = to.meta;
    TRY(migrate_run(&m, &resumed, counts, e));
    print_summary(c, resumed, counts);
    return ERR_OK;
}

int cli_migrate(struct cli *cli, const struct cli_args *args)
{
    struct cli_content content = {.cli = cli, .started_ms = clock_mono_ms()};
    struct err e = {0};

    if (!cli_content_both_ends(cli, args))
        return CLI_USAGE;
    return cli_content_status(&content, migrate(&content, args, &e), &e, 0);
}
