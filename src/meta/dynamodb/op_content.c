/* Operations on blobs, manifests and tags. */
#include "meta/dynamodb/dynamodb.h"

#include "base/clock.h"
#include "base/mem.h"

#include <stdlib.h>

static struct dynamo_cell *repo_cell(struct dynamo_tx *tx, const struct repo_name *repo)
{
    return dynamo_cell_of(tx, dynamo_key_repo(repo_name_str(repo)));
}

static struct dynamo_cell *blob_cell(struct dynamo_tx *tx, const struct repo_name *repo,
                                     const struct digest *d)
{
    return dynamo_cell_of(tx, dynamo_key_blob(repo_name_str(repo), digest_str(d)));
}

static struct dynamo_cell *manifest_cell(struct dynamo_tx *tx, const struct repo_name *repo,
                                         const struct digest *d)
{
    return dynamo_cell_of(tx, dynamo_key_manifest(repo_name_str(repo), digest_str(d)));
}

static struct dynamo_cell *tag_cell(struct dynamo_tx *tx, const struct repo_name *repo,
                                    struct str tag)
{
    return dynamo_cell_of(tx, dynamo_key_tag(repo_name_str(repo), tag));
}

static void set(struct dynamo_tx *tx, struct dynamo_cell *c, const char *name, struct str value)
{
    dynamo_cell_set(&tx->cells, c, name, value);
}

static void wants_blob_unlink(struct dynamo_tx *tx, const struct meta_op *op)
{
    dynamo_cell_want(blob_cell(tx, op->blob_unlink.repo, op->blob_unlink.digest));
}

static void wants_manifest_put(struct dynamo_tx *tx, const struct meta_op *op)
{
    const struct meta_manifest_put *put = &op->manifest_put;

    dynamo_cell_want(manifest_cell(tx, put->repo, &put->manifest->digest));
}

static void wants_manifest_delete(struct dynamo_tx *tx, const struct meta_op *op)
{
    dynamo_cell_want(repo_cell(tx, op->manifest_delete.repo));
    dynamo_cell_want(manifest_cell(tx, op->manifest_delete.repo, op->manifest_delete.digest));
}

static void wants_tag_set(struct dynamo_tx *tx, const struct meta_op *op)
{
    dynamo_cell_want(repo_cell(tx, op->tag_set.repo));
    dynamo_cell_want(tag_cell(tx, op->tag_set.repo, tag_name_str(op->tag_set.tag)));
}

static void wants_tag_delete(struct dynamo_tx *tx, const struct meta_op *op)
{
    dynamo_cell_want(repo_cell(tx, op->tag_delete.repo));
    dynamo_cell_want(tag_cell(tx, op->tag_delete.repo, tag_name_str(op->tag_delete.tag)));
}

void dynamo_content_wants(struct dynamo_tx *tx, const struct meta_op *op)
{
    switch (op->kind) {
    case META_BLOB_UNLINK:
    case META_BLOB_LOSE:
        wants_blob_unlink(tx, op);
        break;
    case META_MANIFEST_PUT:
        wants_manifest_put(tx, op);
        break;
    case META_MANIFEST_DELETE:
        wants_manifest_delete(tx, op);
        break;
    case META_TAG_SET:
        wants_tag_set(tx, op);
        break;
    case META_TAG_DELETE:
        wants_tag_delete(tx, op);
        break;
    default:
        break;
    }
}

/* ---- repositories and blobs */

/* There is such a repository from now on. */
void dynamo_repo_is(struct dynamo_tx *tx, struct dynamo_cell *c, const struct repo_name *repo)
{
    set(tx, c, "k", STR("R"));
    set(tx, c, "name", repo_name_str(repo));
}

enum err_code dynamo_blob_link(struct dynamo_tx *tx, const struct meta_op *op, struct err *e)
{
    const struct repo_name *repo = op->blob_link.repo;
    struct dynamo_cell *c = blob_cell(tx, repo, op->blob_link.digest), *r = repo_cell(tx, repo);

    TRY(dynamo_cell_guess(&tx->cells, c, NULL, e));
    dynamo_cell_saw(c, "size", false);
    dynamo_cell_saw(c, "c_since", false);
    if (dynamo_is_condemned(c))
        dynamo_revive_cell(tx, c, repo_name_str(repo));
    if (dynamo_cell_has(c, "size"))
        return ERR_OK;
    set(tx, c, "k", STR("B"));
    set(tx, c, "repo", repo_name_str(repo));
    set(tx, c, "digest", digest_str(op->blob_link.digest));
    dynamo_cell_set_number(c, "size", (int64_t)op->blob_link.size_bytes);
    dynamo_held(tx, repo_name_str(repo), false, digest_str(op->blob_link.digest));
    dynamo_repo_is(tx, r, repo);
    dynamo_cell_add(r, "bytes", (int64_t)op->blob_link.size_bytes);
    return dynamo_removed_link(tx, op, e);
}

/* What counts the manifests that name it stays. */
static void unset_blob(struct dynamo_cell *c)
{
    static const char *const names[] = {"k", "repo", "digest", "size"};

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        dynamo_cell_unset(c, names[i]);
    dynamo_not_condemned(c);
}

enum err_code dynamo_blob_unlink(struct dynamo_tx *tx, const struct meta_op *op, struct err *e)
{
    const struct repo_name *repo = op->blob_unlink.repo;
    const struct digest *d = op->blob_unlink.digest;
    struct meta_removal removal = op->blob_unlink.removal;
    const struct meta_content what = {removal.once ? NULL : repo, d};
    struct dynamo_cell *c = blob_cell(tx, repo, d);
    int64_t size;

    TRY(dynamo_cell_read(&tx->cells, c, e));
    if (op->blob_unlink.if_condemned)
        TRY(dynamo_condemned_blob(c, d, op->blob_unlink.until_ms, e));
    if (!dynamo_cell_has(c, "size"))
        return err_tell(e, ERR_BLOB_UNKNOWN, "no blob %s in %s", d->text, repo->text);
    if (dynamo_cell_number(c, "uses") > 0)
        return err_tell(e, ERR_IN_USE, "a manifest of %s names blob %s", repo->text, d->text);
    size = dynamo_cell_number(c, "size");
    dynamo_cell_saw(c, "size", false);
    dynamo_cell_saw(c, "uses", true);
    if (removal.once)
        unset_blob(c); /* for who pushes it again: blob_look() */
    else
        dynamo_cell_delete(c);
    dynamo_not_held(tx, repo_name_str(repo), false, digest_str(d));
    dynamo_cell_add(repo_cell(tx, repo), "bytes", -size);
    removal.size_bytes = (uint64_t)size;
    return dynamo_removed_condemn(tx, what, &removal, e);
}

/* As of a blob that a manifest names loosely. */
enum err_code dynamo_blob_lose(struct dynamo_tx *tx, const struct meta_op *op, struct err *e)
{
    const struct repo_name *repo = op->blob_unlink.repo;
    const struct digest *d = op->blob_unlink.digest;
    struct dynamo_cell *c = blob_cell(tx, repo, d);
    int64_t size;

    TRY(dynamo_cell_read(&tx->cells, c, e));
    if (!dynamo_cell_has(c, "size"))
        return err_tell(e, ERR_BLOB_UNKNOWN, "no blob %s in %s", d->text, repo->text);
    size = dynamo_cell_number(c, "size");
    dynamo_cell_saw(c, "size", true);
    unset_blob(c);
    dynamo_not_held(tx, repo_name_str(repo), false, digest_str(d));
    dynamo_cell_add(repo_cell(tx, repo), "bytes", -size);
    return ERR_OK;
}

enum err_code dynamo_blob_check(struct dynamo_tx *tx, const struct meta_op *op, struct err *e)
{
    const struct repo_name *repo = op->blob_check.repo;
    const struct digest *d = op->blob_check.digest;
    struct dynamo_cell *c = blob_cell(tx, repo, d);

    TRY(dynamo_cell_read(&tx->cells, c, e));
    if (!dynamo_cell_has(c, "size"))
        return err_tell(e, ERR_BLOB_UNKNOWN, "no blob %s in %s", d->text, repo->text);
    dynamo_cell_saw(c, "size", false);
    return ERR_OK;
}

/* ---- manifests */

static enum err_code put_referrer(struct dynamo_tx *tx, const struct meta_manifest_put *put,
                                  struct dynamo_key key, bool first, struct err *e)
{
    struct dynamo_cell *c = dynamo_cell_of(tx, key);

    dynamo_cell_put(c);
    if (first) { /* of the two that list it, the one that meta_rows() gives */
        set(tx, c, "k", STR("F"));
        set(tx, c, "repo", repo_name_str(put->repo));
        set(tx, c, "subject", digest_str(put->subject));
    }
    set(tx, c, "digest", digest_str(&put->manifest->digest));
    set(tx, c, "type", put->artifact_type.p ? put->artifact_type : STR(""));
    set(tx, c, "media", put->manifest->media_type);
    dynamo_cell_set_number(c, "size", (int64_t)put->manifest->bytes.n);
    return dynamo_tx_set_long(tx, c, "annotations", put->annotations_json, false, e);
}

static enum err_code put_referrers(struct dynamo_tx *tx, const struct meta_manifest_put *put,
                                   struct err *e)
{
    struct str repo = repo_name_str(put->repo), subject = digest_str(put->subject);
    struct str digest = digest_str(&put->manifest->digest);
    struct str type = put->artifact_type.p ? put->artifact_type : STR("");

    TRY(put_referrer(tx, put, dynamo_key_referrer(repo, subject, digest), true, e));
    return put_referrer(tx, put, dynamo_key_referrer_typed(repo, subject, type, digest), false, e);
}

/* Those of many were counted before (stage.c). */
static enum err_code count_children(struct dynamo_tx *tx, const struct meta_manifest_put *put,
                                    struct dynamo_cell *head, struct err *e)
{
    AUTO(dynamo_children) struct dynamo_children children = {NULL, 0};

    dynamo_children_of(put->edges, put->n_edges, &children);
    if (children.n <= DYNAMO_CHILDREN_MOST && !dynamo_cell_has(head, "counted"))
        return dynamo_children_count(tx, put->repo, &children, 0, children.n, 1, e);
    dynamo_cell_saw(head, "counted", true);
    if (!dynamo_cell_has(head, "counted") ||
        dynamo_cell_number(head, "counted") != (int64_t)children.n) {
        tx->wants_stage = true;
        return err_set(e, ERR_CONFLICT, "what %s names is not counted yet",
                       put->manifest->digest.text);
    }
    dynamo_cell_unset(head, "counted");
    if (dynamo_cell_has(head, "left"))
        dynamo_cell_unset(head, "left");
    dynamo_cell_unset(head, "g_age");
    dynamo_cell_unset(head, "at");
    return ERR_OK;
}

static enum err_code write_manifest(struct dynamo_tx *tx, const struct meta_manifest_put *put,
                                    struct dynamo_cell *head, int64_t time_ms, struct err *e)
{
    AUTO(buf) struct buf edges = {0};

    set(tx, head, "k", STR("M"));
    set(tx, head, "repo", repo_name_str(put->repo));
    set(tx, head, "digest", digest_str(&put->manifest->digest));
    set(tx, head, "media", put->manifest->media_type);
    dynamo_cell_set_number(head, "since", time_ms);
    if (put->subject)
        set(tx, head, "subject", digest_str(put->subject));
    if (put->subject && put->artifact_type.n > 0)
        set(tx, head, "type", put->artifact_type);
    TRY(dynamo_tx_set_long(tx, head, "bytes", put->manifest->bytes, true, e));
    if (head->was && item_has(head->was, "counted")) /* it has them */
        return ERR_OK;
    buf_init(&edges, DYNAMO_EDGES_MAX);
    dynamo_edges_write(put->edges, put->n_edges, &edges);
    return dynamo_tx_set_long(tx, head, "edges", buf_str(&edges), false, e);
}

/* Of one that is there: bytes that are damaged. What is too long for an item is not compared. */
static enum err_code heal(struct dynamo_tx *tx, const struct meta_manifest_put *put,
                          struct dynamo_cell *head, struct err *e)
{
    AUTO(json) json_t *bytes = item_bytes(put->manifest->bytes);
    const json_t *was = json_object_get(head->was, "bytes");

    if (!was || json_equal(was, bytes))
        return ERR_OK;
    return dynamo_tx_set_long(tx, head, "bytes", put->manifest->bytes, true, e);
}

/* It is not condemned for an age that began before. */
static enum err_code put_again(struct dynamo_tx *tx, const struct meta_manifest_put *put,
                               struct dynamo_cell *head, int64_t time_ms, struct err *e)
{
    dynamo_cell_saw(head, "c_since", false);
    if (dynamo_is_condemned(head))
        dynamo_wants_revival(tx, put->repo, true, &put->manifest->digest);
    dynamo_cell_set_number(head, "since", time_ms);
    return heal(tx, put, head, e);
}

/* Whether it is there or not. */
static enum err_code use_subject(struct dynamo_tx *tx, const struct meta_manifest_put *put,
                                 struct err *e)
{
    struct dynamo_cell *s = manifest_cell(tx, put->repo, put->subject);

    TRY(dynamo_cell_guess(&tx->cells, s, NULL, e));
    dynamo_cell_saw(s, "c_since", false);
    if (dynamo_is_condemned(s))
        dynamo_wants_revival(tx, put->repo, true, put->subject);
    return ERR_OK;
}

enum err_code dynamo_manifest_put(struct dynamo_tx *tx, const struct meta_op *op, struct err *e)
{
    const struct meta_manifest_put *put = &op->manifest_put;
    struct dynamo_cell *head = manifest_cell(tx, put->repo, &put->manifest->digest), *r;

    TRY(dynamo_cell_read(&tx->cells, head, e));
    if (put->subject)
        TRY(use_subject(tx, put, e));
    dynamo_cell_saw(head, "media", false);
    if (dynamo_cell_has(head, "media"))
        return put_again(tx, put, head, meta_op_time(op), e);
    TRY(count_children(tx, put, head, e));
    TRY(write_manifest(tx, put, head, meta_op_time(op), e));
    if (put->subject)
        TRY(put_referrers(tx, put, e));
    r = repo_cell(tx, put->repo);
    dynamo_held(tx, repo_name_str(put->repo), true, digest_str(&put->manifest->digest));
    dynamo_repo_is(tx, r, put->repo);
    dynamo_cell_add(r, "manifests", 1);
    return ERR_OK;
}

/* ---- tags */

enum err_code dynamo_next_version(struct dynamo_tx *tx, struct dynamo_cell *repo,
                                  int64_t *ret_version, struct err *e)
{
    TRY(dynamo_cell_read(&tx->cells, repo, e));
    dynamo_cell_saw(repo, "version", true);
    *ret_version = dynamo_cell_number(repo, "version") + 1;
    dynamo_cell_set_number(repo, "version", *ret_version);
    tx->moved = repo;
    return ERR_OK;
}

static struct str holder_of(const struct meta_op *op)
{
    return op->holder ? str_of(op->holder->text) : STR("");
}

/* Its age and its holder are those of the first change that is pending. */
void dynamo_projection_set(struct dynamo_tx *tx, struct str repo, struct str tag, int64_t version,
                           struct str digest, struct str holder)
{
    struct dynamo_cell *c = dynamo_cell_of(tx, dynamo_key_projection(repo, tag));

    set(tx, c, "k", STR("P"));
    set(tx, c, "repo", repo);
    set(tx, c, "tag", tag);
    dynamo_cell_set_number(c, "version", version);
    set(tx, c, "digest", digest);
    if (!dynamo_cell_has(c, "holder"))
        dynamo_cell_set_once(&tx->cells, c, "holder", holder);
    dynamo_set_age(tx, c, "projection", clock_stamp_us());
}

static enum err_code check_version(const struct repo_name *repo, const struct tag_name *tag,
                                   int64_t version, int64_t expected, struct err *e)
{
    if (expected == META_ANY || expected == version)
        return ERR_OK;
    return err_set(e, ERR_CONFLICT, "tag %s of %s is at version %lld, not %lld", tag->text,
                   repo->text, (long long)version, (long long)expected);
}

/* It is there, and its manifest is not, nor comes meanwhile. */
static enum err_code check_dangling(struct dynamo_tx *tx, const struct repo_name *repo,
                                    struct dynamo_cell *tag, struct err *e)
{
    struct str digest = dynamo_cell_text(tag, "digest");
    struct dynamo_cell *head;

    if (dynamo_cell_number(tag, "version") == META_ABSENT)
        return err_set(e, ERR_CONFLICT, "the tag is not there");
    head = dynamo_cell_of(tx, dynamo_key_manifest(repo_name_str(repo), digest));
    TRY(dynamo_cell_read(&tx->cells, head, e));
    dynamo_cell_saw(head, "media", false);
    return dynamo_cell_has(head, "media") ? err_set(e, ERR_CONFLICT, "the tag points to a manifest")
                                          : ERR_OK;
}

/* The item that leads from a manifest to its tag. */
static struct dynamo_cell *tag_of_cell(struct dynamo_tx *tx, const struct repo_name *repo,
                                       struct str digest, struct str tag)
{
    return dynamo_cell_of(tx, dynamo_key_tag_of(repo_name_str(repo), digest, tag));
}

#define ACTOR_MAX 1024

void dynamo_move_put(struct dynamo_tx *tx, const struct dynamo_move *move)
{
    struct dynamo_cell *c =
        dynamo_cell_of(tx, dynamo_key_move(move->repo, move->tag, move->version));
    AUTO(buf) struct buf actor = {0};

    buf_init(&actor, ACTOR_MAX);
    audit_text(move->actor, &actor);
    dynamo_cell_put(c);
    set(tx, c, "k", STR("H"));
    set(tx, c, "repo", move->repo);
    set(tx, c, "tag", move->tag);
    set(tx, c, "digest", move->digest);
    set(tx, c, "previous", move->previous);
    set(tx, c, "actor", actor.n ? buf_str(&actor) : STR(""));
    dynamo_cell_set_number(c, "version", move->version);
    dynamo_cell_set_number(c, "time", move->time_ms);
    dynamo_set_age(tx, c, "move", move->time_ms);
}

/* The tag goes from one manifest to another; empty: from, or to, nowhere. */
static void note_move(struct dynamo_tx *tx, const struct meta_op *op, const struct repo_name *repo,
                      struct str tag, int64_t version, struct str previous, struct str digest)
{
    const struct dynamo_move move = {
        .repo = repo_name_str(repo),
        .tag = tag,
        .digest = digest,
        .previous = previous.p ? previous : STR(""),
        .actor = str_of(op->actor ? op->actor : ""),
        .version = version,
        .time_ms = meta_op_time(op),
    };

    if (!str_eq(move.previous, digest))
        dynamo_move_put(tx, &move);
}

/* A tag leaves it, which depends on the tag, so it is there. */
static void note_left(struct dynamo_tx *tx, const struct meta_op *op, const struct repo_name *repo,
                      struct str digest)
{
    struct dynamo_cell *head = dynamo_cell_of(tx, dynamo_key_manifest(repo_name_str(repo), digest));

    dynamo_cell_set_number(head, "since", meta_op_time(op));
}

static void write_tag(struct dynamo_tx *tx, const struct repo_name *repo, struct dynamo_cell *c,
                      struct str tag, const struct digest *d, int64_t version, int64_t time_ms)
{
    struct dynamo_cell *back = tag_of_cell(tx, repo, digest_str(d), tag);

    dynamo_cell_put(c);
    set(tx, c, "k", STR("T"));
    set(tx, c, "repo", repo_name_str(repo));
    set(tx, c, "digest", digest_str(d));
    dynamo_cell_set_number(c, "version", version);
    dynamo_cell_set_number(c, "pushed", time_ms);
    dynamo_cell_put(back);
    dynamo_cell_set_number(back, "version", version);
}

/* It was read with the version, which is a condition. Of pushes at the same time either counts. */
static void note_push(struct dynamo_tx *tx, struct dynamo_cell *repo, struct str tag,
                      int64_t time_ms)
{
    if (dynamo_cell_number(repo, "pushed") > time_ms)
        return;
    dynamo_cell_set_number(repo, "pushed", time_ms);
    dynamo_cell_set(&tx->cells, repo, "pushed_tag", tag);
}

enum err_code dynamo_tag_set(struct dynamo_tx *tx, const struct meta_op *op, struct err *e)
{
    const struct repo_name *repo = op->tag_set.repo;
    struct str tag = tag_name_str(op->tag_set.tag), old;
    const struct digest *d = op->tag_set.digest;
    struct dynamo_cell *r = repo_cell(tx, repo), *c = tag_cell(tx, repo, tag);
    struct dynamo_cell *head = manifest_cell(tx, repo, d);
    bool dangles = op->tag_set.expected_version == META_DANGLING;
    int64_t version;

    TRY(dynamo_cell_guess(&tx->cells, head, json_pack("{s:{s:s}}", "media", "S", ""), e));
    if (!dynamo_cell_has(head, "media"))
        return err_tell(e, ERR_MANIFEST_UNKNOWN, "no manifest %s in %s", d->text, repo->text);
    dynamo_cell_saw(head, "c_since", false);
    if (dynamo_is_condemned(head))
        dynamo_wants_revival(tx, repo, true, d);
    TRY(dynamo_cell_read(&tx->cells, c, e));
    version = dynamo_cell_number(c, "version");
    TRY(dangles ? check_dangling(tx, repo, c, e)
                : check_version(repo, op->tag_set.tag, version, op->tag_set.expected_version, e));
    dynamo_cell_saw(head, "media", false);
    dynamo_cell_saw(c, "version", true);
    old = dynamo_cell_text(c, "digest");
    if (version == META_ABSENT)
        dynamo_cell_add(r, "tags", 1);
    TRY(dynamo_next_version(tx, r, &version, e));
    note_move(tx, op, repo, tag, version, old, digest_str(d));
    if (old.p && !str_eq(old, digest_str(d))) {
        dynamo_cell_delete(tag_of_cell(tx, repo, old, tag));
        if (!dangles)
            note_left(tx, op, repo, old);
    }
    write_tag(tx, repo, c, tag, d, version, meta_op_time(op));
    note_push(tx, r, tag, meta_op_time(op));
    dynamo_projection_set(tx, repo_name_str(repo), tag, version, digest_str(d), holder_of(op));
    return ERR_OK;
}

/* The tag, which is known, goes. */
static void drop_tag(struct dynamo_tx *tx, const struct meta_op *op, const struct repo_name *repo,
                     struct str tag, struct str digest, int64_t version)
{
    note_move(tx, op, repo, tag, version, digest, STR(""));
    dynamo_cell_delete(tag_of_cell(tx, repo, digest, tag));
    dynamo_cell_delete(tag_cell(tx, repo, tag));
    dynamo_cell_add(repo_cell(tx, repo), "tags", -1);
    dynamo_projection_set(tx, repo_name_str(repo), tag, version, STR(""), holder_of(op));
}

enum err_code dynamo_tag_delete(struct dynamo_tx *tx, const struct meta_op *op, struct err *e)
{
    const struct repo_name *repo = op->tag_delete.repo;
    struct str tag = tag_name_str(op->tag_delete.tag);
    struct dynamo_cell *c = tag_cell(tx, repo, tag);
    AUTO(mem) char *digest = NULL;
    int64_t version;

    TRY(dynamo_cell_read(&tx->cells, c, e));
    version = dynamo_cell_number(c, "version");
    if (version == META_ABSENT)
        return err_tell(e, ERR_MANIFEST_UNKNOWN, "no tag %s in %s", tag.p, repo->text);
    TRY(check_version(repo, op->tag_delete.tag, version, op->tag_delete.expected_version, e));
    dynamo_cell_saw(c, "version", true);
    digest = str_dup(dynamo_cell_text(c, "digest"));
    TRY(dynamo_next_version(tx, repo_cell(tx, repo), &version, e));
    drop_tag(tx, op, repo, tag, str_of(digest), version);
    note_left(tx, op, repo, str_of(digest));
    return ERR_OK;
}

enum err_code dynamo_projection_done(struct dynamo_tx *tx, const struct meta_op *op, struct err *e)
{
    struct dynamo_cell *c =
        dynamo_cell_of(tx, dynamo_key_projection(repo_name_str(op->projection_done.repo),
                                                 tag_name_str(op->projection_done.tag)));

    TRY(dynamo_cell_guess(
        &tx->cells, c, json_pack("{s:o}", "version", item_number(op->projection_done.version)), e));
    if (!dynamo_cell_is(c) || dynamo_cell_number(c, "version") > op->projection_done.version)
        return ERR_OK;
    dynamo_cell_saw(c, "version", true);
    dynamo_cell_delete(c);
    return ERR_OK;
}

/* ---- deleting a manifest */

void dynamo_tags_done(struct dynamo_tags *t)
{
    for (size_t i = 0; i < t->n; i++)
        free(t->list[i].name);
    free(t->list);
    *t = (struct dynamo_tags){NULL, 0};
}

static void add_seen(struct dynamo_tags *t, struct str name, int64_t version)
{
    t->list = mem_resize(t->list, (t->n + 1) * sizeof(*t->list));
    t->list[t->n++] = (struct dynamo_tag){str_dup(name), version};
}

#define TAG_OF STR("t#")

/* Of one partition, what the transaction has made of it comes before what is there. */
static void see_cells(struct dynamo_tx *tx, const char *pk, struct dynamo_tags *t)
{
    for (struct dynamo_cell *c = tx->cells.first; c; c = c->next) {
        struct str sk = str_of(c->sk);

        if (c->how == DYNAMO_CELL_PUT && strcmp(c->pk, pk) == 0 && str_starts(sk, TAG_OF))
            add_seen(t, str_sub(sk, TAG_OF.n, sk.n - TAG_OF.n), dynamo_cell_number(c, "version"));
    }
}

enum err_code dynamo_see_tags(struct dynamo_tx *tx, struct str repo, struct str digest, size_t most,
                              struct dynamo_tags *t, struct err *e)
{
    struct dynamo_key key = dynamo_key_manifest(repo, digest);
    AUTO(dynamo_cursor)
    struct dynamo_cursor cursor = {
        .range = {.partition = key.pk, .prefix = TAG_OF.p, .page = most}};
    json_t *item;

    while (most == 0 || t->n < most) {
        struct str sk, tag;

        TRY(dynamo_cursor_peek(tx->d->link, &cursor, tx->cells.end_ms, &item, e));
        if (!item)
            break;
        sk = item_get_text(item, "sk");
        tag = str_sub(sk, TAG_OF.n, sk.n - TAG_OF.n);
        if (dynamo_cell_of(tx, dynamo_key_tag_of(repo, digest, tag))->how == DYNAMO_CELL_UPDATE)
            add_seen(t, tag, item_get_number(item, "version"));
        dynamo_cursor_step(&cursor);
    }
    see_cells(tx, key.pk, t);
    return ERR_OK;
}

int64_t dynamo_last_tag(const struct dynamo_tags *t)
{
    int64_t last = META_ABSENT;

    for (size_t i = 0; i < t->n; i++)
        last = t->list[i].version > last ? t->list[i].version : last;
    return last;
}

static enum err_code check_seen(const struct dynamo_tags *t, const struct digest *d, int64_t seen,
                                struct err *e)
{
    for (size_t i = 0; seen != META_ANY && i < t->n; i++) {
        if (t->list[i].version > seen)
            return err_set(e, ERR_CONFLICT, "a tag later than version %lld points to manifest %s",
                           (long long)seen, d->text);
    }
    return ERR_OK;
}

static void drop_referrers(struct dynamo_tx *tx, const struct repo_name *repo,
                           const struct dynamo_cell *head, const struct digest *d)
{
    struct str r = repo_name_str(repo), subject = dynamo_cell_text(head, "subject");
    struct str type = dynamo_cell_text(head, "type");

    if (!subject.p)
        return;
    dynamo_cell_delete(dynamo_cell_of(tx, dynamo_key_referrer(r, subject, digest_str(d))));
    dynamo_cell_delete(dynamo_cell_of(
        tx, dynamo_key_referrer_typed(r, subject, type.p ? type : STR(""), digest_str(d))));
}

/* What a manifest that was put by this very transaction names is in its cell, not in its item. */
static enum err_code children_of(struct dynamo_tx *tx, const struct dynamo_cell *head,
                                 struct dynamo_children *ret, struct err *e)
{
    const json_t *made = head->how == DYNAMO_CELL_PUT ? head->put : head->sets;

    if (json_object_get(made, "edges") || json_object_get(made, "edges_at"))
        return dynamo_children_read(tx->d->link, made, tx->cells.end_ms, ret, e);
    return dynamo_children_read(tx->d->link, head->was, tx->cells.end_ms, ret, e);
}

static void forget_manifest(struct dynamo_tx *tx, struct dynamo_cell *head,
                            const struct repo_name *repo, const struct digest *d)
{
    drop_referrers(tx, repo, head, d);
    dynamo_not_held(tx, repo_name_str(repo), true, digest_str(d));
    dynamo_tx_drop_long(tx, head, "bytes");
}

/* One that names many is only taken away from view: what it names is counted down afterwards. */
static enum err_code drop_manifest(struct dynamo_tx *tx, struct dynamo_cell *head,
                                   const struct repo_name *repo, const struct digest *d,
                                   const struct dynamo_children *children, struct err *e)
{
    forget_manifest(tx, head, repo, d);
    if (children->n > DYNAMO_CHILDREN_MOST) {
        dynamo_mark_staged(tx, head, repo, d, children->n, true);
        tx->unwind = mem_resize(tx->unwind, (tx->n_unwind + 1) * sizeof(*tx->unwind));
        tx->unwind[tx->n_unwind++] = (struct dynamo_manifest_at){*repo, *d};
        return ERR_OK;
    }
    TRY(dynamo_children_count(tx, repo, children, 0, children->n, -1, e));
    TRY(dynamo_leave_children(tx, repo, children, 0, children->n, e));
    dynamo_tx_drop_long(tx, head, "edges");
    dynamo_cell_delete(head);
    return ERR_OK;
}

/* What a manifest is about is looked for by all its tags, also where only some of them go. */
static enum err_code check_condemned(struct dynamo_tx *tx, const struct meta_op *op,
                                     struct dynamo_cell *head, size_t most,
                                     const struct dynamo_tags *t, struct err *e)
{
    struct str repo = repo_name_str(op->manifest_delete.repo);
    const struct digest *d = op->manifest_delete.digest;
    AUTO(dynamo_tags) struct dynamo_tags all = {NULL, 0};

    if (!op->manifest_delete.if_condemned)
        return ERR_OK;
    if (most > 0 && t->n >= most) {
        TRY(dynamo_see_tags(tx, repo, digest_str(d), 0, &all, e));
        t = &all;
    }
    return dynamo_condemned_manifest(tx, repo, head, d, t, op->manifest_delete.until_ms, e);
}

static enum err_code check_deletable(const struct meta_op *op, struct dynamo_cell *head,
                                     const struct dynamo_tags *t, struct err *e)
{
    const struct repo_name *repo = op->manifest_delete.repo;
    const struct digest *d = op->manifest_delete.digest;

    if (!dynamo_cell_has(head, "media"))
        return err_tell(e, ERR_MANIFEST_UNKNOWN, "no manifest %s in %s", d->text, repo->text);
    if (dynamo_cell_number(head, "uses") > 0)
        return err_tell(e, ERR_IN_USE, "an index of %s names manifest %s", repo->text, d->text);
    dynamo_cell_saw(head, "media", false);
    dynamo_cell_saw(head, "uses", true);
    return check_seen(t, d, op->manifest_delete.seen_version, e);
}

static void drop_tags(struct dynamo_tx *tx, const struct meta_op *op, const struct dynamo_tags *t,
                      int64_t version)
{
    for (size_t i = 0; i < t->n; i++)
        drop_tag(tx, op, op->manifest_delete.repo, str_of(t->list[i].name),
                 digest_str(op->manifest_delete.digest), version);
}

static enum err_code delete_with(struct dynamo_tx *tx, const struct meta_op *op, size_t most,
                                 struct dynamo_tags *t, int64_t *ret_version, struct err *e)
{
    const struct repo_name *repo = op->manifest_delete.repo;
    struct dynamo_cell *r = repo_cell(tx, repo);
    struct dynamo_cell *head = manifest_cell(tx, repo, op->manifest_delete.digest);

    dynamo_cell_want(head);
    TRY(dynamo_cell_read(&tx->cells, r, e)); /* before its tags are looked at */
    TRY(dynamo_cell_read(&tx->cells, head, e));
    TRY(dynamo_see_tags(tx, repo_name_str(repo), digest_str(op->manifest_delete.digest), most, t,
                        e));
    TRY(check_condemned(tx, op, head, most, t, e));
    TRY(check_deletable(op, head, t, e));
    return dynamo_next_version(tx, r, ret_version, e);
}

/* What goes in one transaction with those of the children that are counted in it. */
static size_t tags_at_once(const struct dynamo_children *c)
{
    bool many = c->n > DYNAMO_CHILDREN_FEW && c->n <= DYNAMO_CHILDREN_MOST;

    return many ? DYNAMO_UNTAG_FEW : DYNAMO_UNTAG_MOST;
}

enum err_code dynamo_manifest_delete(struct dynamo_tx *tx, const struct meta_op *op, struct err *e)
{
    const struct repo_name *repo = op->manifest_delete.repo;
    const struct digest *d = op->manifest_delete.digest;
    struct dynamo_cell *head = manifest_cell(tx, repo, d);
    AUTO(dynamo_tags) struct dynamo_tags t = {NULL, 0};
    AUTO(dynamo_children) struct dynamo_children children = {NULL, 0};
    int64_t version;

    TRY(delete_with(tx, op, 0, &t, &version, e));
    TRY(children_of(tx, head, &children, e));
    if (t.n > tags_at_once(&children)) {
        tx->wants_untag = true;
        return err_set(e, ERR_CONFLICT, "manifest %s has too many tags to go at once", d->text);
    }
    drop_tags(tx, op, &t, version);
    TRY(dynamo_leave_referrers(tx, repo, d, e));
    dynamo_cell_add(repo_cell(tx, repo), "manifests", -1);
    return drop_manifest(tx, head, repo, d, &children, e);
}

struct untag {
    const struct meta_op *op;
    const struct dynamo_fence *fence;
    bool done; /* out: few are left */
};

static enum err_code untag(struct dynamo_tx *tx, void *ctx, struct err *e)
{
    struct untag *u = ctx;
    AUTO(dynamo_tags) struct dynamo_tags t = {NULL, 0};
    int64_t version;

    TRY(delete_with(tx, u->op, DYNAMO_UNTAG_STEP, &t, &version, e));
    u->done = t.n < DYNAMO_UNTAG_STEP;
    drop_tags(tx, u->op, &t, version);
    return dynamo_fence(tx, u->fence, e);
}

enum err_code dynamo_untag(struct dynamo *d, const struct meta_op *op,
                           const struct dynamo_fence *fence, int64_t end_ms, struct err *e)
{
    struct untag u = {.op = op, .fence = fence};

    while (!u.done)
        TRY(dynamo_transact(d, end_ms, untag, &u, e));
    return ERR_OK;
}
