#include "core/upload_hold.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/mem.h"
#include "core/upload_id.h"
#include "replicas/members.h"

#include <stdio.h>

/* Bytes that come for so long without a look are not another process's yet, for certain. */
#define LOOK_EVERY_MS 1000

/* What nobody used for so long is dropped where the database knows it as well: others may have gone
 * on with it. */
#define KEEP_IDLE_MS 60000

enum err_code hold_unknown(struct err *e)
{
    return err_tell(e, ERR_BLOB_UPLOAD_UNKNOWN,
                    "there is no such upload session here; it may have timed out");
}

enum err_code hold_taken(struct err *e)
{
    return err_tell(e, ERR_RANGE_INVALID,
                    "another request goes on with this upload session; ask where it is");
}

void hold_drop_hash(struct session *s)
{
    hasher_free(s->hasher);
    s->hasher = NULL;
}

struct uuid hold_holder(struct registry *r)
{
    return r->members ? members_id(r->members) : r->alone;
}

static bool too_many(struct registry *r)
{
    return session_count(r->uploads) >= conf_u64(&r->limits->uploads);
}

static enum err_code refuse_one_more(struct err *e)
{
    return err_tell(e, ERR_TOO_MANY_REQUESTS, "too many uploads are open; try again later");
}

enum err_code upload_begin(struct registry *r, const struct repo_name *repo, const char *owner,
                           enum digest_algorithm algorithm, struct uuid *ret_id, struct err *e)
{
    const struct upload_claim claim = {
        .repo = repo, .owner = owner, .algorithm = algorithm, .started_ms = clock_wall_ms()};

    TRY(registry_has_room(r, e));
    TRY(upload_ids_load(r->upload_ids, r->meta, e));
    if (too_many(r))
        return refuse_one_more(e);
    upload_id_make(r->upload_ids, &claim, ret_id);
    return ERR_OK;
}

static bool owned(const struct meta_upload *info, const struct repo_name *repo, const char *owner)
{
    return str_eq(repo_name_str(&info->repo), repo_name_str(repo)) &&
           strcmp(info->owner, owner) == 0;
}

/* A session that meta need not know yet: by its id, as long as it may be begun. */
static bool claimed(struct registry *r, const struct repo_name *repo, const char *owner,
                    const struct uuid *id, struct meta_upload *ret_info)
{
    struct upload_claim claim = {.repo = repo, .owner = owner};
    int64_t now_ms = clock_wall_ms(), keep_ms = (int64_t)conf_u64(&r->options->upload_timeout_ms);

    if (upload_ids_load(r->upload_ids, r->meta, ERR_IGNORED) != ERR_OK ||
        !upload_id_read(r->upload_ids, id, now_ms, &claim) || now_ms - claim.started_ms >= keep_ms)
        return false;
    *ret_info = (struct meta_upload){
        .id = *id, .repo = *repo, .algorithm = claim.algorithm, .started_ms = claim.started_ms};
    snprintf(ret_info->owner, sizeof(ret_info->owner), "%s", owner);
    return true;
}

/* What is known of a session, wherever that is. */
static enum err_code find_info(struct registry *r, const struct repo_name *repo, const char *owner,
                               const struct uuid *id, struct meta_upload *ret_info, struct err *e)
{
    enum err_code code;
    uint64_t offset_bytes;
    int64_t used_ms;
    bool busy;

    if (session_peek(r->uploads, id, ret_info, &offset_bytes, &busy, &used_ms) ||
        claimed(r, repo, owner, id, ret_info))
        return owned(ret_info, repo, owner) ? ERR_OK : hold_unknown(e);
    code = meta_upload_get(r->meta, id, ret_info, e);
    if (code == ERR_BLOB_UPLOAD_UNKNOWN)
        return hold_unknown(e);
    TRY(code);
    ret_info->turn = 0; /* none of this process */
    return owned(ret_info, repo, owner) && !ret_info->over ? ERR_OK : hold_unknown(e);
}

/* Whether it is the caller's comes first: to anybody else it is neither busy nor used again. */
static enum err_code hold(struct registry *r, const struct repo_name *repo, const char *owner,
                          const struct uuid *id, struct session **ret_session, struct err *e)
{
    struct meta_upload info;
    struct session *s;
    bool added;

    TRY(find_info(r, repo, owner, id, &info, e));
    s = session_add(r->uploads, &info, SIZE_MAX, &added);
    if (added) {
        *ret_session = s;
        return ERR_OK;
    }
    switch (session_take(r->uploads, id, ret_session)) {
    case SESSION_TAKEN:
        return ERR_OK;
    case SESSION_UNKNOWN: /* it ended just now */
        return hold_unknown(e);
    case SESSION_BUSY:
        break;
    }
    return err_tell(e, ERR_BLOB_UPLOAD_BUSY,
                    "another request works on this upload session; try again when it ended");
}

/* *ret_follows: nobody had a turn since this process had its last. */
static enum err_code take_turn(struct registry *r, struct session *s, bool *ret_follows,
                               struct err *e)
{
    struct meta_upload info = s->info;
    int64_t turn = 0;
    struct meta_op op = meta_op_upload_take(&info, &turn);

    info.holder = hold_holder(r);
    TRY(meta_commit(r->meta, &op, 1, META_LAZY, NULL, e));
    if (turn == 0)
        return hold_unknown(e);
    *ret_follows = turn == s->info.turn + 1;
    session_set_turn(r->uploads, s, turn);
    return ERR_OK;
}

/* Others had it: what is known here is of an earlier turn. */
static void mistrust(struct registry *r, struct session *s)
{
    hold_drop_hash(s);
    store_upload_forget(r->store, &s->info.id);
    s->last_from_bytes = 0;
    session_advance(r->uploads, s, 0);
}

static enum err_code make(struct registry *r, struct session *s, struct err *e)
{
    if (session_count(r->uploads) > conf_u64(&r->limits->uploads))
        return refuse_one_more(e);
    s->hasher = hasher_new(s->info.algorithm);
    return store_upload_create(r->store, &s->info.id, e);
}

/* The first that has a session makes it; the client begins another one when that fails. */
static enum err_code make_first(struct registry *r, struct session *s, struct err *e)
{
    struct meta_op end = meta_op_upload_finish(&s->info, NULL, clock_wall_ms());
    enum err_code code = make(r, s, e);

    if (code != ERR_OK) {
        (void)!meta_commit(r->meta, &end, 1, META_LAZY, NULL, ERR_IGNORED);
        session_set_turn(r->uploads, s, 0);
    }
    return code;
}

static enum err_code take(struct registry *r, struct session *s, struct err *e)
{
    bool first = s->info.turn == 0, follows;

    TRY(take_turn(r, s, &follows, e));
    if (first && follows)
        return make_first(r, s, e);
    if (!follows)
        mistrust(r, s);
    return ERR_OK;
}

static enum err_code open_handle(struct upload *u, struct err *e)
{
    struct session *s = u->session;
    uint64_t size_bytes;

    TRY(store_upload_open(u->r->store, &s->info.id, &u->handle, &size_bytes, e));
    if (size_bytes != s->offset_bytes) { /* of an earlier life of this process, or another one */
        hold_drop_hash(s);
        session_advance(u->r->uploads, s, size_bytes);
    }
    return ERR_OK;
}

/* Its bytes are a blob already, and only the row is missing. */
static bool is_stored(const struct session *s)
{
    return s->became.n > 0;
}

static enum err_code open_held(struct upload *u, enum upload_use use, struct err *e)
{
    struct session *s = u->session;

    u->sure = !meta_is_shared(u->r->meta) || use == UPLOAD_MORE || s->info.turn == 0;
    if (s->info.turn == 0 || (meta_is_shared(u->r->meta) && use == UPLOAD_MORE))
        TRY(take(u->r, s, e));
    u->looked_ms = clock_mono_ms();
    if (is_stored(s) && use == UPLOAD_END)
        return ERR_OK;
    return open_handle(u, e);
}

/* Drops what this process remembers of sessions that went on elsewhere, a few at a time. */
static void drop_idle(struct registry *r)
{
    struct session *s;

    if (!meta_is_shared(r->meta) || !session_take_idle(r->uploads, KEEP_IDLE_MS, &s))
        return;
    store_upload_forget(r->store, &s->info.id);
    session_drop(r->uploads, s);
}

enum err_code upload_open(struct registry *r, const struct repo_name *repo, const char *owner,
                          const struct uuid *id, enum upload_use use, struct upload **ret_upload,
                          struct err *e)
{
    struct session *s = NULL;
    struct upload *u;
    enum err_code code;

    drop_idle(r);
    TRY(hold(r, repo, owner, id, &s, e));
    u = NEW(struct upload);
    *u = (struct upload){.r = r, .session = s};
    code = open_held(u, use, e);
    if (code == ERR_OK) {
        *ret_upload = u;
        return ERR_OK;
    }
    if (code == ERR_BLOB_UPLOAD_UNKNOWN || s->info.turn == 0)
        hold_forget(u);
    else
        upload_close(u);
    return code;
}

enum err_code upload_open_alone(struct registry *r, const struct repo_name *repo, const char *owner,
                                enum digest_algorithm algorithm, struct upload **ret_upload,
                                struct err *e)
{
    struct meta_upload info = {.algorithm = algorithm, .started_ms = clock_wall_ms()};
    struct upload *u;
    enum err_code code;
    bool added;

    TRY(registry_has_room(r, e));
    if (repo)
        info.repo = *repo;
    uuid_make(&info.id);
    snprintf(info.owner, sizeof(info.owner), "%s", owner);
    u = NEW(struct upload);
    *u = (struct upload){.r = r, .alone = true, .sure = true};
    u->session = session_add(r->uploads, &info, conf_u64(&r->limits->uploads), &added);
    if (!added) {
        free(u);
        return refuse_one_more(e);
    }
    u->session->hasher = hasher_new(algorithm);
    code = store_upload_create(r->store, &info.id, e);
    if (code == ERR_OK)
        code = open_handle(u, e);
    if (code != ERR_OK) {
        (void)!store_upload_delete(r->store, &info.id, ERR_IGNORED);
        hold_forget(u);
        return code;
    }
    *ret_upload = u;
    return ERR_OK;
}

void upload_set_repo(struct upload *u, const struct repo_name *repo)
{
    session_set_repo(u->r->uploads, u->session, repo);
}

void hold_forget(struct upload *u)
{
    store_upload_close(u->r->store, u->handle);
    session_drop(u->r->uploads, u->session);
    free(u);
}

enum err_code hold_end(struct upload *u, struct err *e)
{
    struct meta_op op = meta_op_upload_finish(&u->session->info, NULL, clock_wall_ms());

    return u->alone ? ERR_OK : meta_commit(u->r->meta, &op, 1, META_LAZY, NULL, e);
}

enum err_code hold_make_sure(struct upload *u, struct err *e)
{
    struct session *s = u->session;
    bool follows;

    if (u->sure)
        return ERR_OK;
    TRY(take_turn(u->r, s, &follows, e));
    u->sure = true;
    u->looked_ms = clock_mono_ms();
    if (is_stored(s))
        return ERR_OK;
    store_upload_close(u->r->store, STEAL(u->handle)); /* it may have failed */
    if (!follows)
        mistrust(u->r, s);
    return open_handle(u, e);
}

enum err_code hold_look(struct upload *u, struct err *e)
{
    return clock_mono_ms() - u->looked_ms < LOOK_EVERY_MS ? ERR_OK : hold_look_now(u, e);
}

enum err_code hold_look_now(struct upload *u, struct err *e)
{
    struct meta_upload info;
    enum err_code code;

    if (u->alone || !meta_is_shared(u->r->meta))
        return ERR_OK;
    code = meta_upload_get(u->r->meta, &u->session->info.id, &info, e);
    if (code != ERR_OK && code != ERR_BLOB_UPLOAD_UNKNOWN)
        return ERR_OK; /* the finish asks again */
    u->looked_ms = clock_mono_ms();
    u->lost = code == ERR_BLOB_UPLOAD_UNKNOWN || info.over || info.turn != u->session->info.turn;
    return u->lost ? hold_taken(e) : ERR_OK;
}

/* How far it is as the store has it, without a turn. */
static enum err_code look_at_store(struct registry *r, const struct uuid *id, bool known,
                                   uint64_t *ret_offset_bytes, struct err *e)
{
    struct store_upload *handle;

    if (!known)
        store_upload_forget(r->store, id);
    TRY(store_upload_open(r->store, id, &handle, ret_offset_bytes, e));
    store_upload_close(r->store, handle);
    if (!known)
        store_upload_forget(r->store, id);
    return ERR_OK;
}

enum err_code upload_status(struct registry *r, const struct repo_name *repo, const char *owner,
                            const struct uuid *id, uint64_t *ret_offset_bytes, struct err *e)
{
    struct meta_upload here, info;
    uint64_t offset_bytes;
    enum err_code code;
    int64_t used_ms;
    bool known, busy = false;

    known = session_peek(r->uploads, id, &here, &offset_bytes, &busy, &used_ms);
    info = here;
    code = known && !meta_is_shared(r->meta) ? ERR_OK : meta_upload_get(r->meta, id, &info, e);
    if (code == ERR_BLOB_UPLOAD_UNKNOWN && claimed(r, repo, owner, id, &info)) {
        *ret_offset_bytes = known ? offset_bytes : 0;
        return ERR_OK;
    }
    if (code == ERR_BLOB_UPLOAD_UNKNOWN)
        return hold_unknown(e);
    TRY(code);
    if (info.over || !owned(&info, repo, owner))
        return hold_unknown(e);
    known = known && here.turn == info.turn;
    if (!busy || !known)
        TRY(look_at_store(r, id, known, &offset_bytes, e));
    *ret_offset_bytes = offset_bytes;
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

enum err_code upload_load_all(struct registry *r, struct err *e)
{
    return meta_is_shared(r->meta) ? ERR_OK
                                   : meta_uploads_each(r->meta, INT64_MAX, make_known, r, e);
}
