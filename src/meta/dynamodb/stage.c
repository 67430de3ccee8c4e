/*
 * Manifests that one transaction can't hold.
 *
 * One that names many (an index of 400 manifests) is put in this order, each step a transaction:
 *   1. its item, with what it names, counted 0, and no media type: nobody sees it;
 *   2. so many of those that it names count one more, and it says how far that came; again;
 *   3. the transaction of the push: it gets its media type, and there it is, with its tags.
 * After each prefix of this all that is visible is as before, and what it is to name can't be
 * deleted. Deleting goes the same way back: first it is taken from view, with its tags, then what
 * it names is counted down, then its item goes. Whoever is stopped in the middle leaves an item
 * that says how far it came: a later push of the same goes on there, and what is older than an hour
 * is counted down with the uploads that are forgotten (META_FINISHED_PRUNE).
 *
 * Of one with many tags some go at a time before it does: each is a deletion of tags as a client
 * might have asked for.
 */
#include "meta/dynamodb/dynamodb.h"

#include "base/clock.h"

#include <stdio.h>

struct job {
    const struct repo_name *repo;
    const struct digest *digest;
    const struct meta_edge *edges; /* of one that is to be put */
    size_t n_edges;
    bool done; /* out */
};

static struct dynamo_cell *head_of(struct dynamo_tx *tx, const struct job *j)
{
    return dynamo_cell_of(tx, dynamo_key_manifest(repo_name_str(j->repo), digest_str(j->digest)));
}

void dynamo_mark_staged(struct dynamo_tx *tx, struct dynamo_cell *head,
                        const struct repo_name *repo, const struct digest *digest, size_t counted,
                        bool left)
{
    static const char *const gone[] = {"media", "bytes", "bytes_at", "subject", "type", "left"};

    for (size_t i = 0; i < sizeof(gone) / sizeof(gone[0]); i++) {
        if (dynamo_cell_has(head, gone[i]))
            dynamo_cell_unset(head, gone[i]);
    }
    dynamo_not_condemned(head);
    if (left)
        dynamo_cell_set_number(head, "left", 1);
    dynamo_cell_set(&tx->cells, head, "repo", repo_name_str(repo));
    dynamo_cell_set(&tx->cells, head, "digest", digest_str(digest));
    dynamo_cell_set_number(head, "counted", (int64_t)counted);
    dynamo_set_age(tx, head, "staged", clock_wall_ms());
}

static void set_counted(struct dynamo_cell *head, size_t n)
{
    dynamo_cell_saw(head, "counted", true);
    dynamo_cell_saw(head, "media", false);
    dynamo_cell_set_number(head, "counted", (int64_t)n);
}

static enum err_code begin(struct dynamo_tx *tx, struct dynamo_cell *head, const struct job *j,
                           struct err *e)
{
    AUTO(buf) struct buf edges = {0};

    dynamo_cell_saw(head, "counted", true);
    dynamo_cell_saw(head, "media", false);
    dynamo_mark_staged(tx, head, j->repo, j->digest, 0, false);
    buf_init(&edges, DYNAMO_EDGES_MAX);
    dynamo_edges_write(j->edges, j->n_edges, &edges);
    return dynamo_tx_set_long(tx, head, "edges", buf_str(&edges), false, e);
}

/* What was begun for other kinds of links is not gone on with. */
static enum err_code is_same(struct dynamo_tx *tx, const struct dynamo_cell *head,
                             const struct job *j, bool *ret_same, struct err *e)
{
    AUTO(buf) struct buf want = {0}, have = {0};

    buf_init(&want, DYNAMO_EDGES_MAX);
    buf_init(&have, DYNAMO_EDGES_MAX);
    dynamo_edges_write(j->edges, j->n_edges, &want);
    TRY(dynamo_text_read(tx->d->link, head->was, "edges", tx->cells.end_ms, &have, e));
    *ret_same = str_eq(buf_str(&want), buf_str(&have));
    return ERR_OK;
}

static enum err_code count_more(struct dynamo_tx *tx, struct dynamo_cell *head, struct job *j,
                                struct err *e)
{
    AUTO(dynamo_children) struct dynamo_children children = {NULL, 0};
    size_t from = (size_t)dynamo_cell_number(head, "counted"), to;

    dynamo_children_of(j->edges, j->n_edges, &children);
    to = from + DYNAMO_CHILDREN_MOST < children.n ? from + DYNAMO_CHILDREN_MOST : children.n;
    j->done = to == children.n;
    if (from >= children.n)
        return ERR_OK;
    TRY(dynamo_children_count(tx, j->repo, &children, from, to, 1, e));
    set_counted(head, to);
    return ERR_OK;
}

static enum err_code count_less(struct dynamo_tx *tx, struct dynamo_cell *head, struct job *j,
                                struct err *e)
{
    AUTO(dynamo_children) struct dynamo_children children = {NULL, 0};
    size_t to = (size_t)dynamo_cell_number(head, "counted");
    size_t from = to > DYNAMO_CHILDREN_MOST ? to - DYNAMO_CHILDREN_MOST : 0;

    TRY(dynamo_children_read(tx->d->link, head->was, tx->cells.end_ms, &children, e));
    if (to > children.n)
        return err_set(e, ERR_CORRUPT, "what manifest %s names is damaged", j->digest->text);
    TRY(dynamo_children_count(tx, j->repo, &children, from, to, -1, e));
    if (dynamo_cell_has(head, "left"))
        TRY(dynamo_leave_children(tx, j->repo, &children, from, to, e));
    set_counted(head, from);
    return ERR_OK;
}

/* Indexes may name it loosely, and then their count of it stays. */
static void forget(struct dynamo_tx *tx, struct dynamo_cell *head)
{
    static const char *const names[] = {"edges", "edges_at", "counted", "g_age", "at", "k", "left"};

    dynamo_cell_saw(head, "counted", true);
    dynamo_cell_saw(head, "media", false);
    dynamo_cell_saw(head, "uses", true);
    dynamo_tx_drop_long(tx, head, "edges");
    if (dynamo_cell_number(head, "uses") == 0) {
        dynamo_cell_delete(head);
        return;
    }
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (dynamo_cell_has(head, names[i]))
            dynamo_cell_unset(head, names[i]);
    }
}

static enum err_code step_down(struct dynamo_tx *tx, void *ctx, struct err *e)
{
    struct job *j = ctx;
    struct dynamo_cell *head = head_of(tx, j);

    TRY(dynamo_cell_read(&tx->cells, head, e));
    j->done = dynamo_cell_has(head, "media") || !dynamo_cell_has(head, "counted");
    if (j->done)
        return ERR_OK;
    if (dynamo_cell_number(head, "counted") > 0)
        return count_less(tx, head, j, e);
    j->done = true;
    forget(tx, head);
    return ERR_OK;
}

static enum err_code step_up(struct dynamo_tx *tx, void *ctx, struct err *e)
{
    struct job *j = ctx;
    struct dynamo_cell *head = head_of(tx, j);
    bool same;

    TRY(dynamo_cell_read(&tx->cells, head, e));
    j->done = dynamo_cell_has(head, "media"); /* somebody else was quicker */
    if (j->done)
        return ERR_OK;
    if (!dynamo_cell_has(head, "counted"))
        return begin(tx, head, j, e);
    TRY(is_same(tx, head, j, &same, e));
    if (same)
        return count_more(tx, head, j, e);
    TRY(step_down(tx, ctx, e));
    j->done = false;
    return ERR_OK;
}

static enum err_code run(struct dynamo *d, struct job *j, dynamo_tx_fn fn, int64_t end_ms,
                         struct err *e)
{
    while (!j->done) {
        if (clock_mono_ms() >= end_ms)
            return err_set(e, ERR_UNAVAILABLE, "%s: no time is left", dynamo_link_where(d->link));
        TRY(dynamo_transact(d, end_ms, fn, j, e));
    }
    return ERR_OK;
}

enum err_code dynamo_stage(struct dynamo *d, const struct meta_manifest_put *put, int64_t end_ms,
                           struct err *e)
{
    struct job j = {.repo = put->repo,
                    .digest = &put->manifest->digest,
                    .edges = put->edges,
                    .n_edges = put->n_edges};
    enum err_code code = run(d, &j, step_up, end_ms, e);

    if (code == ERR_MANIFEST_BLOB_UNKNOWN)
        (void)!dynamo_unwind(d, put->repo, &put->manifest->digest, end_ms, ERR_IGNORED);
    return code;
}

enum err_code dynamo_unwind(struct dynamo *d, const struct repo_name *repo,
                            const struct digest *digest, int64_t end_ms, struct err *e)
{
    struct job j = {.repo = repo, .digest = digest};

    return run(d, &j, step_down, end_ms, e);
}

enum err_code dynamo_unwind_old(struct dynamo *d, int64_t before_ms, int64_t end_ms, struct err *e)
{
    AUTO(dynamo_ages) struct dynamo_ages ages = {.from = ""};
    json_t *item;

    dynamo_ages_init(&ages, "staged", before_ms, 0);
    for (;;) {
        struct repo_name repo;
        struct digest digest;

        TRY(dynamo_merge_next(d->link, &ages.merge, end_ms, &item, e));
        if (!item)
            return ERR_OK;
        TRY(repo_name_parse(item_get_text(item, "repo"), &repo, e));
        TRY(digest_parse(item_get_text(item, "digest"), &digest, e));
        TRY(dynamo_unwind(d, &repo, &digest, end_ms, e));
    }
}
