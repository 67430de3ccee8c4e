#include "core/project.h"

#include "base/cleanup.h"
#include "base/mem.h"
#include "jobs/jobs.h"
#include "replicas/members.h"

#include <stdlib.h>

#define BATCH 128

bool project_is_shared(const struct registry *r)
{
    return r->members && meta_is_shared(r->meta);
}

struct str project_holder(struct registry *r, struct uuid *ret_id)
{
    if (!project_is_shared(r))
        return STR("");
    *ret_id = members_id(r->members);
    return str_of(ret_id->text);
}

void project_hold(struct registry *r, struct meta_op *op, struct uuid *ret_id)
{
    if (project_holder(r, ret_id).n > 0)
        op->holder = ret_id;
}

/* What meta says of the tag; of length 0: there is none. */
static enum err_code find_truth(struct registry *r, const struct repo_name *repo,
                                const struct tag_name *tag, struct digest *ret_digest,
                                struct err *e)
{
    AUTO(meta_manifest) struct meta_manifest *m = NULL;
    enum err_code code = meta_manifest_by_tag(r->meta, repo, tag, &m, NULL, e);

    if (code != ERR_OK && code != ERR_MANIFEST_UNKNOWN)
        return code;
    *ret_digest = m ? m->digest : (struct digest){.n = 0};
    return ERR_OK;
}

/* Reads the truth under the tag's lock: of two changes at once, the last to get here carries the
 * newest state, in whichever order they committed. */
static enum err_code carry(struct registry *r, const struct repo_name *repo,
                           const struct tag_name *tag, struct digest *ret_digest, struct err *e)
{
    AUTO(held)
    pthread_mutex_t *held = locks_hold(&r->tag_locks, repo_name_str(repo), tag_name_str(tag));
    struct digest there;

    TRY(find_truth(r, repo, tag, ret_digest, e));
    if (ret_digest->n == 0)
        return store_tag_delete(r->store, repo, tag, e);
    if (store_tag_get(r->store, repo, tag, &there, ERR_IGNORED) == ERR_OK &&
        digest_eq(&there, ret_digest))
        return ERR_OK;
    return store_tag_put(r->store, repo, tag, ret_digest, e);
}

enum err_code project_again(struct registry *r, const struct repo_name *repo,
                            const struct tag_name *tag, struct err *e)
{
    struct digest carried;

    return carry(r, repo, tag, &carried, e);
}

void project_tag(struct registry *r, const struct repo_name *repo, const struct tag_name *tag)
{
    if (!project_is_shared(r))
        (void)!project_again(r, repo, tag, ERR_IGNORED);
    registry_wake(r);
}

static int by_repo(const void *a, const void *b)
{
    const struct meta_projection *pa = a, *pb = b;

    return strcmp(pa->repo.text, pb->repo.text);
}

/* Before a step outside of meta: as soon as others may take this process for gone, what it holds
 * may be theirs. */
static enum err_code check_on(struct registry *r, const struct project_run *run, struct err *e)
{
    struct uuid id;
    bool on = run->goes_on ? run->goes_on(run->ctx)
                           : run->holder.n == 0 ||
                                 (uuid_parse(run->holder, &id) && members_may_act(r->members, &id));

    return on ? ERR_OK : err_set(e, ERR_LATER, "others may carry tags now");
}

/* Another one may have carried the tag while this process stood still, before what it wrote came
 * to the store. So it writes until meta says the same after the write as before: what changes from
 * then on is carried later. */
static enum err_code make_up(struct registry *r, const struct meta_projection *row,
                             struct digest carried, struct err *e)
{
    struct digest now;

    for (;;) {
        TRY(find_truth(r, &row->repo, &row->tag, &now, e));
        if (now.n == carried.n && (now.n == 0 || digest_eq(&now, &carried)))
            return ERR_OK;
        TRY(carry(r, &row->repo, &row->tag, &carried, e));
    }
}

static enum err_code carry_if_on(struct registry *r, const struct project_run *run,
                                 const struct meta_projection *row, struct err *e)
{
    struct digest carried;

    TRY(check_on(r, run, e));
    TRY(carry(r, &row->repo, &row->tag, &carried, e));
    return check_on(r, run, ERR_IGNORED) == ERR_OK ? ERR_OK : make_up(r, row, carried, e);
}

/* The rows of one repository; those carried and synced go to done. One that fails does not keep
 * the others: the first error is told. */
static enum err_code carry_repo(struct registry *r, const struct project_run *run,
                                const struct meta_projection *rows, size_t n, struct meta_op *done,
                                size_t *n_done, struct err *e)
{
    struct err_first all = {0};
    size_t before = *n_done;

    for (size_t i = 0; i < n; i++) {
        if (err_first_add(&all, carry_if_on(r, run, &rows[i], &all.step)) == ERR_OK)
            done[(*n_done)++] =
                meta_op_projection_done(&rows[i].repo, &rows[i].tag, rows[i].version);
    }
    if (*n_done > before &&
        err_first_add(&all, store_tag_sync(r->store, &rows[0].repo, &all.step)) != ERR_OK)
        *n_done = before;
    return err_first_of(&all, e);
}

/* Sorted by repository, each directory is synced once. */
static enum err_code carry_batch(struct registry *r, const struct project_run *run,
                                 struct meta_projection *rows, size_t n, size_t *ret_done,
                                 struct err *e)
{
    struct meta_op done[BATCH];
    struct err_first all = {0};
    size_t n_done = 0, from = 0;

    qsort(rows, n, sizeof(*rows), by_repo);
    for (size_t i = 1; i <= n; i++) {
        if (i < n && by_repo(&rows[from], &rows[i]) == 0)
            continue;
        err_first_add(&all, carry_repo(r, run, rows + from, i - from, done, &n_done, &all.step));
        from = i;
    }
    *ret_done = n_done;
    if (n_done > 0)
        err_first_add(&all, meta_commit(r->meta, done, n_done, META_LAZY, NULL, &all.step));
    return err_first_of(&all, e);
}

/* Those that failed stay the oldest: it goes on while a batch holds others as well. One that was
 * changed while it was carried is still there: where others may change it, it is looked for. */
enum err_code project_run(struct registry *r, const struct project_run *run, bool *ret_more,
                          struct err *e)
{
    AUTO(mem) struct meta_projection *rows = mem_alloc(BATCH * sizeof(*rows));
    struct err_first all = {0};
    size_t n, done;

    *ret_more = false;
    for (unsigned i = 0; i < run->max_batches; i++) {
        if (err_first_add(&all, meta_projections(r->meta, run->holder, rows, BATCH, &n,
                                                 &all.step)) != ERR_OK ||
            n == 0)
            return err_first_of(&all, e);
        err_first_add(&all, carry_batch(r, run, rows, n, &done, &all.step));
        if (done == 0 || (n < BATCH && run->holder.n == 0))
            return err_first_of(&all, e);
    }
    *ret_more = true;
    return err_first_of(&all, e);
}

enum err_code project_pending(struct registry *r, unsigned max_batches, bool *ret_more,
                              struct err *e)
{
    const struct project_run run = {.holder = STR(""), .max_batches = max_batches};

    return project_run(r, &run, ret_more, e);
}
