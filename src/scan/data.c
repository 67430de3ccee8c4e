#include "scan/data.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "jobs/jobs.h"
#include "scan/data_update.h"
#include "scan/retry.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#define LOOK_MS  1000        /* how soon it is noticed that somebody put new data there */
#define ASK_MS   (60 * 1000) /* how often a scanner that has its own is asked */
#define SWEEP_MS (60 * 1000)
#define NOTE_MS  (60 * 1000) /* how often it is seen to that others know of our data */
#define RETRY_MS (60 * 1000)
#define TELL_MS  (24 * 3600 * 1000) /* how often it is told that data is old */

struct scan_data {
    struct registry *registry;
    const struct conf_scan *conf;
    struct scanner *scanner;
    struct rescan *rescan;   /* NULL: nobody is told */
    char dir[DATA_DIR_SIZE]; /* "": it is not ours */
    struct generations in;   /* fd -1: not opened yet */
    struct data_update update;
    atomic_bool wanted_now;
    int64_t asked_ms, noted_ms, swept_ms, told_ms; /* monotonic, of the job; 0: never */
    pthread_mutex_t lock;
    struct scan_data_status status;
};

struct scan_data *scan_data_new(const struct scan_data_options *o)
{
    struct scan_data *d = NEW(struct scan_data);

    d->registry = o->registry;
    d->conf = o->conf;
    d->scanner = o->scanner;
    d->rescan = o->rescan;
    (void)str_copy(str_of(o->dir), d->dir, sizeof(d->dir));
    d->in.fd = -1;
    pthread_mutex_init(&d->lock, NULL);
    return d;
}

void scan_data_free(struct scan_data *d)
{
    if (!d)
        return;
    generations_done(&d->in);
    pthread_mutex_destroy(&d->lock);
    free(d);
}

/* ---- status */

const char *scan_data_state_name(enum scan_data_state s)
{
    static const char *const names[] = {[SCAN_DATA_UNKNOWN] = "unknown",
                                        [SCAN_DATA_NONE] = "none",
                                        [SCAN_DATA_OLD] = "old",
                                        [SCAN_DATA_OK] = "ok"};

    return names[s];
}

/* The state of data of that time; it may have become old since it was looked at. */
static enum scan_data_state state_of(const struct scan_data_status *s, int64_t now_ms)
{
    if (s->state == SCAN_DATA_UNKNOWN || s->state == SCAN_DATA_NONE || s->updated_ms == 0)
        return s->state;
    return s->max_age_ms > 0 && now_ms - s->updated_ms > s->max_age_ms ? SCAN_DATA_OLD
                                                                       : SCAN_DATA_OK;
}

void scan_data_status(struct scan_data *d, struct scan_data_status *ret)
{
    pthread_mutex_lock(&d->lock);
    *ret = d->status;
    pthread_mutex_unlock(&d->lock);
    ret->max_age_ms = (int64_t)conf_u64(&d->conf->data.max_age_ms);
    ret->state = state_of(ret, clock_wall_ms());
}

enum err_code scan_data_status_of(const struct generations *g, const struct conf_scan *c,
                                  struct scan_data_status *ret, struct err *e)
{
    AUTO(generation) struct generation x = {.fd = -1};
    enum err_code code = generation_hold(g, &x, e);

    if (code != ERR_OK && code != ERR_NOT_FOUND)
        return code;
    *ret = (struct scan_data_status){.state = code == ERR_OK ? SCAN_DATA_OK : SCAN_DATA_NONE,
                                     .scanner = "trivy",
                                     .updated_ms = x.parts[DATA_DB].updated_ms,
                                     .java_updated_ms = x.parts[DATA_JAVA].updated_ms,
                                     .max_age_ms = (int64_t)conf_u64(&c->data.max_age_ms)};
    snprintf(ret->source, sizeof(ret->source), "%s", x.parts[DATA_DB].origin);
    snprintf(ret->java_source, sizeof(ret->java_source), "%s", x.parts[DATA_JAVA].origin);
    ret->state = state_of(ret, clock_wall_ms());
    return ERR_OK;
}

static void add_time(struct buf *b, const char *name, int64_t ms)
{
    char text[CLOCK_RFC3339_SIZE];

    if (ms <= 0) {
        buf_addf(b, ",\"%s\":null", name);
        return;
    }
    clock_rfc3339(ms, text);
    buf_addf(b, ",\"%s\":\"%s\"", name, text);
}

static void add_text(struct buf *b, const char *name, const char *text)
{
    buf_addf(b, ",\"%s\":", name);
    if (text[0])
        buf_add_json(b, str_of(text));
    else
        buf_add_text(b, "null");
}

/* Where it is from, without what tells files apart. */
static void add_source(struct buf *b, const char *name, const char *origin)
{
    add_text(b, name, str_starts(str_of(origin), STR("put ")) ? "cache_dir" : origin);
}

static void add_walk(struct buf *b, const struct rescan_state *w)
{
    buf_add_text(b, ",\"rescan\":");
    if (w->data_ms == 0) {
        buf_add_text(b, "null");
        return;
    }
    buf_addf(b, "{\"looked\":%" PRIu64 ",\"asked\":%" PRIu64, w->looked, w->asked);
    add_time(b, "data", w->data_ms);
    add_time(b, "began_at", w->began_ms);
    add_time(b, "ended_at", w->ended_ms);
    buf_add_char(b, '}');
}

void scan_data_json(const struct scan_data_status *s, const struct rescan_state *walk,
                    int64_t now_ms, struct buf *ret)
{
    buf_addf(ret, "{\"state\":\"%s\"", scan_data_state_name(s->state));
    add_text(ret, "scanner", s->scanner);
    add_time(ret, "updated_at", s->updated_ms);
    if (s->updated_ms > 0)
        buf_addf(ret, ",\"age_seconds\":%" PRId64, (now_ms - s->updated_ms) / 1000);
    else
        buf_add_text(ret, ",\"age_seconds\":null");
    buf_addf(ret, ",\"max_age_seconds\":%" PRId64, s->max_age_ms / 1000);
    add_source(ret, "source", s->source);
    add_time(ret, "java_updated_at", s->java_updated_ms);
    add_source(ret, "java_source", s->java_source);
    add_time(ret, "failed_at", s->failed_ms);
    add_text(ret, "failure", s->failure);
    if (walk)
        add_walk(ret, walk);
    buf_add_text(ret, "}\n");
}

/* ---- the job */

static bool goes_on(void *ctx)
{
    struct scan_data *d = ctx;

    return !d->registry->jobs || job_go_on(d->registry->jobs, NULL);
}

static void keep_failure(struct scan_data *d, const struct err *why)
{
    pthread_mutex_lock(&d->lock);
    d->status.failed_ms = why ? clock_wall_ms() : 0;
    snprintf(d->status.failure, sizeof(d->status.failure), "%s", why ? why->detail : "");
    pthread_mutex_unlock(&d->lock);
}

/* What was seen, but for failures, which have a life of their own. */
static void keep_status(struct scan_data *d, const struct scan_data_status *seen)
{
    struct scan_data_status kept = *seen;

    pthread_mutex_lock(&d->lock);
    kept.failed_ms = d->status.failed_ms;
    memcpy(kept.failure, d->status.failure, sizeof(kept.failure));
    d->status = kept;
    pthread_mutex_unlock(&d->lock);
}

static enum err_code update(struct scan_data *d, struct data_update_done *ret_done, struct err *e)
{
    enum err_code code;

    if (d->in.fd < 0)
        TRY(generations_open(d->dir, &d->in, e));
    d->update.conf = d->conf;
    d->update.registry = d->registry;
    d->update.in = &d->in;
    d->update.now = atomic_exchange(&d->wanted_now, false);
    d->update.go_on = goes_on;
    d->update.ctx = d;
    code = data_update_look(&d->update, ret_done, e);
    if (code != ERR_OK && code != ERR_LATER && code != ERR_CONFLICT)
        keep_failure(d, e);
    else if (ret_done->tried && code == ERR_OK)
        keep_failure(d, NULL);
    return code == ERR_LATER || code == ERR_CONFLICT ? ERR_OK : code; /* the next look does it */
}

static enum err_code see_ours(struct scan_data *d, struct err *e)
{
    struct scan_data_status s;

    TRY(scan_data_status_of(&d->in, d->conf, &s, e));
    keep_status(d, &s);
    return ERR_OK;
}

/* Of a scanner that keeps its own. */
static enum err_code see_theirs(struct scan_data *d, struct err *e)
{
    struct scan_data_status s = {.state = SCAN_DATA_OK};
    enum err_code code;

    if (!d->scanner)
        return ERR_OK;
    snprintf(s.scanner, sizeof(s.scanner), "%s", d->scanner->driver->name);
    code = d->scanner->driver->data(d->scanner, &s.updated_ms, e);
    if (code != ERR_OK) {
        s.state = SCAN_DATA_NONE;
        keep_failure(d, e);
    } else {
        keep_failure(d, NULL);
    }
    keep_status(d, &s);
    return code;
}

static bool is_time(int64_t *last_ms, int64_t every_ms)
{
    int64_t now_ms = clock_mono_ms();

    if (*last_ms > 0 && now_ms - *last_ms < every_ms)
        return false;
    *last_ms = now_ms;
    return true;
}

static void tell(struct scan_data *d)
{
    struct scan_data_status s;
    char updated[CLOCK_RFC3339_SIZE];

    scan_data_status(d, &s);
    clock_rfc3339(s.updated_ms, updated);
    if (s.state == SCAN_DATA_OLD && is_time(&d->told_ms, TELL_MS)) {
        log_event(LOG_ERROR, "the data of vulnerabilities is older than scan.data.max_age",
                  LOG_TEXT("scanner", s.scanner), LOG_TEXT("updated", updated),
                  LOG_I64("age_s", (clock_wall_ms() - s.updated_ms) / 1000),
                  LOG_TEXT("failure", s.failure));
    } else if (s.state == SCAN_DATA_OK && d->told_ms > 0) {
        d->told_ms = 0;
        log_event(LOG_INFO, "the data of vulnerabilities is new enough again",
                  LOG_TEXT("updated", updated));
    }
}

static void tell_switched(struct scan_data *d)
{
    struct scan_data_status s;
    char updated[CLOCK_RFC3339_SIZE];

    scan_data_status(d, &s);
    clock_rfc3339(s.updated_ms, updated);
    log_event(LOG_INFO, "new data of vulnerabilities", LOG_TEXT("updated", updated),
              LOG_TEXT("source", s.source), LOG_TEXT("java_source", s.java_source));
}

/* What was scanned with other data is scanned again. */
static enum err_code note(struct scan_data *d, bool back, struct err *e)
{
    struct scan_data_status s;

    scan_data_status(d, &s);
    return d->rescan ? rescan_note(d->rescan, s.updated_ms, back, e) : ERR_OK;
}

static enum err_code see_and_note_theirs(struct scan_data *d, struct err *e)
{
    TRY(see_theirs(d, e));
    return note(d, false, e);
}

static enum err_code look_at_ours(struct scan_data *d, struct err *e)
{
    struct err_first all = {0};
    struct data_update_done done = {0};

    if (err_first_add(&all, update(d, &done, &all.step)) != ERR_OK && d->in.fd < 0)
        return err_first_of(&all, e);
    err_first_add(&all, see_ours(d, &all.step));
    if (done.switched)
        tell_switched(d);
    if (is_time(&d->noted_ms, NOTE_MS) || done.switched)
        err_first_add(&all, note(d, done.back, &all.step));
    if (is_time(&d->swept_ms, SWEEP_MS) || done.switched)
        generations_sweep(&d->in);
    return err_first_of(&all, e);
}

/* At a start nothing is known of before, and nothing is hurried: an image that ends servers would
 * be tried for ever. */
static enum err_code hurry(struct scan_data *d, enum scan_data_state before, struct err *e)
{
    struct scan_data_status now;

    scan_data_status(d, &now);
    if (before != SCAN_DATA_NONE || now.state == SCAN_DATA_NONE)
        return ERR_OK;
    return scan_retry_waiting(d->registry, e);
}

static enum err_code look(struct scan_data *d, struct err *e)
{
    if (d->dir[0])
        return look_at_ours(d, e);
    return is_time(&d->asked_ms, ASK_MS) ? see_and_note_theirs(d, e) : ERR_OK;
}

enum err_code scan_data_look(struct scan_data *d, struct err *e)
{
    struct err_first all = {0};
    struct scan_data_status before;

    scan_data_status(d, &before);
    err_first_add(&all, look(d, &all.step));
    err_first_add(&all, hurry(d, before.state, &all.step));
    tell(d);
    return err_first_of(&all, e);
}

static enum err_code run(void *ctx, struct job *job, struct err *e)
{
    (void)job;
    return scan_data_look(ctx, e);
}

static int64_t look_every_ms(void *ctx)
{
    (void)ctx;
    return LOOK_MS;
}

void scan_data_jobs(struct scan_data *d)
{
    const struct job_kind kind = {.name = SCAN_DATA_JOB,
                                  .run = run,
                                  .ctx = d,
                                  .retry_ms = LOOK_MS,
                                  .every_ms = look_every_ms,
                                  .own = true};

    jobs_kind_add(d->registry->jobs, &kind);
}

void scan_data_ask(struct scan_data *d)
{
    atomic_store(&d->wanted_now, true);
    jobs_wake_own(d->registry->jobs, SCAN_DATA_JOB);
}
