#include "gc/journal.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/json.h"
#include "base/mem.h"
#include "core/outbox.h"
#include "core/removal.h"
#include "core/remove.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#define KEYS_PAGE 16 /* records may be large */

static const char *const kinds[] = {[META_ITEM_BLOB] = "blob", [META_ITEM_MANIFEST] = "manifest"};

void gc_run_id(char dst[static GC_RUN_SIZE])
{
    char time[CLOCK_RFC3339_SIZE];
    unsigned char chance[3];
    size_t n = 0;

    clock_rfc3339(clock_wall_ms(), time);
    for (const char *p = time; *p != 'Z'; p++) {
        if (*p != '-' && *p != ':' && *p != '.')
            dst[n++] = *p;
    }
    random_bytes(chance, sizeof(chance));
    snprintf(dst + n, GC_RUN_SIZE - n, "-%02x%02x%02x", chance[0], chance[1], chance[2]);
}

/* ---- making a record */

void gc_entry_begin(struct gc_entry *x, const struct repo_name *repo)
{
    if (x->text.max == 0)
        buf_init(&x->text, GC_JOURNAL_MAX);
    buf_clear(&x->text);
    x->n = 0;
    buf_addf(&x->text, "{\"repository\":\"%s\",\"at\":%" PRId64 ",\"items\":[", repo->text,
             clock_wall_ms());
}

static void begin_item(struct gc_entry *x, enum meta_item_kind kind, const struct digest *d,
                       uint64_t size_bytes, enum meta_why why)
{
    buf_addf(&x->text,
             "%s{\"kind\":\"%s\",\"digest\":\"%s\",\"size\":%" PRIu64 ",\"reason\":\"%s\"",
             x->n++ > 0 ? "," : "", kinds[kind], d->text, size_bytes, gc_why_text(why));
}

void gc_entry_blob(struct gc_entry *x, const struct digest *d, uint64_t size_bytes,
                   enum meta_why why)
{
    begin_item(x, META_ITEM_BLOB, d, size_bytes, why);
    buf_add_char(&x->text, '}');
}

void gc_entry_lost(struct gc_entry *x, const struct digest *d, uint64_t size_bytes,
                   enum meta_why why)
{
    begin_item(x, META_ITEM_MANIFEST, d, size_bytes, why);
    buf_add_char(&x->text, '}');
}

static bool is_text(struct str s)
{
    while (s.n > 0) {
        size_t step = str_utf8_step(s);

        if (step == 0)
            return false;
        s = str_sub(s, step, s.n - step);
    }
    return true;
}

bool gc_entry_manifest(struct gc_entry *x, const struct meta_manifest *m,
                       const struct meta_name_list *tags, enum meta_why why)
{
    if (m->bytes.n == 0 || !is_text(m->bytes))
        return false;
    begin_item(x, META_ITEM_MANIFEST, &m->digest, m->bytes.n, why);
    buf_add_text(&x->text, ",\"media_type\":");
    buf_add_json(&x->text, m->media_type);
    buf_add_text(&x->text, ",\"bytes\":");
    buf_add_json(&x->text, m->bytes);
    buf_add_text(&x->text, ",\"tags\":[");
    for (size_t i = 0; i < tags->n; i++) {
        buf_add_text(&x->text, i > 0 ? "," : "");
        buf_add_json(&x->text, str_of(tags->names[i]));
    }
    buf_add_text(&x->text, "]}");
    return true;
}

void gc_entry_found(struct gc_entry *x, enum meta_item_kind kind, const struct digest *d,
                    uint64_t size_bytes, enum meta_why why, const char *action)
{
    begin_item(x, kind, d, size_bytes, why);
    buf_addf(&x->text, ",\"action\":\"%s\"}", action);
}

struct str gc_entry_end(struct gc_entry *x)
{
    buf_add_text(&x->text, "]}");
    return buf_str(&x->text);
}

/* ---- content */

struct str gc_text_of(const json_t *o, const char *name)
{
    const json_t *text = json_object_get(o, name);

    return json_is_string(text) ? (struct str){json_string_value(text), json_string_length(text)}
                                : STR("");
}

/* Blobs are core's (core/removal.h). */
static enum err_code delete_one(struct registry *r, const struct repo_name *repo,
                                const json_t *item, struct err *e)
{
    struct digest d;

    TRY(digest_parse(gc_text_of(item, "digest"), &d, e));
    return str_eq(gc_text_of(item, "kind"), STR("manifest"))
               ? remove_manifest_content(r, repo, &d, e)
               : ERR_OK;
}

enum err_code gc_content_delete(struct registry *r, struct str record, struct err *e)
{
    AUTO(json) json_t *json = json_loadb(record.p, record.n, 0, NULL);
    struct repo_name repo;
    json_t *item;
    size_t i;

    TRY(repo_name_parse(gc_text_of(json, "repository"), &repo, e));
    json_array_foreach(json_object_get(json, "items"), i, item) TRY(delete_one(r, &repo, item, e));
    return store_dropped(r->store, STORE_MANIFEST, &repo, e);
}

enum err_code gc_blobs_delete(struct registry *r, struct err *e)
{
    return store_shared(r->store) ? ERR_OK : removal_run(r, NULL, e);
}

static enum err_code finish(void *ctx, const struct meta_record *mark, struct err *e)
{
    struct registry *r = ctx;
    AUTO(record) struct meta_record record = {0};
    struct meta_op op = meta_op_record_delete(GC_CONTENT, str_of(mark->key), META_ANY);
    enum err_code code = meta_record_get(r->meta, GC_JOURNAL, str_of(mark->key), &record, e);

    if (code == ERR_OK)
        code = gc_content_delete(r, str_of(record.value), e);
    if (code != ERR_OK && code != ERR_NOT_FOUND)
        return code;
    return meta_commit(r->meta, &op, 1, META_LAZY, NULL, e);
}

enum err_code gc_journal_finish(struct registry *r, struct err *e)
{
    TRY(meta_records_each(r->meta, GC_CONTENT, finish, r, e));
    return gc_blobs_delete(r, e);
}

/* ---- runs */

json_t *gc_sum_json(const struct gc_sum *s)
{
    return json_pack("{s:I, s:I, s:I}", "blobs", (json_int_t)s->blobs, "manifests",
                     (json_int_t)s->manifests, "bytes",
                     (json_int_t)(s->blob_bytes + s->manifest_bytes));
}

void gc_counts_json(const struct gc_counts *n, json_t *o)
{
    (void)!json_object_update_new(
        o,
        json_pack("{s:o, s:o, s:o, s:I, s:I}", "revived", gc_sum_json(&n->revived), "condemned",
                  gc_sum_json(&n->condemned), "deleted", gc_sum_json(&n->deleted),
                  "empty_repositories", (json_int_t)n->empty, "problems", (json_int_t)n->problems));
}

const char *gc_run_state(enum err_code code)
{
    return code == ERR_OK ? "done" : code == ERR_LATER ? "stopped" : "failed";
}

static bool has_ended(const char *state)
{
    return strcmp(state, "running") != 0 && strcmp(state, GC_WAITING) != 0;
}

char *gc_run_text(const struct gc_note *note, const char *state, const char *error, json_t *more)
{
    AUTO(json) json_t *own = more;
    AUTO(json)
    json_t *json =
        json_pack("{s:s, s:s, s:I, s:I, s:s, s:s*, s:s*, s:s*}", "id", note->id, "by",
                  note->actor ? note->actor : "", "started", (json_int_t)note->started_ms, "ended",
                  (json_int_t)(has_ended(state) ? clock_wall_ms() : 0), "state", state,
                  "repository", note->repo, "undo", note->undo, "error", error);

    return json && json_object_update(json, own) == 0 ? json_dumps(json, JSON_COMPACT) : NULL;
}

static enum err_code write_run(struct meta *m, const char *id, const char *text,
                               struct meta_op *ops, size_t n, struct err *e)
{
    if (!text)
        return err_set(e, ERR_INTERNAL, "run %s can't be written down", id);
    ops[n] = meta_op_record_put(GC_RUNS, str_of(id), str_of(text), META_ANY);
    return meta_commit(m, ops, n + 1, 0, NULL, e);
}

enum err_code gc_run_write(struct meta *m, const char *id, const char *text, struct err *e)
{
    struct meta_op op;

    return write_run(m, id, text, &op, 0, e);
}

/* With all that its record says, unless it has only looked. Returns how many operations it takes.
 */
static size_t tell_end(struct outbox_event *ev, const char *text, struct meta_op *op)
{
    AUTO(json) json_t *run = json_loads(text, 0, NULL);

    if (!run || json_is_true(json_object_get(run, "dry_run")))
        return 0;
    outbox_begin(ev, OUTBOX_GC_ENDED);
    outbox_add_text(ev, "actor", gc_text_of(run, "by"));
    buf_addf(&ev->json, ",\"run\":%s", text);
    *op = outbox_put(ev);
    return 1;
}

void gc_run_end(struct meta *m, const char *id, const char *text, enum err_code code, gc_end_fn end,
                void *ctx)
{
    AUTO(outbox) struct outbox_event ev = {0};
    struct meta_op ops[GC_END_OPS + 2];
    size_t n = end && code != ERR_LATER ? end(ctx, ops) : 0;

    if (text && code != ERR_LATER)
        n += tell_end(&ev, text, ops + n);
    (void)!write_run(m, id, text, ops, n, ERR_IGNORED);
}

/* ---- looking something up */

enum err_code gc_order_waits(struct meta *m, const char *id, bool *ret_waits, struct err *e)
{
    AUTO(record) struct meta_record record = {0};
    enum err_code code = meta_record_get(m, GC_ORDERS, str_of(id), &record, e);

    *ret_waits = code == ERR_OK;
    return code == ERR_NOT_FOUND ? ERR_OK : code;
}

static void add_key(struct meta_name_list *l, const char *key)
{
    if ((l->n & (l->n - 1)) == 0) /* 0, or a power of two */
        l->names = mem_resize(l->names, (l->n > 0 ? 2 * l->n : 1) * sizeof(*l->names));
    l->names[l->n++] = mem_strdup(key);
}

static enum err_code add_keys(struct meta *m, struct str collection, struct str of,
                              struct meta_name_list *keys, bool *ret_more, struct err *e)
{
    AUTO(records) struct meta_record_list page = {0};
    struct str after = keys->n > 0 ? str_of(keys->names[keys->n - 1]) : of;

    TRY(meta_records(m, collection, after, KEYS_PAGE, &page, e));
    *ret_more = page.more && page.n > 0;
    for (size_t i = 0; i < page.n; i++) {
        if (str_starts(str_of(page.rows[i].key), of))
            add_key(keys, page.rows[i].key);
        else
            *ret_more = false;
    }
    return ERR_OK;
}

enum err_code gc_journal_keys(struct meta *m, struct str collection, const char *run,
                              struct meta_name_list *ret_keys, struct err *e)
{
    AUTO(name_list) struct meta_name_list keys = {0};
    char of[GC_KEY_SIZE];

    snprintf(of, sizeof(of), "%s/", run);
    for (bool more = true; more;)
        TRY(add_keys(m, collection, str_of(of), &keys, &more, e));
    *ret_keys = keys;
    keys = (struct meta_name_list){0};
    return ERR_OK;
}

struct finding {
    const struct repo_name *repo;
    const struct digest *d;
    char *run;
};

static enum err_code look(void *ctx, const struct meta_record *record, struct err *e)
{
    struct finding *f = ctx;
    AUTO(json) json_t *json = NULL;
    struct str key = str_of(record->key), run;
    json_t *item;
    size_t i;

    (void)e;
    if (!strstr(record->value, f->d->text))
        return ERR_OK;
    json = json_loads(record->value, 0, NULL);
    if (f->repo && !str_eq(gc_text_of(json, "repository"), repo_name_str(f->repo)))
        return ERR_OK;
    json_array_foreach(json_object_get(json, "items"), i, item)
    {
        if (str_eq(gc_text_of(item, "digest"), digest_str(f->d)) && str_cut(&key, '/', &run))
            (void)!str_copy(run, f->run, GC_RUN_SIZE);
    }
    return ERR_OK;
}

enum err_code gc_journal_find(struct meta *m, const struct repo_name *repo, const struct digest *d,
                              char ret_run[static GC_RUN_SIZE], struct err *e)
{
    struct finding f = {.repo = repo, .d = d, .run = ret_run};

    ret_run[0] = '\0';
    TRY(meta_records_each(m, GC_JOURNAL, look, &f, e));
    return ret_run[0] ? ERR_OK : err_set(e, ERR_NOT_FOUND, "no run deleted %s", d->text);
}
