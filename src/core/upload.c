#include "core/upload.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/mem.h"
#include "core/blob.h"
#include "core/ingest.h"
#include "core/quota.h"
#include "core/upload_session.h"

#include <stdio.h>

struct upload {
    struct registry *r;
    struct session *session;
    struct store_upload *handle;
    struct ingest in; /* while appending */
    bool appending;   /* some of it came, and more is to come */
    size_t before_n;  /* the hash as it was then */
    char before[HASHER_STATE_MAX];
};

static enum err_code unknown(struct err *e)
{
    return err_tell(e, ERR_BLOB_UPLOAD_UNKNOWN,
                    "there is no such upload session here; it may have timed out");
}

enum err_code upload_begin(struct registry *r, const struct repo_name *repo, const char *owner,
                           enum digest_algorithm algorithm, struct uuid *ret_id, struct err *e)
{
    struct meta_upload info = {.repo = *repo, .algorithm = algorithm};
    struct meta_op op = meta_op_upload_create(&info);
    struct session *s;
    enum err_code code;
    bool added;

    TRY(registry_has_room(r, e));
    uuid_make(&info.id);
    snprintf(info.owner, sizeof(info.owner), "%s", owner);
    info.started_ms = clock_wall_ms();
    s = session_add(r->uploads, &info, conf_u64(&r->limits->uploads), &added);
    if (!added)
        return err_tell(e, ERR_TOO_MANY_REQUESTS, "too many uploads are open; try again later");
    s->hasher = hasher_new(algorithm);
    code = store_upload_create(r->store, &info.id, e);
    if (code == ERR_OK)
        code = meta_commit(r->meta, &op, 1, META_LAZY, NULL, e);
    if (code != ERR_OK) {
        session_drop(r->uploads, s);
        (void)!store_upload_delete(r->store, &info.id, ERR_IGNORED);
        return code;
    }
    *ret_id = info.id;
    session_release(r->uploads, s);
    return ERR_OK;
}

static enum err_code make_known(void *ctx, const struct meta_upload *info, struct err *e)
{
    struct registry *r = ctx;
    struct session *s;
    bool added;

    (void)e;
    s = session_add(r->uploads, info, SIZE_MAX, &added);
    if (added)
        session_release(r->uploads, s);
    return ERR_OK;
}

/* A session of an earlier life of this process becomes known again. It counts, but is not refused.
 */
static enum err_code load(struct registry *r, const struct uuid *id, struct err *e)
{
    struct meta_upload info;

    TRY(meta_upload_get(r->meta, id, &info, e));
    return make_known(r, &info, e);
}

enum err_code upload_load_all(struct registry *r, struct err *e)
{
    return meta_uploads_each(r->meta, INT64_MAX, make_known, r, e);
}

static bool owned(const struct meta_upload *info, const struct repo_name *repo, const char *owner)
{
    return str_eq(repo_name_str(&info->repo), repo_name_str(repo)) &&
           strcmp(info->owner, owner) == 0;
}

/* Whether it is the caller's comes first: to anybody else it is neither busy nor used again. */
static enum err_code take(struct registry *r, const struct repo_name *repo, const char *owner,
                          const struct uuid *id, struct session **ret_session, struct err *e)
{
    struct meta_upload info;
    enum session_take result;
    uint64_t offset_bytes;
    int64_t used_ms;
    bool busy;

    if (!session_peek(r->uploads, id, &info, &offset_bytes, &busy, &used_ms))
        TRY(meta_upload_get(r->meta, id, &info, e));
    if (!owned(&info, repo, owner))
        return unknown(e);
    result = session_take(r->uploads, id, ret_session);
    if (result == SESSION_UNKNOWN) {
        TRY(load(r, id, e));
        result = session_take(r->uploads, id, ret_session);
    }
    if (result == SESSION_BUSY)
        return err_tell(e, ERR_BLOB_UPLOAD_BUSY,
                        "another request works on this upload session; try again when it ended");
    return result == SESSION_TAKEN ? ERR_OK : unknown(e);
}

enum err_code upload_open(struct registry *r, const struct repo_name *repo, const char *owner,
                          const struct uuid *id, struct upload **ret_upload, struct err *e)
{
    struct store_upload *handle;
    struct session *s = NULL;
    struct upload *u;
    uint64_t size_bytes;
    enum err_code code;

    TRY(take(r, repo, owner, id, &s, e));
    code = store_upload_open(r->store, id, &handle, &size_bytes, e);
    if (code == ERR_BLOB_UPLOAD_UNKNOWN) {
        session_drop(r->uploads, s);
        return code;
    }
    if (code != ERR_OK) {
        session_release(r->uploads, s);
        return code;
    }
    if (size_bytes != s->offset_bytes) { /* of an earlier life of this process */
        hasher_free(s->hasher);
        s->hasher = NULL;
        session_advance(r->uploads, s, size_bytes);
    }
    u = NEW(struct upload);
    *u = (struct upload){.r = r, .session = s, .handle = handle};
    *ret_upload = u;
    return ERR_OK;
}

static enum err_code settle(struct upload *u, enum err_code why);

void upload_close(struct upload *u)
{
    if (!u)
        return;
    if (u->appending)
        (void)!settle(u, ERR_CLIENT_GONE);
    store_upload_close(u->r->store, u->handle);
    if (u->session)
        session_release(u->r->uploads, u->session);
    free(u);
}

uint64_t upload_offset(const struct upload *u)
{
    return u->session->offset_bytes;
}

enum err_code upload_status(struct registry *r, const struct repo_name *repo, const char *owner,
                            const struct uuid *id, uint64_t *ret_offset_bytes, struct err *e)
{
    struct store_upload *handle;
    struct meta_upload info;
    uint64_t offset_bytes;
    int64_t used_ms;
    bool busy;

    if (!session_peek(r->uploads, id, &info, &offset_bytes, &busy, &used_ms)) {
        TRY(meta_upload_get(r->meta, id, &info, e));
        busy = false;
    }
    if (!owned(&info, repo, owner))
        return unknown(e);
    if (!busy) {
        TRY(store_upload_open(r->store, id, &handle, &offset_bytes, e));
        store_upload_close(r->store, handle);
    }
    *ret_offset_bytes = offset_bytes;
    return ERR_OK;
}

/* The hash of what is stored from there on. */
static enum err_code hash_from(struct upload *u, enum digest_algorithm algorithm, uint64_t at,
                               struct hasher **ret_hasher, struct err *e)
{
    AUTO(hasher) struct hasher *h = hasher_new(algorithm);
    size_t cap = (size_t)u->r->buffer_bytes, n;
    AUTO(mem) char *p = mem_alloc(cap);

    while (at < u->session->offset_bytes) {
        TRY(store_upload_read(u->r->store, u->handle, p, cap, at, &n, e));
        if (n == 0)
            return err_set(e, ERR_CORRUPT, "upload %s is shorter than it was",
                           u->session->info.id.text);
        hasher_update(h, p, n);
        at += n;
    }
    *ret_hasher = STEAL(h);
    return ERR_OK;
}

static bool is_hash_of(const struct hasher *h, enum digest_algorithm algorithm, uint64_t n_bytes)
{
    return h && hasher_algorithm(h) == algorithm && hasher_bytes(h) == n_bytes;
}

/* Where the store keeps no notes its bytes are read. */
static enum err_code hash_again(struct upload *u, enum digest_algorithm algorithm,
                                struct hasher **ret_hasher, struct err *e)
{
    AUTO(hasher) struct hasher *noted = NULL;
    struct store_note note;

    TRY(store_upload_note(u->r->store, u->handle, &note, e));
    noted = hasher_load(note.bytes, note.n);
    if (!is_hash_of(noted, algorithm, u->session->offset_bytes))
        return hash_from(u, algorithm, 0, ret_hasher, e);
    *ret_hasher = STEAL(noted);
    return ERR_OK;
}

static enum err_code need_hash(struct upload *u, enum digest_algorithm algorithm, struct err *e)
{
    struct session *s = u->session;
    struct hasher *h;

    if (is_hash_of(s->hasher, algorithm, s->offset_bytes))
        return ERR_OK;
    TRY(hash_again(u, algorithm, &h, e));
    hasher_free(s->hasher);
    s->hasher = h;
    return ERR_OK;
}

/* The hash has seen bytes that are taken back. */
static void drop_hash(struct session *s)
{
    hasher_free(s->hasher);
    s->hasher = NULL;
}

/* All that was written is durable, with the hash of it; what the store could not keep is taken back
 * from the session. upload_open() finds out how much there is when this fails. */
static enum err_code make_durable(struct upload *u, struct err *e)
{
    struct session *s = u->session;
    struct store_note note = {0};
    uint64_t durable_bytes;

    if (s->hasher)
        note.n = hasher_save(s->hasher, note.bytes);
    TRY(store_upload_sync(u->r->store, u->handle, &note, &durable_bytes, e));
    if (s->hasher && hasher_bytes(s->hasher) != durable_bytes)
        drop_hash(s);
    session_advance(u->r->uploads, s, durable_bytes);
    return ERR_OK;
}

static enum err_code cut_to(struct upload *u, uint64_t end, struct err *e)
{
    TRY(store_upload_truncate(u->r->store, u->handle, end, e));
    return make_durable(u, e);
}

/* After an append that failed: what came whole is kept when only the client is to blame. */
static enum err_code settle(struct upload *u, enum err_code why)
{
    struct session *s = u->session;
    bool keep = why == ERR_CLIENT_GONE || why == ERR_TIMEOUT || why == ERR_REQUEST_INVALID;

    u->appending = false;
    if (!keep) {
        hasher_free(s->hasher);
        s->hasher = hasher_load(u->before, u->before_n);
    }
    (void)!cut_to(u, keep ? u->in.offset_bytes : s->offset_bytes, ERR_IGNORED);
    return why;
}

/* The algorithm that the finished blob is asked for is known at the latest with its digest. */
static enum digest_algorithm algorithm_of(const struct session *s, const struct upload_body *body)
{
    if (body->finish)
        return body->finish->algorithm;
    return s->hasher ? hasher_algorithm(s->hasher) : s->info.algorithm;
}

static enum err_code begin_append(struct upload *u, const struct upload_body *body, struct err *e)
{
    struct session *s = u->session;

    TRY(registry_has_room(u->r, e));
    TRY(need_hash(u, algorithm_of(s, body), e));
    if (body->finish && s->offset_bytes == 0)
        TRY(store_upload_expect(u->r->store, u->handle, &s->info.repo, body->finish,
                                body->expected_bytes, e));
    u->before_n = hasher_save(s->hasher, u->before);
    u->in = (struct ingest){
        .store = u->r->store,
        .upload = u->handle,
        .hasher = s->hasher,
        .offset_bytes = s->offset_bytes,
        .limit_bytes = conf_u64(&u->r->limits->blob_bytes),
        .buffer_bytes = u->r->buffer_bytes,
        .reserve = u->r->reserve,
    };
    if (u->in.limit_bytes < u->in.offset_bytes) /* lowered meanwhile */
        u->in.limit_bytes = u->in.offset_bytes;
    u->appending = true;
    s->last_from_bytes = s->offset_bytes;
    return ERR_OK;
}

static uint64_t appended(const struct upload *u)
{
    return u->in.offset_bytes - u->session->offset_bytes;
}

/* What of the bytes to append is still to come. */
static uint64_t outstanding(const struct upload *u, uint64_t expected_bytes)
{
    return expected_bytes == UINT64_MAX ? UINT64_MAX : expected_bytes - appended(u);
}

static enum err_code end_append(struct upload *u, const struct upload_body *body, struct err *e)
{
    if (body->exact_bytes != UINT64_MAX && body->exact_bytes != appended(u))
        return err_tell(e, ERR_SIZE_INVALID, "the chunk was not as long as Content-Range said");
    if (!body->finish && appended(u) > 0)
        return make_durable(u, e);
    session_advance(u->r->uploads, u->session, u->in.offset_bytes);
    return ERR_OK;
}

enum err_code upload_append(struct upload *u, struct reader *from, const struct upload_body *body,
                            struct err *e)
{
    enum err_code code;

    if (!u->appending)
        TRY(begin_append(u, body, e));
    code = ingest_run(&u->in, from, outstanding(u, body->expected_bytes), e);
    if (code == ERR_LATER)
        return code;
    if (code == ERR_OK)
        code = end_append(u, body, e);
    if (code != ERR_OK)
        return settle(u, code);
    u->appending = false;
    return ERR_OK;
}

static void forget(struct upload *u)
{
    session_drop(u->r->uploads, u->session);
    free(u);
}

/* A repository that has the blob already. Two that get it at once: the second finds the first's. */
struct twin {
    bool found;
    struct repo_name repo;
};

static struct twin find_twin(struct upload *u, const struct digest *d)
{
    struct twin t = {0};
    uint64_t size_bytes;

    t.found = meta_blob_find(u->r->meta, d, &t.repo, &size_bytes, ERR_IGNORED) == ERR_OK;
    return t;
}

static bool same_twin(const struct twin *a, const struct twin *b)
{
    return a->found == b->found &&
           (!a->found || str_eq(repo_name_str(&a->repo), repo_name_str(&b->repo)));
}

/* So often at most a rival may link the same blob just when this one has been prepared. */
#define PREPARE_MOST 4

/* Takes the lock on the blob once the store has done what takes long; not under it, for others
 * share its stripe. */
static enum err_code lock_prepared(struct upload *u, const struct digest *d, struct twin *ret_twin,
                                   pthread_mutex_t **ret_held, struct err *e)
{
    const struct repo_name *repo = &u->session->info.repo;

    *ret_twin = find_twin(u, d);
    for (unsigned i = 0;; i++) {
        struct twin known = *ret_twin;
        pthread_mutex_t *held;

        TRY(store_upload_prepare(u->r->store, u->handle, repo, d, known.found ? &known.repo : NULL,
                                 e));
        held = locks_hold(&u->r->blob_locks, STR_NONE, digest_str(d));
        *ret_twin = find_twin(u, d);
        if (i == PREPARE_MOST || same_twin(ret_twin, &known)) {
            *ret_held = held;
            return ERR_OK;
        }
        locks_release(held);
    }
}

/* Store first, then meta: a blob that is linked can be read. */
static enum err_code link_blob(struct upload *u, const struct digest *d, struct err *e)
{
    struct registry *r = u->r;
    const struct repo_name *repo = &u->session->info.repo;
    struct meta_op ops[2 + QUOTAS_MAX] = {
        meta_op_blob_link(repo, d, u->session->offset_bytes),
        meta_op_upload_finish(&u->session->info.id, d, clock_wall_ms()),
    };
    size_t n = 2 + quota_checks(r, repo, ops + 2);
    AUTO(held) pthread_mutex_t *held = NULL;
    struct twin twin;
    enum err_code code;

    TRY(lock_prepared(u, d, &twin, &held, e));
    TRY(store_upload_commit(r->store, u->handle, repo, d, twin.found ? &twin.repo : NULL, e));
    u->handle = NULL;
    code = meta_commit(r->meta, ops, n, 0, NULL, e);
    if (registry_refused(code))
        blob_discard(r, repo, d);
    if (code == ERR_OK || registry_refused(code)) /* else the sweep finds out what became of it */
        (void)!store_upload_delete(r->store, &u->session->info.id, ERR_IGNORED);
    return code;
}

static enum err_code verify(struct upload *u, const struct digest *d, struct err *e)
{
    struct digest actual;

    TRY(need_hash(u, d->algorithm, e));
    hasher_digest(u->session->hasher, &actual);
    if (!digest_eq(&actual, d))
        return err_tell(e, ERR_DIGEST_INVALID, "the bytes received have the digest %s",
                        actual.text);
    return ERR_OK;
}

/* Moves what begins at from_bytes to the beginning. A crash meanwhile leaves bytes without a digest
 * that anybody asks for: the client begins again. */
static enum err_code keep_from(struct upload *u, uint64_t from_bytes, struct err *e)
{
    uint64_t n_bytes = u->session->offset_bytes - from_bytes;
    size_t cap = (size_t)u->r->buffer_bytes, n;
    AUTO(mem) char *p = mem_alloc(cap);
    enum err_code code = store_upload_keep_from(u->r->store, u->handle, from_bytes, e);

    if (code == ERR_OK)
        return make_durable(u, e);
    if (code != ERR_UNSUPPORTED)
        return code;
    for (uint64_t at = 0; at < n_bytes; at += n) {
        TRY(store_upload_read(u->r->store, u->handle, p, cap, from_bytes + at, &n, e));
        if (n == 0)
            return err_set(e, ERR_CORRUPT, "upload %s is shorter than it was",
                           u->session->info.id.text);
        TRY(store_upload_write(u->r->store, u->handle, p, n, at, e));
    }
    return cut_to(u, n_bytes, e);
}

/* A client whose connection broke in the middle of a body may send it again as a whole, and say
 * nothing of where it begins. What it sent last then has the digest. Error: DIGEST_INVALID. */
static enum err_code take_last_body(struct upload *u, const struct digest *d, struct err *e)
{
    struct session *s = u->session;
    uint64_t from_bytes = s->last_from_bytes;
    AUTO(hasher) struct hasher *h = NULL;
    struct digest actual;

    if (from_bytes == 0 || from_bytes >= s->offset_bytes)
        return ERR_DIGEST_INVALID;
    TRY(hash_from(u, d->algorithm, from_bytes, &h, ERR_IGNORED));
    hasher_digest(h, &actual);
    if (!digest_eq(&actual, d))
        return ERR_DIGEST_INVALID;
    hasher_free(s->hasher);
    s->hasher = STEAL(h);
    return keep_from(u, from_bytes, e);
}

/* Its bytes are gone with the blob that was refused: nobody can go on with it. */
static void end_refused(struct upload *u)
{
    struct meta_op op = meta_op_upload_delete(&u->session->info.id);

    (void)!meta_commit(u->r->meta, &op, 1, META_LAZY, NULL, ERR_IGNORED);
    forget(u);
}

enum err_code upload_finish(struct upload *u, const struct digest *d, bool *ret_repeated,
                            struct err *e)
{
    struct registry *r = u->r;
    enum err_code code = verify(u, d, e);
    bool repeated = code == ERR_DIGEST_INVALID && take_last_body(u, d, e) == ERR_OK;

    if (repeated)
        code = ERR_OK;
    if (code == ERR_DIGEST_INVALID) { /* what it should have been can't be known: start again */
        (void)!upload_cancel(u, ERR_IGNORED);
        return code;
    }
    if (code == ERR_OK)
        code = registry_has_room(r, e);
    if (code == ERR_OK)
        code = link_blob(u, d, e);
    if (code == ERR_OK) {
        forget(u);
        if (ret_repeated)
            *ret_repeated = repeated;
    } else if (!u->handle && registry_refused(code)) {
        end_refused(u);
    } else {
        upload_close(u);
    }
    return code;
}

enum err_code upload_was_finished(struct registry *r, const struct repo_name *repo,
                                  const char *owner, const struct uuid *id, const struct digest *d,
                                  struct err *e)
{
    int64_t keep_ms = (int64_t)conf_u64(&r->options->upload_timeout_ms);
    struct meta_finished f;
    uint64_t size_bytes;
    enum err_code code;

    TRY(meta_upload_finished(r->meta, id, &f, e));
    if (!str_eq(repo_name_str(&f.repo), repo_name_str(repo)) || strcmp(f.owner, owner) != 0 ||
        !digest_eq(&f.digest, d) || clock_wall_ms() - f.finished_ms >= keep_ms)
        return unknown(e);
    code = meta_blob_stat(r->meta, repo, d, &size_bytes, e);
    return code == ERR_BLOB_UNKNOWN ? unknown(e) : code; /* deleted since */
}

/* The session is held to the end: a request that comes for it meanwhile must not load it anew. */
enum err_code upload_cancel(struct upload *u, struct err *e)
{
    struct registry *r = u->r;
    const struct uuid *id = &u->session->info.id;
    struct meta_op op = meta_op_upload_delete(id);
    enum err_code code;

    store_upload_close(r->store, u->handle);
    code = store_upload_delete(r->store, id, e);
    if (code == ERR_OK)
        code = meta_commit(r->meta, &op, 1, META_LAZY, NULL, e);
    forget(u);
    return code;
}
