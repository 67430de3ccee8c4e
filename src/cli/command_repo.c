/* registry repo: what repositories hold, and deleting a whole one. */
#include "base/cleanup.h"
#include "base/mem.h"
#include "cli/command_order.h"
#include "cli/commands.h"
#include "core/bulk.h"

#include <inttypes.h>
#include <stdlib.h>

#define PAGE 256

static void print_counts(struct cli *cli, const char *what, const struct bulk_counts *c)
{
    fprintf(cli->out,
            "%s %" PRIu64 " tags, %" PRIu64 " manifests and %" PRIu64 " blobs: %" PRIu64
            " bytes of its own, and %" PRIu64 " that stay in other repositories\n",
            what, c->tags, c->manifests, c->blobs, c->own_bytes, c->shared_bytes);
}

/* Fails as the order would, of which this comes before. */
static enum err_code look(const struct cli_accounts *a, const struct repo_name *repo,
                          struct bulk_counts *ret, struct err *e)
{
    AUTO(policy) struct policy *policy = NULL;
    struct order_rules rules = {.is_immutable = cli_is_immutable, .repo = repo};
    bool exists;

    TRY(meta_repo_exists(a->meta, repo, &exists, e));
    if (!exists)
        return err_set(e, ERR_NAME_UNKNOWN, "there is no repository %s", repo->text);
    TRY(cli_policy_in_force(a->conf, a->meta, &policy, e));
    rules.immutable_ctx = policy;
    TRY(bulk_may_untag(a->meta, repo, order_may_untag, &rules, e));
    return bulk_look(a->meta, repo, ret, e);
}

int cli_repo_rm(struct cli *cli, const struct cli_args *args)
{
    AUTO(cli_accounts) struct cli_accounts a = {0};
    const char *name = cli_accounts_operand(cli, args, "the name of a repository");
    bool dry = cli_flag(args, "--dry-run") != NULL;
    struct order o = {.kind = ORDER_REPO_RM};
    struct bulk_counts counts = {0};
    struct err e = {0};
    enum err_code code;

    if (!name)
        return CLI_USAGE;
    if (repo_name_parse(str_of(name), &o.repo, &e) != ERR_OK) {
        fprintf(cli->err, "registry: '%s' is no name of a repository\n", name);
        return CLI_USAGE;
    }
    if (!cli_accounts_open(cli, args, &a))
        return CLI_FAILED;
    code = look(&a, &o.repo, &counts, &e);
    if (code != ERR_OK)
        return cli_accounts_status(cli, code, &e);
    print_counts(cli, dry ? "would delete" : "deleting", &counts);
    if (dry)
        return CLI_OK;
    cli_actor(o.actor);
    return cli_order(cli, args, &a, &o, name);
}

/* ---- what repositories hold */

struct listing {
    struct cli *cli;
    struct meta *meta;
    struct str space; /* a repository, or all below it; empty: everything */
    bool size;
    struct bulk_counts all;
};

static bool is_in(struct str name, struct str space)
{
    return space.n == 0 || str_eq(name, space) ||
           (str_starts(name, space) && name.n > space.n && name.p[space.n] == '/');
}

static void print_size(struct cli *cli, const struct bulk_counts *c, const char *name)
{
    fprintf(cli->out,
            "%8" PRIu64 "  %9" PRIu64 "  %14" PRIu64 "  %14" PRIu64 "  %14" PRIu64 "  %s\n",
            c->tags, c->manifests, c->own_bytes, c->shared_bytes, c->reclaimable_bytes, name);
}

static void add_counts(struct bulk_counts *all, const struct bulk_counts *c)
{
    all->tags += c->tags;
    all->manifests += c->manifests;
    all->own_bytes += c->own_bytes;
    all->shared_bytes += c->shared_bytes;
    all->reclaimable_bytes += c->reclaimable_bytes;
}

static enum err_code print_row(struct listing *l, const char *name, struct err *e)
{
    struct bulk_counts c;
    struct repo_name repo;

    if (!is_in(str_of(name), l->space))
        return ERR_OK;
    if (!l->size) {
        fprintf(l->cli->out, "%s\n", name);
        return ERR_OK;
    }
    TRY(repo_name_parse(str_of(name), &repo, e));
    TRY(bulk_look(l->meta, &repo, &c, e));
    print_size(l->cli, &c, name);
    add_counts(&l->all, &c);
    return ERR_OK;
}

static enum err_code print_all(struct listing *l, struct err *e)
{
    AUTO(mem) char *after = mem_strdup("");

    for (bool more = true; more;) {
        AUTO(name_list) struct meta_name_list page = {0};

        TRY(meta_repos(l->meta, str_of(after), PAGE, &page, e));
        for (size_t i = 0; i < page.n; i++)
            TRY(print_row(l, page.names[i], e));
        more = page.more && page.n > 0;
        if (more) {
            free(after);
            after = STEAL(page.names[page.n - 1]);
        }
    }
    return ERR_OK;
}

int cli_repo_ls(struct cli *cli, const struct cli_args *args)
{
    AUTO(cli_accounts) struct cli_accounts a = {0};
    struct listing l = {.cli = cli,
                        .space = str_of(args->operand ? args->operand : ""),
                        .size = cli_flag(args, "--size") != NULL};
    struct err e = {0};
    enum err_code code;

    if (!cli_accounts_open(cli, args, &a))
        return CLI_FAILED;
    l.meta = a.meta;
    if (l.size)
        fprintf(cli->out, "%8s  %9s  %14s  %14s  %14s  %s\n", "TAGS", "MANIFESTS", "OWN BYTES",
                "SHARED BYTES", "RECLAIMABLE", "REPOSITORY");
    code = print_all(&l, &e);
    if (code == ERR_OK && l.size)
        print_size(cli, &l.all, "all of these");
    return cli_accounts_status(cli, code, &e);
}
