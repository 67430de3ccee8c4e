#include "core/project.h"

#include "base/cleanup.h"
#include "base/mem.h"

#include <stdlib.h>

#define BATCH 128

/* Reads the truth under the tag's lock: of two changes at once, the last to get here carries the
 * newest state, in whichever order they committed. */
static enum err_code carry(struct registry *r, const struct repo_name *repo,
                           const struct tag_name *tag, struct err *e)
{
    AUTO(held)
    pthread_mutex_t *held = locks_hold(&r->tag_locks, repo_name_str(repo), tag_name_str(tag));
    AUTO(meta_manifest) struct meta_manifest *m = NULL;
    struct digest now;
    enum err_code code = meta_manifest_by_tag(r->meta, repo, tag, &m, NULL, e);

    if (code == ERR_MANIFEST_UNKNOWN)
        return store_tag_delete(r->store, repo, tag, e);
    TRY(code);
    if (store_tag_get(r->store, repo, tag, &now, NULL) == ERR_OK && digest_eq(&now, &m->digest))
        return ERR_OK;
    return store_tag_put(r->store, repo, tag, &m->digest, e);
}

void project_tag(struct registry *r, const struct repo_name *repo, const struct tag_name *tag)
{
    (void)!carry(r, repo, tag, NULL);
    registry_wake(r);
}

static int by_repo(const void *a, const void *b)
{
    const struct meta_projection *pa = a, *pb = b;

    return strcmp(pa->repo.text, pb->repo.text);
}

/* The rows of one repository; those carried and synced go to done. One that fails does not keep
 * the others: the first error is told. */
static enum err_code carry_repo(struct registry *r, const struct meta_projection *rows, size_t n,
                                struct meta_op *done, size_t *n_done, struct err *e)
{
    enum err_code first = ERR_OK, code;
    size_t before = *n_done;
    struct err why = {0};

    for (size_t i = 0; i < n; i++) {
        code = carry(r, &rows[i].repo, &rows[i].tag, first == ERR_OK ? e : &why);
        if (code == ERR_OK)
            done[(*n_done)++] =
                meta_op_projection_done(&rows[i].repo, &rows[i].tag, rows[i].version);
        else if (first == ERR_OK)
            first = code;
    }
    if (*n_done == before)
        return first;
    code = store_tag_sync(r->store, &rows[0].repo, first == ERR_OK ? e : &why);
    if (code != ERR_OK)
        *n_done = before;
    return first == ERR_OK ? code : first;
}

/* Sorted by repository, each directory is synced once. */
static enum err_code carry_batch(struct registry *r, struct meta_projection *rows, size_t n,
                                 size_t *ret_done, struct err *e)
{
    enum err_code first = ERR_OK, code;
    struct meta_op done[BATCH];
    struct err why = {0};
    size_t n_done = 0, from = 0;

    qsort(rows, n, sizeof(*rows), by_repo);
    for (size_t i = 1; i <= n; i++) {
        if (i < n && by_repo(&rows[from], &rows[i]) == 0)
            continue;
        code = carry_repo(r, rows + from, i - from, done, &n_done, first == ERR_OK ? e : &why);
        if (first == ERR_OK)
            first = code;
        from = i;
    }
    *ret_done = n_done;
    if (n_done > 0)
        TRY(meta_commit(r->meta, done, n_done, META_LAZY, NULL, e));
    return first;
}

/* Those that failed stay the oldest: it goes on while a batch holds others as well. */
enum err_code project_pending(struct registry *r, unsigned max_batches, bool *ret_more,
                              struct err *e)
{
    AUTO(mem) struct meta_projection *rows = mem_alloc(BATCH * sizeof(*rows));
    enum err_code first = ERR_OK, code;
    struct err why = {0};
    size_t n, done;

    *ret_more = false;
    for (unsigned i = 0; i < max_batches; i++) {
        TRY(meta_projections(r->meta, rows, BATCH, &n, first == ERR_OK ? e : &why));
        if (n == 0)
            return first;
        code = carry_batch(r, rows, n, &done, first == ERR_OK ? e : &why);
        if (first == ERR_OK)
            first = code;
        if (n < BATCH || done == 0)
            return first;
    }
    *ret_more = true;
    return first;
}
