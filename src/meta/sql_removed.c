/*
 * Content that goes: what its operations are in SQL, and reading its rows.
 *
 * Whoever links, unlinks or deletes content takes a lock of its digest in the transaction: of two
 * who unlink the last two links one sees the other's, and nothing is gone that another transaction
 * is about to link. A link takes it before it writes, an unlink after its link has gone, for it may
 * have waited for somebody who mounts the blob and takes the lock next.
 */
#include "base/cleanup.h"
#include "base/mem.h"
#include "meta/sql.h"

#include <stdio.h>
#include <stdlib.h>

#define LOCK_HEX                                                                                   \
    3 /* so many locks there are at most, also of a transaction that links very many               \
       */

static struct str place_of(struct meta_content c)
{
    return c.repo ? repo_name_str(c.repo) : STR("");
}

static enum err_code lock(struct sql_conn *c, const struct digest *d, struct err *e)
{
    char name[32];

    snprintf(name, sizeof(name), "content:%.*s", LOCK_HEX, digest_hex(d).p);
    return sql_lock(c, str_of(name), e);
}

enum err_code sql_removed_link(struct sql_conn *c, const struct meta_op *op, struct err *e)
{
    const struct digest *d = op->blob_link.digest;
    struct str place = op->blob_link.once ? STR("") : repo_name_str(op->blob_link.repo);
    const struct sql_value unless[] = {
        SQL_TEXT(digest_str(d)), SQL_TEXT(place),
        SQL_INT(op->blob_link.aside ? op->blob_link.seen_number : 0)};
    bool found;
    int64_t unused;

    TRY(lock(c, d, e));
    TRY(sql_run(
        c, SQL_REMOVED_REVIVE,
        SQL_ARGS(SQL_TEXT(digest_str(d)), SQL_TEXT(place), SQL_INT(op->blob_link.seen_number)), e));
    if (c->adapter->run) /* it says so itself: "must_not" */
        return c->adapter->run(c, SQL_REMOVED_NOT, unless, 3, e);
    TRY(sql_run_int(c, SQL_REMOVED_NOT, unless, 3, &found, &unused, e));
    return found ? err_set(e, ERR_GONE, "%s is being deleted, or was", d->text) : ERR_OK;
}

enum err_code sql_removed_condemn(struct sql_conn *c, struct meta_content what,
                                  const struct meta_removal *removal, struct err *e)
{
    TRY(lock(c, what.digest, e));
    return sql_run(c, SQL_REMOVED_CONDEMN,
                   SQL_ARGS(SQL_TEXT(digest_str(what.digest)), SQL_TEXT(place_of(what)),
                            SQL_INT(removal->since_ms), SQL_INT((int64_t)removal->size_bytes),
                            SQL_TEXT(removal->reason)),
                   e);
}

static enum err_code content_gone(struct sql_conn *c, const struct meta_op *op, struct err *e)
{
    const struct sql_value digest = SQL_TEXT(digest_str(op->content.what.digest));
    const struct sql_value place = SQL_TEXT(place_of(op->content.what));
    int64_t unused;

    TRY(lock(c, op->content.what.digest, e));
    TRY(sql_run_int(c, SQL_REMOVED_GONE,
                    SQL_ARGS(digest, place, SQL_INT(op->content.since_ms),
                             SQL_INT(op->content.number), SQL_INT(op->content.now_ms)),
                    op->content.ret_gone, &unused, e));
    return *op->content.ret_gone ? ERR_OK
                                 : sql_run(c, SQL_REMOVED_LIVES, SQL_ARGS(digest, place), e);
}

static enum err_code end_deletion(struct sql_conn *c, const struct meta_op *op, enum sql_id id,
                                  struct err *e)
{
    return sql_run(c, id,
                   SQL_ARGS(SQL_TEXT(digest_str(op->content.what.digest)),
                            SQL_TEXT(place_of(op->content.what)), SQL_INT(op->content.number),
                            SQL_INT(op->content.now_ms)),
                   e);
}

static enum err_code content_deleted(struct sql_conn *c, const struct meta_op *op, struct err *e)
{
    if (op->content.forget)
        TRY(sql_run(c, SQL_REMOVED_FORGET,
                    SQL_ARGS(SQL_TEXT(digest_str(op->content.what.digest)),
                             SQL_TEXT(place_of(op->content.what)), SQL_INT(op->content.number)),
                    e));
    return end_deletion(c, op, SQL_REMOVED_DELETED, e);
}

enum err_code sql_removed_apply(struct sql_conn *c, const struct meta_op *op, struct err *e)
{
    switch (op->kind) {
    case META_CONTENT_CONDEMN:
        return sql_removed_condemn(c, op->content.what, &op->content.removal, e);
    case META_CONTENT_GONE:
        return content_gone(c, op, e);
    case META_CONTENT_BACK:
        return end_deletion(c, op, SQL_REMOVED_BACK, e);
    case META_CONTENT_DELETED:
        return content_deleted(c, op, e);
    case META_CONTENT_PRUNE:
        return sql_run(c, SQL_REMOVED_PRUNE, SQL_ARGS(SQL_INT(op->content.before_ms)), e);
    default:
        return err_set(e, ERR_INTERNAL, "operation %d is not one of content", (int)op->kind);
    }
}

/* ---- reading; columns are those of SQL_REMOVED_ROW */

#define PLACE_MAX (REPO_NAME_MAX + DIGEST_TEXT_MAX + 64)

static enum err_code row_from(struct sql_rows *rows, struct meta_removed *ret_row, struct err *e)
{
    const struct sql_adapter *a = rows->adapter;
    struct str place = a->column_str(rows, 0), digest = a->column_str(rows, 1);
    struct meta_removed r = {.state = (enum meta_removed_state)a->column_int(rows, 2),
                             .number = a->column_int(rows, 3),
                             .since_ms = a->column_int(rows, 4),
                             .again = a->column_int(rows, 5) != 0,
                             .size_bytes = (uint64_t)a->column_int(rows, 6)};

    if ((place.n > 0 && repo_name_parse(place, &r.repo, ERR_IGNORED) != ERR_OK) ||
        digest_parse(digest, &r.digest, ERR_IGNORED) != ERR_OK ||
        !str_copy(a->column_str(rows, 7), r.reason, sizeof(r.reason)))
        return err_set(e, ERR_CORRUPT, "a row of removed content is damaged");
    *ret_row = r;
    return ERR_OK;
}

static enum err_code removed_get(struct meta *m, struct meta_content what,
                                 struct meta_removed *ret_row, struct err *e)
{
    AUTO(sql_conn) struct sql_conn *c = NULL;
    AUTO(sql_rows) struct sql_rows *rows = NULL;
    bool found;

    TRY(sql_begin(m, &c, e));
    TRY(sql_query(c, SQL_REMOVED_GET,
                  SQL_ARGS(SQL_TEXT(digest_str(what.digest)), SQL_TEXT(place_of(what))), &rows, e));
    TRY(sql_next(rows, &found, e));
    if (!found)
        return err_set(e, ERR_NOT_FOUND, "%s is not condemned", what.digest->text);
    return row_from(rows, ret_row, e);
}

/* "SINCE DIGEST PLACE". */
static enum err_code parse_next(struct str after, struct sql_value ret_args[static 3],
                                struct err *e)
{
    struct str since, digest;
    uint64_t ms;

    ret_args[0] = SQL_INT(INT64_MIN);
    ret_args[1] = ret_args[2] = SQL_TEXT(STR(""));
    if (after.n == 0)
        return ERR_OK;
    if (!str_cut(&after, ' ', &since) || !str_cut(&after, ' ', &digest) ||
        !str_to_u64(since, INT64_MAX, &ms))
        return err_set(e, ERR_INTERNAL, "a place between rows of removed content that is none");
    ret_args[0] = SQL_INT((int64_t)ms);
    ret_args[1] = SQL_TEXT(digest);
    ret_args[2] = SQL_TEXT(after);
    return ERR_OK;
}

static char *print_next(const struct meta_removed *r)
{
    char text[PLACE_MAX];

    snprintf(text, sizeof(text), "%lld %s %s", (long long)r->since_ms, r->digest.text,
             r->repo.n > 0 ? r->repo.text : "");
    return mem_strdup(text);
}

static enum err_code read_page(struct sql_rows *rows, size_t limit, struct meta_removed_list *l,
                               struct err *e)
{
    bool row;

    for (;;) {
        TRY(sql_next(rows, &row, e));
        if (!row || l->n == limit)
            break;
        l->rows = mem_resize(l->rows, (l->n + 1) * sizeof(*l->rows));
        TRY(row_from(rows, &l->rows[l->n], e));
        l->n++;
    }
    l->more = row;
    if (l->n > 0)
        l->next = print_next(&l->rows[l->n - 1]);
    return ERR_OK;
}

static enum err_code removed(struct meta *m, enum meta_removed_state state, int64_t before_ms,
                             struct str after, size_t limit, struct meta_removed_list *ret_list,
                             struct err *e)
{
    AUTO(meta_removed_list) struct meta_removed_list l = {0};
    AUTO(sql_conn) struct sql_conn *c = NULL;
    AUTO(sql_rows) struct sql_rows *rows = NULL;
    struct sql_value from[3];

    TRY(parse_next(after, from, e));
    TRY(sql_begin(m, &c, e));
    TRY(sql_query(c, SQL_REMOVED_LIST,
                  SQL_ARGS(SQL_INT(state), SQL_INT(before_ms), from[0], from[1], from[2],
                           SQL_INT(sql_one_more(limit))),
                  &rows, e));
    TRY(read_page(rows, limit, &l, e));
    *ret_list = l;
    l = (struct meta_removed_list){0};
    return ERR_OK;
}

void sql_removed_fill(struct meta_driver *d)
{
    d->removed_get = removed_get;
    d->removed = removed;
}
