/* Collection: runs that are asked for, what they did, and the way back (gc/server_run.h). The
 * server, or another one on the database, does them in the background. */
#include "api/body.h"
#include "api/handlers.h"
#include "api/parameter.h"
#include "api/reply.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/json.h"
#include "gc/entries.h"
#include "gc/server_run.h"
#include "gc/undo.h"

#include <stdio.h>
#include <stdlib.h>

#define LIST_MAX_BYTES (16u << 20)
#define RUN_UNKNOWN    "there is no such run"

/* ---- asking for one */

struct wanted {
    struct str repo, older_than, orphans;
    int dry_run;
};

/* What is not given stays as it is. */
static enum err_code take_duration(const char *name, struct str text, int64_t *ret_ms,
                                   struct err *e)
{
    uint64_t ms;

    if (text.n == 0)
        return ERR_OK;
    if (!conf_duration(text, &ms))
        return err_tell(e, ERR_REQUEST_INVALID, "'%s' is no duration such as 1h", name);
    *ret_ms = (int64_t)ms;
    return ERR_OK;
}

static enum err_code take(struct req *q, struct gc_order *o, struct err *e)
{
    AUTO(body) json_t *body = NULL;
    struct wanted w = {.dry_run = 0};
    const struct body_field fields[] = {
        {"dry_run", BODY_BOOL, true, &w.dry_run},
        {"repository", BODY_TEXT, false, &w.repo},
        {"older_than", BODY_TEXT, false, &w.older_than},
        {"orphans", BODY_TEXT, false, &w.orphans},
    };

    TRY(body_json(q, BODY_MAX_BYTES, &body, e));
    TRY(body_take(body, fields, sizeof(fields) / sizeof(fields[0]), e));
    o->dry_run = w.dry_run;
    o->grace_ms = (int64_t)conf_u64(&q->registry->gc->grace_ms);
    if (w.repo.n > 0)
        TRY(repo_name_parse(w.repo, &o->repo, e));
    o->orphans_ms = (int64_t)conf_u64(&q->registry->gc->orphans_ms);
    TRY(take_duration("older_than", w.older_than, &o->grace_ms, e));
    return take_duration("orphans", w.orphans, &o->orphans_ms, e);
}

static enum err_code order(struct req *q, struct gc_order *o, struct err *e)
{
    AUTO(buf) struct buf body = {0};

    TRY(gc_order_add_alone(q->registry->meta, o, e));
    jobs_wake(q->registry->jobs);
    snprintf(q->target, sizeof(q->target), "run:%s", o->undo ? o->undo : o->id);
    buf_init(&body, LIST_MAX_BYTES);
    buf_addf(&body, "{\"id\":\"%s\",\"state\":\"%s\"}\n", o->id, GC_WAITING);
    reply_location(q, "/api/v1/gc/runs/%s", o->id);
    reply_json(q, 202, buf_str(&body));
    return ERR_OK;
}

enum err_code api_gc_post(struct req *q, struct err *e)
{
    struct gc_order o = {.actor = req_actor(q)};

    TRY(take(q, &o, e));
    return order(q, &o, e);
}

/* ---- runs */

/* Its times as the other answers have them. */
static void set_time(json_t *run, const char *key)
{
    int64_t ms = json_integer_value(json_object_get(run, key));
    char text[CLOCK_RFC3339_SIZE];

    clock_rfc3339(ms, text);
    json_object_set_new(run, key, ms > 0 ? json_string(text) : json_null());
}

/* Without the brace at its end. */
static void add_run(struct buf *body, const struct meta_record *record)
{
    AUTO(json) json_t *run = json_loads(record->value, 0, NULL);
    AUTO(mem) char *text = NULL;

    set_time(run, "started");
    set_time(run, "ended");
    text = run ? json_dumps(run, JSON_COMPACT) : NULL;
    if (text)
        buf_add(body, text, strlen(text) - 1);
}

enum err_code api_gc_run_list(struct req *q, struct err *e)
{
    AUTO(records) struct meta_record_list l = {0};
    AUTO(buf) struct buf body = {0};
    char last[GC_RUN_SIZE];
    size_t n;

    TRY(query_page(q, PAGE_UNASKED, &n, e));
    TRY(query_text(q, "last", last, sizeof(last), e));
    if (n > 0)
        TRY(meta_records(q->registry->meta, GC_RUNS, str_of(last), n, &l, e));
    buf_init(&body, LIST_MAX_BYTES);
    buf_add_text(&body, "{\"runs\":[");
    for (size_t i = 0; i < l.n; i++) {
        buf_add_text(&body, i ? "," : "");
        add_run(&body, &l.rows[i]);
        buf_add_char(&body, '}');
    }
    buf_add_text(&body, "]}\n");
    if (l.more && l.n > 0)
        reply_next(q, n, str_of(l.rows[l.n - 1].key), STR_NONE);
    reply_json(q, 200, buf_str(&body));
    return ERR_OK;
}

/* What is deleted has its bytes in the journal, for an undo alone. */
static void add_entry(void *ctx, const struct gc_entry_row *row)
{
    struct buf *body = ctx;
    AUTO(json) json_t *item = json_deep_copy(row->item);
    AUTO(mem) char *text = NULL;

    json_object_del(item, "bytes");
    text = item ? json_dumps(item, JSON_COMPACT) : NULL;
    if (!text)
        return;
    buf_addf(body, "%s{\"repository\":\"%s\"", body->p[body->n - 1] == '[' ? "" : ",", row->repo);
    reply_add_time(body, "at", row->at_ms);
    buf_addf(body, ",%s", text + 1);
}

static enum err_code find_run(struct req *q, struct meta_record *ret_record, struct err *e)
{
    enum err_code code =
        q->item[0] ? meta_record_get(q->registry->meta, GC_RUNS, str_of(q->item), ret_record, e)
                   : ERR_NOT_FOUND;

    return code == ERR_NOT_FOUND ? err_tell(e, code, RUN_UNKNOWN) : code;
}

static bool is_dry(const struct meta_record *record)
{
    AUTO(json) json_t *run = json_loads(record->value, 0, NULL);

    return json_is_true(json_object_get(run, "dry_run"));
}

enum err_code api_gc_run_get(struct req *q, struct err *e)
{
    AUTO(record) struct meta_record record = {0};
    AUTO(buf) struct buf body = {0};
    char last[GC_PLACE_SIZE], next[GC_PLACE_SIZE] = "";
    size_t n;

    TRY(query_page(q, PAGE_UNASKED, &n, e));
    TRY(query_text(q, "last", last, sizeof(last), e));
    TRY(find_run(q, &record, e));
    buf_init(&body, LIST_MAX_BYTES);
    add_run(&body, &record);
    buf_add_text(&body, ",\"entries\":[");
    TRY(gc_entries(q->registry->meta, is_dry(&record) ? GC_FOUND : GC_JOURNAL, q->item,
                   str_of(last), n, add_entry, &body, next, e));
    buf_add_text(&body, "]}\n");
    if (body.full)
        return err_set(e, ERR_INTERNAL, "a page of a run is too large");
    if (next[0] && n > 0)
        reply_next(q, n, str_of(next), STR_NONE);
    reply_json(q, 200, buf_str(&body));
    return ERR_OK;
}

enum err_code api_gc_run_undo_post(struct req *q, struct err *e)
{
    AUTO(record) struct meta_record record = {0};
    struct gc_order o = {.undo = q->item, .actor = req_actor(q)};

    TRY(find_run(q, &record, e));
    TRY(gc_undo_possible(&record, e));
    return order(q, &o, e);
}
