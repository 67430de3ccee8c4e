#include "files/feed.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/mem.h"
#include "core/index_wish.h"
#include "files/layers_in.h"
#include "files/upkeep.h"

#include <stdio.h>
#include <stdlib.h>

#define PAGE       64
#define ROWS_PAGE  64
#define SCAN_MS    (24ll * 3600 * 1000)
#define EVERY_MS   (10 * 60 * 1000)
#define RETRY_MS   5000
#define RETRY_MOST (10 * 60 * 1000)
#define GATHER_MS  1000
#define AT         "at "
#define AGAIN      "again"

struct feed {
    struct files_index *x;
    struct meta *meta;
    struct job *job;
    struct files_intake *in;
    uint64_t taken;
};

static void auto_feed_(struct feed *f)
{
    files_intake_free(f->in);
}

static enum err_code take(struct feed *f, const char *key, struct err *e)
{
    TRY(files_intake_take(f->in, str_of(key), e));
    f->taken++;
    if (!f->job)
        return ERR_OK;
    job_note(f->job, "%llu manifests", (unsigned long long)f->taken);
    return job_go_on(job_jobs(f->job), f->job) ? ERR_OK : err_set(e, ERR_LATER, "stopped");
}

/* What is taken before it was asked for again may be taken twice. */
static enum err_code take_wishes(struct feed *f, struct err *e)
{
    char after[INDEX_KEY_MAX + 1] = "";

    for (bool more = true; more;) {
        AUTO(records) struct meta_record_list l = {0};

        TRY(meta_records(f->meta, INDEX_WISHES, str_of(after), PAGE, &l, e));
        for (size_t i = 0; i < l.n; i++)
            TRY(take(f, l.rows[i].key, e));
        more = l.more && l.n > 0 && str_copy(str_of(l.rows[l.n - 1].key), after, sizeof(after));
    }
    return files_intake_commit(f->in, e);
}

/* ---- the look at all manifests */

static enum err_code note_scan(struct feed *f, const char *what, const char *where, struct err *e)
{
    AUTO(buf) struct buf text = {0};
    struct meta_op ops[2];

    buf_init(&text, 8192);
    buf_addf(&text, "%s%s", what, where);
    ops[0] = meta_op_record_put(FILES_STATE, FILES_SCAN, buf_str(&text), META_ANY);
    if (f->job)
        ops[1] = job_check_op(f->job);
    return meta_commit(f->meta, ops, f->job ? 2 : 1, 0, NULL, e);
}

static enum err_code look_at(struct feed *f, const struct meta_row *row, struct err *e)
{
    AUTO(record) struct meta_record done = {0};
    char key[INDEX_KEY_MAX + 1];
    enum err_code code;

    snprintf(key, sizeof(key), STR_FMT "@" STR_FMT, STR_ARG(row->texts[0]), STR_ARG(row->texts[1]));
    code = meta_record_get(f->meta, FILES_DONE, str_of(key), &done, e);
    return code == ERR_NOT_FOUND ? take(f, key, e) : code;
}

static enum err_code look_at_all(struct feed *f, const char *from, struct err *e)
{
    AUTO(mem) char *after = mem_strdup(from);

    for (bool more = true; more;) {
        AUTO(row_list) struct meta_row_list l = {0};

        TRY(meta_rows(f->meta, META_ROW_MANIFEST, str_of(after), ROWS_PAGE, &l, e));
        for (size_t i = 0; i < l.n; i++)
            TRY(look_at(f, &l.rows[i], e));
        TRY(files_intake_commit(f->in, e));
        more = l.more && l.n > 0;
        if (more) {
            free(after);
            after = STEAL(l.next);
            TRY(note_scan(f, AT, after, e));
        }
    }
    return ERR_OK;
}

static bool scan_due(struct str state, struct str *ret_from)
{
    uint64_t done_ms;

    *ret_from = STR("");
    if (str_starts(state, STR(AT)))
        *ret_from = str_sub(state, sizeof(AT) - 1, state.n - (sizeof(AT) - 1));
    if (!str_starts(state, STR(FILES_SCANNED)))
        return true;
    state = str_sub(state, sizeof(FILES_SCANNED) - 1, state.n - (sizeof(FILES_SCANNED) - 1));
    return !str_to_u64(state, INT64_MAX, &done_ms) || clock_wall_ms() - (int64_t)done_ms >= SCAN_MS;
}

static enum err_code scan(struct feed *f, struct err *e)
{
    AUTO(record) struct meta_record state = {0};
    AUTO(mem) char *from = NULL;
    struct str place;
    char now[24];
    enum err_code code = meta_record_get(f->meta, FILES_STATE, FILES_SCAN, &state, e);

    if (code != ERR_OK && code != ERR_NOT_FOUND)
        return code;
    if (!scan_due(str_of(code == ERR_OK ? state.value : ""), &place))
        return ERR_OK;
    from = str_dup(place);
    TRY(look_at_all(f, from, e));
    TRY(files_upkeep_prune(f->x, f->job, e));
    snprintf(now, sizeof(now), "%lld", (long long)clock_wall_ms());
    return note_scan(f, FILES_SCANNED, now, e);
}

enum err_code files_feed_run(struct files_index *x, struct job *job, struct err *e)
{
    AUTO(feed) struct feed f = {.x = x, .meta = files_index_registry(x)->meta, .job = job};
    AUTO(files_set) struct files_set *set = NULL;

    TRY(files_index_set(x, true, &set, e)); /* with what another process added just now */
    f.in = files_intake_new(x, job);
    TRY(take_wishes(&f, e));
    TRY(scan(&f, e));
    return files_upkeep_merge(x, job, e);
}

/* ---- jobs */

static enum err_code run(void *ctx, struct job *job, struct err *e)
{
    return files_feed_run(ctx, job, e);
}

static enum err_code run_new(void *ctx, struct job *job, struct err *e)
{
    (void)job;
    return jobs_add(files_index_registry(ctx)->jobs, FILES_JOB, STR(JOBS_ALL), e);
}

static int64_t every_ms(void *ctx)
{
    (void)ctx;
    return EVERY_MS;
}

void files_feed_jobs(struct files_index *x)
{
    const struct job_kind feed = {.name = FILES_JOB,
                                  .run = run,
                                  .ctx = x,
                                  .retry_ms = RETRY_MS,
                                  .retry_most_ms = RETRY_MOST,
                                  .priority = 2,
                                  .every_ms = every_ms};
    const struct job_kind new = {.name = INDEX_WISH_JOB,
                                 .run = run_new,
                                 .ctx = x,
                                 .retry_ms = RETRY_MS,
                                 .gather_ms = GATHER_MS,
                                 .own = true};
    struct jobs *jobs = files_index_registry(x)->jobs;

    jobs_kind_add(jobs, &feed);
    jobs_kind_add(jobs, &new);
}

struct meta_op files_feed_again(void)
{
    return meta_op_record_put(FILES_STATE, FILES_SCAN, STR(AGAIN), META_ANY);
}

enum err_code files_feed_off(struct meta *m, struct err *e)
{
    AUTO(record) struct meta_record state = {0};
    const struct meta_op op = files_feed_again();
    enum err_code code = meta_record_get(m, FILES_STATE, FILES_SCAN, &state, e);

    if (code == ERR_NOT_FOUND || (code == ERR_OK && str_eq(str_of(state.value), STR(AGAIN))))
        return ERR_OK;
    TRY(code);
    return meta_commit(m, &op, 1, 0, NULL, e);
}
