#include "scan/rescan.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/json.h"
#include "base/mem.h"
#include "core/scan_wish.h"
#include "jobs/jobs.h"
#include "scan/result.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#define RECORDS  STR("scan.data")
#define WALK     STR("walk")
#define PRIORITY 6

#define TURN_MS      (10 * 1000) /* while there is a walk; its rate is kept by what a turn asks for */
#define IDLE_MS      (60 * 1000)
#define RETRY_MS     (60 * 1000)
#define PAGE         200 /* results that a turn looks at, at least */
#define PAGES_MAX    50
#define ASKED_MAX    20 /* jobs that are added in one transaction */
#define PASSES       3
#define PASS_REST_MS (10 * 60 * 1000)
#define WAIT_MS      ((int64_t)30 * 60 * 1000) /* for one image, at most */

/* ---- the record */

struct walk {
    int64_t data_ms; /* 0: there is none */
    int64_t began_ms, ended_ms, next_ms;
    int64_t last_ms;                         /* when the last job was asked for */
    uint64_t pass, looked, asked, asked_now; /* in all passes; in this one */
    char after[DIGEST_TEXT_MAX + 1];
    char last[SCAN_KEY_MAX + 1]; /* key of the last job that was asked for */
};

static int64_t number(const json_t *o, const char *key)
{
    return json_integer_value(json_object_get(o, key));
}

static void text(const json_t *o, const char *key, char *dst, size_t cap)
{
    const char *value = json_string_value(json_object_get(o, key));

    if (!value || !str_copy(str_of(value), dst, cap))
        dst[0] = '\0';
}

static enum err_code get_walk(struct registry *r, struct walk *ret, int64_t *ret_version,
                              struct err *e)
{
    AUTO(record) struct meta_record record = {0};
    AUTO(json) json_t *o = NULL;
    enum err_code code = meta_record_get(r->meta, RECORDS, WALK, &record, e);

    *ret = (struct walk){0};
    *ret_version = META_ABSENT;
    if (code == ERR_NOT_FOUND)
        return ERR_OK;
    TRY(code);
    *ret_version = record.version;
    o = json_loads(record.value, 0, NULL);
    ret->data_ms = number(o, "data_ms");
    ret->began_ms = number(o, "began_ms");
    ret->ended_ms = number(o, "ended_ms");
    ret->next_ms = number(o, "next_ms");
    ret->last_ms = number(o, "last_ms");
    ret->pass = (uint64_t)number(o, "pass");
    ret->looked = (uint64_t)number(o, "looked");
    ret->asked = (uint64_t)number(o, "asked");
    ret->asked_now = (uint64_t)number(o, "asked_now");
    text(o, "after", ret->after, sizeof(ret->after));
    text(o, "last", ret->last, sizeof(ret->last));
    return ERR_OK;
}

static void print_walk(const struct walk *w, struct buf *ret)
{
    buf_init(ret, 2048);
    buf_addf(ret,
             "{\"data_ms\":%" PRId64 ",\"began_ms\":%" PRId64 ",\"ended_ms\":%" PRId64
             ",\"next_ms\":%" PRId64 ",\"last_ms\":%" PRId64 ",\"pass\":%" PRIu64
             ",\"looked\":%" PRIu64 ",\"asked\":%" PRIu64 ",\"asked_now\":%" PRIu64 ",\"after\":",
             w->data_ms, w->began_ms, w->ended_ms, w->next_ms, w->last_ms, w->pass, w->looked,
             w->asked, w->asked_now);
    buf_add_json(ret, str_of(w->after));
    buf_add_text(ret, ",\"last\":");
    buf_add_json(ret, str_of(w->last));
    buf_add_char(ret, '}');
}

enum err_code rescan_state(struct registry *r, struct rescan_state *ret, struct err *e)
{
    struct walk w;
    int64_t unused;

    TRY(get_walk(r, &w, &unused, e));
    *ret = (struct rescan_state){w.data_ms, w.began_ms, w.ended_ms, w.looked, w.asked};
    return ERR_OK;
}

enum err_code rescan_is_taken_back(struct registry *r, int64_t data_ms, bool *ret, struct err *e)
{
    struct walk w;
    int64_t unused;

    TRY(get_walk(r, &w, &unused, e));
    *ret = w.data_ms > 0 && w.data_ms < data_ms;
    return ERR_OK;
}

/* ---- beginning */

enum err_code rescan_note(struct rescan *x, int64_t data_ms, bool back, struct err *e)
{
    struct registry *r = x->registry;
    AUTO(buf) struct buf json = {0};
    struct meta_op ops[2];
    struct walk w;
    int64_t version;
    enum err_code code;

    if (data_ms <= 0)
        return ERR_OK;
    TRY(get_walk(r, &w, &version, e));
    if (data_ms < w.data_ms ? !back : data_ms == w.data_ms)
        return ERR_OK;
    w = (struct walk){.data_ms = data_ms, .began_ms = clock_wall_ms()};
    if (!conf_bool(&x->conf->rescan))
        w.ended_ms = w.began_ms;
    print_walk(&w, &json);
    ops[0] = meta_op_record_put(RECORDS, WALK, buf_str(&json), version);
    ops[1] = jobs_add_op(r->jobs, RESCAN_JOB, STR(JOBS_ALL));
    code = meta_commit(r->meta, ops, 2, 0, NULL, e);
    if (code == ERR_CONFLICT || code == ERR_PRECONDITION)
        return ERR_OK; /* another server saw it, too */
    TRY(code);
    atomic_store(&x->walking, true);
    jobs_wake(r->jobs);
    return ERR_OK;
}

/* ---- one turn */

struct turn {
    struct rescan *x;
    struct job *job;
    struct walk walk;
    int64_t version;
    uint64_t left; /* scans that may still be asked for */
    struct meta_op ops[ASKED_MAX + 2];
    char keys[ASKED_MAX][SCAN_KEY_MAX + 1];
    size_t n_asked;
};

/* The walk as it is now, with the jobs that it asks for, while the job is still ours. */
static enum err_code commit(struct turn *t, struct err *e)
{
    struct registry *r = t->x->registry;
    AUTO(buf) struct buf json = {0};
    size_t n = t->n_asked;

    print_walk(&t->walk, &json);
    t->ops[n++] = meta_op_record_put(RECORDS, WALK, buf_str(&json), t->version);
    if (t->job)
        t->ops[n++] = job_check_op(t->job);
    TRY(meta_commit(r->meta, t->ops, n, 0, NULL, e));
    t->n_asked = 0;
    return get_walk(r, &t->walk, &t->version, e);
}

/* With other data, and not such that it makes no difference. */
static bool is_due(const struct turn *t, const struct scan_result *s)
{
    bool has_verdict =
        s->status == SCAN_COMPLETED || s->status == SCAN_UNSUPPORTED || s->status == SCAN_FAILED;

    return has_verdict && s->n_repos > 0 && s->facts.data_ms != t->walk.data_ms;
}

static void ask(struct turn *t, const struct scan_result *s, const struct digest *d)
{
    char *key = t->keys[t->n_asked];

    scan_key(&s->repos[0], d, key);
    t->ops[t->n_asked++] = jobs_add_op(t->x->registry->jobs, SCAN_AGAIN, str_of(key));
    snprintf(t->walk.last, sizeof(t->walk.last), "%s", key);
    t->walk.last_ms = clock_wall_ms();
    t->walk.asked++;
    t->walk.asked_now++;
    t->left--;
}

/* What is damaged, or of another version, is not the walk's to judge. */
static void look_at(struct turn *t, const struct meta_record *record)
{
    struct scan_result s;
    struct digest d;

    t->walk.looked++;
    if (digest_parse(str_of(record->key), &d, ERR_IGNORED) == ERR_OK &&
        scan_result_parse(str_of(record->value), &s, ERR_IGNORED) == ERR_OK && is_due(t, &s))
        ask(t, &s, &d);
    (void)str_copy(str_of(record->key), t->walk.after, sizeof(t->walk.after));
}

/* The last result was looked at. If there was one that needed a scan, some of these may have been
 * made by servers with older data. */
static void end_pass(struct turn *t)
{
    int64_t now_ms = clock_wall_ms();

    t->walk.after[0] = '\0';
    t->walk.pass++;
    if (t->walk.asked_now == 0 || t->walk.pass >= PASSES)
        t->walk.ended_ms = now_ms;
    else
        t->walk.next_ms = now_ms + PASS_REST_MS;
    t->walk.asked_now = 0;
}

static enum err_code look_at_page(struct turn *t, bool *ret_more, struct err *e)
{
    AUTO(records) struct meta_record_list l = {0};
    char after[DIGEST_TEXT_MAX + 1];
    size_t i = 0;

    snprintf(after, sizeof(after), "%s", t->walk.after);
    TRY(meta_records(t->x->registry->meta, SCAN_RESULTS, str_of(after), PAGE, &l, e));
    for (; i < l.n && t->left > 0; i++) {
        look_at(t, &l.rows[i]);
        if (t->n_asked == ASKED_MAX)
            TRY(commit(t, e));
    }
    *ret_more = l.more && l.n > 0 && t->left > 0;
    if (i == l.n && (!l.more || l.n == 0))
        end_pass(t);
    return commit(t, e);
}

bool rescan_waits(struct registry *r, const char *key, int64_t asked_ms)
{
    AUTO(meta_job) struct meta_job job = {0};
    int64_t waited_ms = clock_wall_ms() - asked_ms;

    return key[0] && waited_ms < WAIT_MS && waited_ms > -WAIT_MS &&
           meta_job_get(r->meta, STR(SCAN_AGAIN), str_of(key), &job, ERR_IGNORED) == ERR_OK &&
           job.state != META_JOB_STOPPED;
}

uint64_t rescan_per_turn(const struct conf_scan *c, int64_t turn_ms)
{
    uint64_t per_turn = conf_u64(&c->rescan_rate) * (uint64_t)turn_ms / (3600 * 1000);

    return per_turn > 0 ? per_turn : 1;
}

enum err_code rescan_turn(struct rescan *x, struct job *job, struct err *e)
{
    AUTO(mem) struct turn *t = NEW(struct turn);
    bool more = true;

    *t = (struct turn){.x = x, .job = job, .left = rescan_per_turn(x->conf, TURN_MS)};
    TRY(get_walk(x->registry, &t->walk, &t->version, e));
    atomic_store(&x->walking, t->walk.data_ms > 0 && t->walk.ended_ms == 0);
    if (!atomic_load(&x->walking) || clock_wall_ms() < t->walk.next_ms ||
        rescan_waits(x->registry, t->walk.last, t->walk.last_ms))
        return ERR_OK;
    for (int i = 0; i < PAGES_MAX && more; i++) {
        if (job && !job_go_on(x->registry->jobs, job))
            return err_set(e, ERR_LATER, "stopped");
        TRY(look_at_page(t, &more, e));
    }
    jobs_wake(x->registry->jobs);
    return ERR_OK;
}

static enum err_code run(void *ctx, struct job *job, struct err *e)
{
    return rescan_turn(ctx, job, e);
}

static int64_t turn_every_ms(void *ctx)
{
    struct rescan *x = ctx;

    return atomic_load(&x->walking) ? TURN_MS : IDLE_MS;
}

void rescan_jobs(struct rescan *x)
{
    const struct job_kind kind = {.name = RESCAN_JOB,
                                  .run = run,
                                  .ctx = x,
                                  .retry_ms = RETRY_MS,
                                  .priority = PRIORITY,
                                  .every_ms = turn_every_ms};

    jobs_kind_add(x->registry->jobs, &kind);
}
