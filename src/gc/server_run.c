#include "gc/server_run.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/json.h"
#include "base/mem.h"
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
                               .children = conf_bool(&c->children),
                               .referrers = conf_bool(&c->referrers),
                               .rate = conf_u64(&c->rate)};
}

/* ---- asking */

enum err_code gc_order_add(struct meta *m, struct gc_order *o, struct err *e)
{
    int64_t now_ms = clock_wall_ms();
    struct meta_op ops[2];
    AUTO(json) json_t *json = NULL;
    AUTO(mem) char *text = NULL;

    gc_run_id(o->id);
    json = json_pack("{s:s, s:I, s:s*, s:s}", "repository", o->repo.n > 0 ? o->repo.text : "",
                     "grace", (json_int_t)o->grace_ms, "undo", o->undo, "by", o->actor);
    text = json ? json_dumps(json, JSON_COMPACT) : NULL;
    if (!text)
        return err_set(e, ERR_INTERNAL, "the order can't be written down");
    ops[0] = meta_op_record_put(GC_ORDERS, str_of(o->id), str_of(text), META_ABSENT);
    ops[1] = meta_op_job_add((struct meta_job_add){
        .kind = STR(GC_JOB), .key = STR(JOBS_ALL), .due_ms = now_ms, .now_ms = now_ms});
    return meta_commit(m, ops, 2, 0, NULL, e);
}

enum err_code gc_order_waits(struct meta *m, const char *id, bool *ret_waits, struct err *e)
{
    AUTO(record) struct meta_record record = {0};
    enum err_code code = meta_record_get(m, GC_ORDERS, str_of(id), &record, e);

    *ret_waits = code == ERR_OK;
    return code == ERR_NOT_FOUND ? ERR_OK : code;
}

/* ---- doing */

struct doing {
    struct gc_server *server;
    struct job *job;
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
    o.check = check;
    o.go_on = goes_on;
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
                                      .ctx = d};
    struct gc_undo_counts counts;

    return gc_undo(&o, &counts, e);
}

static enum err_code run_order(void *ctx, const struct meta_record *record, struct err *e)
{
    struct doing *d = ctx;
    AUTO(json) json_t *order = json_loads(record->value, 0, NULL);
    const char *run = json_string_value(json_object_get(order, "undo"));
    struct meta_op done[2] = {job_check_op(d->job),
                              meta_op_record_delete(GC_ORDERS, str_of(record->key), META_ANY)};
    enum err_code code =
        run ? undo(d, record->key, order, run, e) : collect(d, record->key, order, &done[0], e);

    if (code == ERR_LATER || !goes_on(d))
        return err_set(e, ERR_LATER, "stopped");
    /* What failed has its record; it is not tried again by itself. */
    if (meta_commit(d->server->registry->meta, done, 2, 0, NULL, e) != ERR_OK)
        return e->code;
    return ERR_OK;
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
