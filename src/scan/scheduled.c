#include "scan/scheduled.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/cron.h"
#include "base/json.h"
#include "base/mem.h"
#include "core/own_repo.h"
#include "core/scan_wish.h"
#include "jobs/jobs.h"
#include "scan/rescan.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#define RECORDS  STR("scan.data")
#define WALK     STR("all")
#define PRIORITY 6

#define TURN_MS    (10 * 1000) /* while there is a walk */
#define IDLE_MS    (60 * 1000)
#define RETRY_MS   (60 * 1000)
#define PAGE       64 /* manifests */
#define PAGES_MAX  50 /* of a turn */
#define RECORD_MAX 16384

struct turn {
    struct scheduled *x;
    struct job *job;
    /* the record */
    bool walking;
    int64_t began_ms;
    char *after;                 /* of meta_rows() */
    char last[SCAN_KEY_MAX + 1]; /* key of the last job that was asked for */
    int64_t last_ms;             /* and when */
    int64_t version;

    uint64_t left; /* scans that may still be asked for */
    struct meta_op ops[PAGE + 2];
    char keys[PAGE][SCAN_KEY_MAX + 1];
    size_t n_asked;
};

static void auto_turn_(struct turn **t)
{
    if (*t)
        free((*t)->after);
    free(*t);
}

/* ---- the record */

static enum err_code get_walk(struct turn *t, struct err *e)
{
    AUTO(record) struct meta_record record = {0};
    AUTO(json) json_t *o = NULL;
    enum err_code code = meta_record_get(t->x->registry->meta, RECORDS, WALK, &record, e);
    const char *after, *last;

    t->version = META_ABSENT;
    if (code == ERR_NOT_FOUND)
        return ERR_OK;
    TRY(code);
    t->version = record.version;
    o = json_loads(record.value, 0, NULL);
    after = json_string_value(json_object_get(o, "after"));
    last = json_string_value(json_object_get(o, "last"));
    t->walking = json_is_true(json_object_get(o, "walking"));
    t->began_ms = json_integer_value(json_object_get(o, "began_ms"));
    t->last_ms = json_integer_value(json_object_get(o, "last_ms"));
    free(t->after);
    t->after = mem_strdup(after ? after : "");
    if (!last || !str_copy(str_of(last), t->last, sizeof(t->last)))
        t->last[0] = '\0';
    return ERR_OK;
}

/* The walk as it is now, with the jobs that it asks for, while the job is still ours. */
static enum err_code commit(struct turn *t, struct err *e)
{
    AUTO(buf) struct buf json = {0};
    size_t n = t->n_asked;

    buf_init(&json, RECORD_MAX);
    buf_addf(&json, "{\"walking\":%s,\"began_ms\":%" PRId64 ",\"last_ms\":%" PRId64 ",\"after\":",
             t->walking ? "true" : "false", t->began_ms, t->last_ms);
    buf_add_json(&json, str_of(t->after ? t->after : ""));
    buf_add_text(&json, ",\"last\":");
    buf_add_json(&json, str_of(t->last));
    buf_add_char(&json, '}');
    t->ops[n++] = meta_op_record_put(RECORDS, WALK, buf_str(&json), t->version);
    if (t->job)
        t->ops[n++] = job_check_op(t->job);
    TRY(meta_commit(t->x->registry->meta, t->ops, n, 0, NULL, e));
    t->n_asked = 0;
    return get_walk(t, e);
}

enum err_code scheduled_begin(struct scheduled *x, struct err *e)
{
    AUTO(turn) struct turn *t = NEW(struct turn);
    enum err_code code;

    t->x = x;
    TRY(get_walk(t, e));
    if (!t->walking) {
        t->walking = true;
        t->began_ms = clock_wall_ms();
        t->last[0] = '\0';
        free(STEAL(t->after));
        code = commit(t, e);
        if (code != ERR_CONFLICT && code != ERR_PRECONDITION) /* of another server */
            TRY(code);
    }
    atomic_store(&x->walking, true);
    TRY(jobs_add(x->registry->jobs, SCHEDULED_WALK_JOB, STR(JOBS_ALL), e));
    jobs_wake(x->registry->jobs);
    return ERR_OK;
}

/* ---- one turn */

static bool is_image(struct str media_type)
{
    return str_eq(media_type, STR(MEDIA_OCI_MANIFEST)) ||
           str_eq(media_type, STR(MEDIA_DOCKER_MANIFEST));
}

/* What is damaged is not the walk's to judge. */
static void look_at(struct turn *t, const struct meta_row *row)
{
    char *key = t->keys[t->n_asked];
    struct repo_name repo;
    struct digest d;

    if (!is_image(row->texts[2]) || repo_name_parse(row->texts[0], &repo, ERR_IGNORED) != ERR_OK ||
        digest_parse(row->texts[1], &d, ERR_IGNORED) != ERR_OK || own_repo(&repo) ||
        !scans_is_due(t->x->scans, &repo, &d))
        return;
    scan_key(&repo, &d, key);
    t->ops[t->n_asked++] = jobs_add_op(t->x->registry->jobs, SCAN_AGAIN, str_of(key));
    snprintf(t->last, sizeof(t->last), "%s", key);
    t->last_ms = clock_wall_ms();
    t->left--;
}

/* As many rows as may still be asked for, so that a page is never left half seen. */
static enum err_code look_at_page(struct turn *t, struct err *e)
{
    AUTO(row_list) struct meta_row_list l = {0};
    size_t limit = t->left < PAGE ? (size_t)t->left : PAGE;

    TRY(meta_rows(t->x->registry->meta, META_ROW_MANIFEST, str_of(t->after ? t->after : ""), limit,
                  &l, e));
    for (size_t i = 0; i < l.n; i++)
        look_at(t, &l.rows[i]);
    t->walking = l.more && l.n > 0;
    free(t->after);
    t->after = t->walking ? STEAL(l.next) : NULL;
    return commit(t, e);
}

enum err_code scheduled_turn(struct scheduled *x, struct job *job, struct err *e)
{
    AUTO(turn) struct turn *t = NEW(struct turn);

    t->x = x;
    t->job = job;
    t->left = rescan_per_turn(x->conf, TURN_MS);
    TRY(get_walk(t, e));
    atomic_store(&x->walking, t->walking);
    if (!t->walking || rescan_waits(x->registry, t->last, t->last_ms) || !scans_has_data(x->scans))
        return ERR_OK;
    for (int i = 0; i < PAGES_MAX && t->walking && t->left > 0; i++) {
        if (job && !job_go_on(x->registry->jobs, job))
            return err_set(e, ERR_LATER, "stopped");
        TRY(look_at_page(t, e));
    }
    atomic_store(&x->walking, t->walking);
    jobs_wake(x->registry->jobs);
    return ERR_OK;
}

/* ---- jobs */

static enum err_code run_begin(void *ctx, struct job *job, struct err *e)
{
    (void)job;
    return scheduled_begin(ctx, e);
}

static enum err_code run_turn(void *ctx, struct job *job, struct err *e)
{
    return scheduled_turn(ctx, job, e);
}

static int64_t until_next_ms(void *ctx)
{
    const struct scheduled *x = ctx;

    return cron_wait_ms(str_of(x->conf->schedule), clock_wall_ms());
}

static int64_t turn_every_ms(void *ctx)
{
    struct scheduled *x = ctx;

    return atomic_load(&x->walking) ? TURN_MS : IDLE_MS;
}

void scheduled_jobs(struct scheduled *x)
{
    const struct job_kind begins = {.name = SCHEDULED_JOB,
                                    .run = run_begin,
                                    .ctx = x,
                                    .retry_ms = RETRY_MS,
                                    .priority = PRIORITY,
                                    .every_ms = until_next_ms,
                                    .first_ms = until_next_ms};
    const struct job_kind walks = {.name = SCHEDULED_WALK_JOB,
                                   .run = run_turn,
                                   .ctx = x,
                                   .retry_ms = RETRY_MS,
                                   .priority = PRIORITY,
                                   .every_ms = turn_every_ms};

    jobs_kind_add(x->registry->jobs, &begins);
    jobs_kind_add(x->registry->jobs, &walks);
}
