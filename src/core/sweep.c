#include "core/upload.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "core/removal.h"
#include "core/upload_hold.h"
#include "replicas/members.h"

/* Upload sessions that nobody finishes: their bytes, their row, their place in the table. */

/* One session that cannot be removed does not keep the others. */
struct sweep {
    struct registry *r;
    int64_t timeout_ms;
    struct err_first all;
};

static bool in_use(struct sweep *s, const struct uuid *id)
{
    struct meta_upload info;
    uint64_t offset_bytes;
    int64_t used_ms;
    bool busy;

    return session_peek(s->r->uploads, id, &info, &offset_bytes, &busy, &used_ms) &&
           (busy || clock_mono_ms() - used_ms < s->timeout_ms);
}

/* Another process may be at it, and sweeps its own, if its turn to sweep comes within a day. */
#define OTHERS_MS (24 * 3600 * 1000)

static bool may_sweep(const struct sweep *s, const struct meta_upload *info)
{
    struct registry *r = s->r;
    bool gone;

    if (!meta_is_shared(r->meta) || !info->holder.text[0] || !r->members ||
        strcmp(info->holder.text, hold_holder(r).text) == 0 ||
        clock_wall_ms() - info->started_ms >= s->timeout_ms + OTHERS_MS)
        return true;
    return members_is_gone(r->members, &info->holder, &gone, ERR_IGNORED) == ERR_OK && gone;
}

/* NULL when a request has it, or had it just now, unless it is over. A session that is not known is
 * made known: held by the sweep, no request can load it while it goes. */
static struct session *hold(struct sweep *s, const struct uuid *id, bool over)
{
    const struct meta_upload nobodys = {.id = *id};
    struct session *held;
    bool added;

    held = session_add(s->r->uploads, &nobodys, SIZE_MAX, &added);
    if (added)
        return held;
    if (session_take(s->r->uploads, id, &held) != SESSION_TAKEN)
        return NULL;
    if (over || clock_mono_ms() - held->used_ms >= s->timeout_ms)
        return held;
    session_release(s->r->uploads, held);
    return NULL;
}

/* A process that was killed between "stored" and "committed" left a blob that nothing refers to.
 * The client was told nothing, and pushes it again. */
static enum err_code remove_unlinked(struct sweep *s, const struct repo_name *repo,
                                     const struct digest *d, struct err *e)
{
    AUTO(held)
    pthread_mutex_t *held = locks_hold(&s->r->blob_locks, STR_NONE, digest_str(d));

    return removal_discard(s->r, repo, d, e);
}

/* What meta knows of it ends, unless somebody has it now. *ret_ended: it has no row that is open.
 */
static enum err_code end_row(struct sweep *s, const struct uuid *id, bool *ret_ended, struct err *e)
{
    struct meta_upload info;
    struct meta_op op = meta_op_upload_finish(&info, NULL, clock_wall_ms());
    enum err_code code = meta_upload_get(s->r->meta, id, &info, e);

    *ret_ended = code == ERR_BLOB_UPLOAD_UNKNOWN || (code == ERR_OK && info.over);
    if (*ret_ended)
        return ERR_OK;
    TRY(code);
    if (!may_sweep(s, &info))
        return ERR_OK;
    code = meta_commit(s->r->meta, &op, 1, META_LAZY, NULL, e);
    *ret_ended = code == ERR_OK;
    return code == ERR_CONFLICT ? ERR_OK : code;
}

/* u->digest.n is 0: it never came so far that it was to be a blob. */
static enum err_code remove_upload(struct sweep *s, const struct store_upload_info *u, bool over,
                                   struct err *e)
{
    const struct uuid *id = &u->id;
    struct session *held = hold(s, id, over);
    enum err_code code = ERR_OK;
    bool ended = false;

    if (!held)
        return ERR_OK;
    if (u->digest.n > 0 && u->repo.n > 0)
        code = remove_unlinked(s, &u->repo, &u->digest, e);
    if (code == ERR_OK)
        code = end_row(s, id, &ended, e);
    if (code == ERR_OK && ended)
        code = store_upload_delete(s->r->store, id, e);
    session_drop(s->r->uploads, held);
    return code;
}

static enum err_code sweep_stored(void *ctx, const struct store_upload_info *u, struct err *e)
{
    struct sweep *s = ctx;
    bool over =
        u->digest.n > 0 && !u->has_bytes; /* whoever was at it is gone, and nobody goes on */

    (void)e;
    if (over || (clock_wall_ms() - u->modified_ms >= s->timeout_ms && !in_use(s, &u->id)))
        err_first_add(&s->all, remove_upload(s, u, over, &s->all.step));
    return ERR_OK;
}

/* A row whose bytes are gone, or never came. */
static enum err_code sweep_row(void *ctx, const struct meta_upload *u, struct err *e)
{
    struct sweep *s = ctx;
    struct err *step = &s->all.step;
    const struct store_upload_info nothing = {.id = u->id};
    struct store_upload *handle;
    uint64_t size_bytes;
    enum err_code code;

    (void)e;
    if (in_use(s, &u->id))
        return ERR_OK;
    code = store_upload_open(s->r->store, &u->id, &handle, &size_bytes, step);
    if (code == ERR_OK)
        store_upload_close(s->r->store, handle);
    /* Where there are bytes sweep_stored() decides by their age. */
    if (code == ERR_BLOB_UPLOAD_UNKNOWN || (code == ERR_OK && size_bytes == 0))
        code = remove_upload(s, &nothing, false, step);
    err_first_add(&s->all, code);
    return ERR_OK;
}

enum err_code upload_sweep(struct registry *r, struct err *e)
{
    struct sweep s = {.r = r, .timeout_ms = (int64_t)conf_u64(&r->options->upload_timeout_ms)};
    int64_t before_ms = clock_wall_ms() - s.timeout_ms;
    struct meta_op prune = meta_op_finished_prune(before_ms);

    TRY(store_upload_each(r->store, sweep_stored, &s, e));
    TRY(meta_uploads_each(r->meta, before_ms, sweep_row, &s, e));
    TRY(meta_commit(r->meta, &prune, 1, META_LAZY, NULL, e));
    return err_first_of(&s.all, e);
}
