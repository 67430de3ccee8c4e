#include "check/scrub.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "check/deep.h"
#include "check/mend.h"
#include "jobs/jobs.h"

#define PLACES         STR("check")
#define PLACE          STR("scrub")
#define PLACE_EVERY_MS 10000
#define EVERY_MS       (24 * 3600 * 1000) /* from the end of one to the next */
#define FIRST_MS       60000
#define RETRY_MS       60000
#define RETRY_MOST_MS  (3600 * 1000)

static struct scrub scrub;

struct going {
    struct job *job;
    int64_t since_ms, placed_ms;
    uint64_t bytes;
};

static bool goes_on(void *ctx, uint64_t bytes)
{
    struct going *g = ctx;
    int64_t rest_ms;

    g->bytes += bytes;
    rest_ms = deep_rest_ms(scrub.rate_bytes, g->bytes, clock_mono_ms() - g->since_ms);
    job_note(g->job, "%llu MiB read", (unsigned long long)(g->bytes >> 20));
    return rest_ms > 0 ? job_rest(job_jobs(g->job), g->job, rest_ms)
                       : job_go_on(job_jobs(g->job), g->job);
}

static enum err_code note_place(void *ctx, const char *place, struct err *e)
{
    struct going *g = ctx;
    const struct meta_op ops[] = {meta_op_record_put(PLACES, PLACE, str_of(place), META_ANY),
                                  job_check_op(g->job)};

    if (clock_mono_ms() - g->placed_ms < PLACE_EVERY_MS)
        return ERR_OK;
    g->placed_ms = clock_mono_ms();
    return meta_commit(scrub.r->meta, ops, 2, META_LAZY, NULL, e);
}

/* Looked at again, with the lock, before anything is done. */
static enum err_code found(void *ctx, const struct check_finding *f, struct err *e)
{
    bool moved;

    (void)ctx;
    TRY(mend_finding(scrub.r, f, &moved, e));
    scrub.tell(f, moved);
    return ERR_OK;
}

static enum err_code run(void *ctx, struct job *job, struct err *e)
{
    struct going g = {.job = job, .since_ms = clock_mono_ms(), .placed_ms = clock_mono_ms()};
    AUTO(record) struct meta_record place = {0};
    struct deep deep = {
        .r = scrub.r, .doubt = found, .goes_on = goes_on, .page = note_place, .ctx = &g};
    const struct meta_op done = meta_op_record_delete(PLACES, PLACE, META_ANY);
    enum err_code code = meta_record_get(scrub.r->meta, PLACES, PLACE, &place, e);

    (void)ctx;
    if (code == ERR_OK)
        deep.from = str_of(place.value);
    else if (code != ERR_NOT_FOUND)
        return code;
    TRY(deep_blobs(&deep, e));
    return meta_commit(scrub.r->meta, &done, 1, 0, NULL, e);
}

static int64_t every_ms(void *ctx)
{
    (void)ctx;
    return EVERY_MS;
}

static int64_t first_ms(void *ctx)
{
    const struct registry *r = ctx;
    int64_t interval_ms = (int64_t)conf_u64(&r->options->sweep_interval_ms);

    return interval_ms < FIRST_MS ? interval_ms : FIRST_MS;
}

void scrub_jobs(const struct scrub *s)
{
    const struct job_kind kind = {.name = "scrub",
                                  .run = run,
                                  .ctx = s->r,
                                  .retry_ms = RETRY_MS,
                                  .retry_most_ms = RETRY_MOST_MS,
                                  .priority = 2,
                                  .every_ms = every_ms,
                                  .first_ms = first_ms};

    scrub = *s;
    jobs_kind_add(s->r->jobs, &kind);
}
