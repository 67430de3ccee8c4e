/*
 * Rows from another driver, as they are. They come in the order of their kinds into a database that
 * nobody uses, so what they need is looked for, and no condition says that it stays.
 */
#include "meta/dynamodb/dynamodb.h"

#include <stdio.h>

static struct dynamo_cell *repo_cell(struct dynamo_tx *tx, const struct meta_row *row)
{
    return dynamo_cell_of(tx, dynamo_key_repo(row->texts[0]));
}

static struct dynamo_cell *manifest_cell(struct dynamo_tx *tx, const struct meta_row *row,
                                         size_t digest)
{
    return dynamo_cell_of(tx, dynamo_key_manifest(row->texts[0], row->texts[digest]));
}

static struct dynamo_cell *child_cell(struct dynamo_tx *tx, const struct meta_row *row)
{
    bool manifest = row->ints[1] == META_EDGE_MANIFEST || row->ints[1] == META_EDGE_LOOSE_MANIFEST;

    return dynamo_cell_of(tx, manifest ? dynamo_key_manifest(row->texts[0], row->texts[2])
                                       : dynamo_key_blob(row->texts[0], row->texts[2]));
}

/* Where the row itself will be. */
static struct dynamo_cell *own_cell(struct dynamo_tx *tx, const struct meta_row *row)
{
    const struct str *t = row->texts;

    switch (row->kind) {
    case META_ROW_REPO:
        return repo_cell(tx, row);
    case META_ROW_BLOB:
        return dynamo_cell_of(tx, dynamo_key_blob(t[0], t[1]));
    case META_ROW_MANIFEST:
    case META_ROW_EDGE:
        return manifest_cell(tx, row, 1);
    case META_ROW_TAG:
        return dynamo_cell_of(tx, dynamo_key_tag(t[0], t[1]));
    case META_ROW_REFERRER:
        return dynamo_cell_of(tx, dynamo_key_referrer(t[0], t[1], t[2]));
    case META_ROW_PROJECTION:
        return dynamo_cell_of(tx, dynamo_key_projection(t[0], t[1]));
    case META_ROW_UPLOAD:
        return dynamo_cell_of(tx, dynamo_key_upload(t[0]));
    case META_ROW_RECORD:
        return dynamo_cell_of(tx, dynamo_key_record(t[0], t[1]));
    case META_ROW_JOB:
        return dynamo_cell_of(tx, dynamo_key_job(t[0], t[1]));
    case META_ROW_REMOVED:
        return dynamo_cell_of(tx, dynamo_key_removed(t[1], t[0]));
    case META_ROW_MOVE:
        return dynamo_cell_of(tx, dynamo_key_move(t[0], t[1], row->ints[0]));
    default:
        return NULL;
    }
}

static bool is_of_repo(enum meta_row_kind kind)
{
    return kind != META_ROW_REPO && kind != META_ROW_UPLOAD && kind != META_ROW_RECORD &&
           kind != META_ROW_AUDIT && kind != META_ROW_JOB && kind != META_ROW_REMOVED;
}

void dynamo_row_wants(struct dynamo_tx *tx, const struct meta_op *op)
{
    const struct meta_row *row;
    struct dynamo_cell *own;

    if (op->kind != META_ROW_ADD)
        return;
    row = op->row_add.row;
    own = own_cell(tx, row);
    if (own)
        dynamo_cell_want(own);
    if (is_of_repo(row->kind))
        dynamo_cell_want(repo_cell(tx, row));
    if (row->kind == META_ROW_TAG)
        dynamo_cell_want(manifest_cell(tx, row, 2));
}

static enum err_code add_edge(struct dynamo_tx *tx, const struct meta_row *row,
                              struct dynamo_cell *head, struct err *e)
{
    AUTO(buf) struct buf text = {0};
    const json_t *made = json_object_get(head->sets, "edges") ? head->sets : head->was;
    struct meta_edge edge;
    struct str rest;
    uint64_t position;
    bool counted = false, same = false;
    struct dynamo_cell *child = child_cell(tx, row);

    buf_init(&text, DYNAMO_EDGES_MAX);
    TRY(dynamo_text_read(tx->d->link, made, "edges", tx->cells.end_ms, &text, e));
    for (rest = buf_str(&text); dynamo_edge_next(&rest, &position, &edge);) {
        same |= position == (uint64_t)row->ints[0];
        counted |= str_eq(digest_str(&edge.digest), row->texts[2]) &&
                   ((edge.kind == META_EDGE_MANIFEST || edge.kind == META_EDGE_LOOSE_MANIFEST) ==
                    str_starts(str_of(child->pk), STR("manifest#")));
    }
    if (same)
        return err_set(e, ERR_INTERNAL, "link %lld of a manifest is there already",
                       (long long)row->ints[0]);
    dynamo_edge_write((size_t)row->ints[0], (enum meta_edge_kind)row->ints[1], row->texts[2],
                      &text);
    if (!counted)
        dynamo_cell_add(child, "uses", 1);
    dynamo_tx_drop_long(tx, head, "edges");
    return dynamo_tx_set_long(tx, head, "edges", buf_str(&text), false, e);
}

static void set(struct dynamo_tx *tx, struct dynamo_cell *c, const char *name, struct str value)
{
    dynamo_cell_set(&tx->cells, c, name, value);
}

static void add_repo(struct dynamo_tx *tx, const struct meta_row *row, struct dynamo_cell *c)
{
    static const char *const names[META_ROW_INTS] = {"manifests", "version", "bytes", "tags"};

    set(tx, c, "k", STR("R"));
    set(tx, c, "name", row->texts[0]);
    for (size_t i = 0; i < META_ROW_INTS; i++)
        dynamo_cell_set_number(c, names[i], row->ints[i]);
}

static void add_blob(struct dynamo_tx *tx, const struct meta_row *row, struct dynamo_cell *c)
{
    set(tx, c, "k", STR("B"));
    set(tx, c, "repo", row->texts[0]);
    set(tx, c, "digest", row->texts[1]);
    dynamo_cell_set_number(c, "size", row->ints[0]);
    dynamo_held(tx, row->texts[0], false, row->texts[1]);
}

static enum err_code add_manifest(struct dynamo_tx *tx, const struct meta_row *row,
                                  struct dynamo_cell *c, struct err *e)
{
    set(tx, c, "k", STR("M"));
    set(tx, c, "repo", row->texts[0]);
    set(tx, c, "digest", row->texts[1]);
    set(tx, c, "media", row->texts[2]);
    dynamo_held(tx, row->texts[0], true, row->texts[1]);
    dynamo_cell_set_number(c, "since", row->ints[0]);
    if (row->texts[3].n > 0)
        set(tx, c, "subject", row->texts[3]);
    return dynamo_tx_set_long(tx, c, "bytes", row->texts[4], true, e);
}

static void add_tag(struct dynamo_tx *tx, const struct meta_row *row, struct dynamo_cell *c)
{
    struct dynamo_cell *back =
        dynamo_cell_of(tx, dynamo_key_tag_of(row->texts[0], row->texts[2], row->texts[1]));

    dynamo_cell_put(c);
    set(tx, c, "k", STR("T"));
    set(tx, c, "repo", row->texts[0]);
    set(tx, c, "digest", row->texts[2]);
    dynamo_cell_set_number(c, "version", row->ints[0]);
    dynamo_cell_set_number(c, "pushed", row->ints[1]);
    dynamo_cell_put(back);
    dynamo_cell_set_number(back, "version", row->ints[0]);
}

static enum err_code set_referrer(struct dynamo_tx *tx, const struct meta_row *row,
                                  struct dynamo_cell *c, struct err *e)
{
    set(tx, c, "digest", row->texts[2]);
    set(tx, c, "type", row->texts[3]);
    set(tx, c, "media", row->texts[4]);
    dynamo_cell_set_number(c, "size", row->ints[0]);
    return dynamo_tx_set_long(tx, c, "annotations", row->texts[5], false, e);
}

/* Its manifest has to know its type, by which it finds the second row. */
static enum err_code add_referrer(struct dynamo_tx *tx, const struct meta_row *row,
                                  struct dynamo_cell *c, struct err *e)
{
    const struct str *t = row->texts;
    struct dynamo_cell *typed =
        dynamo_cell_of(tx, dynamo_key_referrer_typed(t[0], t[1], t[3], t[2]));

    dynamo_cell_put(c);
    set(tx, c, "k", STR("F"));
    set(tx, c, "repo", t[0]);
    set(tx, c, "subject", t[1]);
    TRY(set_referrer(tx, row, c, e));
    dynamo_cell_put(typed);
    TRY(set_referrer(tx, row, typed, e));
    if (t[3].n > 0)
        set(tx, manifest_cell(tx, row, 2), "type", t[3]);
    return ERR_OK;
}

static void add_projection(struct dynamo_tx *tx, const struct meta_row *row)
{
    dynamo_projection_set(tx, row->texts[0], row->texts[1], row->ints[0], row->texts[2], STR(""));
}

static void add_move(struct dynamo_tx *tx, const struct meta_row *row)
{
    const struct dynamo_move move = {
        .repo = row->texts[0],
        .tag = row->texts[1],
        .digest = row->texts[2],
        .previous = row->texts[3],
        .actor = row->texts[4],
        .version = row->ints[0],
        .time_ms = row->ints[1],
    };

    dynamo_move_put(tx, &move);
}

static void add_upload(struct dynamo_tx *tx, const struct meta_row *row, struct dynamo_cell *c)
{
    bool done = row->texts[4].n > 0;

    dynamo_cell_put(c);
    set(tx, c, "k", STR("U"));
    set(tx, c, "id", row->texts[0]);
    set(tx, c, "repo", row->texts[1]);
    set(tx, c, "owner", row->texts[2]);
    set(tx, c, "algorithm", row->texts[3]);
    dynamo_cell_set_number(c, "started", row->ints[0]);
    dynamo_cell_set_number(c, "finished", row->ints[1]);
    dynamo_cell_set_number(c, "turn", row->ints[2]);
    if (done)
        set(tx, c, "digest", row->texts[4]);
    dynamo_set_age(tx, c, done ? "done" : "open", row->ints[done]);
}

static enum err_code add_record(struct dynamo_tx *tx, const struct meta_row *row,
                                struct dynamo_cell *c, struct err *e)
{
    dynamo_cell_put(c);
    set(tx, c, "k", STR("C"));
    set(tx, c, "collection", row->texts[0]);
    dynamo_cell_set_number(c, "version", row->ints[0]);
    return dynamo_tx_set_long(tx, c, "value", row->texts[2], false, e);
}

static enum err_code write_row(struct dynamo_tx *tx, const struct meta_row *row,
                               struct dynamo_cell *own, struct err *e)
{
    switch (row->kind) {
    case META_ROW_REPO:
        add_repo(tx, row, own);
        return ERR_OK;
    case META_ROW_BLOB:
        add_blob(tx, row, own);
        return ERR_OK;
    case META_ROW_MANIFEST:
        return add_manifest(tx, row, own, e);
    case META_ROW_EDGE:
        return add_edge(tx, row, own, e);
    case META_ROW_TAG:
        add_tag(tx, row, own);
        return ERR_OK;
    case META_ROW_REFERRER:
        return add_referrer(tx, row, own, e);
    case META_ROW_PROJECTION:
        add_projection(tx, row);
        return ERR_OK;
    case META_ROW_UPLOAD:
        add_upload(tx, row, own);
        return ERR_OK;
    case META_ROW_RECORD:
        return add_record(tx, row, own, e);
    case META_ROW_JOB:
        dynamo_job_row(tx, row, own);
        return ERR_OK;
    case META_ROW_REMOVED:
        dynamo_removed_row(tx, row, own);
        return ERR_OK;
    case META_ROW_MOVE:
        add_move(tx, row);
        return ERR_OK;
    default:
        dynamo_audit_put(tx, row->ints[0], row->texts);
        return ERR_OK;
    }
}

/* What says that a row of the kind is there: an item may be, and hold something else yet. */
static const char *const marks[META_ROW_KINDS] = {
    [META_ROW_REPO] = "k",        [META_ROW_BLOB] = "size",  [META_ROW_MANIFEST] = "media",
    [META_ROW_TAG] = "k",         [META_ROW_REFERRER] = "k", [META_ROW_PROJECTION] = "k",
    [META_ROW_UPLOAD] = "k",      [META_ROW_RECORD] = "k",   [META_ROW_JOB] = "k",
    [META_ROW_REMOVED] = "state", [META_ROW_MOVE] = "k",
};

/* What needs another row is not added without it. */
static enum err_code is_wanted(struct dynamo_tx *tx, const struct meta_row *row,
                               struct dynamo_cell *own, bool *ret_wanted, struct err *e)
{
    struct dynamo_cell *need = NULL;

    *ret_wanted = true;
    if (is_of_repo(row->kind)) {
        need = repo_cell(tx, row);
        TRY(dynamo_cell_read(&tx->cells, need, e));
        *ret_wanted = dynamo_cell_has(need, "k");
    }
    if (row->kind == META_ROW_TAG) {
        need = manifest_cell(tx, row, 2);
        TRY(dynamo_cell_read(&tx->cells, need, e));
        *ret_wanted = *ret_wanted && dynamo_cell_has(need, "media");
    }
    if (own)
        TRY(dynamo_cell_read(&tx->cells, own, e));
    if (row->kind == META_ROW_EDGE)
        *ret_wanted = *ret_wanted && dynamo_cell_has(own, "media");
    return ERR_OK;
}

enum err_code dynamo_row_add(struct dynamo_tx *tx, const struct meta_op *op, struct err *e)
{
    const struct meta_row *row = op->row_add.row;
    struct dynamo_cell *own = own_cell(tx, row);
    const char *mark = marks[row->kind];
    bool wanted;

    TRY(is_wanted(tx, row, own, &wanted, e));
    if (!wanted)
        return ERR_OK;
    if (mark && dynamo_cell_has(own, mark))
        return err_set(e, ERR_INTERNAL, "a row of %s is there already",
                       meta_row_kind_name(row->kind));
    if (mark)
        dynamo_cell_saw(own, mark, false);
    if (row->kind == META_ROW_EDGE)
        dynamo_cell_saw(own, "edges", true);
    return write_row(tx, row, own, e);
}
