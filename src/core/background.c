#include "core/background.h"

#include "base/clock.h"
#include "base/cron.h"
#include "core/archive_session.h"
#include "core/conditions.h"
#include "core/event_log.h"
#include "core/history.h"
#include "core/image_analysis.h"
#include "core/layer_lists.h"
#include "core/order.h"
#include "core/original.h"
#include "core/project.h"
#include "core/pulled.h"
#include "core/removal.h"
#include "core/retention.h"
#include "core/stray.h"
#include "core/upload.h"
#include "core/upload_records.h"
#include "jobs/jobs.h"
#include "replicas/members.h"

#include <string.h>

/* How often to look for jobs that commands have added. */
#define POLL_MS 1000
/* Projections wait this long for company, so that one sync serves many. */
#define GATHER_MS 100
/* After a failure, so that a full disk does not fill the log. */
#define RETRY_MS      5000
#define RETRY_MOST_MS (10 * 60 * 1000)
/* In one go, before a stop gets its turn. */
#define MAX_BATCHES 8

/* Strays are looked for one maintenance.interval after the start, and then every day: the look goes
 * through all manifests, and what it finds comes of crashes and of backups. It takes a tenth of one
 * thread's time, whatever the store is: after so long it rests nine times as long as it worked. */
#define LOOK_EVERY_MS (24 * 3600 * 1000)
#define LOOK_WORK_MS  10
#define LOOK_REST     9

#define FORGET_EVERY_MS (3600 * 1000)
#define ADOPT_AFTER_MS  (3600 * 1000)
#define PULLS_EVERY_MS  (60 * 1000)

#define TAGS        "tags"
#define NOBODY      STR("nobody")
#define HOLDERS_MAX 64

/* ---- tags */

/* A tag that moved needs room for its link. */
static enum err_code make_room(struct registry *r, enum err_code code)
{
    if (code == ERR_STORAGE_FULL)
        reserve_give_up(r->reserve);
    return code;
}

static enum err_code carry_own(void *ctx, struct job *job, struct err *e)
{
    struct registry *r = ctx;
    struct uuid id;
    struct project_run run = {.holder = project_holder(r, &id), .max_batches = MAX_BATCHES};
    bool more;

    (void)job;
    TRY(make_room(r, project_run(r, &run, &more, e)));
    return more ? err_set(e, ERR_LATER, "there are more") : ERR_OK;
}

static bool goes_on(void *ctx)
{
    struct job *job = ctx;

    return job_go_on(job_jobs(job), job);
}

static enum err_code carry_left(void *ctx, struct job *job, struct err *e)
{
    struct registry *r = ctx;
    bool nobodys = str_eq(job_key(job), NOBODY), more;
    struct project_run run = {.holder = nobodys ? STR("") : job_key(job),
                              .max_batches = MAX_BATCHES,
                              .goes_on = goes_on,
                              .ctx = job};

    TRY(make_room(r, project_run(r, &run, &more, e)));
    return more ? err_set(e, ERR_LATER, "there are more") : ERR_OK;
}

static bool is_left(struct registry *r, const char *holder)
{
    struct uuid id;
    bool gone;

    return !uuid_parse(str_of(holder), &id) ||
           (members_is_gone(r->members, &id, &gone, ERR_IGNORED) == ERR_OK && gone);
}

static enum err_code look_for_left(void *ctx, struct job *job, struct err *e)
{
    struct registry *r = ctx;
    AUTO(name_list) struct meta_name_list holders = {0};

    (void)job;
    TRY(meta_projection_holders(r->meta, HOLDERS_MAX, &holders, e));
    for (size_t i = 0; i < holders.n; i++) {
        const char *holder = holders.names[i];

        if (is_left(r, holder))
            TRY(jobs_add(r->jobs, TAGS, holder[0] ? str_of(holder) : NOBODY, e));
    }
    return ERR_OK;
}

/* Who is gone is known after a lease; half of one more may pass until its work is taken over. */
static int64_t poll_ms(const struct registry *r)
{
    return project_is_shared(r) ? (int64_t)r->lease_ms / 4 : POLL_MS;
}

static int64_t left_every_ms(void *ctx)
{
    return poll_ms(ctx);
}

/* ---- uploads */

static int64_t sweep_every_ms(void *ctx)
{
    const struct registry *r = ctx;

    return (int64_t)conf_u64(&r->options->sweep_interval_ms);
}

static enum err_code sweep(void *ctx, struct job *job, struct err *e)
{
    struct registry *r = ctx;
    struct err_first all = {0};

    (void)reserve_held(r->reserve); /* takes it back */
    err_first_add(&all, archive_session_sweep(r, &all.step));
    err_first_add(&all, upload_sweep(r, &all.step));
    err_first_add(&all, originals_expire(r, clock_wall_ms(), goes_on, job, &all.step));
    return err_first_of(&all, e);
}

/* ---- content of blobs */

static enum err_code remove_content(void *ctx, struct job *job, struct err *e)
{
    return removal_run(ctx, job, e);
}

/* ---- strays */

struct look {
    struct job *job;
    struct stray_count count;
    int64_t working_ms; /* since when it has not rested */
};

static enum err_code found(void *ctx, const struct store_item *item, struct err *e)
{
    struct look *look = ctx;

    (void)e;
    stray_count_add(&look->count, item);
    return ERR_OK;
}

static enum err_code rest(void *ctx, struct err *e)
{
    struct look *look = ctx;
    int64_t worked_ms = clock_mono_ms() - look->working_ms;

    if (worked_ms < LOOK_WORK_MS)
        return ERR_OK;
    if (!job_rest(job_jobs(look->job), look->job, LOOK_REST * worked_ms))
        return err_set(e, ERR_LATER, "stopped");
    job_note(look->job, "%llu found", (unsigned long long)look->count.manifests);
    look->working_ms = clock_mono_ms();
    return ERR_OK;
}

static enum err_code look_for_strays(void *ctx, struct job *job, struct err *e)
{
    struct registry *r = ctx;
    struct look look = {.job = job, .working_ms = clock_mono_ms()};
    const struct stray_walk walk = {.found = found, .looked = rest, .ctx = &look};
    int64_t now_ms = clock_wall_ms();

    /* Of an upload that is just being finished the record comes. */
    TRY(originals_adopt(r, now_ms - ADOPT_AFTER_MS, goes_on, job, e));
    TRY(stray_each(r, &walk, e));
    if (look.count.manifests > 0)
        r->tell_strays(&look.count);
    return ERR_OK;
}

static int64_t look_every_ms(void *ctx)
{
    (void)ctx;
    return LOOK_EVERY_MS;
}

/* ---- history of tags */

static enum err_code forget_moves(void *ctx, struct job *job, struct err *e)
{
    (void)job;
    return history_prune(ctx, e);
}

static int64_t forget_every_ms(void *ctx)
{
    (void)ctx;
    return FORGET_EVERY_MS;
}

/* ---- records of uploads */

static enum err_code look_at_uploads(void *ctx, struct job *job, struct err *e)
{
    struct registry *r = ctx;
    int64_t keep_ms = (int64_t)conf_u64(&r->options->archives.history_ms);

    TRY(upload_records_end_lost(r, goes_on, job, e));
    return keep_ms > 0 ? upload_records_prune(r, clock_wall_ms() - keep_ms, goes_on, job, e)
                       : ERR_OK;
}

/* ---- retention */

/* The longest time for which a policy asks when something was pulled; 0: none does. */
static int64_t pulls_asked_ms(const struct registry *r)
{
    uint64_t longest_ms = r->pulls_keep_ms;

    for (size_t i = 0; i < r->retention->n; i++) {
        if (r->retention->items[i].keep_pulled_ms > longest_ms)
            longest_ms = r->retention->items[i].keep_pulled_ms;
    }
    return (int64_t)longest_ms;
}

struct retaining {
    struct registry *r;
    struct job *job;
};

static bool retaining_goes_on(void *ctx, uint64_t deleted)
{
    const struct retaining *x = ctx;

    job_note(x->job, "%llu tags deleted", (unsigned long long)deleted);
    return goes_on(x->job);
}

static void tell_retention(void *ctx, size_t policy, const char *why)
{
    const struct retaining *x = ctx;

    if (x->r->tell_retention)
        x->r->tell_retention(policy, why);
}

static enum err_code retain(void *ctx, struct job *job, struct err *e)
{
    struct registry *r = ctx;
    struct retaining retaining = {r, job};
    struct retention x = retention_of(r, "retention");
    struct retention_counts unused;

    x.told = tell_retention;
    x.go_on = retaining_goes_on;
    x.ctx = &retaining;
    return retention_run(&x, &unused, e);
}

/* ---- pulls */

/* What was pulled while nobody recorded it is not known: it begins anew then. */
static enum err_code write_pulls(void *ctx, struct job *job, struct err *e)
{
    struct registry *r = ctx;

    (void)job;
    if (!r->pulled)
        return pulled_end(r->meta, e);
    TRY(pulled_begin(r->meta, clock_wall_ms(), e));
    return pulled_write(r->pulled, r->meta, e);
}

static enum err_code forget_pulls(void *ctx, struct job *job, struct err *e)
{
    struct registry *r = ctx;

    (void)job;
    return pulled_prune(r->meta, clock_wall_ms() - pulls_asked_ms(r), e);
}

static int64_t pulls_every_ms(void *ctx)
{
    const struct registry *r = ctx;

    return r->pulled ? PULLS_EVERY_MS : LOOK_EVERY_MS;
}

static int64_t retain_every_ms(void *ctx)
{
    const struct registry *r = ctx;

    return cron_wait_ms(str_of(r->schedule), clock_wall_ms());
}

/* ---- the kinds */

static void add_kinds(struct registry *r)
{
    const struct job_kind carry = {.name = REGISTRY_CARRY,
                                   .run = carry_own,
                                   .ctx = r,
                                   .retry_ms = RETRY_MS,
                                   .gather_ms = GATHER_MS,
                                   .own = true};
    const struct job_kind left = {.name = "left",
                                  .run = look_for_left,
                                  .ctx = r,
                                  .retry_ms = RETRY_MS,
                                  .every_ms = left_every_ms,
                                  .own = true};
    const struct job_kind tags = {
        .name = TAGS, .run = carry_left, .ctx = r, .retry_ms = RETRY_MS, .priority = -1};
    const struct job_kind uploads = {.name = "uploads",
                                     .run = sweep,
                                     .ctx = r,
                                     .retry_ms = RETRY_MS,
                                     .every_ms = sweep_every_ms,
                                     .retry_most_ms = RETRY_MOST_MS};
    const struct job_kind remove = {.name = REGISTRY_REMOVE,
                                    .run = remove_content,
                                    .ctx = r,
                                    .retry_ms = RETRY_MS,
                                    .every_ms = sweep_every_ms,
                                    .retry_most_ms = RETRY_MOST_MS};
    const struct job_kind strays = {.name = "strays",
                                    .run = look_for_strays,
                                    .ctx = r,
                                    .retry_ms = RETRY_MOST_MS,
                                    .retry_most_ms = LOOK_EVERY_MS,
                                    .priority = 1,
                                    .every_ms = look_every_ms,
                                    .first_ms = sweep_every_ms};

    const struct job_kind history = {.name = "history",
                                     .run = forget_moves,
                                     .ctx = r,
                                     .retry_ms = RETRY_MS,
                                     .every_ms = forget_every_ms,
                                     .retry_most_ms = RETRY_MOST_MS};

    const struct job_kind records = {.name = "archives",
                                     .run = look_at_uploads,
                                     .ctx = r,
                                     .retry_ms = RETRY_MS,
                                     .every_ms = forget_every_ms,
                                     .retry_most_ms = RETRY_MOST_MS};

    jobs_kind_add(r->jobs, &carry);
    jobs_kind_add(r->jobs, &uploads);
    jobs_kind_add(r->jobs, &history);
    jobs_kind_add(r->jobs, &records);
    jobs_kind_add(r->jobs, &remove);
    conditions_jobs(r);
    image_analysis_jobs(r);
    layer_lists_jobs(r);
    event_log_jobs(r);
    if (project_is_shared(r)) {
        jobs_kind_add(r->jobs, &left);
        jobs_kind_add(r->jobs, &tags);
    }
    if (r->tell_strays)
        jobs_kind_add(r->jobs, &strays);
}

void background_delete(struct registry *r)
{
    const struct job_kind orders = order_job_kind(r);
    const struct job_kind retention = {.name = "retention",
                                       .run = retain,
                                       .ctx = r,
                                       .retry_ms = RETRY_MOST_MS,
                                       .priority = 1,
                                       .every_ms = retain_every_ms,
                                       .first_ms = retain_every_ms};

    const struct job_kind pulls = {
        .name = "pulls", .run = write_pulls, .ctx = r, .every_ms = pulls_every_ms, .own = true};

    const struct job_kind old_pulls = {.name = "pulls.old",
                                       .run = forget_pulls,
                                       .ctx = r,
                                       .retry_ms = RETRY_MOST_MS,
                                       .every_ms = forget_every_ms};

    if (pulls_asked_ms(r) > 0) {
        r->pulled = pulled_new();
        jobs_kind_add(r->jobs, &old_pulls);
    }
    jobs_kind_add(r->jobs, &pulls);
    jobs_kind_add(r->jobs, &orders);
    if (r->retention->n > 0 && r->schedule[0])
        jobs_kind_add(r->jobs, &retention);
    jobs_wake(r->jobs);
}

enum err_code background_start(struct registry *r, registry_report_fn report, struct err *e)
{
    const struct jobs_options o = {
        .meta = r->meta,
        .members = jobs_members_of(r->members),
        .poll_ms = poll_ms(r),
        .report = report,
    };

    r->jobs = jobs_new(&o);
    add_kinds(r);
    registry_wake(r); /* what an earlier life left */
    return jobs_start(r->jobs, e);
}
