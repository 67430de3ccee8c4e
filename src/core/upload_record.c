#include "core/upload_record.h"

#include "base/clock.h"
#include "base/mem.h"
#include "core/upload_ledger.h"

#include <stdlib.h>

#define IMAGES_MAX 256

/* ---- small things */

/* The beginning of it, as far as it is UTF-8 and there is room. */
static void copy_text(const char *text, char *dst, size_t cap)
{
    struct str s = str_of(text);
    size_t n = 0, step;

    while (s.n > 0 && (step = str_utf8_step(s)) > 0 && n + step < cap) {
        n += step;
        s = str_sub(s, step, s.n - step);
    }
    memcpy(dst, text ? text : "", n);
    dst[n] = '\0';
}

static void add_member(json_t *o, const char *key, const char *value)
{
    char text[400];

    copy_text(value, text, sizeof(text));
    if (text[0])
        json_object_set_new(o, key, json_string(text));
}

/* ---- a life */

static struct upload_record *take_part(struct registry *r, struct upload_state *s)
{
    struct upload_record *u = NEW(struct upload_record);

    u->state = *s;
    ledger_add(r->ledger, u);
    return u;
}

struct upload_record *upload_record_open(struct registry *r, const struct upload_start *start)
{
    struct upload_state s = {.phase = UPLOAD_RECEIVING,
                             .started_ms = clock_wall_ms(),
                             .expected_bytes = start->expected_bytes};

    s.updated_ms = s.started_ms;
    s.holder = ledger_holder(r);
    uuid_make_timed(s.started_ms, &s.id);
    copy_text(start->user, s.user, sizeof(s.user));
    copy_text(start->address, s.address, sizeof(s.address));
    copy_text(start->request_id, s.request_id, sizeof(s.request_id));
    copy_text(start->way, s.way, sizeof(s.way));
    if (start->repo)
        s.repo = *start->repo;
    if (start->tag)
        s.tag = *start->tag;
    return take_part(r, &s);
}

/* Who received it may be gone. */
static enum err_code check_left(struct registry *r, const struct upload_state *s, struct err *e)
{
    if (upload_phase_is_end(s->phase))
        return err_tell(e, ERR_CONFLICT, "the upload has ended: it is %s",
                        upload_phase_text(s->phase));
    if (!upload_phase_rests(s->phase) && !ledger_is_lost(r, &s->holder))
        return err_tell(e, ERR_CONFLICT, "another request is at the upload");
    return ERR_OK;
}

static enum err_code take_again(struct registry *r, struct str key, struct upload_state *s,
                                const char *request_id, struct err *e)
{
    AUTO(record) struct meta_record record = {0};
    AUTO(mem) char *text = NULL;
    struct meta_op op;

    TRY(meta_record_get(r->meta, UPLOAD_RECORDS, key, &record, e));
    TRY(upload_state_parse(record.value, s, e));
    TRY(check_left(r, s, e));
    if (s->phase != UPLOAD_SCANNING) /* else it is still about that */
        s->phase = UPLOAD_RECEIVING;
    s->holder = ledger_holder(r);
    s->updated_ms = clock_wall_ms();
    if (request_id)
        copy_text(request_id, s->request_id, sizeof(s->request_id));
    text = upload_state_text(s);
    op = meta_op_record_put(UPLOAD_RECORDS, key, str_of(text), record.version);
    return meta_commit(r->meta, &op, 1, META_LAZY, NULL, e);
}

enum err_code upload_record_resume(struct registry *r, const struct uuid *id,
                                   const char *request_id, struct upload_record **ret_record,
                                   struct err *e)
{
    struct upload_state s = {.phase = UPLOAD_WAITING};
    char key[UPLOAD_KEY_SIZE];
    AUTO(mem) char *here = ledger_text(r->ledger, id);
    enum err_code code;

    if (here)
        return err_tell(e, ERR_CONFLICT, "another request is at the upload");
    upload_key(id, key);
    code = take_again(r, str_of(key), &s, request_id, e);
    if (code != ERR_OK) {
        upload_state_done(&s);
        return code;
    }
    *ret_record = take_part(r, &s);
    return ERR_OK;
}

enum err_code upload_record_write(struct upload_record *u, struct err *e)
{
    return ledger_write(u, META_LAZY, e);
}

const struct uuid *upload_record_id(const struct upload_record *u)
{
    return &u->state.id;
}

uint64_t upload_record_received(const struct upload_record *u)
{
    return u->state.received_bytes;
}

/* ---- what is told of it */

/* False: there is no record. */
static bool change(struct upload_record *u)
{
    if (!u)
        return false;
    ledger_lock(u->ledger);
    ledger_touch(u);
    return true;
}

void upload_record_set_phase(struct upload_record *u, enum upload_phase phase)
{
    if (!change(u))
        return;
    u->state.phase = phase;
    ledger_unlock(u->ledger);
}

void upload_record_set_target(struct upload_record *u, const struct repo_name *repo,
                              const struct tag_name *tag)
{
    if (!change(u))
        return;
    if (repo)
        u->state.repo = *repo;
    if (tag)
        u->state.tag = *tag;
    ledger_unlock(u->ledger);
}

void upload_record_set_expected(struct upload_record *u, uint64_t bytes)
{
    if (!change(u))
        return;
    u->state.expected_bytes = bytes;
    ledger_unlock(u->ledger);
}

void upload_record_add_received(struct upload_record *u, uint64_t bytes)
{
    if (!change(u))
        return;
    u->state.received_bytes += bytes;
    ledger_unlock(u->ledger);
}

void upload_record_set_received(struct upload_record *u, uint64_t bytes)
{
    if (!change(u))
        return;
    u->state.received_bytes = bytes;
    ledger_unlock(u->ledger);
}

void upload_record_set_format(struct upload_record *u, const char *format)
{
    if (!change(u))
        return;
    copy_text(format, u->state.format, sizeof(u->state.format));
    ledger_unlock(u->ledger);
}

void upload_record_set_original(struct upload_record *u, const char *place)
{
    if (!change(u))
        return;
    copy_text(place, u->state.original, sizeof(u->state.original));
    ledger_unlock(u->ledger);
}

/* ---- layers and images */

size_t upload_record_add_layer(struct upload_record *u, const struct digest *d, uint64_t size_bytes)
{
    struct upload_state *s;
    size_t layer = UPLOAD_LAYERS_MAX;

    if (!change(u))
        return layer;
    s = &u->state;
    if (s->n_layers < UPLOAD_LAYERS_MAX) {
        layer = s->n_layers++;
        s->layers = mem_resize(s->layers, s->n_layers * sizeof(*s->layers));
        s->layers[layer] = (struct upload_layer){.size_bytes = size_bytes};
        if (d)
            s->layers[layer].digest = *d;
    } else {
        s->n_more_layers++;
    }
    ledger_unlock(u->ledger);
    return layer;
}

void upload_record_layer_received(struct upload_record *u, size_t layer, uint64_t bytes)
{
    if (!change(u))
        return;
    if (layer < u->state.n_layers)
        u->state.layers[layer].received_bytes += bytes;
    ledger_unlock(u->ledger);
}

void upload_record_layer_is(struct upload_record *u, size_t layer, const struct digest *d)
{
    if (!change(u))
        return;
    if (layer < u->state.n_layers)
        u->state.layers[layer].digest = *d;
    ledger_unlock(u->ledger);
}

void upload_record_add_image(struct upload_record *u, const struct repo_name *repo,
                             const struct digest *d, const struct tag_name *tags, size_t n_tags)
{
    json_t *list;

    if (!change(u))
        return;
    if (!u->state.images)
        u->state.images = json_array();
    if (json_array_size(u->state.images) < IMAGES_MAX) {
        list = json_array();
        for (size_t i = 0; i < n_tags && i < IMAGES_MAX; i++)
            json_array_append_new(list, json_string(tags[i].text));
        json_array_append_new(u->state.images,
                              json_pack("{s:s, s:s, s:o}", "repository", repo->text, "digest",
                                        d->text, "tags", list));
    }
    ledger_unlock(u->ledger);
}

/* ---- its end */

static json_t *reason(enum err_code code, const struct err *e, const struct refusal *f)
{
    json_t *o = json_object();

    add_member(o, "code", err_wire(code));
    add_member(o, "message", e && e->public_detail ? e->detail : err_message(code));
    if (!f || f->code == REFUSAL_NONE)
        return o;
    add_member(o, "reason", refusal_name(f->code));
    add_member(o, "member", f->member);
    add_member(o, "wrong", f->wrong);
    add_member(o, "expected", refusal_expected(f->code));
    return o;
}

/* It costs no sync of the disk: a power loss in the next moment lets it seem lost, to the outbox
 * too, which is told of it in the same transaction. */
static enum err_code end(struct upload_record *u, enum upload_phase phase, json_t *error,
                         struct err *e)
{
    enum err_code code;

    ledger_lock(u->ledger);
    ledger_touch(u);
    u->state.failed_in = u->state.phase;
    u->state.phase = phase;
    u->state.ended_ms = clock_wall_ms();
    u->state.error = error;
    if (phase == UPLOAD_DONE) /* of a form it was a few bytes more */
        u->state.expected_bytes = u->state.received_bytes;
    ledger_tell_end(u);
    ledger_unlock(u->ledger);
    code = ledger_write(u, META_LAZY, e);
    ledger_remove(u);
    return code;
}

enum err_code upload_record_end_now(struct upload_record *u, enum err_code code,
                                    const struct err *why, const struct refusal *refusal,
                                    struct err *e)
{
    if (!u)
        return ERR_OK;
    if (code == ERR_OK)
        return end(u, UPLOAD_DONE, NULL, e);
    return end(u, code == ERR_CLIENT_GONE ? UPLOAD_CANCELLED : UPLOAD_FAILED,
               reason(code, why, refusal), e);
}

void upload_record_end(struct upload_record *u, enum err_code code, const struct err *e,
                       const struct refusal *refusal)
{
    (void)!upload_record_end_now(u, code, e, refusal, ERR_IGNORED);
}

void upload_record_cancel(struct upload_record *u, const char *why)
{
    json_t *o = json_object();

    add_member(o, "message", why);
    if (u)
        (void)!end(u, UPLOAD_CANCELLED, o, ERR_IGNORED);
    else
        json_decref(o);
}

void upload_record_leave(struct upload_record *u, enum upload_phase phase)
{
    if (!u)
        return;
    upload_record_set_phase(u, phase);
    (void)!ledger_write(u, META_LAZY, ERR_IGNORED);
    ledger_remove(u);
}

void upload_record_drop(struct upload_record *u)
{
    struct registry *r;
    char key[UPLOAD_KEY_SIZE];
    struct meta_op op;

    if (!u)
        return;
    r = ledger_registry(u->ledger);
    upload_key(&u->state.id, key);
    op = meta_op_record_delete(UPLOAD_RECORDS, str_of(key), META_ANY);
    if (ledger_drop(u))
        (void)!meta_commit(r->meta, &op, 1, META_LAZY, NULL, ERR_IGNORED);
}
