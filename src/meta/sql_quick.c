/*
 * Operations as statements none of which needs the answer to another: what a push and a mount
 * consist of. They name repositories and manifests, instead of numbering them, and what
 * sql_commit.c looks at before it goes on is a condition here, in the statement or as one that must
 * be true. The locks are the same, in the same order: what comes behind one sees all that was done
 * by whoever had it before.
 */
#include "base/cleanup.h"
#include "meta/sql.h"

#define EDGE_TEXT_MAX  (DIGEST_TEXT_MAX + 8)
#define QUOTA_NO_LIMIT INT64_MAX /* in the database, whose numbers have a sign */

struct quick {
    const struct repo_name *locked; /* NULL: none was yet */
};

/* `make`: it may be the first of its repository. */
static enum err_code lock_repo(struct sql_conn *c, struct quick *q, const struct repo_name *repo,
                               bool make, struct err *e)
{
    if (q->locked && str_eq(repo_name_str(q->locked), repo_name_str(repo)))
        return ERR_OK;
    if (make)
        TRY(sql_run(c, SQL_QUICK_REPO_ADD, SQL_ARGS(SQL_TEXT(repo_name_str(repo))), e));
    TRY(sql_run(c, SQL_QUICK_REPO_LOCK, SQL_ARGS(SQL_TEXT(repo_name_str(repo))), e));
    q->locked = repo;
    return ERR_OK;
}

/* First the counter: whether the blob is new is not to be seen behind that. */
static enum err_code blob_link(struct sql_conn *c, struct quick *q, const struct meta_op *op,
                               struct err *e)
{
    const struct sql_value args[] = {SQL_TEXT(repo_name_str(op->blob_link.repo)),
                                     SQL_TEXT(digest_str(op->blob_link.digest)),
                                     SQL_INT((int64_t)op->blob_link.size_bytes)};

    TRY(lock_repo(c, q, op->blob_link.repo, true, e));
    TRY(sql_removed_link(c, op, e));
    TRY(sql_run(c, SQL_QUICK_BLOB_COUNT, args, 3, e));
    TRY(sql_run(c, SQL_QUICK_BLOB_ADD, args, 3, e));
    return sql_condemned_revive(c, op->blob_link.repo, META_ITEM_BLOB, op->blob_link.digest, e);
}

static enum err_code blob_check(struct sql_conn *c, struct quick *q, const struct meta_op *op,
                                struct err *e)
{
    (void)q;
    return sql_run(c, SQL_QUICK_BLOB_CHECK,
                   SQL_ARGS(SQL_TEXT(repo_name_str(op->blob_check.repo)),
                            SQL_TEXT(digest_str(op->blob_check.digest))),
                   e);
}

/* Its kind, one digit, and its digest, each. */
static void edges_json(const struct meta_manifest_put *put, struct buf *ret_json)
{
    buf_init(ret_json, put->n_edges * EDGE_TEXT_MAX + EDGE_TEXT_MAX);
    for (size_t i = 0; i < put->n_edges; i++)
        buf_addf(ret_json, "%s\"%d%s\"", i > 0 ? "," : "[", (int)put->edges[i].kind,
                 put->edges[i].digest.text);
    buf_add_char(ret_json, ']');
}

static enum err_code add_edges(struct sql_conn *c, const struct meta_manifest_put *put,
                               struct err *e)
{
    const struct sql_value repo = SQL_TEXT(repo_name_str(put->repo)),
                           digest = SQL_TEXT(digest_str(&put->manifest->digest));
    AUTO(buf) struct buf json = {0};

    if (put->n_edges == 0)
        return ERR_OK;
    edges_json(put, &json);
    TRY(sql_run(c, SQL_QUICK_EDGES_ADD, SQL_ARGS(repo, digest, SQL_TEXT(buf_str(&json))), e));
    return sql_run(c, SQL_QUICK_EDGES_CHECK,
                   SQL_ARGS(repo, digest, SQL_INT(META_EDGE_BLOB), SQL_INT(META_EDGE_MANIFEST)), e);
}

static enum err_code add_referrer(struct sql_conn *c, const struct meta_manifest_put *put,
                                  struct err *e)
{
    return sql_run(c, SQL_QUICK_REFERRER_ADD,
                   SQL_ARGS(SQL_TEXT(repo_name_str(put->repo)), SQL_TEXT(digest_str(put->subject)),
                            SQL_TEXT(digest_str(&put->manifest->digest)),
                            SQL_TEXT(put->artifact_type), SQL_TEXT(put->manifest->media_type),
                            SQL_INT((int64_t)put->manifest->bytes.n),
                            SQL_TEXT(put->annotations_json)),
                   e);
}

/* One that is there has all of this already, and nothing is changed but bytes that are damaged. */
static enum err_code manifest_put(struct sql_conn *c, struct quick *q, const struct meta_op *op,
                                  struct err *e)
{
    const struct meta_manifest_put *put = &op->manifest_put;
    const struct meta_manifest *m = put->manifest;
    const struct sql_value args[] = {SQL_TEXT(repo_name_str(put->repo)),
                                     SQL_TEXT(digest_str(&m->digest)), SQL_TEXT(m->media_type),
                                     SQL_TEXT(put->subject ? digest_str(put->subject) : STR("")),
                                     SQL_BYTES(m->bytes)};

    TRY(lock_repo(c, q, put->repo, true, e));
    TRY(sql_run(c, SQL_QUICK_MANIFEST_COUNT, args, 2, e));
    TRY(sql_run(c, SQL_QUICK_MANIFEST_ADD, args, 5, e));
    TRY(sql_run(c, SQL_QUICK_AGE_ADD, SQL_ARGS(args[0], args[1], SQL_INT(meta_op_time(op))), e));
    TRY(add_edges(c, put, e));
    if (put->subject)
        TRY(add_referrer(c, put, e));
    return sql_condemned_revive_named(c, put->repo, &m->digest, e);
}

/* The tag's version is that which the repository comes to. */
static enum err_code tag_set(struct sql_conn *c, struct quick *q, const struct meta_op *op,
                             struct err *e)
{
    const struct sql_value repo = SQL_TEXT(repo_name_str(op->tag_set.repo)),
                           tag = SQL_TEXT(tag_name_str(op->tag_set.tag)),
                           digest = SQL_TEXT(digest_str(op->tag_set.digest)),
                           holder = SQL_TEXT(op->holder ? str_of(op->holder->text) : STR("")),
                           now_ms = SQL_INT(meta_op_time(op));
    AUTO(buf) struct buf actor = {0};

    TRY(lock_repo(c, q, op->tag_set.repo, false, e));
    TRY(sql_run(c, SQL_QUICK_MANIFEST_CHECK, SQL_ARGS(repo, digest), e));
    if (op->tag_set.expected_version != META_ANY)
        TRY(sql_run(c, SQL_QUICK_TAG_CHECK,
                    SQL_ARGS(repo, tag, SQL_INT(op->tag_set.expected_version)), e));
    TRY(sql_run(c, SQL_QUICK_TAG_COUNT, SQL_ARGS(repo, tag, now_ms), e));
    TRY(sql_run(c, SQL_QUICK_MOVE_ADD,
                SQL_ARGS(repo, tag, digest, now_ms, SQL_TEXT(sql_actor(op, &actor))), e));
    TRY(sql_run(c, SQL_QUICK_AGE_OF_LEFT, SQL_ARGS(repo, tag, digest, now_ms), e));
    TRY(sql_run(c, SQL_QUICK_TAG_SET, SQL_ARGS(repo, tag, digest, now_ms), e));
    TRY(sql_condemned_revive_named(c, op->tag_set.repo, op->tag_set.digest, e));
    return sql_run(c, SQL_QUICK_PROJECTION_SET, SQL_ARGS(repo, tag, digest, holder), e);
}

static enum err_code projection_done(struct sql_conn *c, struct quick *q, const struct meta_op *op,
                                     struct err *e)
{
    TRY(lock_repo(c, q, op->projection_done.repo, false, e));
    return sql_run(c, SQL_QUICK_PROJECTION_DONE,
                   SQL_ARGS(SQL_TEXT(repo_name_str(op->projection_done.repo)),
                            SQL_TEXT(tag_name_str(op->projection_done.tag)),
                            SQL_INT(op->projection_done.version)),
                   e);
}

static enum err_code upload_finish(struct sql_conn *c, struct quick *q, const struct meta_op *op,
                                   struct err *e)
{
    const struct sql_value id = SQL_TEXT(str_of(op->upload_finish.upload->id.text));
    const struct digest *d = op->upload_finish.digest;

    (void)q;
    TRY(sql_run(c, SQL_QUICK_UPLOAD_LOCK, SQL_ARGS(id, SQL_INT(op->upload_finish.upload->turn)),
                e));
    return sql_run(c, SQL_QUICK_UPLOAD_END,
                   SQL_ARGS(id, SQL_TEXT(d ? digest_str(d) : META_BECAME_NOTHING),
                            SQL_INT(op->upload_finish.finished_ms)),
                   e);
}

static enum err_code record_check(struct sql_conn *c, struct quick *q, const struct meta_op *op,
                                  struct err *e)
{
    (void)q;
    return sql_run(c, SQL_RECORD_CHECK,
                   SQL_ARGS(SQL_TEXT(op->record_check.collection), SQL_TEXT(op->record_check.key)),
                   e);
}

static enum err_code record_append(struct sql_conn *c, struct quick *q, const struct meta_op *op,
                                   struct err *e)
{
    (void)q;
    return sql_record_append(c, op, e);
}

static int64_t limit_of(uint64_t most)
{
    return most < QUOTA_NO_LIMIT ? (int64_t)most : QUOTA_NO_LIMIT;
}

static enum err_code quota_check(struct sql_conn *c, struct quick *q, const struct meta_op *op,
                                 struct err *e)
{
    const struct sql_value bytes = SQL_INT(limit_of(op->quota_check.max_bytes)),
                           tags = SQL_INT(limit_of(op->quota_check.max_tags));
    struct str space = op->quota_check.space;
    struct sql_space range;

    (void)q;
    TRY(sql_lock(c, space, e));
    if (space.n == 0)
        return sql_run(c, SQL_QUICK_USAGE_ALL, SQL_ARGS(bytes, tags), e);
    TRY(sql_space_of(space, &range, e));
    return sql_run(c, SQL_QUICK_USAGE,
                   SQL_ARGS(SQL_TEXT(space), SQL_TEXT(str_of(range.first)),
                            SQL_TEXT(str_of(range.past)), bytes, tags),
                   e);
}

static enum err_code job_add(struct sql_conn *c, struct quick *q, const struct meta_op *op,
                             struct err *e)
{
    (void)q;
    return sql_job_add(c, &op->job_add, e);
}

typedef enum err_code (*quick_fn)(struct sql_conn *c, struct quick *q, const struct meta_op *op,
                                  struct err *e);

/* NULL: not without answers. */
static quick_fn fn_of(const struct meta_op *op)
{
    switch (op->kind) {
    case META_BLOB_LINK:
        return blob_link;
    case META_BLOB_CHECK:
        return blob_check;
    case META_MANIFEST_PUT:
        return manifest_put;
    case META_TAG_SET:
        return tag_set;
    case META_PROJECTION_DONE:
        return projection_done;
    case META_UPLOAD_FINISH: /* of one that nobody has taken there need be no row */
        return op->upload_finish.upload->turn > 0 ? upload_finish : NULL;
    case META_RECORD_CHECK:
        return record_check;
    case META_RECORD_PUT: /* one that may be there is looked at */
        return op->record_put.stamped ? record_append : NULL;
    case META_QUOTA_CHECK:
        return quota_check;
    case META_JOB_ADD:
        return job_add;
    default:
        return NULL;
    }
}

bool sql_is_quick(const struct meta_op *ops, size_t n_ops)
{
    for (size_t i = 0; i < n_ops; i++) {
        if (!fn_of(&ops[i]))
            return false;
    }
    return true;
}

enum err_code sql_quick_apply(struct sql_conn *c, void *ctx, struct err *e)
{
    const struct sql_quick *x = ctx;
    struct quick q = {0};

    for (size_t i = 0; i < x->n_ops; i++)
        TRY(fn_of(&x->ops[i])(c, &q, &x->ops[i], e));
    return ERR_OK;
}
