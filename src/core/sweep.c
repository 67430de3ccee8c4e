#include "core/upload.h"

#include "base/clock.h"
#include "core/upload_session.h"

/* Upload sessions that nobody finishes: their bytes, their row, their place in the table. */

/* One session that cannot be removed does not keep the others: the first error is kept. */
struct sweep {
    struct registry *r;
    int64_t timeout_ms;
    enum err_code code;
    struct err *e;
};

static enum err_code note(struct sweep *s, enum err_code code, const struct err *e)
{
    if (code != ERR_OK && s->code == ERR_OK) {
        s->code = code;
        if (s->e)
            *s->e = *e;
    }
    return ERR_OK;
}

static bool in_use(struct sweep *s, const struct uuid *id)
{
    struct meta_upload info;
    uint64_t offset_bytes;
    int64_t used_ms;
    bool busy;

    return session_peek(s->r->uploads, id, &info, &offset_bytes, &busy, &used_ms) &&
           (busy || clock_mono_ms() - used_ms < s->timeout_ms);
}

/* NULL when a request has it, or had it just now. A session that is not known is made known: held
 * by the sweep, no request can load it while it goes. */
static struct session *hold(struct sweep *s, const struct uuid *id)
{
    const struct meta_upload nobodys = {.id = *id};
    struct session *held;
    bool added;

    held = session_add(s->r->uploads, &nobodys, SIZE_MAX, &added);
    if (added)
        return held;
    if (session_take(s->r->uploads, id, &held) != SESSION_TAKEN)
        return NULL;
    if (clock_mono_ms() - held->used_ms >= s->timeout_ms)
        return held;
    session_release(s->r->uploads, held);
    return NULL;
}

static enum err_code remove_upload(struct sweep *s, const struct uuid *id, struct err *e)
{
    struct meta_op op = {.kind = META_UPLOAD_DELETE, .upload_id = id};
    struct session *held = hold(s, id);
    enum err_code code;

    if (!held)
        return ERR_OK;
    code = store_upload_delete(s->r->store, id, e);
    if (code == ERR_OK)
        code = meta_commit(s->r->meta, &op, 1, META_LAZY, NULL, e);
    session_drop(s->r->uploads, held);
    return code;
}

static enum err_code sweep_stored(void *ctx, const struct store_upload_info *u, struct err *e)
{
    struct sweep *s = ctx;
    struct err why = {0};

    (void)e;
    if (clock_wall_ms() - u->modified_ms < s->timeout_ms || in_use(s, &u->id))
        return ERR_OK;
    return note(s, remove_upload(s, &u->id, &why), &why);
}

/* A row whose bytes are gone. */
static enum err_code sweep_row(void *ctx, const struct meta_upload *u, struct err *e)
{
    struct sweep *s = ctx;
    struct store_upload *handle;
    struct err why = {0};
    uint64_t size_bytes;
    enum err_code code;

    (void)e;
    if (in_use(s, &u->id))
        return ERR_OK;
    code = store_upload_open(s->r->store, &u->id, &handle, &size_bytes, &why);
    if (code == ERR_OK)
        store_upload_close(s->r->store, handle); /* sweep_stored() decides on it by its age */
    if (code == ERR_BLOB_UPLOAD_UNKNOWN)
        code = remove_upload(s, &u->id, &why);
    return note(s, code, &why);
}

enum err_code upload_sweep(struct registry *r, struct err *e)
{
    struct sweep s = {
        .r = r, .timeout_ms = (int64_t)conf_u64(&r->options->upload_timeout_ms), .e = e};

    TRY(store_upload_each(r->store, sweep_stored, &s, e));
    TRY(meta_uploads_each(r->meta, clock_wall_ms() - s.timeout_ms, sweep_row, &s, e));
    return s.code;
}
