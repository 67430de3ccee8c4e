#include "gc/forget.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/json.h"
#include "core/removal.h"
#include "gc/lost.h"

#include <inttypes.h>
#include <stdio.h>

#define BATCH    16 /* records of a transaction */
#define EVERY_MS (24ll * 3600 * 1000)
#define RETRY_MS 60000

static enum err_code go_on(const struct gc_forget *p, struct err *e)
{
    return p->go_on && !p->go_on(p->ctx) ? err_set(e, ERR_LATER, "it was stopped") : ERR_OK;
}

/* ---- can it be undone? */

static enum err_code item_waits(const struct gc_forget *p, const struct repo_name *repo,
                                const json_t *item, bool *ret_waits, struct err *e)
{
    struct digest d;

    TRY(digest_parse(gc_text_of(item, "digest"), &d, e));
    return removal_waits(p->meta, (struct meta_content){p->once ? NULL : repo, &d}, ret_waits, e);
}

static enum err_code record_waits(const struct gc_forget *p, const struct meta_record *record,
                                  bool *ret_waits, struct err *e)
{
    AUTO(json) json_t *json = json_loads(record->value, 0, NULL);
    const json_t *item;
    struct str name = gc_text_of(json, "repository");
    struct repo_name repo = {.n = 0};
    size_t i;

    if (name.n > 0) /* else they were of none: orphans.h */
        TRY(repo_name_parse(name, &repo, e));
    json_array_foreach(json_object_get(json, "items"), i, item)
    {
        if (!*ret_waits && str_eq(gc_text_of(item, "kind"), STR("blob")))
            TRY(item_waits(p, &repo, item, ret_waits, e));
    }
    return ERR_OK;
}

static enum err_code can_be_undone(const struct gc_forget *p, const struct meta_name_list *keys,
                                   bool *ret_can, struct err *e)
{
    *ret_can = false;
    for (size_t i = 0; i < keys->n && !*ret_can; i++) {
        AUTO(record) struct meta_record record = {0};
        enum err_code code =
            meta_record_get(p->meta, GC_JOURNAL, str_of(keys->names[i]), &record, e);

        if (code == ERR_OK)
            code = record_waits(p, &record, ret_can, e);
        if (code != ERR_OK && code != ERR_NOT_FOUND)
            return code;
        TRY(go_on(p, e));
    }
    return ERR_OK;
}

/* ---- forgetting */

static enum err_code forget_keys(const struct gc_forget *p, struct str collection,
                                 const struct meta_name_list *keys, struct err *e)
{
    struct meta_op ops[BATCH];

    for (size_t i = 0; i < keys->n;) {
        size_t n = 0;

        for (; n < BATCH && i < keys->n; n++, i++)
            ops[n] = meta_op_record_delete(collection, str_of(keys->names[i]), META_ANY);
        TRY(meta_commit(p->meta, ops, n, META_LAZY, NULL, e));
        TRY(go_on(p, e));
    }
    return ERR_OK;
}

static enum err_code forget(const struct gc_forget *p, const char *run, struct err *e)
{
    AUTO(name_list) struct meta_name_list deleted = {0}, found = {0}, begun = {0};
    const struct meta_op last = meta_op_record_delete(GC_RUNS, str_of(run), META_ANY);
    bool stays;

    TRY(gc_order_waits(p->meta, run, &stays, e));
    if (stays)
        return ERR_OK;
    TRY(gc_journal_keys(p->meta, GC_JOURNAL, run, &deleted, e));
    TRY(gc_journal_keys(p->meta, GC_CONTENT, run, &begun, e));
    TRY(can_be_undone(p, &deleted, &stays, e));
    if (stays || begun.n > 0)
        return ERR_OK;
    TRY(gc_journal_keys(p->meta, GC_FOUND, run, &found, e));
    TRY(forget_keys(p, GC_JOURNAL, &deleted, e));
    TRY(forget_keys(p, GC_FOUND, &found, e));
    return meta_commit(p->meta, &last, 1, META_LAZY, NULL, e);
}

static enum err_code look(void *ctx, const struct meta_record *record, struct err *e)
{
    const struct gc_forget *p = ctx;
    AUTO(json) json_t *run = json_loads(record->value, 0, NULL);
    int64_t began_ms = json_integer_value(json_object_get(run, "started"));

    return began_ms < p->before_ms ? forget(p, record->key, e) : ERR_OK;
}

enum err_code gc_forget(const struct gc_forget *p, struct err *e)
{
    struct gc_forget own = *p;

    return meta_records_each(p->meta, GC_RUNS, look, &own, e);
}

/* ---- the job */

static bool job_goes_on(void *ctx)
{
    struct job *job = ctx;

    return job_go_on(job_jobs(job), job);
}

static enum err_code prune(void *ctx, struct job *job, struct err *e)
{
    const struct gc_server *s = ctx;
    int64_t keep_ms = (int64_t)conf_u64(&s->conf->journal_keep_ms);
    const struct gc_forget p = {.meta = s->registry->meta,
                                .once = store_shared(s->registry->store),
                                .before_ms = clock_wall_ms() - keep_ms,
                                .go_on = job_goes_on,
                                .ctx = job};

    TRY(gc_lost_end(p.meta, NULL, e));
    return keep_ms > 0 ? gc_forget(&p, e) : ERR_OK;
}

static int64_t every_ms(void *ctx)
{
    (void)ctx;
    return EVERY_MS;
}

struct job_kind gc_forget_kind(struct gc_server *s)
{
    return (struct job_kind){.name = "journal",
                             .run = prune,
                             .ctx = s,
                             .retry_ms = RETRY_MS,
                             .retry_most_ms = EVERY_MS,
                             .priority = 1,
                             .every_ms = every_ms};
}
