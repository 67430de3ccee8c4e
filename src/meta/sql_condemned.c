/*
 * Collection in SQL: what is condemned of a repository, what revives it, and what the collector
 * looks at.
 */
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/mem.h"
#include "meta/referrer_tag.h"
#include "meta/sql.h"

#include <stdlib.h>

/* ---- operations */

static enum err_code condemn(struct sql_conn *c, int64_t repo_id, const struct meta_op *op,
                             struct err *e)
{
    const struct meta_verdict *v = &op->condemn.verdict;
    const struct sql_value args[] = {SQL_INT(repo_id),
                                     SQL_TEXT(digest_str(v->digest)),
                                     SQL_INT(v->now_ms),
                                     SQL_INT(v->why),
                                     SQL_TEXT(v->run),
                                     SQL_INT(v->seen_version),
                                     SQL_INT(v->before_ms ? v->before_ms : INT64_MAX)};
    bool blob = v->kind == META_ITEM_BLOB;
    int64_t unused;

    return sql_run_int(c, blob ? SQL_CONDEMN_BLOB : SQL_CONDEMN_MANIFEST, args, blob ? 5 : 7,
                       op->condemn.ret_done, &unused, e);
}

static enum err_code revive(struct sql_conn *c, int64_t repo_id, const struct meta_op *op,
                            struct err *e)
{
    const struct digest *by = op->revive.by;
    int64_t unused;
    bool found;

    if (op->revive.since_ms > 0)
        return sql_run(c, SQL_CONDEMN_LATER,
                       SQL_ARGS(SQL_INT(repo_id), SQL_TEXT(digest_str(op->revive.digest)),
                                SQL_INT(op->revive.kind), SQL_INT(op->revive.since_ms)),
                       e);
    TRY(sql_run_int(c, SQL_REVIVE_BY,
                    SQL_ARGS(SQL_INT(repo_id), SQL_TEXT(digest_str(op->revive.digest)),
                             SQL_INT(op->revive.kind), SQL_TEXT(by ? digest_str(by) : STR("")),
                             SQL_INT(op->revive.why)),
                    &found, &unused, e));
    if (op->revive.ret_done)
        *op->revive.ret_done = found;
    return ERR_OK;
}

enum err_code sql_condemned_check(struct sql_conn *c, int64_t repo_id, enum meta_item_kind kind,
                                  const struct digest *d, int64_t until_ms, struct err *e)
{
    int64_t unused;
    bool found;

    TRY(sql_run_int(
        c, SQL_CONDEMNED_CHECK,
        SQL_ARGS(SQL_INT(repo_id), SQL_TEXT(digest_str(d)), SQL_INT(kind), SQL_INT(until_ms)),
        &found, &unused, e));
    return found ? ERR_OK
                 : err_set(e, ERR_CONFLICT, "%s was revived, or its subject is there", d->text);
}

enum err_code sql_condemned_apply(struct sql_conn *c, int64_t repo_id, const struct meta_op *op,
                                  struct err *e)
{
    return op->kind == META_CONDEMN ? condemn(c, repo_id, op, e) : revive(c, repo_id, op, e);
}

enum err_code sql_condemned_revive(struct sql_conn *c, const struct repo_name *repo,
                                   enum meta_item_kind kind, const struct digest *d, struct err *e)
{
    return sql_run(c, SQL_REVIVE,
                   SQL_ARGS(SQL_TEXT(repo_name_str(repo)), SQL_TEXT(digest_str(d)), SQL_INT(kind)),
                   e);
}

enum err_code sql_condemned_revive_named(struct sql_conn *c, const struct repo_name *repo,
                                         const struct digest *d, struct err *e)
{
    return sql_run(c, SQL_REVIVE_NAMED,
                   SQL_ARGS(SQL_TEXT(repo_name_str(repo)), SQL_TEXT(digest_str(d))), e);
}

enum err_code sql_condemned_leave(struct sql_conn *c, const struct repo_name *repo, int64_t repo_id,
                                  int64_t manifest_id, const struct digest *d, struct err *e)
{
    int64_t now_ms = clock_wall_ms();
    struct referrer_tags t;

    referrer_tags_of(d, &t);
    TRY(sql_condemned_revive(c, repo, META_ITEM_MANIFEST, d, e));
    TRY(sql_run(c, SQL_CONDEMN_LEFT,
                SQL_ARGS(SQL_INT(repo_id), SQL_INT(manifest_id), SQL_INT(now_ms),
                         SQL_INT(META_WHY_CHILD), SQL_INT(META_EDGE_MANIFEST),
                         SQL_INT(META_EDGE_LOOSE_MANIFEST)),
                e));
    TRY(sql_run(c, SQL_CONDEMN_REFERRERS,
                SQL_ARGS(SQL_INT(repo_id), SQL_TEXT(digest_str(d)), SQL_INT(now_ms),
                         SQL_INT(META_WHY_REFERRER)),
                e));
    return sql_run(c, SQL_CONDEMN_SIGNATURES,
                   SQL_ARGS(SQL_INT(repo_id), SQL_INT(now_ms), SQL_INT(META_WHY_REFERRER),
                            SQL_TEXT(digest_str(d)), SQL_TEXT(str_of(t.names[0])),
                            SQL_TEXT(str_of(t.names[1])), SQL_TEXT(str_of(t.names[2])),
                            SQL_TEXT(str_of(t.names[3]))),
                   e);
}

/* ---- reads */

static enum err_code find_repo(struct sql_conn *c, const struct repo_name *repo, int64_t *ret_id,
                               struct err *e)
{
    bool found;

    TRY(sql_run_int(c, SQL_REPO_ID, SQL_ARGS(SQL_TEXT(repo_name_str(repo))), &found, ret_id, e));
    return found ? ERR_OK : err_tell(e, ERR_NAME_UNKNOWN, "no repository %s", repo->text);
}

static enum err_code use_from(struct meta *m, struct sql_rows *rows, struct meta_use *ret,
                              struct err *e)
{
    struct str subject = sql_text_at(rows, 3);

    *ret = (struct meta_use){.id = sql_int_at(rows, 1),
                             .size_bytes = (uint64_t)sql_int_at(rows, 2),
                             .why = (enum meta_why)sql_int_at(rows, 4),
                             .condemned_ms = sql_int_at(rows, 5),
                             .by_run = sql_text_at(rows, 6).n > 0,
                             .since_ms = sql_int_at(rows, 7)};
    ret->condemned = ret->condemned_ms > 0;
    if (digest_parse(sql_text_at(rows, 0), &ret->digest, ERR_IGNORED) != ERR_OK ||
        (subject.n > 0 && digest_parse(subject, &ret->subject, ERR_IGNORED) != ERR_OK))
        return sql_damaged(m, "digest", e);
    return ERR_OK;
}

static enum err_code read_items(struct meta *m, struct sql_conn *c, int64_t repo_id,
                                enum meta_item_kind kind, struct str after, size_t limit,
                                struct meta_use_list *l, struct err *e)
{
    AUTO(sql_rows) struct sql_rows *rows = NULL;
    size_t cap = 0;

    TRY(sql_query(c, kind == META_ITEM_BLOB ? SQL_USES_BLOBS : SQL_USES_MANIFESTS,
                  SQL_ARGS(SQL_INT(repo_id), SQL_TEXT(after), SQL_INT(sql_one_more(limit))), &rows,
                  e));
    for (;;) {
        bool row;

        TRY(sql_next(rows, &row, e));
        if (!row)
            return ERR_OK;
        if (l->n == limit) {
            l->more = true;
            return ERR_OK;
        }
        if (l->n == cap) {
            cap = cap ? 2 * cap : 64;
            l->rows = mem_resize(l->rows, cap * sizeof(*l->rows));
        }
        TRY(use_from(m, rows, &l->rows[l->n], e));
        l->n++;
    }
}

/* Both are in the order of digests: a user is of the row that stands at the same place, or of none
 * when it names what is not here. */
static enum err_code add_users(struct sql_rows *rows, struct meta_use_list *l, struct err *e)
{
    size_t i = 0, cap = 0;

    for (;;) {
        struct str digest;
        int order = -1;
        bool row;

        TRY(sql_next(rows, &row, e));
        if (!row)
            return ERR_OK;
        digest = sql_text_at(rows, 0);
        while (i < l->n && (order = str_cmp(digest_str(&l->rows[i].digest), digest)) < 0)
            i++;
        if (i == l->n || order > 0)
            continue;
        if (l->n_users == cap) {
            cap = cap ? 2 * cap : 256;
            l->users = mem_resize(l->users, cap * sizeof(*l->users));
        }
        if (l->rows[i].n_users++ == 0)
            l->rows[i].users = l->n_users;
        l->users[l->n_users++] = sql_int_at(rows, 1);
    }
}

static enum err_code uses(struct meta *m, const struct repo_name *repo, enum meta_item_kind kind,
                          struct str after, size_t limit, struct meta_use_list *ret_list,
                          struct err *e)
{
    bool blobs = kind == META_ITEM_BLOB;
    AUTO(sql_conn) struct sql_conn *c = NULL;
    AUTO(sql_rows) struct sql_rows *rows = NULL;
    AUTO(meta_uses) struct meta_use_list l = {0};
    int64_t repo_id;

    TRY(sql_begin(m, &c, e));
    TRY(find_repo(c, repo, &repo_id, e));
    TRY(read_items(m, c, repo_id, kind, after, limit, &l, e));
    if (l.n > 0) {
        TRY(sql_query(c, SQL_USES_EDGES,
                      SQL_ARGS(SQL_INT(repo_id), SQL_TEXT(after),
                               SQL_TEXT(digest_str(&l.rows[l.n - 1].digest)),
                               SQL_INT(blobs ? META_EDGE_BLOB : META_EDGE_MANIFEST),
                               SQL_INT(blobs ? META_EDGE_LOOSE_BLOB : META_EDGE_LOOSE_MANIFEST)),
                      &rows, e));
        TRY(add_users(rows, &l, e));
    }
    *ret_list = l;
    l = (struct meta_use_list){0};
    return ERR_OK;
}

static enum err_code collect_tags(struct meta *m, struct sql_rows *rows, size_t limit,
                                  struct meta_tag_list *l, struct err *e)
{
    size_t cap = 0;

    for (;;) {
        bool row;

        TRY(sql_next(rows, &row, e));
        if (!row)
            return ERR_OK;
        if (l->n == limit) {
            l->more = true;
            return ERR_OK;
        }
        if (l->n == cap) {
            cap = cap ? 2 * cap : 64;
            l->rows = mem_resize(l->rows, cap * sizeof(*l->rows));
        }
        if (tag_name_parse(sql_text_at(rows, 0), &l->rows[l->n].name, ERR_IGNORED) != ERR_OK)
            return sql_damaged(m, "name of a tag", e);
        l->rows[l->n++].manifest_id = sql_int_at(rows, 1);
    }
}

/* The version is read first, as in manifest_tags(). */
static enum err_code tag_targets(struct meta *m, const struct repo_name *repo, struct str after,
                                 size_t limit, struct meta_tag_list *ret_list, int64_t *ret_version,
                                 struct err *e)
{
    AUTO(sql_conn) struct sql_conn *c = NULL;
    AUTO(sql_rows) struct sql_rows *rows = NULL;
    AUTO(meta_tags) struct meta_tag_list l = {0};
    int64_t repo_id, version = META_ABSENT;
    bool found;

    TRY(sql_begin(m, &c, e));
    TRY(find_repo(c, repo, &repo_id, e));
    TRY(sql_run_int(c, SQL_REPO_VERSION, SQL_ARGS(SQL_INT(repo_id)), &found, &version, e));
    TRY(sql_query(c, SQL_TAG_TARGETS,
                  SQL_ARGS(SQL_INT(repo_id), SQL_TEXT(after), SQL_INT(sql_one_more(limit))), &rows,
                  e));
    TRY(collect_tags(m, rows, limit, &l, e));
    *ret_list = l;
    l = (struct meta_tag_list){0};
    *ret_version = version;
    return ERR_OK;
}

static enum err_code manifest_condemned(struct meta *m, const struct repo_name *repo,
                                        const struct digest *d, int64_t *ret_since_ms,
                                        struct err *e)
{
    AUTO(sql_conn) struct sql_conn *c = NULL;
    bool found;

    TRY(sql_begin(m, &c, e));
    *ret_since_ms = 0;
    return sql_run_int(c, SQL_MANIFEST_CONDEMNED,
                       SQL_ARGS(SQL_TEXT(repo_name_str(repo)), SQL_TEXT(digest_str(d))), &found,
                       ret_since_ms, e);
}

void sql_condemned_fill(struct meta_driver *d)
{
    d->manifest_condemned = manifest_condemned;
    d->uses = uses;
    d->tag_targets = tag_targets;
}
