/*
 * A transaction's operations, each with its preconditions, as SQL.
 *
 * The first thing an operation does is to find its repository with a lock on the row (a word of
 * the dialect; SQLite has one writer at a time anyway). So what an operation checks stays true
 * until its transaction ends, whatever others do.
 */
#include "base/cleanup.h"
#include "base/clock.h"
#include "meta/audit_texts.h"
#include "meta/sql.h"

#include <stdio.h>

#define MAKE_TRIES 3 /* of a repository that somebody deletes in between */

/* What a transaction has found and changed of a repository. It is written once, however many
 * operations changed it: nobody else does, under the lock. */
struct repo_row {
    const struct repo_name *name; /* NULL: none was found yet */
    int64_t id, version;
    int64_t manifests, bytes, tags; /* so many more, or less */
    int64_t pushed_ms;              /* when a tag was pushed; 0: none was */
    bool changed;
};

struct apply {
    const struct meta_op *ops;
    size_t n_ops;
    size_t failed;                /* out: the operation that failed, or n_ops */
    struct repo_row repo;         /* the one found last: most transactions speak of one only */
    const struct digest *revived; /* the manifest that was revived last, with what it names */
    const struct repo_name *revived_in;
};

static enum err_code write_repo(struct sql_conn *c, struct apply *a, struct err *e)
{
    struct repo_row *r = &a->repo;

    if (!r->changed)
        return ERR_OK;
    TRY(sql_run(c, SQL_REPO_CHANGE,
                SQL_ARGS(SQL_INT(r->id), SQL_INT(r->version), SQL_INT(r->manifests),
                         SQL_INT(r->bytes), SQL_INT(r->tags), SQL_INT(r->pushed_ms)),
                e));
    r->manifests = r->bytes = r->tags = r->pushed_ms = 0;
    r->changed = false;
    return ERR_OK;
}

static enum err_code lock_repo(struct sql_conn *c, const struct repo_name *name,
                               struct repo_row *ret_repo, bool *ret_found, struct err *e)
{
    AUTO(sql_rows) struct sql_rows *rows = NULL;

    TRY(sql_query(c, SQL_REPO_LOCK, SQL_ARGS(SQL_TEXT(repo_name_str(name))), &rows, e));
    TRY(sql_next(rows, ret_found, e));
    if (*ret_found)
        *ret_repo = (struct repo_row){.name = name,
                                      .id = c->adapter->column_int(rows, 0),
                                      .version = c->adapter->column_int(rows, 1)};
    return ERR_OK;
}

/* 0 in *ret_id when there is no such repository. */
static enum err_code find_repo(struct sql_conn *c, struct apply *a, const struct repo_name *name,
                               int64_t *ret_id, struct err *e)
{
    const struct repo_name *last = a->repo.name;
    bool found = last && (last == name || str_eq(repo_name_str(last), repo_name_str(name)));

    if (!found) {
        TRY(write_repo(c, a, e));
        TRY(lock_repo(c, name, &a->repo, &found, e));
    }
    *ret_id = found ? a->repo.id : 0;
    return ERR_OK;
}

static enum err_code make_repo(struct sql_conn *c, struct apply *a, const struct repo_name *name,
                               int64_t *ret_id, struct err *e)
{
    int64_t id;

    TRY(find_repo(c, a, name, &id, e));
    for (int i = 0; id == 0 && i < MAKE_TRIES; i++) {
        TRY(sql_run(c, SQL_REPO_ADD, SQL_ARGS(SQL_TEXT(repo_name_str(name))), e));
        TRY(find_repo(c, a, name, &id, e));
    }
    if (id == 0)
        return err_set(e, ERR_UNAVAILABLE, "%s is deleted all the time", name->text);
    *ret_id = id;
    return ERR_OK;
}

/* Of the repository found last. */
static int64_t next_version(struct apply *a)
{
    a->repo.changed = true;
    return ++a->repo.version;
}

/* Does a manifest of the repository name the digest, through either kind of edge? */
static enum err_code is_named(struct sql_conn *c, int64_t repo_id, const struct digest *d,
                              enum meta_edge_kind kind, enum meta_edge_kind loose_kind,
                              bool *ret_named, struct err *e)
{
    int64_t unused;

    return sql_run_int(
        c, SQL_EDGE_USED,
        SQL_ARGS(SQL_INT(repo_id), SQL_TEXT(digest_str(d)), SQL_INT(kind), SQL_INT(loose_kind)),
        ret_named, &unused, e);
}

/* The repository found last holds so much more, or less. */
static void use(struct apply *a, int64_t bytes, int64_t tags)
{
    a->repo.bytes += bytes;
    a->repo.tags += tags;
    a->repo.changed = true;
}

static void count_manifest(struct apply *a, int64_t more)
{
    a->repo.manifests += more;
    a->repo.changed = true;
}

static enum err_code blob_link(struct sql_conn *c, struct apply *a, const struct meta_op *op,
                               struct err *e)
{
    int64_t repo_id, size_bytes;
    bool added;

    TRY(make_repo(c, a, op->blob_link.repo, &repo_id, e));
    TRY(sql_removed_link(c, op, e));
    TRY(sql_run_int(c, SQL_BLOB_ADD,
                    SQL_ARGS(SQL_INT(repo_id), SQL_TEXT(digest_str(op->blob_link.digest)),
                             SQL_INT((int64_t)op->blob_link.size_bytes)),
                    &added, &size_bytes, e));
    if (added)
        use(a, size_bytes, 0);
    return sql_condemned_revive(c, op->blob_link.repo, META_ITEM_BLOB, op->blob_link.digest, e);
}

static enum err_code blob_size(struct sql_conn *c, int64_t repo_id, const struct digest *d,
                               bool *ret_there, int64_t *ret_size_bytes, struct err *e)
{
    return sql_run_int(c, SQL_BLOB_SIZE, SQL_ARGS(SQL_INT(repo_id), SQL_TEXT(digest_str(d))),
                       ret_there, ret_size_bytes, e);
}

static enum err_code find_manifest(struct sql_conn *c, int64_t repo_id, const struct digest *d,
                                   bool *ret_there, int64_t *ret_id, struct err *e)
{
    return sql_run_int(c, SQL_MANIFEST_ID, SQL_ARGS(SQL_INT(repo_id), SQL_TEXT(digest_str(d))),
                       ret_there, ret_id, e);
}

static enum err_code blob_unlink(struct sql_conn *c, struct apply *a, const struct meta_op *op,
                                 struct err *e)
{
    const struct repo_name *repo = op->blob_unlink.repo;
    const struct digest *d = op->blob_unlink.digest;
    struct meta_removal removal = op->blob_unlink.removal;
    const struct meta_content what = {removal.once ? NULL : repo, d};
    int64_t repo_id, size_bytes;
    bool there, named = false;

    TRY(find_repo(c, a, repo, &repo_id, e));
    TRY(blob_size(c, repo_id, d, &there, &size_bytes, e));
    if (!there)
        return err_tell(e, ERR_BLOB_UNKNOWN, "no blob %s in %s", d->text, repo->text);
    if (op->kind == META_BLOB_UNLINK)
        TRY(is_named(c, repo_id, d, META_EDGE_BLOB, META_EDGE_LOOSE_BLOB, &named, e));
    if (named)
        return err_tell(e, ERR_IN_USE, "a manifest of %s names blob %s", repo->text, d->text);
    TRY(sql_run(c, SQL_BLOB_DELETE, SQL_ARGS(SQL_INT(repo_id), SQL_TEXT(digest_str(d))), e));
    use(a, -size_bytes, 0);
    TRY(sql_condemned_revive(c, repo, META_ITEM_BLOB, d, e));
    if (op->kind == META_BLOB_LOSE) /* nothing is there that could go */
        return ERR_OK;
    removal.size_bytes = (uint64_t)size_bytes;
    return sql_removed_condemn(c, what, &removal, e);
}

/* Holds the row of the blob and not that of its repository: who mounts here what somebody else
 * mounts the other way does not wait for them. */
static enum err_code blob_check(struct sql_conn *c, struct apply *a, const struct meta_op *op,
                                struct err *e)
{
    const struct repo_name *repo = op->blob_check.repo;
    const struct digest *d = op->blob_check.digest;
    int64_t unused;
    bool there;

    (void)a;
    TRY(sql_run_int(c, SQL_BLOB_CHECK,
                    SQL_ARGS(SQL_TEXT(repo_name_str(repo)), SQL_TEXT(digest_str(d))), &there,
                    &unused, e));
    return there ? ERR_OK : err_tell(e, ERR_BLOB_UNKNOWN, "no blob %s in %s", d->text, repo->text);
}

/* Does the repository hold what the manifest's edges say? */
static enum err_code check_edges(struct sql_conn *c, int64_t manifest_id, struct err *e)
{
    AUTO(sql_rows) struct sql_rows *rows = NULL;
    bool missing;

    TRY(sql_query(
        c, SQL_EDGE_MISSING,
        SQL_ARGS(SQL_INT(manifest_id), SQL_INT(META_EDGE_BLOB), SQL_INT(META_EDGE_MANIFEST)), &rows,
        e));
    TRY(sql_next(rows, &missing, e));
    if (!missing)
        return ERR_OK;
    return err_tell(e, ERR_MANIFEST_BLOB_UNKNOWN, STR_FMT " is not in this repository",
                    STR_ARG(c->adapter->column_str(rows, 0)));
}

static enum err_code write_edges(struct sql_conn *c, int64_t repo_id, int64_t manifest_id,
                                 const struct meta_manifest_put *put, struct err *e)
{
    for (size_t i = 0; i < put->n_edges; i++) {
        const struct meta_edge *edge = &put->edges[i];

        TRY(sql_run(c, SQL_EDGE_ADD,
                    SQL_ARGS(SQL_INT(manifest_id), SQL_INT((int64_t)i), SQL_INT(repo_id),
                             SQL_INT(edge->kind), SQL_TEXT(digest_str(&edge->digest))),
                    e));
    }
    return ERR_OK;
}

/* First all are written, then one statement checks them: a statement each would be as many round
 * trips to a server. */
static enum err_code add_edges(struct sql_conn *c, int64_t repo_id, int64_t manifest_id,
                               const struct meta_manifest_put *put, struct err *e)
{
    TRY(write_edges(c, repo_id, manifest_id, put, e));
    return put->n_edges ? check_edges(c, manifest_id, e) : ERR_OK;
}

static enum err_code add_referrer(struct sql_conn *c, int64_t repo_id,
                                  const struct meta_manifest_put *put, struct err *e)
{
    return sql_run(c, SQL_REFERRER_ADD,
                   SQL_ARGS(SQL_INT(repo_id), SQL_TEXT(digest_str(put->subject)),
                            SQL_TEXT(digest_str(&put->manifest->digest)),
                            SQL_TEXT(put->artifact_type), SQL_TEXT(put->manifest->media_type),
                            SQL_INT((int64_t)put->manifest->bytes.n),
                            SQL_TEXT(put->annotations_json)),
                   e);
}

/* The manifest with all that it names; once, when it is put and tagged. */
static enum err_code revive_named(struct sql_conn *c, struct apply *a, const struct repo_name *repo,
                                  const struct digest *d, struct err *e)
{
    bool done = a->revived && a->revived_in == repo && digest_eq(a->revived, d);

    a->revived = d;
    a->revived_in = repo;
    return done ? ERR_OK : sql_condemned_revive_named(c, repo, d, e);
}

static enum err_code manifest_put(struct sql_conn *c, struct apply *a, const struct meta_op *op,
                                  struct err *e)
{
    const struct meta_manifest_put *put = &op->manifest_put;
    const struct meta_manifest *m = put->manifest;
    struct str subject = put->subject ? digest_str(put->subject) : STR("");
    int64_t repo_id, id = 0;
    bool added;

    TRY(make_repo(c, a, put->repo, &repo_id, e));
    TRY(sql_run_int(c, SQL_MANIFEST_ADD,
                    SQL_ARGS(SQL_INT(repo_id), SQL_TEXT(digest_str(&m->digest)),
                             SQL_TEXT(m->media_type), SQL_TEXT(subject), SQL_BYTES(m->bytes)),
                    &added, &id, e));
    if (added) {
        TRY(add_edges(c, repo_id, id, put, e));
        if (put->subject)
            TRY(add_referrer(c, repo_id, put, e));
        count_manifest(a, 1);
    } else { /* whose bytes may be damaged */
        TRY(sql_run(c, SQL_MANIFEST_HEAL,
                    SQL_ARGS(SQL_INT(repo_id), SQL_TEXT(digest_str(&m->digest)),
                             SQL_TEXT(m->media_type), SQL_BYTES(m->bytes)),
                    e));
    }
    /* Of one that is there as well: who pushes it may rely on it as on a new one. */
    TRY(sql_run(c, SQL_QUICK_AGE_ADD,
                SQL_ARGS(SQL_TEXT(repo_name_str(put->repo)), SQL_TEXT(digest_str(&m->digest)),
                         SQL_INT(meta_op_time(op))),
                e));
    return revive_named(c, a, put->repo, &m->digest, e);
}

static struct str holder_of(const struct meta_op *op)
{
    return op->holder ? str_of(op->holder->text) : STR("");
}

/* The manifest's tags go, each leaving a pending projection. One new version serves them all: it
 * is later than any that one of them had. */
static enum err_code delete_tags_of(struct sql_conn *c, struct apply *a, const struct meta_op *op,
                                    int64_t manifest_id, struct err *e)
{
    int64_t n = 0, version = next_version(a);
    AUTO(buf) struct buf actor = {0};
    bool found;

    TRY(sql_run_int(c, SQL_TAGS_OF_MANIFEST_COUNT, SQL_ARGS(SQL_INT(manifest_id)), &found, &n, e));
    use(a, 0, -n);
    TRY(sql_run(c, SQL_MOVES_OF_MANIFEST,
                SQL_ARGS(SQL_INT(manifest_id), SQL_INT(version), SQL_INT(meta_op_time(op)),
                         SQL_TEXT(sql_actor(op, &actor))),
                e));
    TRY(sql_run(c, SQL_PROJECTIONS_OF_MANIFEST,
                SQL_ARGS(SQL_INT(manifest_id), SQL_INT(version), SQL_TEXT(holder_of(op))), e));
    return sql_run(c, SQL_TAGS_OF_MANIFEST_DELETE, SQL_ARGS(SQL_INT(manifest_id)), e);
}

/* Nobody has seen, and allowed to go, a tag that is later than what the operation saw. */
static enum err_code check_seen(struct sql_conn *c, int64_t manifest_id, const struct digest *d,
                                int64_t seen_version, struct err *e)
{
    bool newer;
    int64_t unused;

    if (seen_version == META_ANY)
        return ERR_OK;
    TRY(sql_run_int(c, SQL_TAGS_OF_MANIFEST_NEWER,
                    SQL_ARGS(SQL_INT(manifest_id), SQL_INT(seen_version)), &newer, &unused, e));
    if (newer)
        return err_set(e, ERR_CONFLICT, "a tag later than version %lld points to manifest %s",
                       (long long)seen_version, d->text);
    return ERR_OK;
}

static enum err_code delete_referrer(struct sql_conn *c, int64_t repo_id, const struct digest *d,
                                     bool *ret_there, int64_t *ret_manifest_id, struct err *e)
{
    struct digest subject = {.n = 0};

    {
        AUTO(sql_rows) struct sql_rows *rows = NULL;
        struct str text;

        TRY(sql_query(c, SQL_MANIFEST_SUBJECT, SQL_ARGS(SQL_INT(repo_id), SQL_TEXT(digest_str(d))),
                      &rows, e));
        TRY(sql_next(rows, ret_there, e));
        if (!*ret_there)
            return ERR_OK;
        *ret_manifest_id = c->adapter->column_int(rows, 0);
        text = c->adapter->column_str(rows, 1);
        if (text.n > 0 && digest_parse(text, &subject, ERR_IGNORED) != ERR_OK)
            return err_set(e, ERR_CORRUPT, "subject of manifest %s is not a digest", d->text);
    }
    if (subject.n == 0)
        return ERR_OK;
    return sql_run(
        c, SQL_REFERRER_DELETE,
        SQL_ARGS(SQL_INT(repo_id), SQL_TEXT(digest_str(&subject)), SQL_TEXT(digest_str(d))), e);
}

static enum err_code manifest_delete(struct sql_conn *c, struct apply *a, const struct meta_op *op,
                                     struct err *e)
{
    const struct repo_name *repo = op->manifest_delete.repo;
    const struct digest *d = op->manifest_delete.digest;
    int64_t repo_id, id = 0;
    bool there, named;

    TRY(find_repo(c, a, repo, &repo_id, e));
    TRY(is_named(c, repo_id, d, META_EDGE_MANIFEST, META_EDGE_LOOSE_MANIFEST, &named, e));
    TRY(delete_referrer(c, repo_id, d, &there, &id, e));
    if (!there)
        return err_tell(e, ERR_MANIFEST_UNKNOWN, "no manifest %s in %s", d->text, repo->text);
    if (named)
        return err_tell(e, ERR_IN_USE, "an index of %s names manifest %s", repo->text, d->text);
    TRY(check_seen(c, id, d, op->manifest_delete.seen_version, e));
    a->revived = NULL;
    TRY(delete_tags_of(c, a, op, id, e));
    TRY(sql_condemned_leave(c, repo, repo_id, id, d, e));
    TRY(sql_run(c, SQL_AGE_DELETE, SQL_ARGS(SQL_INT(id)), e));
    TRY(sql_run(c, SQL_EDGES_DELETE, SQL_ARGS(SQL_INT(id)), e));
    TRY(sql_run(c, SQL_MANIFEST_DELETE, SQL_ARGS(SQL_INT(id)), e));
    count_manifest(a, -1);
    return ERR_OK;
}

/* META_ABSENT in *ret_version when there is no such tag. */
static enum err_code tag_version(struct sql_conn *c, int64_t repo_id, const struct tag_name *tag,
                                 int64_t *ret_version, struct err *e)
{
    bool found;

    *ret_version = META_ABSENT;
    return sql_run_int(c, SQL_TAG_VERSION, SQL_ARGS(SQL_INT(repo_id), SQL_TEXT(tag_name_str(tag))),
                       &found, ret_version, e);
}

static enum err_code check_version(const struct repo_name *repo, const struct tag_name *tag,
                                   int64_t version, int64_t expected, struct err *e)
{
    if (expected == META_ANY || expected == version)
        return ERR_OK;
    return err_set(e, ERR_CONFLICT, "tag %s of %s is at version %lld, not %lld", tag->text,
                   repo->text, (long long)version, (long long)expected);
}

static enum err_code set_projection(struct sql_conn *c, int64_t repo_id, const struct tag_name *tag,
                                    int64_t version, struct str digest, struct str holder,
                                    struct err *e)
{
    return sql_run(c, SQL_PROJECTION_SET,
                   SQL_ARGS(SQL_INT(repo_id), SQL_TEXT(tag_name_str(tag)), SQL_INT(version),
                            SQL_TEXT(digest), SQL_TEXT(holder)),
                   e);
}

/* Before it goes from where it is to that manifest; 0 and an empty digest: nowhere. Nobody waits
 * for these statements. */
static enum err_code note_move(struct sql_conn *c, const struct meta_op *op, int64_t repo_id,
                               const struct tag_name *tag, int64_t version, int64_t manifest_id,
                               struct str digest, struct err *e)
{
    int64_t now_ms = meta_op_time(op);
    AUTO(buf) struct buf actor = {0};

    TRY(sql_run(c, SQL_MOVE_ADD,
                SQL_ARGS(SQL_INT(repo_id), SQL_TEXT(tag_name_str(tag)), SQL_INT(version),
                         SQL_TEXT(digest), SQL_INT(now_ms), SQL_TEXT(sql_actor(op, &actor))),
                e));
    return sql_run(c, SQL_AGE_OF_LEFT,
                   SQL_ARGS(SQL_INT(repo_id), SQL_TEXT(tag_name_str(tag)), SQL_INT(manifest_id),
                            SQL_INT(now_ms)),
                   e);
}

static enum err_code tag_set(struct sql_conn *c, struct apply *a, const struct meta_op *op,
                             struct err *e)
{
    const struct repo_name *repo = op->tag_set.repo;
    const struct tag_name *tag = op->tag_set.tag;
    const struct digest *d = op->tag_set.digest;
    int64_t repo_id, manifest_id, version;
    bool there;

    TRY(find_repo(c, a, repo, &repo_id, e));
    TRY(find_manifest(c, repo_id, d, &there, &manifest_id, e));
    if (!there)
        return err_tell(e, ERR_MANIFEST_UNKNOWN, "no manifest %s in %s", d->text, repo->text);
    TRY(tag_version(c, repo_id, tag, &version, e));
    TRY(check_version(repo, tag, version, op->tag_set.expected_version, e));
    if (version == META_ABSENT)
        use(a, 0, 1);
    version = next_version(a);
    if (a->repo.pushed_ms < meta_op_time(op))
        a->repo.pushed_ms = meta_op_time(op);
    TRY(note_move(c, op, repo_id, tag, version, manifest_id, digest_str(d), e));
    TRY(sql_run(c, SQL_TAG_SET,
                SQL_ARGS(SQL_INT(repo_id), SQL_TEXT(tag_name_str(tag)), SQL_INT(manifest_id),
                         SQL_INT(version), SQL_INT(meta_op_time(op))),
                e));
    TRY(revive_named(c, a, repo, d, e));
    return set_projection(c, repo_id, tag, version, digest_str(d), holder_of(op), e);
}

static enum err_code tag_delete(struct sql_conn *c, struct apply *a, const struct meta_op *op,
                                struct err *e)
{
    const struct repo_name *repo = op->tag_delete.repo;
    const struct tag_name *tag = op->tag_delete.tag;
    int64_t repo_id, version;

    TRY(find_repo(c, a, repo, &repo_id, e));
    TRY(tag_version(c, repo_id, tag, &version, e));
    if (version == META_ABSENT)
        return err_tell(e, ERR_MANIFEST_UNKNOWN, "no tag %s in %s", tag->text, repo->text);
    TRY(check_version(repo, tag, version, op->tag_delete.expected_version, e));
    version = next_version(a);
    use(a, 0, -1);
    TRY(note_move(c, op, repo_id, tag, version, 0, STR(""), e));
    TRY(sql_run(c, SQL_TAG_DELETE, SQL_ARGS(SQL_INT(repo_id), SQL_TEXT(tag_name_str(tag))), e));
    return set_projection(c, repo_id, tag, version, STR(""), holder_of(op), e);
}

static enum err_code upload_take(struct sql_conn *c, struct apply *a, const struct meta_op *op,
                                 struct err *e)
{
    const struct meta_upload *u = op->upload_take.upload;
    bool taken;

    *op->upload_take.ret_turn = 0;
    if (a->n_ops == 1)
        sql_ends(c);
    return sql_run_int(c, SQL_UPLOAD_TAKE,
                       SQL_ARGS(SQL_TEXT(str_of(u->id.text)), SQL_TEXT(repo_name_str(&u->repo)),
                                SQL_TEXT(str_of(u->owner)),
                                SQL_TEXT(str_of(digest_algorithm_name(u->algorithm))),
                                SQL_INT(u->started_ms), SQL_TEXT(str_of(u->holder.text))),
                       &taken, op->upload_take.ret_turn, e);
}

static enum err_code upload_finish(struct sql_conn *c, struct apply *a, const struct meta_op *op,
                                   struct err *e)
{
    const struct meta_upload *u = op->upload_finish.upload;
    const struct digest *d = op->upload_finish.digest;
    int64_t unused;
    bool done;

    (void)a;
    TRY(sql_run_int(c, SQL_UPLOAD_FINISH,
                    SQL_ARGS(SQL_TEXT(str_of(u->id.text)), SQL_TEXT(repo_name_str(&u->repo)),
                             SQL_TEXT(str_of(u->owner)),
                             SQL_TEXT(str_of(digest_algorithm_name(u->algorithm))),
                             SQL_INT(u->started_ms), SQL_TEXT(str_of(u->holder.text)),
                             SQL_INT(u->turn), SQL_TEXT(d ? digest_str(d) : META_BECAME_NOTHING),
                             SQL_INT(op->upload_finish.finished_ms)),
                    &done, &unused, e));
    if (!done)
        return err_set(e, ERR_CONFLICT, "upload %s is over, or somebody took it", u->id.text);
    return ERR_OK;
}

static enum err_code finished_prune(struct sql_conn *c, struct apply *a, const struct meta_op *op,
                                    struct err *e)
{
    (void)a;
    return sql_run(c, SQL_FINISHED_PRUNE, SQL_ARGS(SQL_INT(op->finished_prune.before_ms)), e);
}

static enum err_code projection_done(struct sql_conn *c, struct apply *a, const struct meta_op *op,
                                     struct err *e)
{
    int64_t repo_id;

    TRY(find_repo(c, a, op->projection_done.repo, &repo_id, e));
    return sql_run(c, SQL_PROJECTION_DONE,
                   SQL_ARGS(SQL_INT(repo_id), SQL_TEXT(tag_name_str(op->projection_done.tag)),
                            SQL_INT(op->projection_done.version)),
                   e);
}

/* The version of the record, META_ABSENT when it is not there, which must be as expected. */
static enum err_code record_version(struct sql_conn *c, struct str collection, struct str key,
                                    int64_t expected, int64_t *ret_version, struct err *e)
{
    bool found;

    *ret_version = META_ABSENT;
    TRY(sql_run_int(c, SQL_RECORD_VERSION, SQL_ARGS(SQL_TEXT(collection), SQL_TEXT(key)), &found,
                    ret_version, e));
    if (expected != META_ANY && expected != *ret_version)
        return err_set(e, ERR_CONFLICT, STR_FMT " '" STR_FMT "' is at version %lld, not %lld",
                       STR_ARG(collection), STR_ARG(key), (long long)*ret_version,
                       (long long)expected);
    return ERR_OK;
}

/* *ret_added false: it is there. */
static enum err_code record_add(struct sql_conn *c, const struct meta_op *op, bool *ret_added,
                                struct err *e)
{
    int64_t unused;

    return sql_run_int(c, SQL_RECORD_ADD,
                       SQL_ARGS(SQL_TEXT(op->record_put.collection), SQL_TEXT(op->record_put.key),
                                SQL_TEXT(op->record_put.value)),
                       ret_added, &unused, e);
}

enum err_code sql_record_append(struct sql_conn *c, const struct meta_op *op, struct err *e)
{
    char stamp[STR_DECIMAL_MAX];

    snprintf(stamp, sizeof(stamp), "%0*lld", META_STAMP, (long long)clock_stamp_us());
    return sql_run(c, SQL_RECORD_APPEND,
                   SQL_ARGS(SQL_TEXT(op->record_put.collection), SQL_TEXT(op->record_put.key),
                            SQL_TEXT(op->record_put.value), SQL_TEXT(str_of(stamp))),
                   e);
}

/* A record that is not there can't be locked: when somebody else has added it since the look at its
 * version, the look is taken again, and that one holds until the transaction ends. */
static enum err_code record_put(struct sql_conn *c, struct apply *a, const struct meta_op *op,
                                struct err *e)
{
    struct str collection = op->record_put.collection, key = op->record_put.key;
    int64_t version;

    (void)a;
    if (op->record_put.stamped)
        return sql_record_append(c, op, e);
    for (bool added = false; !added;) {
        TRY(record_version(c, collection, key, op->record_put.expected_version, &version, e));
        if (version != META_ABSENT)
            return sql_run(
                c, SQL_RECORD_SET,
                SQL_ARGS(SQL_TEXT(collection), SQL_TEXT(key), SQL_TEXT(op->record_put.value)), e);
        TRY(record_add(c, op, &added, e));
    }
    return ERR_OK;
}

static enum err_code record_delete(struct sql_conn *c, struct apply *a, const struct meta_op *op,
                                   struct err *e)
{
    struct str collection = op->record_delete.collection, key = op->record_delete.key;
    int64_t version;

    (void)a;
    TRY(record_version(c, collection, key, op->record_delete.expected_version, &version, e));
    return sql_run(c, SQL_RECORD_DELETE, SQL_ARGS(SQL_TEXT(collection), SQL_TEXT(key)), e);
}

/* Who can put statements off is told when the record is not there, and says so itself. So it costs
 * no round trip, and a process that stops has not locked the row yet. */
static enum err_code record_check(struct sql_conn *c, struct apply *a, const struct meta_op *op,
                                  struct err *e)
{
    struct str collection = op->record_check.collection, key = op->record_check.key;
    bool found;
    int64_t unused;

    (void)a;
    if (c->adapter->run)
        return c->adapter->run(c, SQL_RECORD_CHECK, SQL_ARGS(SQL_TEXT(collection), SQL_TEXT(key)),
                               e);
    TRY(sql_run_int(c, SQL_RECORD_CHECK, SQL_ARGS(SQL_TEXT(collection), SQL_TEXT(key)), &found,
                    &unused, e));
    if (!found)
        return err_set(e, ERR_NOT_FOUND, "no " STR_FMT " '" STR_FMT "'", STR_ARG(collection),
                       STR_ARG(key));
    return ERR_OK;
}

#define AUDIT_TEXTS_MAX (1 << 20)

static enum err_code audit_add(struct sql_conn *c, struct apply *a, const struct meta_op *op,
                               struct err *e)
{
    const struct meta_audit *x = op->audit_add.entry;
    struct sql_value args[1 + AUDIT_TEXTS] = {SQL_INT(x->time_ms)};
    AUTO(buf) struct buf clean = {0};
    struct str texts[AUDIT_TEXTS];

    (void)a;
    buf_init(&clean, AUDIT_TEXTS_MAX);
    audit_texts(x, &clean, texts);
    for (size_t i = 0; i < AUDIT_TEXTS; i++)
        args[1 + i] = SQL_TEXT(texts[i]);
    return sql_run(c, SQL_AUDIT_ADD, args, 1 + AUDIT_TEXTS, e);
}

static enum err_code audit_prune(struct sql_conn *c, struct apply *a, const struct meta_op *op,
                                 struct err *e)
{
    (void)a;
    return sql_run(c, SQL_AUDIT_PRUNE, SQL_ARGS(SQL_INT(op->audit_prune.before_ms)), e);
}

static enum err_code moves_prune(struct sql_conn *c, struct apply *a, const struct meta_op *op,
                                 struct err *e)
{
    (void)a;
    return sql_run(c, SQL_MOVES_PRUNE, SQL_ARGS(SQL_INT(op->moves_prune.before_ms)), e);
}

static enum err_code quota_check(struct sql_conn *c, struct apply *a, const struct meta_op *op,
                                 struct err *e)
{
    struct str space = op->quota_check.space;
    struct meta_usage usage;

    TRY(write_repo(c, a, e));
    /* Else two transactions in different repositories don't see each other. */
    TRY(sql_lock(c, space, e));
    TRY(sql_usage(c, space, &usage, e));
    if (usage.bytes > op->quota_check.max_bytes)
        return err_tell(e, ERR_QUOTA, "'" STR_FMT "' may hold %llu bytes and would hold %llu",
                        STR_ARG(space), (unsigned long long)op->quota_check.max_bytes,
                        (unsigned long long)usage.bytes);
    if (usage.tags > op->quota_check.max_tags)
        return err_tell(e, ERR_QUOTA, "'" STR_FMT "' may hold %llu tags and would hold %llu",
                        STR_ARG(space), (unsigned long long)op->quota_check.max_tags,
                        (unsigned long long)usage.tags);
    return ERR_OK;
}

static enum err_code row_add(struct sql_conn *c, struct apply *a, const struct meta_op *op,
                             struct err *e)
{
    (void)a;
    return sql_row_add(c, op->row_add.row, e);
}

static enum err_code job(struct sql_conn *c, struct apply *a, const struct meta_op *op,
                         struct err *e)
{
    (void)a;
    return sql_job_apply(c, op, e);
}

/* What is not there is neither condemned nor revived. */
static enum err_code condemned(struct sql_conn *c, struct apply *a, const struct meta_op *op,
                               struct err *e)
{
    bool condemns = op->kind == META_CONDEMN;
    int64_t repo_id;

    TRY(find_repo(c, a, condemns ? op->condemn.verdict.repo : op->condemned.repo, &repo_id, e));
    a->revived = NULL;
    return sql_condemned_apply(c, repo_id, op, e);
}

static enum err_code content(struct sql_conn *c, struct apply *a, const struct meta_op *op,
                             struct err *e)
{
    (void)a;
    return sql_removed_apply(c, op, e);
}

static enum err_code repo_recount(struct sql_conn *c, struct apply *a, const struct meta_op *op,
                                  struct err *e)
{
    const struct repo_name *repo = op->repo_recount.repo;
    int64_t repo_id;

    TRY(find_repo(c, a, repo, &repo_id, e));
    if (repo_id == 0)
        return err_tell(e, ERR_NAME_UNKNOWN, "no repository %s", repo->text);
    TRY(write_repo(c, a, e));
    return sql_run(c, SQL_REPO_RECOUNT, SQL_ARGS(SQL_INT(repo_id)), e);
}

/* The one that was made last stays: SQLite would give its number to the next one, and somebody who
 * reads may have the number still. */
static enum err_code repo_delete(struct sql_conn *c, struct apply *a, const struct meta_op *op,
                                 struct err *e)
{
    char floor[24];
    int64_t repo_id, unused;
    bool empty;

    *op->repo_delete.ret_done = false;
    TRY(find_repo(c, a, op->repo_delete.repo, &repo_id, e));
    if (repo_id == 0)
        return ERR_OK;
    TRY(write_repo(c, a, e));
    TRY(sql_run_int(c, SQL_REPO_EMPTY, SQL_ARGS(SQL_INT(repo_id)), &empty, &unused, e));
    if (!empty)
        return ERR_OK;
    snprintf(floor, sizeof(floor), "%lld", (long long)a->repo.version);
    TRY(sql_run(c, SQL_REPO_FLOOR_RAISE, SQL_ARGS(SQL_TEXT(str_of(floor))), e));
    TRY(sql_run(c, SQL_REPO_DELETE, SQL_ARGS(SQL_INT(repo_id)), e));
    a->repo = (struct repo_row){0};
    *op->repo_delete.ret_done = true;
    return ERR_OK;
}

static enum err_code manifest_mend(struct sql_conn *c, struct apply *a, const struct meta_op *op,
                                   struct err *e)
{
    const struct meta_manifest_put *put = &op->manifest_put;
    const struct meta_manifest *m = put->manifest;
    int64_t repo_id, id = 0;
    bool there = false;

    TRY(find_repo(c, a, put->repo, &repo_id, e));
    TRY(find_manifest(c, repo_id, &m->digest, &there, &id, e));
    if (!there)
        return err_tell(e, ERR_MANIFEST_UNKNOWN, "no manifest %s in %s", m->digest.text,
                        put->repo->text);
    TRY(sql_run(c, SQL_MANIFEST_MEND,
                SQL_ARGS(SQL_INT(id), SQL_TEXT(m->media_type), SQL_BYTES(m->bytes)), e));
    TRY(sql_run(c, SQL_EDGES_DELETE, SQL_ARGS(SQL_INT(id)), e));
    TRY(write_edges(c, repo_id, id, put, e));
    a->revived = NULL;
    return revive_named(c, a, put->repo, &m->digest, e);
}

static enum err_code apply_all(struct sql_conn *c, void *ctx, struct err *e)
{
    static enum err_code (*const table[])(struct sql_conn *, struct apply *, const struct meta_op *,
                                          struct err *) = {
        [META_BLOB_LINK] = blob_link,
        [META_BLOB_UNLINK] = blob_unlink,
        [META_BLOB_LOSE] = blob_unlink,
        [META_BLOB_CHECK] = blob_check,
        [META_MANIFEST_PUT] = manifest_put,
        [META_MANIFEST_DELETE] = manifest_delete,
        [META_TAG_SET] = tag_set,
        [META_TAG_DELETE] = tag_delete,
        [META_UPLOAD_TAKE] = upload_take,
        [META_UPLOAD_FINISH] = upload_finish,
        [META_FINISHED_PRUNE] = finished_prune,
        [META_PROJECTION_DONE] = projection_done,
        [META_RECORD_PUT] = record_put,
        [META_RECORD_DELETE] = record_delete,
        [META_RECORD_CHECK] = record_check,
        [META_AUDIT_ADD] = audit_add,
        [META_AUDIT_PRUNE] = audit_prune,
        [META_MOVES_PRUNE] = moves_prune,
        [META_QUOTA_CHECK] = quota_check,
        [META_ROW_ADD] = row_add,
        [META_JOB_ADD] = job,
        [META_JOB_TAKE] = job,
        [META_JOB_CHECK] = job,
        [META_JOB_NOTE] = job,
        [META_JOB_END] = job,
        [META_JOB_RETRY] = job,
        [META_JOB_CANCEL] = job,
        [META_CONDEMN] = condemned,
        [META_REVIVE] = condemned,
        [META_CONDEMNED_CHECK] = condemned,
        [META_CONTENT_CONDEMN] = content,
        [META_CONTENT_GONE] = content,
        [META_CONTENT_BACK] = content,
        [META_CONTENT_DELETED] = content,
        [META_CONTENT_PRUNE] = content,
        [META_REPO_RECOUNT] = repo_recount,
        [META_MANIFEST_MEND] = manifest_mend,
        [META_REPO_DELETE] = repo_delete,
    };
    struct apply *a = ctx;

    a->repo = (struct repo_row){0};
    a->revived = NULL;
    for (size_t i = 0; i < a->n_ops; i++) {
        a->failed = i;
        TRY(table[a->ops[i].kind](c, a, &a->ops[i], e));
    }
    a->failed = a->n_ops;
    return write_repo(c, a, e);
}

#define ACTOR_MAX 1024

struct str sql_actor(const struct meta_op *op, struct buf *dst)
{
    buf_init(dst, ACTOR_MAX);
    audit_text(str_of(op->actor ? op->actor : ""), dst);
    return dst->n > 0 ? buf_str(dst) : STR("");
}

enum err_code sql_commit(struct meta *m, const struct meta_op *ops, size_t n_ops, unsigned flags,
                         size_t *ret_failed, struct err *e)
{
    struct sql_meta *s = (struct sql_meta *)m;
    const struct sql_adapter *adapter = s->db->adapter;
    struct apply a = {.ops = ops, .n_ops = n_ops, .failed = n_ops};
    struct sql_quick quick = {.ops = ops, .n_ops = n_ops};
    enum err_code code = ERR_NOT_FOUND;

    if (adapter->run && sql_is_quick(ops, n_ops))
        code = adapter->transact(s->db, flags, sql_quick_apply, &quick, e);
    if (code == ERR_NOT_FOUND)
        code = adapter->transact(s->db, flags, apply_all, &a, e);
    if (code != ERR_OK)
        *ret_failed = a.failed;
    return code;
}
