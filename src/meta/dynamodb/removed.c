/*
 * Content that goes: an item for each digest that was ever linked, beside those of its links. What
 * links adds to its counter, blindly, and relies on there being no state, or one that allows it;
 * what unlinks adds to it as well, looks for other links and relies on what the counter was; so
 * does what deletes. So of two that take the last two links one is done again, and nothing is gone
 * that another transaction links.
 */
#include "meta/dynamodb/dynamodb.h"

#include "base/clock.h"
#include "base/mem.h"

#include <stdio.h>
#include <stdlib.h>

static struct str place_of(struct meta_content c)
{
    return c.repo ? repo_name_str(c.repo) : STR("");
}

static struct dynamo_cell *cell_of(struct dynamo_tx *tx, struct meta_content c)
{
    return dynamo_cell_of(tx, dynamo_key_removed(digest_str(c.digest), place_of(c)));
}

static void set(struct dynamo_tx *tx, struct dynamo_cell *c, const char *name, struct str value)
{
    dynamo_cell_set(&tx->cells, c, name, value.p ? value : STR(""));
}

static bool is_in_state(const struct dynamo_cell *c, enum meta_removed_state state)
{
    return dynamo_cell_has(c, "state") && dynamo_cell_number(c, "state") == (int64_t)state;
}

static void saw_row(struct dynamo_cell *c)
{
    static const char *const names[] = {"state", "number", "since", "again"};

    if (c->how != DYNAMO_CELL_UPDATE)
        return; /* it is of this transaction */
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        dynamo_cell_saw(c, names[i], true);
}

/* In the index by age, by state. */
static const char *const ages[] = {[META_REMOVED_CONDEMNED] = "condemned",
                                   [META_REMOVED_GONE] = "gone",
                                   [META_REMOVED_DELETED] = "deleted"};

static void come_to(struct dynamo_tx *tx, struct dynamo_cell *c, enum meta_removed_state state,
                    int64_t number, int64_t since_ms, bool again)
{
    dynamo_cell_set_number(c, "state", state);
    dynamo_cell_set_number(c, "number", number);
    dynamo_cell_set_number(c, "since", since_ms);
    dynamo_cell_set_number(c, "again", again);
    if (!dynamo_cell_has(c, "g_age"))
        set(tx, c, "g_age", STR("")); /* else only one that is not there yet would be written */
    dynamo_set_age(tx, c, ages[state], since_ms);
}

/* The counter alone stays. */
static void forget(struct dynamo_cell *c)
{
    static const char *const names[] = {"k",     "digest", "place",  "state", "number", "since",
                                        "again", "size",   "reason", "g_age", "at"};

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (dynamo_cell_has(c, names[i]))
            dynamo_cell_unset(c, names[i]);
    }
}

enum err_code dynamo_removed_link(struct dynamo_tx *tx, const struct meta_op *op, struct err *e)
{
    const struct digest *d = op->blob_link.digest;
    struct meta_content what = {op->blob_link.once ? NULL : op->blob_link.repo, d};
    struct dynamo_cell *c = cell_of(tx, what);

    TRY(dynamo_cell_guess(&tx->cells, c, NULL, e));
    if (dynamo_cell_has(c, "state")) {
        bool is_gone = is_in_state(c, META_REMOVED_GONE);

        if ((is_gone && !op->blob_link.aside) ||
            dynamo_cell_number(c, "number") != op->blob_link.seen_number)
            return err_set(e, ERR_GONE, "%s is being deleted, or was", d->text);
        saw_row(c);
        if (!is_gone)
            forget(c);
    } else {
        dynamo_cell_saw(c, "state", false);
    }
    dynamo_cell_add(c, "n", 1);
    return ERR_OK;
}

/* ---- is it linked? */

static bool is_made_here(struct dynamo_tx *tx, const char *pk, struct str place)
{
    for (const struct dynamo_cell *c = tx->cells.first; c; c = c->next) {
        if (strcmp(c->pk, pk) == 0 && json_is_object(json_object_get(c->sets, "size")) &&
            (place.n == 0 || str_eq(str_of(c->sk), place)))
            return true;
    }
    return false;
}

static bool is_lost_here(const struct dynamo_cell *c)
{
    return c->how == DYNAMO_CELL_DELETE || json_is_null(json_object_get(c->sets, "size"));
}

/* As the transaction has made it; true only as long as the counter does not move. */
static enum err_code is_linked(struct dynamo_tx *tx, struct meta_content what, bool *ret_linked,
                               struct err *e)
{
    struct dynamo_key key = dynamo_key_blob(place_of(what), digest_str(what.digest));
    AUTO(dynamo_cursor) struct dynamo_cursor cursor = {.range = {.partition = key.pk}};
    json_t *item;

    *ret_linked = is_made_here(tx, key.pk, place_of(what));
    while (!*ret_linked) {
        struct str repo;

        TRY(dynamo_cursor_peek(tx->d->link, &cursor, tx->cells.end_ms, &item, e));
        if (!item)
            break;
        repo = item_get_text(item, "sk");
        *ret_linked =
            item_has(item, "size") && (!what.repo || str_eq(repo, place_of(what))) &&
            !is_lost_here(dynamo_cell_of(tx, dynamo_key_blob(repo, digest_str(what.digest))));
        dynamo_cursor_step(&cursor);
    }
    return ERR_OK;
}

/* Reads the item before its links are looked at, and relies on its counter. */
static enum err_code look(struct dynamo_tx *tx, struct meta_content what,
                          struct dynamo_cell **ret_cell, struct err *e)
{
    struct dynamo_cell *c = cell_of(tx, what);

    TRY(dynamo_cell_read(&tx->cells, c, e));
    if (c->how == DYNAMO_CELL_UPDATE)
        dynamo_cell_saw(c, "n", true);
    saw_row(c);
    *ret_cell = c;
    return ERR_OK;
}

/* ---- operations */

static void put_row(struct dynamo_tx *tx, struct dynamo_cell *c, struct meta_content what,
                    uint64_t size_bytes, struct str reason)
{
    set(tx, c, "k", STR("X"));
    set(tx, c, "digest", digest_str(what.digest));
    set(tx, c, "place", place_of(what));
    dynamo_cell_set_number(c, "size", (int64_t)size_bytes);
    set(tx, c, "reason", reason);
}

enum err_code dynamo_removed_condemn(struct dynamo_tx *tx, struct meta_content what,
                                     const struct meta_removal *removal, struct err *e)
{
    struct dynamo_cell *c;
    bool linked;

    TRY(look(tx, what, &c, e));
    dynamo_cell_add(c, "n", 1);
    TRY(is_linked(tx, what, &linked, e));
    if (linked || is_in_state(c, META_REMOVED_CONDEMNED))
        return ERR_OK;
    if (is_in_state(c, META_REMOVED_GONE)) {
        dynamo_cell_set_number(c, "again", 1);
        return ERR_OK;
    }
    if (!dynamo_cell_has(c, "state"))
        put_row(tx, c, what, removal->size_bytes, removal->reason);
    come_to(tx, c, META_REMOVED_CONDEMNED, dynamo_cell_number(c, "number"), removal->since_ms,
            false);
    return ERR_OK;
}

static enum err_code content_condemn(struct dynamo_tx *tx, const struct meta_op *op, struct err *e)
{
    return dynamo_removed_condemn(tx, op->content.what, &op->content.removal, e);
}

static enum err_code content_gone(struct dynamo_tx *tx, const struct meta_op *op, struct err *e)
{
    struct dynamo_cell *c;
    bool linked;

    *op->content.ret_gone = false;
    TRY(look(tx, op->content.what, &c, e));
    if (!is_in_state(c, META_REMOVED_CONDEMNED))
        return ERR_OK;
    TRY(is_linked(tx, op->content.what, &linked, e));
    if (linked) {
        forget(c);
        return ERR_OK;
    }
    if (dynamo_cell_number(c, "since") != op->content.since_ms)
        return ERR_OK;
    *op->content.ret_gone = true;
    come_to(tx, c, META_REMOVED_GONE, op->content.number, op->content.now_ms, false);
    return ERR_OK;
}

/* Its deletion ends: the cell of what is gone by that number; NULL: nothing is. */
static enum err_code find_gone(struct dynamo_tx *tx, const struct meta_op *op,
                               struct dynamo_cell **ret_cell, struct err *e)
{
    struct dynamo_cell *c = cell_of(tx, op->content.what);

    TRY(dynamo_cell_read(&tx->cells, c, e));
    saw_row(c);
    *ret_cell =
        is_in_state(c, META_REMOVED_GONE) && dynamo_cell_number(c, "number") == op->content.number
            ? c
            : NULL;
    return ERR_OK;
}

static enum err_code content_back(struct dynamo_tx *tx, const struct meta_op *op, struct err *e)
{
    struct dynamo_cell *c;

    TRY(find_gone(tx, op, &c, e));
    if (c)
        come_to(tx, c, META_REMOVED_CONDEMNED, op->content.number, op->content.now_ms, false);
    return ERR_OK;
}

static enum err_code content_deleted(struct dynamo_tx *tx, const struct meta_op *op, struct err *e)
{
    struct dynamo_cell *c;
    bool again;

    TRY(find_gone(tx, op, &c, e));
    if (!c)
        return ERR_OK;
    again = dynamo_cell_number(c, "again") != 0;
    if (op->content.forget && !again)
        forget(c);
    else
        come_to(tx, c, again ? META_REMOVED_CONDEMNED : META_REMOVED_DELETED, op->content.number,
                op->content.now_ms, false);
    return ERR_OK;
}

enum err_code dynamo_content(struct dynamo_tx *tx, const struct meta_op *op, struct err *e)
{
    switch (op->kind) {
    case META_CONTENT_CONDEMN:
        return content_condemn(tx, op, e);
    case META_CONTENT_GONE:
        return content_gone(tx, op, e);
    case META_CONTENT_BACK:
        return content_back(tx, op, e);
    default:
        return content_deleted(tx, op, e);
    }
}

void dynamo_removed_wants(struct dynamo_tx *tx, const struct meta_op *op)
{
    switch (op->kind) {
    case META_BLOB_UNLINK:
        dynamo_cell_want(cell_of(
            tx, (struct meta_content){op->blob_unlink.removal.once ? NULL : op->blob_unlink.repo,
                                      op->blob_unlink.digest}));
        break;
    case META_CONTENT_CONDEMN:
    case META_CONTENT_GONE:
    case META_CONTENT_BACK:
    case META_CONTENT_DELETED:
        dynamo_cell_want(cell_of(tx, op->content.what));
        break;
    default:
        break;
    }
}

void dynamo_removed_row(struct dynamo_tx *tx, const struct meta_row *row, struct dynamo_cell *c)
{
    bool again = row->ints[0] == META_REMOVED_GONE + 2;

    set(tx, c, "k", STR("X"));
    set(tx, c, "place", row->texts[0]);
    set(tx, c, "digest", row->texts[1]);
    set(tx, c, "reason", row->texts[2]);
    dynamo_cell_set_number(c, "size", row->ints[2]);
    come_to(tx, c, again ? META_REMOVED_GONE : (enum meta_removed_state)row->ints[0], row->ints[3],
            row->ints[1], again);
}

/* ---- forgetting what was deleted */

struct prune {
    struct repo_name repo;
    struct digest digest;
    int64_t before_ms;
};

/* The index may be of before: the item says what holds. */
static enum err_code prune_one(struct dynamo_tx *tx, void *ctx, struct err *e)
{
    const struct prune *p = ctx;
    struct dynamo_cell *c =
        cell_of(tx, (struct meta_content){p->repo.n > 0 ? &p->repo : NULL, &p->digest});

    TRY(dynamo_cell_read(&tx->cells, c, e));
    saw_row(c);
    if (is_in_state(c, META_REMOVED_DELETED) && dynamo_cell_number(c, "since") < p->before_ms)
        forget(c);
    return ERR_OK;
}

static enum err_code row_from(const json_t *item, struct meta_removed *ret_row, struct err *e);

enum err_code dynamo_content_prune(struct dynamo *d, int64_t before_ms, int64_t end_ms,
                                   struct err *e)
{
    AUTO(dynamo_ages) struct dynamo_ages a = {.from = ""};
    json_t *item;

    dynamo_ages_init(&a, ages[META_REMOVED_DELETED], before_ms, 0);
    for (;;) {
        struct meta_removed row;
        struct prune p;

        TRY(dynamo_merge_next(d->link, &a.merge, end_ms, &item, e));
        if (!item)
            return ERR_OK;
        TRY(row_from(item, &row, e));
        p = (struct prune){row.repo, row.digest, before_ms};
        TRY(dynamo_transact(d, end_ms, prune_one, &p, e));
    }
}

/* ---- reading */

static enum err_code row_from(const json_t *item, struct meta_removed *ret_row, struct err *e)
{
    struct str place = item_get_text(item, "place"), reason = item_get_text(item, "reason");
    struct meta_removed r = {.state = (enum meta_removed_state)item_get_number(item, "state"),
                             .number = item_get_number(item, "number"),
                             .since_ms = item_get_number(item, "since"),
                             .again = item_get_number(item, "again") != 0,
                             .size_bytes = (uint64_t)item_get_number(item, "size")};

    if ((place.n > 0 && repo_name_parse(place, &r.repo, ERR_IGNORED) != ERR_OK) ||
        digest_parse(item_get_text(item, "digest"), &r.digest, ERR_IGNORED) != ERR_OK ||
        (reason.p && !str_copy(reason, r.reason, sizeof(r.reason))))
        return err_set(e, ERR_CORRUPT, "an item of removed content is damaged");
    *ret_row = r;
    return ERR_OK;
}

static enum err_code removed_get(struct meta *m, struct meta_content what,
                                 struct meta_removed *ret_row, struct err *e)
{
    struct dynamo_link *link = dynamo_of(m)->link;
    struct dynamo_key key = dynamo_key_removed(digest_str(what.digest), place_of(what));
    AUTO(json) json_t *item = NULL;

    TRY(dynamo_get(link, &key, dynamo_link_end(link), &item, e));
    if (!item || !item_has(item, "state"))
        return err_set(e, ERR_NOT_FOUND, "%s is not condemned", what.digest->text);
    return row_from(item, ret_row, e);
}

#define PAGE_MOST 1000

/* A place is the "at" of the last item. */
static enum err_code removed(struct meta *m, enum meta_removed_state state, int64_t before_ms,
                             struct str after, size_t limit, struct meta_removed_list *ret_list,
                             struct err *e)
{
    struct dynamo_link *link = dynamo_of(m)->link;
    AUTO(dynamo_ages) struct dynamo_ages a = {.from = ""};
    AUTO(meta_removed_list) struct meta_removed_list l = {0};
    AUTO(mem) char *above = after.n > 0 ? str_dup(after) : NULL;
    json_t *item;

    dynamo_ages_init(&a, ages[state], before_ms, limit < PAGE_MOST ? limit + 1 : 0);
    for (size_t i = 0; above && i < a.merge.n; i++) {
        a.merge.cursors[i].range.from = NULL;
        a.merge.cursors[i].range.above = above;
    }
    for (;;) {
        TRY(dynamo_merge_next(link, &a.merge, dynamo_link_end(link), &item, e));
        if (!item || l.n == limit || item_get_number(item, "since") >= before_ms)
            break;
        l.rows = mem_resize(l.rows, (l.n + 1) * sizeof(*l.rows));
        TRY(row_from(item, &l.rows[l.n], e));
        l.n++;
        free(l.next);
        l.next = str_dup(item_get_text(item, "at"));
    }
    l.more = item && item_get_number(item, "since") < before_ms;
    *ret_list = l;
    l = (struct meta_removed_list){0};
    return ERR_OK;
}

void dynamo_removed_fill(struct meta_driver *d)
{
    d->removed_get = removed_get;
    d->removed = removed;
}
