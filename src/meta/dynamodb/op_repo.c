/* A repository that goes because it is empty. */
#include "meta/dynamodb/dynamodb.h"

#define PAGE 16

static enum err_code see(void *ctx, const json_t *item, struct err *e)
{
    bool *any = ctx;

    (void)item, (void)e;
    *any = true;
    return ERR_OK;
}

/* What is on its list may be gone. */
static enum err_code holds(struct dynamo_tx *tx, struct str repo, bool manifest, bool *any,
                           struct err *e)
{
    char after[DIGEST_TEXT_MAX + 1] = "";

    for (bool more = true; more && !*any;) {
        struct dynamo_held_page page = {.more = false};

        TRY(dynamo_held_each(tx->d->link, repo, manifest, str_of(after), PAGE, see, any, &page, e));
        more = page.more && page.last[0];
        memcpy(after, page.last, sizeof(after));
    }
    return ERR_OK;
}

static enum err_code has_items(struct dynamo_tx *tx, struct dynamo_key of, bool *any, struct err *e)
{
    AUTO(dynamo_cursor) struct dynamo_cursor c = {.range = {.partition = of.pk, .page = 1}};
    json_t *item = NULL;

    if (*any)
        return ERR_OK;
    TRY(dynamo_cursor_peek(tx->d->link, &c, tx->cells.end_ms, &item, e));
    *any = item != NULL;
    return ERR_OK;
}

static enum err_code is_used(struct dynamo_tx *tx, struct str repo, bool *ret_used, struct err *e)
{
    *ret_used = false;
    tx->looked_beside = true;
    TRY(holds(tx, repo, true, ret_used, e));
    TRY(holds(tx, repo, false, ret_used, e));
    TRY(has_items(tx, dynamo_key_tag(repo, STR("")), ret_used, e));
    TRY(has_items(tx, dynamo_key_projection(repo, STR("")), ret_used, e));
    return has_items(tx, dynamo_key_move(repo, STR(""), 0), ret_used, e);
}

/*
 * Its item stays with the version alone, so that whoever makes it anew goes on there: it is one of
 * no kind then. What comes meanwhile changes one of the sums, and that they are 0 is a condition
 * (so one whose sums have drifted stays until they are mended), or the version; an empty blob does
 * neither, and the next push of the repository names it again.
 */
enum err_code dynamo_repo_delete(struct dynamo_tx *tx, const struct meta_op *op, struct err *e)
{
    static const char *const sums[] = {"manifests", "bytes", "tags"};
    struct str repo = repo_name_str(op->repo_delete.repo);
    struct dynamo_cell *c = dynamo_cell_of(tx, dynamo_key_repo(repo));
    bool used;

    *op->repo_delete.ret_done = false;
    TRY(dynamo_cell_read(&tx->cells, c, e));
    if (!dynamo_cell_has(c, "name"))
        return ERR_OK;
    dynamo_cell_saw(c, "version", true);
    for (size_t i = 0; i < sizeof(sums) / sizeof(sums[0]); i++) {
        dynamo_cell_saw(c, sums[i], true);
        if (dynamo_cell_number(c, sums[i]) != 0)
            return ERR_OK;
    }
    TRY(is_used(tx, repo, &used, e));
    if (used)
        return ERR_OK;
    dynamo_cell_unset(c, "k");
    dynamo_cell_unset(c, "name");
    *op->repo_delete.ret_done = true;
    return ERR_OK;
}
