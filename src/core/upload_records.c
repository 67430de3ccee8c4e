#include "core/upload_records.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/mem.h"
#include "core/upload_event.h"
#include "core/upload_ledger.h"

#include <stdlib.h>

#define PAGE       200
#define LOOK_MOST  5000 /* of one call of a list */
#define PRUNE_MOST 64   /* of one transaction */

static const char *text_of(const json_t *row, const char *key)
{
    const char *text = json_string_value(json_object_get(row, key));

    return text ? text : "";
}

/* ---- one */

static void set_lost(json_t *row)
{
    json_object_set(row, "failed_in", json_object_get(row, "phase"));
    json_object_set_new(row, "phase", json_string(upload_phase_text(UPLOAD_LOST)));
}

/* The phase in which whoever receives it is to be there. */
static bool is_held(const json_t *row)
{
    return !upload_row_ended(row) &&
           !upload_phase_rests(upload_phase_parse(str_of(text_of(row, "phase"))));
}

/* What is read, as it is told. What goes on here is not read. */
static void settle(struct registry *r, json_t *row)
{
    struct uuid holder = {""};

    if (is_held(row) &&
        (!uuid_parse(str_of(text_of(row, "holder")), &holder) || ledger_is_lost(r, &holder)))
        set_lost(row);
    json_object_del(row, "holder");
}

static json_t *row_here(struct registry *r, const struct uuid *id)
{
    AUTO(mem) char *text = ledger_text(r->ledger, id);
    json_t *row = text ? json_loads(text, 0, NULL) : NULL;

    json_object_del(row, "holder");
    return row;
}

/* It may have ended here between the two. */
enum err_code upload_records_get(struct registry *r, const struct uuid *id, json_t **ret_json,
                                 struct err *e)
{
    AUTO(record) struct meta_record record = {0};
    char key[UPLOAD_KEY_SIZE];
    json_t *row = row_here(r, id);

    if (!row) {
        upload_key(id, key);
        TRY(meta_record_get(r->meta, UPLOAD_RECORDS, str_of(key), &record, e));
        row = json_loads(record.value, 0, NULL);
        if (!json_is_object(row)) {
            json_decref(row);
            return err_set(e, ERR_CORRUPT, "the record of upload %s can't be read", id->text);
        }
        settle(r, row);
    }
    *ret_json = row;
    return ERR_OK;
}

bool upload_row_ended(const json_t *row)
{
    return upload_phase_is_end(upload_phase_parse(str_of(text_of(row, "phase"))));
}

/* ---- as it is shown */

static void show_time(json_t *row, const char *key)
{
    int64_t ms = json_integer_value(json_object_get(row, key));
    char text[CLOCK_RFC3339_SIZE];

    clock_rfc3339(ms, text);
    json_object_set_new(row, key, ms > 0 ? json_string(text) : json_null());
}

/* How fast it comes, in bytes a second, and for how many seconds yet; null: it is not known. */
static void show_rate(json_t *row)
{
    const json_t *expected = json_object_get(row, "expected");
    json_int_t rate = json_integer_value(json_object_get(row, "rate"));
    json_int_t left =
        json_integer_value(expected) - json_integer_value(json_object_get(row, "received"));
    bool known = rate > 0 && strcmp(text_of(row, "phase"), "receiving") == 0;

    json_object_set_new(row, "rate", known ? json_integer(rate) : json_null());
    json_object_set_new(row, "remaining",
                        known && json_is_integer(expected) && left >= 0
                            ? json_integer((left + rate - 1) / rate)
                            : json_null());
}

void upload_row_show(json_t *row, struct buf *dst)
{
    AUTO(mem) char *text = NULL;

    show_rate(row);
    show_time(row, "started");
    show_time(row, "updated");
    show_time(row, "ended");
    text = json_dumps(row, JSON_COMPACT);
    buf_add_text(dst, text ? text : "{}");
}

/* ---- many */

void upload_page_done(struct upload_page *p)
{
    for (size_t i = 0; i < p->n; i++)
        json_decref(p->rows[i]);
    free(p->rows);
    *p = (struct upload_page){0};
}

static bool is_text(const char *wanted, const char *text)
{
    return !wanted || strcmp(wanted, text) == 0;
}

static bool names_repository(const json_t *row, const char *wanted)
{
    size_t i;
    json_t *image;

    if (is_text(wanted, text_of(row, "repository")))
        return true;
    json_array_foreach(json_object_get(row, "images"), i, image)
    {
        if (is_text(wanted, text_of(image, "repository")))
            return true;
    }
    return false;
}

static bool matches(const json_t *row, const struct upload_filter *f)
{
    if (!is_text(f->user, text_of(row, "user")) || !names_repository(row, f->repository))
        return false;
    if (f->result && strcmp(f->result, "running") == 0)
        return !upload_row_ended(row);
    return is_text(f->result, text_of(row, "phase"));
}

/* What goes on is asked for anew: it may have ended since the page was read. */
static enum err_code take(struct registry *r, const struct upload_filter *f, const char *value,
                          struct upload_page *p, struct err *e)
{
    AUTO(json) json_t *row = json_loads(value, 0, NULL);
    enum err_code code;

    if (!uuid_parse(str_of(text_of(row, "id")), &p->last))
        return err_set(e, ERR_CORRUPT, "the record of an upload can't be read");
    if (is_held(row)) {
        json_decref(STEAL(row));
        code = upload_records_get(r, &p->last, &row, e);
        if (code == ERR_NOT_FOUND)
            return ERR_OK;
        TRY(code);
    }
    json_object_del(row, "holder");
    if (matches(row, f))
        p->rows[p->n++] = STEAL(row);
    return ERR_OK;
}

enum err_code upload_records_list(struct registry *r, const struct upload_filter *f,
                                  const struct uuid *after, size_t limit,
                                  struct upload_page *ret_page, struct err *e)
{
    AUTO(upload_page) struct upload_page p = {.rows = mem_zero((limit + 1) * sizeof(*p.rows))};
    char key[UPLOAD_KEY_SIZE] = "";
    size_t looked = 0;

    if (after)
        upload_key(after, key);
    do {
        AUTO(records) struct meta_record_list l = {0};

        TRY(meta_records(r->meta, UPLOAD_RECORDS, str_of(key), PAGE, &l, e));
        for (size_t i = 0; i < l.n; i++, looked++) {
            if (p.n == limit) {
                l.more = true;
                break;
            }
            TRY(take(r, f, l.rows[i].value, &p, e));
            snprintf(key, sizeof(key), "%s", l.rows[i].key);
        }
        p.more = l.more;
    } while (p.more && p.n < limit && looked < LOOK_MOST);
    *ret_page = p;
    p = (struct upload_page){0};
    return ERR_OK;
}

/* ---- those that nobody receives any more */

struct losing {
    struct registry *r;
    bool (*go_on)(void *ctx);
    void *ctx;
};

/* A session comes piece by piece: somebody may go on with it. */
static bool is_session(const struct upload_state *s)
{
    return strcmp(s->way, "session") == 0 || strcmp(s->way, "direct") == 0;
}

static bool is_lost_for_good(struct registry *r, const struct upload_state *s)
{
    AUTO(mem) char *here = NULL;

    if (upload_phase_is_end(s->phase) || upload_phase_rests(s->phase) || is_session(s))
        return false;
    here = ledger_text(r->ledger, &s->id);
    return !here && ledger_is_lost(r, &s->holder);
}

static enum err_code write_lost(struct registry *r, const struct meta_record *record,
                                struct upload_state *s, struct err *e)
{
    AUTO(outbox) struct outbox_event ev = {0};
    AUTO(mem) char *text = NULL;
    struct meta_op ops[2];
    enum err_code code;

    s->failed_in = s->phase;
    s->phase = UPLOAD_LOST;
    s->holder = (struct uuid){""};
    upload_event_begin(&ev, s);
    text = upload_state_text(s);
    ops[0] = meta_op_record_put(UPLOAD_RECORDS, str_of(record->key), str_of(text), record->version);
    ops[1] = outbox_put(&ev);
    code = meta_commit(r->meta, ops, 2, META_LAZY, NULL, e);
    return code == ERR_CONFLICT ? ERR_OK : code; /* somebody else has written it */
}

static enum err_code end_lost(void *ctx, const struct meta_record *record, struct err *e)
{
    struct losing *l = ctx;
    AUTO(upload_state) struct upload_state s = {.phase = UPLOAD_WAITING};

    if (l->go_on && !l->go_on(l->ctx))
        return err_set(e, ERR_LATER, "stopped");
    if (upload_state_parse(record->value, &s, ERR_IGNORED) != ERR_OK || !is_lost_for_good(l->r, &s))
        return ERR_OK;
    return write_lost(l->r, record, &s, e);
}

enum err_code upload_records_end_lost(struct registry *r, bool (*go_on)(void *ctx), void *ctx,
                                      struct err *e)
{
    struct losing l = {r, go_on, ctx};

    return meta_records_each(r->meta, UPLOAD_RECORDS, end_lost, &l, e);
}

/* ---- those of long ago */

static size_t old_ones(struct registry *r, const struct meta_record_list *l, int64_t before_ms,
                       struct meta_op ops[static PRUNE_MOST])
{
    size_t n = 0;

    for (size_t i = 0; i < l->n; i++) {
        AUTO(json) json_t *row = json_loads(l->rows[i].value, 0, NULL);
        struct uuid id;
        AUTO(mem)
        char *here =
            uuid_parse(str_of(text_of(row, "id")), &id) ? ledger_text(r->ledger, &id) : NULL;

        if (!here && json_integer_value(json_object_get(row, "updated")) < before_ms)
            ops[n++] = meta_op_record_delete(UPLOAD_RECORDS, str_of(l->rows[i].key), META_ANY);
    }
    return n;
}

enum err_code upload_records_prune(struct registry *r, int64_t before_ms, bool (*go_on)(void *ctx),
                                   void *ctx, struct err *e)
{
    char key[UPLOAD_KEY_SIZE];
    struct uuid id;
    bool more = true;

    uuid_make_timed(before_ms, &id);
    upload_key(&id, key);
    while (more) {
        AUTO(records) struct meta_record_list l = {0};
        struct meta_op ops[PRUNE_MOST];
        size_t n;

        if (go_on && !go_on(ctx))
            return err_set(e, ERR_LATER, "stopped");
        TRY(meta_records(r->meta, UPLOAD_RECORDS, str_of(key), PRUNE_MOST, &l, e));
        n = old_ones(r, &l, before_ms, ops);
        if (n > 0)
            TRY(meta_commit(r->meta, ops, n, META_LAZY, NULL, e));
        if (l.n > 0)
            snprintf(key, sizeof(key), "%s", l.rows[l.n - 1].key);
        more = l.more && l.n > 0;
    }
    return ERR_OK;
}
