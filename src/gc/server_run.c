#include "gc/server_run.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/cron.h"
#include "base/json.h"
#include "base/mem.h"
#include "gc/found.h"
#include "gc/undo.h"

#include <inttypes.h>
#include <stdlib.h>

/* What fails is that the database can't be reached, or the process ends: once all is well again
 * nobody is to wait for long for a run they asked for. */
#define RETRY_MS      1000
#define RETRY_MOST_MS 10000

struct gc_options gc_options_of(struct registry *r, const struct conf_gc *c)
{
    return (struct gc_options){.registry = r,
                               .grace_ms = (int64_t)conf_u64(&c->grace_ms),
                               .untagged_ms = (int64_t)conf_u64(&c->untagged_ms),
                               .orphans_ms = (int64_t)conf_u64(&c->orphans_ms),
                               .empty_ms = (int64_t)conf_u64(&c->empty_repositories_ms),
                               .children = conf_bool(&c->children),
                               .referrers = conf_bool(&c->referrers),
                               .rate = conf_u64(&c->rate),
                               .share = conf_u64(&c->share)};
}

/* ---- asking */

static char *order_text(const struct gc_order *o, bool alone)
{
    AUTO(json)
    json_t *json = json_pack("{s:s, s:I, s:I, s:b, s:b, s:s*, s:s}", "repository",
                             o->repo.n > 0 ? o->repo.text : "", "grace", (json_int_t)o->grace_ms,
                             "orphans", (json_int_t)o->orphans_ms, "dry_run", o->dry_run, "alone",
                             alone, "undo", o->undo, "by", o->actor);

    return json ? json_dumps(json, JSON_COMPACT) : NULL;
}

static char *waiting_text(const struct gc_order *o, int64_t now_ms)
{
    const struct gc_note n = {.id = o->id,
                              .actor = o->actor,
                              .repo = o->repo.n > 0 ? o->repo.text : NULL,
                              .undo = o->undo,
                              .started_ms = now_ms};

    return gc_run_text(&n, GC_WAITING, NULL, json_pack("{s:b}", "dry_run", o->dry_run));
}

static enum err_code add(struct meta *m, struct gc_order *o, bool alone, struct err *e)
{
    int64_t now_ms = clock_wall_ms();
    AUTO(mem) char *order = NULL, *waiting = NULL;
    struct meta_op ops[4];
    size_t n = 3;

    gc_run_id(o->id);
    order = order_text(o, alone);
    waiting = waiting_text(o, now_ms);
    if (!order || !waiting)
        return err_set(e, ERR_INTERNAL, "the order can't be written down");
    ops[0] = meta_op_record_put(GC_ORDERS, str_of(o->id), str_of(order), META_ABSENT);
    ops[1] = meta_op_record_put(GC_RUNS, str_of(o->id), str_of(waiting), META_ABSENT);
    ops[2] = meta_op_job_add((struct meta_job_add){
        .kind = STR(GC_JOB), .key = STR(JOBS_ALL), .due_ms = now_ms, .now_ms = now_ms});
    if (alone)
        ops[n++] = meta_op_record_put(GC_TURN, STR(JOBS_ALL), str_of(o->id), META_ABSENT);
    return meta_commit(m, ops, n, 0, NULL, e);
}

enum err_code gc_order_add(struct meta *m, struct gc_order *o, struct err *e)
{
    return add(m, o, false, e);
}

static enum err_code none_waits(struct meta *m, struct err *e)
{
    AUTO(records) struct meta_record_list l = {0};

    TRY(meta_records(m, GC_ORDERS, STR(""), 1, &l, e));
    return l.n == 0 ? ERR_OK : err_tell(e, ERR_CONFLICT, "run %s is going on", l.rows[0].key);
}

/* The record of the turn is for those who ask at the same time. */
enum err_code gc_order_add_alone(struct meta *m, struct gc_order *o, struct err *e)
{
    enum err_code code;

    TRY(none_waits(m, e));
    code = add(m, o, true, e);
    if (code != ERR_CONFLICT)
        return code;
    TRY(none_waits(m, e));
    return err_tell(e, ERR_CONFLICT, "another run was asked for at the same time");
}

/* ---- doing */

struct doing {
    struct gc_server *server;
    struct job *job;
    const char *id; /* of the run */
    bool alone;
    struct gc_found found; /* of an order that is to be looked at alone */
};

static bool goes_on(void *ctx)
{
    struct doing *d = ctx;

    return job_go_on(job_jobs(d->job), d->job);
}

static void progress(void *ctx, uint64_t repos, uint64_t of)
{
    struct doing *d = ctx;

    (void)of;
    job_note(d->job, "%" PRIu64 " repositories", repos);
}

static void found(void *ctx, const struct gc_item *item)
{
    struct doing *d = ctx;

    gc_found_add(&d->found, item);
}

/* The order ends in the transaction that says that the run has. */
static size_t end_order(void *ctx, struct meta_op ops[static GC_END_OPS])
{
    struct doing *d = ctx;

    if (gc_found_end(&d->found, ERR_IGNORED) != ERR_OK)
        return 0;
    ops[0] = job_check_op(d->job);
    ops[1] = meta_op_record_delete(GC_ORDERS, str_of(d->id), META_ANY);
    ops[2] = meta_op_record_delete(GC_TURN, STR(JOBS_ALL), META_ANY);
    return d->alone ? 3 : 2;
}

static enum err_code collect(struct doing *d, const char *id, const json_t *order,
                             const struct meta_op *check, struct err *e)
{
    struct gc_options o = gc_options_of(d->server->registry, d->server->conf);
    const char *repo = json_string_value(json_object_get(order, "repository"));
    struct gc_counts counts;
    struct repo_name name;

    o.id = id;
    o.actor = json_string_value(json_object_get(order, "by"));
    o.grace_ms = json_integer_value(json_object_get(order, "grace"));
    o.orphans_ms = json_integer_value(json_object_get(order, "orphans"));
    o.dry_run = json_is_true(json_object_get(order, "dry_run"));
    o.noted = true;
    o.item = o.dry_run ? found : NULL;
    o.check = check;
    o.go_on = goes_on;
    o.end = end_order;
    o.progress = progress;
    o.ctx = d;
    if (repo && *repo) {
        TRY(repo_name_parse(str_of(repo), &name, e));
        o.repo = &name;
    }
    return gc_run(&o, &counts, e);
}

static enum err_code undo(struct doing *d, const char *id, const json_t *order, const char *run,
                          struct err *e)
{
    const struct gc_undo_options o = {.registry = d->server->registry,
                                      .undo = run,
                                      .id = id,
                                      .actor = json_string_value(json_object_get(order, "by")),
                                      .go_on = goes_on,
                                      .end = end_order,
                                      .ctx = d};
    struct gc_undo_counts counts;

    return gc_undo(&o, &counts, e);
}

static enum err_code run_order(void *ctx, const struct meta_record *record, struct err *e)
{
    struct doing *d = ctx;
    struct meta *m = d->server->registry->meta;
    AUTO(json) json_t *order = json_loads(record->value, 0, NULL);
    const char *run = json_string_value(json_object_get(order, "undo"));
    const struct meta_op check = job_check_op(d->job);
    bool waits;
    enum err_code code;

    d->id = record->key;
    d->alone = json_is_true(json_object_get(order, "alone"));
    d->found = (struct gc_found){.meta = m, .run = record->key};
    code = run ? undo(d, record->key, order, run, e) : collect(d, record->key, order, &check, e);
    buf_done(&d->found.entry.text);
    if (code == ERR_LATER || !goes_on(d))
        return err_set(e, ERR_LATER, "stopped");
    /* What failed has its record; it is not tried again by itself. */
    TRY(gc_order_waits(m, record->key, &waits, e));
    return waits ? err_set(e, ERR_UNAVAILABLE, "the end of run %s is not written", record->key)
                 : ERR_OK;
}

static enum err_code run(void *ctx, struct job *job, struct err *e)
{
    struct doing d = {.server = ctx, .job = job};

    return meta_records_each(d.server->registry->meta, GC_ORDERS, run_order, &d, e);
}

struct job_kind gc_job_kind(struct gc_server *s)
{
    return (struct job_kind){.name = GC_JOB,
                             .run = run,
                             .ctx = s,
                             .retry_ms = RETRY_MS,
                             .retry_most_ms = RETRY_MOST_MS,
                             .priority = 1};
}

/* ---- by the clock */

static enum err_code ask(void *ctx, struct job *job, struct err *e)
{
    struct gc_server *s = ctx;
    struct gc_order o = {.grace_ms = (int64_t)conf_u64(&s->conf->grace_ms),
                         .orphans_ms = (int64_t)conf_u64(&s->conf->orphans_ms),
                         .actor = "schedule"};
    enum err_code code = gc_order_add_alone(s->registry->meta, &o, e);

    if (code == ERR_OK)
        jobs_wake(job_jobs(job));
    return code == ERR_CONFLICT ? ERR_OK : code;
}

static int64_t until_next_ms(void *ctx)
{
    const struct gc_server *s = ctx;

    return cron_wait_ms(str_of(s->registry->schedule), clock_wall_ms());
}

struct job_kind gc_schedule_kind(struct gc_server *s)
{
    return (struct job_kind){.name = GC_SCHEDULE_JOB,
                             .run = ask,
                             .ctx = s,
                             .retry_ms = RETRY_MS,
                             .retry_most_ms = RETRY_MOST_MS,
                             .priority = 1,
                             .every_ms = until_next_ms,
                             .first_ms = until_next_ms};
}
