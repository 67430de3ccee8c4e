#include "cli/command_order.h"

#include "auth/policy/rules.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "cli/guard.h"
#include "core/life.h"
#include "core/owner.h"
#include "core/project.h"

#include <limits.h>
#include <unistd.h>

#define LOOK_EVERY_MS 100
#define WAIT_MS       10000 /* for a server to take it up */

/* ---- here */

/* The store is opened to write where nobody else does. On files its lock says so; several processes
 * on one database see to each other; else nobody can tell. */
static bool open_here(struct cli *cli, const struct cli_accounts *a, struct store **ret_store)
{
    bool alone = a->conf->storage.backend == CONF_STORAGE_FILESYSTEM;

    if (!alone && !meta_is_shared(a->meta))
        return false;
    return cli->open_store(a->conf, ret_store, ERR_IGNORED) == ERR_OK;
}

/* Tags are carried into the store as well. */
static enum err_code carry(struct registry *r, struct err *e)
{
    struct uuid id;
    struct project_run run = {.holder = project_holder(r, &id), .max_batches = UINT_MAX};
    bool more;

    return project_run(r, &run, &more, e);
}

enum err_code cli_policy_in_force(const struct conf *c, struct meta *m, struct policy **ret_policy,
                                  struct err *e)
{
    struct rules *rules = rules_new(m);
    enum err_code code = rules_poll(rules, e);

    rules_set_file(rules, cli_auth_policy(c));
    *ret_policy = rules_policy(rules);
    rules_free(rules);
    return code;
}

bool cli_is_immutable(void *policy, const struct repo_name *repo, const struct tag_name *tag)
{
    return policy_immutable(policy, repo, tag);
}

/* The registry takes the store, and the meta that the command has. */
static enum err_code run_here(struct cli_accounts *a, struct store *store, const struct order *o,
                              struct err *e)
{
    struct registry *r = registry_new(store, STEAL(a->meta), a->conf);
    struct policy *policy = NULL;
    struct err unmarked;
    enum err_code code = owner_claim(r->store, r->meta, &unmarked, e);

    if (code == ERR_OK)
        code = cli_policy_in_force(a->conf, r->meta, &policy, e);
    r->is_immutable = cli_is_immutable;
    r->immutable_ctx = policy;
    if (code == ERR_OK)
        code = order_run(r, o, NULL, NULL, e);
    if (code == ERR_OK)
        code = carry(r, e);
    registry_free(r);
    policy_unref(policy);
    return code;
}

/* ---- by the server */

static enum err_code ended(struct cli *cli, struct meta *m, const struct meta_job *j, struct err *e)
{
    struct meta_op op = meta_op_job_cancel(STR(ORDER_KIND), str_of(j->key));

    (void)cli;
    (void)!meta_commit(m, &op, 1, 0, NULL, ERR_IGNORED);
    return err_set(e, ERR_INTERNAL, "%s", j->note);
}

/* *ret_left: it waits for a server. */
static enum err_code wait_for(struct cli *cli, struct meta *m, struct str key, bool *ret_left,
                              struct err *e)
{
    int64_t end_ms = clock_mono_ms() + WAIT_MS;

    for (;; usleep(LOOK_EVERY_MS * 1000)) {
        AUTO(meta_job) struct meta_job j = {0};
        enum err_code code = meta_job_get(m, STR(ORDER_KIND), key, &j, e);

        *ret_left = false;
        if (code == ERR_NOT_FOUND)
            return ERR_OK;
        TRY(code);
        if (j.state == META_JOB_STOPPED)
            return ended(cli, m, &j, e);
        *ret_left = j.state == META_JOB_WAITING;
        if (!*ret_left)
            end_ms = clock_mono_ms() + WAIT_MS;
        if (*ret_left && clock_mono_ms() > end_ms)
            return ERR_OK;
    }
}

static enum err_code run_there(struct cli *cli, struct cli_accounts *a, const struct order *o,
                               bool *ret_left, struct err *e)
{
    char key[ORDER_KEY_MAX + 1];
    struct meta_op op;

    TRY(order_key(o, key, e));
    op = meta_op_job_add((struct meta_job_add){.kind = STR(ORDER_KIND),
                                               .key = str_of(key),
                                               .priority = -1,
                                               .due_ms = clock_wall_ms(),
                                               .now_ms = clock_wall_ms()});
    TRY(meta_commit(a->meta, &op, 1, 0, NULL, e));
    return wait_for(cli, a->meta, str_of(key), ret_left, e);
}

int cli_order(struct cli *cli, const struct cli_args *args, struct cli_accounts *a,
              const struct order *o, const char *target)
{
    struct store *store = NULL;
    bool left = false;
    struct err e = {0};
    enum err_code code = cli_accounts_audit(a, args, target, &e);

    if (code == ERR_OK)
        code =
            open_here(cli, a, &store) ? run_here(a, store, o, &e) : run_there(cli, a, o, &left, &e);
    if (left)
        fprintf(cli->out, "%s: no server has taken it up; the next one that runs will\n", target);
    else if (code == ERR_OK)
        fprintf(cli->out, "%s: done%s\n", target, store ? "" : " by the server");
    return cli_accounts_status(cli, code, &e);
}
