#include "meta/dynamodb/dynamodb.h"

#include "base/clock.h"
#include "base/mem.h"

#include <stdlib.h>

/* "Quotas": of a transaction. What is counted of its size is its JSON, which is more than its items
 * have. */
#define ACTIONS_MOST 100
#define BYTES_MOST   (3800u << 10)

#define BUSY_FIRST_MS 5
#define BUSY_MOST_MS  400
#define CANCELLED_MAX 160

static void tx_init(struct dynamo_tx *tx, struct dynamo *d, int64_t end_ms)
{
    *tx = (struct dynamo_tx){.d = d};
    random_bytes(&tx->chance, sizeof(tx->chance));
    dynamo_cells_init(&tx->cells, d->link, end_ms);
}

static void auto_dynamo_tx_(struct dynamo_tx *tx)
{
    dynamo_cells_done(&tx->cells);
    free(tx->written);
    free(tx->unused);
    free(tx->unwind);
    free(tx->revive);
}

static void rewind_all(struct dynamo_tx *tx)
{
    dynamo_cells_rewind(&tx->cells);
    tx->moved = NULL;
    tx->n_unused = tx->n_unwind = tx->n_revive = 0;
    tx->wants_stage = tx->wants_untag = tx->wants_leave = tx->wants_revive = false;
    tx->looked_beside = false;
}

/* ---- long attributes */

static enum err_code write_long(struct dynamo_tx *tx, struct str value, char *place, struct err *e)
{
    struct dynamo_written *w;
    struct digest digest;
    size_t i = 0;

    digest_of(DIGEST_SHA256, value.p, value.n, &digest);
    while (i < tx->n_written && !digest_eq(&tx->written[i].digest, &digest))
        i++;
    if (i == tx->n_written) {
        TRY(dynamo_text_write(tx->d->link, value, tx->cells.end_ms, place, e));
        tx->written = mem_resize(tx->written, (tx->n_written + 1) * sizeof(*tx->written));
        w = &tx->written[tx->n_written++];
        w->digest = digest;
        memcpy(w->place, place, DYNAMO_TEXT_PLACE);
    }
    memcpy(place, tx->written[i].place, DYNAMO_TEXT_PLACE);
    return ERR_OK;
}

static const struct {
    const char *name, *at;
} long_names[] = {
    {"bytes", "bytes_at"},
    {"edges", "edges_at"},
    {"value", "value_at"},
    {"annotations", "annotations_at"},
};

/* With "_at" behind it, as a constant. */
static const char *name_at(const char *name)
{
    size_t i = 0;

    while (strcmp(long_names[i].name, name) != 0)
        i++;
    return long_names[i].at;
}

enum err_code dynamo_tx_set_long(struct dynamo_tx *tx, struct dynamo_cell *c, const char *name,
                                 struct str value, bool binary, struct err *e)
{
    char place[DYNAMO_TEXT_PLACE];
    const char *at = name_at(name);

    if (value.n > DYNAMO_INLINE_MAX) {
        TRY(write_long(tx, value, place, e));
        dynamo_cell_set(&tx->cells, c, at, str_of(place));
        if (dynamo_cell_has(c, name))
            dynamo_cell_unset(c, name);
        return ERR_OK;
    }
    if (c->how == DYNAMO_CELL_UPDATE && (!c->known || item_has(c->was, at)))
        dynamo_cell_unset(c, at);
    if (binary)
        dynamo_cell_set_json(c, name, item_bytes(value));
    else
        dynamo_cell_set(&tx->cells, c, name, value.p ? value : STR(""));
    return ERR_OK;
}

void dynamo_tx_drop_long(struct dynamo_tx *tx, const struct dynamo_cell *c, const char *name)
{
    struct str place = dynamo_text_place(c->was, name);

    if (!place.p)
        return;
    tx->unused = mem_resize(tx->unused, (tx->n_unused + 1) * sizeof(*tx->unused));
    if (str_copy(place, tx->unused[tx->n_unused], DYNAMO_TEXT_PLACE))
        tx->n_unused++;
}

/* ---- evaluating */

typedef enum err_code (*op_fn)(struct dynamo_tx *tx, const struct meta_op *op, struct err *e);

/* Done beside the transaction, after it. */
static enum err_code prune_later(struct dynamo_tx *tx, const struct meta_op *op, struct err *e)
{
    (void)tx;
    (void)op;
    (void)e;
    return ERR_OK;
}

static enum err_code not_known(struct dynamo_tx *tx, const struct meta_op *op, struct err *e)
{
    return err_set(e, ERR_INTERNAL, "operation %d is not one that %s knows", (int)op->kind,
                   dynamo_link_where(tx->d->link));
}

static const op_fn table[] = {
    [META_BLOB_LINK] = dynamo_blob_link,
    [META_BLOB_UNLINK] = dynamo_blob_unlink,
    [META_BLOB_LOSE] = dynamo_blob_lose,
    [META_BLOB_CHECK] = dynamo_blob_check,
    [META_MANIFEST_PUT] = dynamo_manifest_put,
    [META_MANIFEST_DELETE] = dynamo_manifest_delete,
    [META_TAG_SET] = dynamo_tag_set,
    [META_TAG_DELETE] = dynamo_tag_delete,
    [META_UPLOAD_TAKE] = dynamo_upload_take,
    [META_UPLOAD_FINISH] = dynamo_upload_finish,
    [META_FINISHED_PRUNE] = prune_later,
    [META_PROJECTION_DONE] = dynamo_projection_done,
    [META_RECORD_PUT] = dynamo_record_put,
    [META_RECORD_DELETE] = dynamo_record_delete,
    [META_RECORD_CHECK] = dynamo_record_check,
    [META_AUDIT_ADD] = dynamo_audit_add,
    [META_AUDIT_PRUNE] = prune_later,
    [META_MOVES_PRUNE] = prune_later,
    [META_QUOTA_CHECK] = dynamo_quota_check,
    [META_ROW_ADD] = dynamo_row_add,
    [META_JOB_ADD] = dynamo_job_add,
    [META_JOB_TAKE] = dynamo_job,
    [META_JOB_CHECK] = dynamo_job,
    [META_JOB_NOTE] = dynamo_job,
    [META_JOB_END] = dynamo_job_end,
    [META_JOB_RETRY] = dynamo_job,
    [META_JOB_CANCEL] = dynamo_job,
    [META_CONDEMN] = dynamo_condemned,
    [META_REVIVE] = dynamo_condemned,
    [META_CONTENT_CONDEMN] = dynamo_content,
    [META_CONTENT_GONE] = dynamo_content,
    [META_CONTENT_BACK] = dynamo_content,
    [META_CONTENT_DELETED] = dynamo_content,
    [META_CONTENT_PRUNE] = prune_later,
    [META_REPO_RECOUNT] = dynamo_repo_recount,
    [META_MANIFEST_MEND] = dynamo_manifest_mend,
    [META_REPO_DELETE] = dynamo_repo_delete,
};

static op_fn fn_of(const struct meta_op *op)
{
    op_fn fn = (size_t)op->kind < sizeof(table) / sizeof(table[0]) ? table[op->kind] : NULL;

    return fn ? fn : not_known;
}

static void add_wants(struct dynamo_tx *tx, const struct meta_op *ops, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        dynamo_content_wants(tx, &ops[i]);
        dynamo_record_wants(tx, &ops[i]);
        dynamo_row_wants(tx, &ops[i]);
        dynamo_removed_wants(tx, &ops[i]);
        dynamo_condemned_wants(tx, &ops[i]);
    }
}

/* Those of the list that write entries of the trail. */
static size_t count_audit(const struct meta_op *ops, size_t n)
{
    size_t entries = 0;

    for (size_t i = 0; i < n; i++)
        entries += ops[i].kind == META_AUDIT_ADD ||
                   (ops[i].kind == META_ROW_ADD && ops[i].row_add.row->kind == META_ROW_AUDIT);
    return entries;
}

/* What the transaction sends, by now. */
struct size {
    size_t actions, bytes;
};

static struct size size_of(const struct dynamo_tx *tx)
{
    struct size s = {0, 0};

    for (const struct dynamo_cell *c = tx->cells.first; c; c = c->next) {
        AUTO(json) json_t *action = dynamo_cell_action(c, "");

        if (!action)
            continue;
        s.actions++;
        s.bytes += json_dumpb(action, NULL, 0, JSON_COMPACT);
    }
    return s;
}

static bool fits(struct size s)
{
    return s.actions <= ACTIONS_MOST && s.bytes <= BYTES_MOST;
}

/* ---- the fence: it may say that whoever writes is taken for gone */

static struct dynamo_fence fence_of(const struct meta_op *ops, size_t n_ops)
{
    size_t first = n_ops;

    while (first > 0 &&
           (ops[first - 1].kind == META_RECORD_CHECK || ops[first - 1].kind == META_JOB_CHECK))
        first--;
    return (struct dynamo_fence){ops + first, n_ops - first};
}

enum err_code dynamo_fence(struct dynamo_tx *tx, const struct dynamo_fence *fence, struct err *e)
{
    for (size_t i = 0; i < fence->n; i++)
        TRY(fn_of(&fence->ops[i])(tx, &fence->ops[i], e));
    return ERR_OK;
}

/* Behind the first n of ops, those that are not among them. *ret_n: the one that failed. */
static enum err_code fence_part(struct dynamo_tx *tx, const struct meta_op *ops, size_t n,
                                size_t *ret_n, struct err *e)
{
    for (size_t i = 0; i < tx->fence.n; i++) {
        const struct meta_op *op = &tx->fence.ops[i];
        enum err_code code = op < ops + n ? ERR_OK : fn_of(op)(tx, op, e);

        if (code != ERR_OK)
            *ret_n = (size_t)(op - ops);
        TRY(code);
    }
    return ERR_OK;
}

/* Applies ops in memory; *ret_n: so many of them fit into a transaction. Those are what the cells
 * hold then. On an error it is the one that failed. */
static enum err_code evaluate(struct dynamo_tx *tx, const struct meta_op *ops, size_t n,
                              size_t *ret_n, struct err *e)
{
    int64_t first_audit = tx->next_audit;
    enum err_code code = ERR_OK;
    bool all;

    rewind_all(tx);
    add_wants(tx, ops, n);
    add_wants(tx, tx->fence.ops, tx->fence.n);
    *ret_n = 0;
    TRY(dynamo_cells_fetch(&tx->cells, e));
    for (*ret_n = 0; *ret_n < n && code == ERR_OK; *ret_n += code == ERR_OK) {
        op_fn fn = fn_of(&ops[*ret_n]);

        code = fn(tx, &ops[*ret_n], e);
        if (code == ERR_OK && tx->cells.bad_text)
            code = err_tell(e, ERR_REQUEST_INVALID, "a text is no UTF-8, or a name too long");
    }
    tx->next_audit = first_audit;
    TRY(code);
    TRY(fence_part(tx, ops, n, ret_n, e));
    tx->wants_revive = tx->n_revive > 0;
    if (tx->wants_revive)
        return err_set(e, ERR_CONFLICT, "what is condemned is to be revived first");
    for (all = fits(size_of(tx)); !all && n > 1; all = fits(size_of(tx))) {
        n = *ret_n / 2;
        TRY(evaluate(tx, ops, n, ret_n, e));
    }
    return ERR_OK;
}

/* ---- sending */

enum sent { SENT_DONE, SENT_WRONG, SENT_BUSY }; /* wrong: a condition failed, which was learned */

static json_t *actions_of(struct dynamo_tx *tx, struct dynamo_cell **cells)
{
    json_t *actions = json_array();
    size_t n = 0;

    for (struct dynamo_cell *c = tx->cells.first; c; c = c->next) {
        json_t *action = dynamo_cell_action(c, dynamo_link_table(tx->d->link));

        if (!action)
            continue;
        json_array_append_new(actions, action);
        if (n < ACTIONS_MOST)
            cells[n++] = c;
    }
    return actions;
}

/* A reason for each action, in their order. */
static enum err_code learn(struct dynamo_tx *tx, struct dynamo_cell **cells, size_t n,
                           const json_t *answer, enum sent *ret_sent, struct err *e)
{
    const json_t *reasons = json_object_get(answer, "CancellationReasons");
    static const char *const busy[] = {"TransactionConflict", "ThrottlingError",
                                       "ProvisionedThroughputExceeded"};
    bool is_busy = false, is_wrong = false;

    for (size_t i = 0; i < n && i < json_array_size(reasons); i++) {
        const json_t *reason = json_array_get(reasons, i);
        const char *code = json_string_value(json_object_get(reason, "Code"));

        if (code && strcmp(code, "ConditionalCheckFailed") == 0) {
            dynamo_cell_learn(cells[i], json_object_get(reason, "Item"));
            is_wrong = true;
        }
        for (size_t k = 0; code && k < sizeof(busy) / sizeof(busy[0]); k++)
            is_busy |= strcmp(code, busy[k]) == 0;
    }
    if (!is_wrong && !is_busy)
        return err_set(e, ERR_INTERNAL, "a transaction of %s was refused: %.*s",
                       dynamo_link_where(tx->d->link), CANCELLED_MAX,
                       json_string_value(json_object_get(answer, "Message"))
                           ? json_string_value(json_object_get(answer, "Message"))
                           : "without a reason");
    *ret_sent = is_wrong ? SENT_WRONG : SENT_BUSY;
    return ERR_OK;
}

static void settle(struct dynamo_tx *tx)
{
    for (struct dynamo_cell *c = tx->cells.first; c; c = c->next)
        dynamo_cell_settle(c);
    for (size_t i = 0; i < tx->n_unused; i++)
        dynamo_text_delete(tx->d->link, str_of(tx->unused[i]), tx->cells.end_ms);
    tx->n_unused = 0;
}

static enum err_code transact_actions(struct dynamo_tx *tx, json_t *actions, json_t **ret_answer,
                                      struct err *e)
{
    struct uuid token;
    AUTO(json) json_t *body = NULL;
    enum err_code code;

    uuid_make(&token);
    body = json_pack("{s:O, s:s}", "TransactItems", actions, "ClientRequestToken", token.text);
    code = dynamo_ask(tx->d->link, "TransactWriteItems", body, tx->cells.end_ms, ret_answer, e);
    if (code == ERR_NOT_FOUND || code == ERR_LATER)
        e->code = code = ERR_UNAVAILABLE;
    return code;
}

static enum err_code send(struct dynamo_tx *tx, enum sent *ret_sent, struct err *e)
{
    struct dynamo_cell *cells[ACTIONS_MOST] = {NULL};
    AUTO(json) json_t *actions = actions_of(tx, cells);
    AUTO(json) json_t *answer = NULL;
    size_t n = json_array_size(actions);
    enum err_code code;

    *ret_sent = SENT_DONE;
    if (n > ACTIONS_MOST)
        return err_set(e, ERR_INTERNAL, "a transaction of %zu items can't be done", n);
    code = n > 0 ? transact_actions(tx, actions, &answer, e) : ERR_OK;
    if (code == ERR_CONFLICT)
        return learn(tx, cells, n, answer, ret_sent, e);
    TRY(code);
    settle(tx);
    return ERR_OK;
}

/* ---- trying until it is done */

static enum err_code too_long(struct dynamo_tx *tx, struct err *e)
{
    return err_set(e, ERR_UNAVAILABLE, "%s: others changed the same too often",
                   dynamo_link_where(tx->d->link));
}

/* May the error be one of what was guessed, or known from before? Then all is read. */
static bool is_doubtful(struct dynamo_tx *tx, enum err_code code, unsigned tries)
{
    if (code == ERR_UNAVAILABLE || tx->cells.sure || (!tx->cells.guessed && tries == 0))
        return false;
    dynamo_cells_doubt(&tx->cells);
    tx->cells.sure = true;
    return true;
}

/* After a try that was not done. */
static enum err_code wait_after(struct dynamo_tx *tx, enum sent sent, unsigned *tries,
                                struct err *e)
{
    unsigned n = (*tries)++;

    tx->cells.sure = false;
    if (sent == SENT_WRONG && n < 2)
        return clock_mono_ms() < tx->cells.end_ms ? ERR_OK : too_long(tx, e);
    return dynamo_pause(tx->d->link, n < 10 ? n : 10, BUSY_FIRST_MS, BUSY_MOST_MS, tx->cells.end_ms)
               ? ERR_OK
               : too_long(tx, e);
}

static enum err_code in_time(struct dynamo_tx *tx, struct err *e)
{
    return clock_mono_ms() < tx->cells.end_ms ? ERR_OK : too_long(tx, e);
}

/* What is condemned, and now named, is revived before. Each for itself. */
static enum err_code revive_first(struct dynamo_tx *tx, struct err *e)
{
    TRY(in_time(tx, e));
    for (size_t i = 0; i < tx->n_revive; i++)
        TRY(dynamo_revive_named(tx->d, &tx->revive[i], tx->cells.end_ms, e));
    dynamo_cells_doubt(&tx->cells);
    return ERR_OK;
}

enum err_code dynamo_transact(struct dynamo *d, int64_t end_ms, dynamo_tx_fn fn, void *ctx,
                              struct err *e)
{
    AUTO(dynamo_tx) struct dynamo_tx tx = {.d = NULL};
    enum sent sent = SENT_WRONG;

    tx_init(&tx, d, end_ms);
    for (unsigned tries = 0; sent != SENT_DONE;) {
        enum err_code code;

        rewind_all(&tx);
        code = fn(&tx, ctx, e);
        if (code == ERR_OK && tx.n_revive > 0) {
            TRY(revive_first(&tx, e));
            continue;
        }
        if (code != ERR_OK && is_doubtful(&tx, code, tries))
            continue;
        TRY(code);
        TRY(send(&tx, &sent, e));
        if (sent != SENT_DONE)
            TRY(wait_after(&tx, sent, &tries, e));
    }
    return ERR_OK;
}

struct progress {
    size_t done;    /* operations */
    size_t most;    /* so many of them fitted into a part; 0: none was sent yet */
    size_t staged;  /* one more than the manifest that was counted before */
    unsigned tries; /* of the present part */
};

static bool wants_more(const struct dynamo_tx *tx)
{
    return tx->wants_stage || tx->wants_untag || tx->wants_leave || tx->wants_revive;
}

/* What has to be done before the operation that failed, number i of all. */
static enum err_code prepare(struct dynamo_tx *tx, const struct meta_op *op, size_t i,
                             struct progress *p, struct err *e)
{
    if (tx->wants_revive)
        return revive_first(tx, e);
    TRY(in_time(tx, e));
    if (tx->wants_leave) {
        TRY(dynamo_leave(tx->d, op->manifest_delete.repo, op->manifest_delete.digest, &tx->fence,
                         tx->cells.end_ms, e));
    } else if (tx->wants_stage) {
        p->staged = i + 1;
        TRY(dynamo_stage(tx->d, &op->manifest_put, tx->cells.end_ms, e));
    } else {
        TRY(dynamo_untag(tx->d, op, &tx->fence, tx->cells.end_ms, e));
    }
    dynamo_cells_doubt(&tx->cells);
    return ERR_OK;
}

/* All are looked at before the first part goes, so that what can be known to fail changes nothing.
 * Operations before one that has to be prepared go first: it may need what they do. */
static enum err_code next_part(struct dynamo_tx *tx, const struct meta_op *ops, size_t n_ops,
                               struct progress *p, size_t *ret_n, struct err *e)
{
    const struct meta_op *rest = ops + p->done;
    size_t left = n_ops - p->done, n = p->most > 0 && 2 * p->most < left ? 2 * p->most : left;

    for (;;) {
        enum err_code code = evaluate(tx, rest, n, ret_n, e);

        if (code == ERR_OK && *ret_n < left && p->most == 0 && !tx->cells.sure)
            dynamo_cells_be_sure(&tx->cells);
        else if (code != ERR_CONFLICT || !wants_more(tx))
            return code;
        else if ((tx->wants_stage || tx->wants_untag) && *ret_n > 0)
            n = *ret_n;
        else
            TRY(prepare(tx, rest + *ret_n, p->done + *ret_n, p, e));
    }
}

static enum err_code run_parts(struct dynamo_tx *tx, const struct meta_op *ops, size_t n_ops,
                               size_t *ret_failed, struct progress *p, struct err *e)
{
    while (p->done < n_ops) {
        size_t n = 0;
        enum sent sent;
        enum err_code code = next_part(tx, ops, n_ops, p, &n, e);

        if (code != ERR_OK && is_doubtful(tx, code, p->tries))
            continue;
        *ret_failed = code == ERR_OK ? n_ops : p->done + n;
        TRY(code);
        TRY(send(tx, &sent, e));
        if (sent != SENT_DONE) {
            if (tx->looked_beside)
                dynamo_cells_doubt(&tx->cells);
            TRY(wait_after(tx, sent, &p->tries, e));
            continue;
        }
        for (size_t i = 0; i < tx->n_unwind; i++)
            TRY(dynamo_unwind(tx->d, &tx->unwind[i].repo, &tx->unwind[i].digest, tx->cells.end_ms,
                              e));
        tx->next_audit += (int64_t)count_audit(ops + p->done, n);
        p->done += n;
        p->most = n;
        p->tries++; /* what is known is of before */
    }
    return ERR_OK;
}

/* What was counted for a manifest that is not put is counted down again; else that happens later.
 */
static void unwind_staged(struct dynamo *d, const struct meta_op *ops, const struct progress *p)
{
    const struct meta_manifest_put *put;

    if (p->staged == 0 || p->staged <= p->done)
        return;
    put = &ops[p->staged - 1].manifest_put;
    (void)!dynamo_unwind(d, put->repo, &put->manifest->digest, dynamo_link_end(d->link),
                         ERR_IGNORED);
}

static enum err_code prune(struct dynamo *d, const struct meta_op *ops, size_t n_ops,
                           int64_t end_ms, struct err *e)
{
    for (size_t i = 0; i < n_ops; i++) {
        if (ops[i].kind == META_FINISHED_PRUNE)
            TRY(dynamo_finished_prune(d, ops[i].finished_prune.before_ms, end_ms, e));
        else if (ops[i].kind == META_AUDIT_PRUNE)
            TRY(dynamo_audit_prune(d, ops[i].audit_prune.before_ms, end_ms, e));
        else if (ops[i].kind == META_CONTENT_PRUNE)
            TRY(dynamo_content_prune(d, ops[i].content.before_ms, end_ms, e));
        else if (ops[i].kind == META_MOVES_PRUNE)
            TRY(dynamo_moves_prune(d, ops[i].moves_prune.before_ms, end_ms, e));
    }
    return ERR_OK;
}

/* Each part of a long list has its own time. */
#define PART_OPS 30

enum err_code dynamo_commit(struct meta *m, const struct meta_op *ops, size_t n_ops, unsigned flags,
                            size_t *ret_failed, struct err *e)
{
    struct dynamo *d = dynamo_of(m);
    int64_t now_ms = clock_mono_ms(), time_ms = dynamo_link_end(d->link) - now_ms;
    AUTO(dynamo_tx) struct dynamo_tx tx = {.d = NULL};
    struct progress p = {.done = 0};
    size_t entries = count_audit(ops, n_ops);
    enum err_code code;

    (void)flags; /* it always waits */
    tx_init(&tx, d, now_ms + time_ms * (int64_t)(1 + n_ops / PART_OPS));
    tx.fence = fence_of(ops, n_ops);
    *ret_failed = n_ops;
    if (entries > 0)
        TRY(dynamo_audit_numbers(d, entries, tx.cells.end_ms, &tx.next_audit, e));
    code = run_parts(&tx, ops, n_ops, ret_failed, &p, e);
    if (code != ERR_OK)
        unwind_staged(d, ops, &p);
    TRY(code);
    return prune(d, ops, n_ops, tx.cells.end_ms, e);
}
