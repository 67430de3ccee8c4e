/* Operations of repair. */
#include "meta/dynamodb/dynamodb.h"

#include <stdlib.h>

/* More than that, of before and now together, do not go into one transaction. */
#define CHILDREN_MOST 90

/* That they are as they were seen is a condition: what was counted may be added once alone. */
enum err_code dynamo_repo_recount(struct dynamo_tx *tx, const struct meta_op *op, struct err *e)
{
    const struct repo_name *repo = op->repo_recount.repo;
    const struct meta_repo_sums *seen = &op->repo_recount.seen, *now = &op->repo_recount.counted;
    const struct {
        const char *name;
        int64_t seen, now;
    } sums[] = {{"manifests", seen->manifests, now->manifests},
                {"bytes", seen->bytes, now->bytes},
                {"tags", seen->tags, now->tags}};
    struct dynamo_cell *c = dynamo_cell_of(tx, dynamo_key_repo(repo_name_str(repo)));

    TRY(dynamo_cell_read(&tx->cells, c, e));
    if (!dynamo_cell_has(c, "name"))
        return err_tell(e, ERR_NAME_UNKNOWN, "no repository %s", repo->text);
    for (size_t i = 0; i < sizeof(sums) / sizeof(sums[0]); i++) {
        dynamo_cell_saw(c, sums[i].name, true);
        if (dynamo_cell_number(c, sums[i].name) != sums[i].seen)
            return err_set(e, ERR_CONFLICT, "%s was written to meanwhile", repo->text);
        dynamo_cell_set_number(c, sums[i].name, sums[i].now);
    }
    return ERR_OK;
}

/* What is not there is counted as well, as of a blob that was lost. */
static void be_loose(struct dynamo_children *children)
{
    for (size_t i = 0; i < children->n; i++)
        children->list[i].strict = false;
}

static enum err_code count_anew(struct dynamo_tx *tx, const struct meta_manifest_put *put,
                                struct dynamo_cell *head, struct err *e)
{
    AUTO(dynamo_children) struct dynamo_children before = {NULL, 0}, now = {NULL, 0};

    TRY(dynamo_children_read(tx->d->link, head->was, tx->cells.end_ms, &before, e));
    dynamo_children_of(put->edges, put->n_edges, &now);
    if (before.n + now.n > CHILDREN_MOST)
        return err_set(e, ERR_UNSUPPORTED, "manifest %s names more than a transaction can hold",
                       put->manifest->digest.text);
    be_loose(&now);
    TRY(dynamo_children_count(tx, put->repo, &before, 0, before.n, -1, e));
    return dynamo_children_count(tx, put->repo, &now, 0, now.n, 1, e);
}

enum err_code dynamo_manifest_mend(struct dynamo_tx *tx, const struct meta_op *op, struct err *e)
{
    const struct meta_manifest_put *put = &op->manifest_put;
    const struct digest *d = &put->manifest->digest;
    struct dynamo_cell *head =
        dynamo_cell_of(tx, dynamo_key_manifest(repo_name_str(put->repo), digest_str(d)));
    AUTO(buf) struct buf edges = {0};

    TRY(dynamo_cell_read(&tx->cells, head, e));
    if (!dynamo_cell_has(head, "media"))
        return err_tell(e, ERR_MANIFEST_UNKNOWN, "no manifest %s in %s", d->text, put->repo->text);
    dynamo_cell_saw(head, "media", false);
    dynamo_cell_saw(head, "edges", true);
    TRY(count_anew(tx, put, head, e));
    dynamo_tx_drop_long(tx, head, "bytes");
    dynamo_tx_drop_long(tx, head, "edges");
    dynamo_cell_set(&tx->cells, head, "media", put->manifest->media_type);
    TRY(dynamo_tx_set_long(tx, head, "bytes", put->manifest->bytes, true, e));
    buf_init(&edges, DYNAMO_EDGES_MAX);
    dynamo_edges_write(put->edges, put->n_edges, &edges);
    return dynamo_tx_set_long(tx, head, "edges", buf_str(&edges), false, e);
}
