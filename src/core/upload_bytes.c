/* What comes of a session: its bytes, and its end as a blob or as nothing. */
#include "core/upload_hold.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/hash_line.h"
#include "base/mem.h"
#include "core/blob.h"
#include "core/quota.h"
#include "core/removal.h"

#include <time.h>

static void settle(struct upload *u, enum err_code why);

void upload_close(struct upload *u)
{
    if (!u)
        return;
    hash_line_free(STEAL(u->in.line));
    if (u->alone && u->session->became.n > 0) { /* the sweep finds out what became of it */
        hold_forget(u);
        return;
    }
    if (u->alone) {
        (void)!upload_cancel(u, ERR_IGNORED);
        return;
    }
    if (u->appending)
        settle(u, ERR_CLIENT_GONE);
    if (u->lost) {
        store_upload_forget(u->r->store, &u->session->info.id);
        hold_forget(u);
        return;
    }
    store_upload_close(u->r->store, u->handle);
    session_release(u->r->uploads, u->session);
    free(u);
}

uint64_t upload_offset(const struct upload *u)
{
    return u->session->offset_bytes;
}

uint64_t upload_came(const struct upload *u)
{
    return u->appending ? u->in.offset_bytes : upload_offset(u);
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

/* All that was written is durable, with the hash of it; what the store could not keep is taken back
 * from the session. upload_open() finds out how much there is when this fails. */
static enum err_code make_durable(struct upload *u, struct err *e)
{
    struct session *s = u->session;
    struct store_note note = {.turn = (uint64_t)s->info.turn};
    uint64_t durable_bytes;

    if (s->hasher)
        note.n = hasher_save(s->hasher, note.bytes);
    TRY(store_upload_sync(u->r->store, u->handle, &note, &durable_bytes, e));
    if (s->hasher && hasher_bytes(s->hasher) != durable_bytes)
        hold_drop_hash(s);
    session_advance(u->r->uploads, s, durable_bytes);
    return ERR_OK;
}

static enum err_code cut_to(struct upload *u, uint64_t end, struct err *e)
{
    TRY(store_upload_truncate(u->r->store, u->handle, end, e));
    return make_durable(u, e);
}

/* After an append that failed: what came whole is kept when only the client is to blame. */
static void settle(struct upload *u, enum err_code why)
{
    struct session *s = u->session;
    bool keep =
        !u->whole && (why == ERR_CLIENT_GONE || why == ERR_TIMEOUT || why == ERR_REQUEST_INVALID);

    u->appending = false;
    if (why == ERR_CONFLICT) /* its bytes are not where this process left them */
        u->lost = true;
    else if (!u->lost && hold_look_now(u, ERR_IGNORED) != ERR_OK)
        u->lost = true;
    if (u->lost)
        return;
    if (!keep) {
        hasher_free(s->hasher);
        s->hasher = hasher_load(u->before, u->before_n);
    }
    (void)!cut_to(u, keep ? u->in.offset_bytes : s->offset_bytes, ERR_IGNORED);
}

/* The algorithm that the finished blob is asked for is known at the latest with its digest. */
static enum digest_algorithm algorithm_of(const struct session *s, const struct upload_body *body)
{
    if (body->finish)
        return body->finish->algorithm;
    return s->hasher ? hasher_algorithm(s->hasher) : s->info.algorithm;
}

static enum err_code may_go_on(void *ctx, struct err *e)
{
    return hold_look(ctx, e);
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
        .limit_bytes = body->limit_bytes ? body->limit_bytes : conf_u64(&u->r->limits->blob_bytes),
        .buffer_bytes = u->r->buffer_bytes,
        .reserve = u->r->reserve,
        .may_go_on = may_go_on,
        .ctx = u,
    };
    if (u->in.limit_bytes < u->in.offset_bytes) /* lowered meanwhile */
        u->in.limit_bytes = u->in.offset_bytes;
    u->appending = true;
    u->whole = body->whole;
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
    if (!body->finish && appended(u) > 0) {
        TRY(hold_look(u, e));
        return make_durable(u, e);
    }
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
        settle(u, code);
    u->appending = false;
    return code == ERR_CONFLICT ? hold_taken(e) : code;
}

enum err_code upload_read(struct upload *u, void *p, size_t cap, uint64_t offset_bytes,
                          size_t *ret_n, struct err *e)
{
    enum err_code code = store_upload_read(u->r->store, u->handle, p, cap, offset_bytes, ret_n, e);

    if (code != ERR_CONFLICT)
        return code;
    u->lost = true;
    return hold_taken(e);
}

enum err_code upload_write(struct upload *u, const void *p, size_t n, struct err *e)
{
    static const struct upload_body body = {.expected_bytes = UINT64_MAX,
                                            .exact_bytes = UINT64_MAX};

    if (!u->appending) {
        TRY(begin_append(u, &body, e));
        u->in.line = hash_line_new(u->session->hasher);
    }
    return ingest_write(&u->in, p, n, e);
}

void upload_written(struct upload *u, struct digest *ret_digest)
{
    hash_line_free(STEAL(u->in.line));
    if (u->appending)
        session_advance(u->r->uploads, u->session, u->in.offset_bytes);
    u->appending = false;
    hasher_digest(u->session->hasher, ret_digest);
}

/* A repository that has the blob already, or could. Two that get it at once: the second finds the
 * first's. */
struct twin {
    bool found;
    struct repo_name repo;
};

static struct twin find_twin(struct upload *u, const struct digest *d)
{
    struct twin t = {0};

    t.found = blob_find_twin(u->r, &u->session->info.repo, d, &t.repo, ERR_IGNORED) == ERR_OK;
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

/* So often a transaction is tried again of which it is not known whether it was done. */
#define COMMIT_TRIES    3
#define COMMIT_PAUSE_MS 50

/* Did an earlier try of the same, here or elsewhere, do it? */
static bool was_done(struct upload *u, const struct digest *d)
{
    const struct meta_upload *info = &u->session->info;

    return upload_was_finished(u->r, &info->repo, info->owner, &info->id, d, ERR_IGNORED) == ERR_OK;
}

/* Trying again does no harm: of a session's finish only the first counts, and a link that is there
 * stays as it is. */
static enum err_code commit_surely(struct upload *u, const struct digest *d, struct meta_op *ops,
                                   size_t n, size_t link, pthread_mutex_t **held, struct err *e)
{
    const struct timespec pause = {.tv_nsec = COMMIT_PAUSE_MS * 1000000};
    enum err_code code = removal_commit(u->r, ops, n, link, held, e);

    for (int i = 1; code == ERR_UNAVAILABLE && i < COMMIT_TRIES; i++) {
        nanosleep(&pause, NULL);
        code = removal_commit(u->r, ops, n, link, held, e);
    }
    return code == ERR_CONFLICT && was_done(u, d) ? ERR_OK : code;
}

/* The bytes are stored; so they are readable once meta knows them. */
static enum err_code link_stored(struct upload *u, const struct digest *d, pthread_mutex_t **held,
                                 struct err *e)
{
    struct registry *r = u->r;
    const struct meta_upload *info = &u->session->info;
    struct meta_op ops[2 + QUOTAS_MAX];
    size_t n = 0, link;
    enum err_code code;

    if (!u->alone)
        ops[n++] = meta_op_upload_finish(info, d, clock_wall_ms());
    link = n;
    ops[n++] = removal_link(r, &info->repo, d, u->session->offset_bytes);
    n += quota_checks(r, &info->repo, ops + n);
    code = commit_surely(u, d, ops, n, link, held, e);
    blob_is_linked(r, d);
    if (code == ERR_GONE || (code == ERR_CONFLICT && store_shared(r->store)))
        (void)!removal_discard(r, &info->repo, d, ERR_IGNORED);
    if (code == ERR_CONFLICT) /* whoever has the session now has these bytes as well */
        return code;
    if (registry_refused(code))
        (void)!removal_discard(r, &info->repo, d, ERR_IGNORED);
    if (code == ERR_OK || registry_refused(code)) /* else the sweep finds out what became of it */
        (void)!store_upload_delete(r->store, &info->id, ERR_IGNORED);
    return code;
}

/* Store first, then meta: a blob that is linked can be read. */
static enum err_code link_blob(struct upload *u, const struct digest *d, struct err *e)
{
    struct registry *r = u->r;
    const struct repo_name *repo = &u->session->info.repo;
    AUTO(held) pthread_mutex_t *held = NULL;
    struct twin twin;

    TRY(lock_prepared(u, d, &twin, &held, e));
    TRY(hold_look(u, e));
    TRY(store_upload_commit(r->store, u->handle, repo, d, twin.found ? &twin.repo : NULL, e));
    u->handle = NULL;
    u->session->became = *d;
    return link_stored(u, d, &held, e);
}

/* The same finish again, after one whose transaction failed. */
static enum err_code link_again(struct upload *u, const struct digest *d, struct err *e)
{
    AUTO(held) pthread_mutex_t *held = locks_hold(&u->r->blob_locks, STR_NONE, digest_str(d));
    uint64_t size_bytes;

    if (!digest_eq(&u->session->became, d) ||
        store_blob_stat(u->r->store, &u->session->info.repo, d, &size_bytes, ERR_IGNORED) != ERR_OK)
        return hold_unknown(e);
    return link_stored(u, d, &held, e);
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

/* Bytes came to it before, and the store knows none. */
static bool has_lost_its_bytes(const struct session *s)
{
    return s->offset_bytes == 0 && s->info.turn > 1;
}

/* Error: DIGEST_INVALID, what it should have been can't be known. */
static enum err_code try_finish(struct upload *u, const struct digest *d, bool *ret_repeated,
                                struct err *e)
{
    enum err_code code;

    if (u->session->became.n > 0)
        return link_again(u, d, e);
    code = verify(u, d, e);
    if (code == ERR_DIGEST_INVALID && u->sure && has_lost_its_bytes(u->session))
        return hold_unknown(e);
    *ret_repeated = code == ERR_DIGEST_INVALID && u->sure && take_last_body(u, d, e) == ERR_OK;
    if (*ret_repeated)
        code = ERR_OK;
    if (code == ERR_OK)
        code = registry_has_room(u->r, e);
    return code == ERR_OK ? link_blob(u, d, e) : code;
}

/* Of what another process did meanwhile, perhaps. */
static bool may_be_stale(enum err_code code)
{
    return code == ERR_DIGEST_INVALID || code == ERR_CORRUPT || code == ERR_CONFLICT ||
           code == ERR_BLOB_UPLOAD_UNKNOWN;
}

/* What another process did with the session since this one had it tells how it ends. */
static enum err_code finish_surely(struct upload *u, const struct digest *d, bool *ret_repeated,
                                   struct err *e)
{
    enum err_code code = try_finish(u, d, ret_repeated, e);

    if (may_be_stale(code) && !u->sure) {
        code = hold_make_sure(u, e);
        if (code == ERR_OK)
            code = try_finish(u, d, ret_repeated, e);
    }
    return code == ERR_BLOB_UPLOAD_UNKNOWN && was_done(u, d) ? ERR_OK : code;
}

enum err_code upload_finish(struct upload *u, const struct digest *d, bool *ret_repeated,
                            struct err *e)
{
    bool repeated = false;
    enum err_code code = finish_surely(u, d, &repeated, e);

    if (code == ERR_CONFLICT) {
        u->lost = true;
        code = hold_taken(e);
    }
    if (u->lost) {
        upload_close(u);
    } else if (code == ERR_OK) {
        hold_forget(u);
        if (ret_repeated)
            *ret_repeated = repeated;
    } else if (code == ERR_DIGEST_INVALID) { /* start again */
        (void)!upload_cancel(u, ERR_IGNORED);
    } else if (code == ERR_BLOB_UPLOAD_UNKNOWN || (!u->handle && registry_refused(code))) {
        (void)!hold_end(u, ERR_IGNORED); /* its bytes are gone: nobody can go on with it */
        hold_forget(u);
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
        return hold_unknown(e);
    code = meta_blob_stat(r->meta, repo, d, &size_bytes, e);
    return code == ERR_BLOB_UNKNOWN ? hold_unknown(e) : code; /* deleted since */
}

/* The session is held to the end: a request that comes for it meanwhile must not load it anew. Its
 * row first: whoever took it has its bytes. */
enum err_code upload_cancel(struct upload *u, struct err *e)
{
    struct registry *r = u->r;
    const struct uuid id = u->session->info.id;
    enum err_code code;

    u->appending = false;
    code = hold_end(u, e);
    if (code == ERR_CONFLICT) {
        store_upload_forget(r->store, &id);
        hold_forget(u);
        return hold_unknown(e);
    }
    store_upload_close(r->store, STEAL(u->handle));
    if (code == ERR_OK)
        code = store_upload_delete(r->store, &id, e);
    hold_forget(u);
    return code;
}
