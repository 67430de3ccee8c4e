#include "core/outbox.h"

#include "base/clock.h"
#include "jobs/jobs.h"

#define JOB           "outbox"
#define TRIM_EVERY_MS (10 * 60 * 1000)
#define RETRY_MS      (60 * 1000)
#define AT_ONCE       64 /* deletions in a transaction */

void outbox_begin(struct outbox_event *ev, const char *name)
{
    int64_t now_ms = clock_wall_ms();
    char time[CLOCK_RFC3339_SIZE];

    uuid_make_timed(now_ms, &ev->id);
    clock_rfc3339(now_ms, time);
    buf_init(&ev->json, OUTBOX_EVENT_MAX);
    buf_addf(&ev->json, "{\"event\":\"%s\",\"time\":\"%s\"", name, time);
}

void outbox_add_text(struct outbox_event *ev, const char *key, struct str value)
{
    buf_addf(&ev->json, ",\"%s\":", key);
    buf_add_json(&ev->json, value);
}

void outbox_add_number(struct outbox_event *ev, const char *key, int64_t value)
{
    buf_addf(&ev->json, ",\"%s\":%lld", key, (long long)value);
}

struct meta_op outbox_put(struct outbox_event *ev)
{
    buf_add_char(&ev->json, '}');
    return meta_op_record_put(OUTBOX, str_of(ev->id.text), buf_str(&ev->json), META_ANY);
}

void outbox_done(struct outbox_event *ev)
{
    buf_done(&ev->json);
}

/* ---- trimming */

struct trim {
    struct registry *r;
    uint64_t n, surplus;
    char keys[AT_ONCE][UUID_TEXT + 1];
    size_t n_keys;
};

static enum err_code count(void *ctx, const struct meta_record *record, struct err *e)
{
    struct trim *t = ctx;

    (void)record;
    (void)e;
    t->n++;
    return ERR_OK;
}

static enum err_code remove_keys(struct trim *t, struct err *e)
{
    struct meta_op ops[AT_ONCE];

    for (size_t i = 0; i < t->n_keys; i++)
        ops[i] = meta_op_record_delete(OUTBOX, str_of(t->keys[i]), META_ANY);
    if (t->n_keys > 0)
        TRY(meta_commit(t->r->meta, ops, t->n_keys, 0, NULL, e));
    t->n_keys = 0;
    return ERR_OK;
}

static enum err_code remove_page(struct trim *t, struct err *e)
{
    AUTO(records) struct meta_record_list l = {0};
    size_t n = t->surplus < AT_ONCE ? (size_t)t->surplus : AT_ONCE;

    TRY(meta_records(t->r->meta, OUTBOX, STR(""), n, &l, e));
    for (size_t i = 0; i < l.n; i++) {
        if (str_copy(str_of(l.rows[i].key), t->keys[t->n_keys], sizeof(t->keys[0])))
            t->n_keys++;
    }
    t->surplus = l.n < n ? 0 : t->surplus - l.n;
    return remove_keys(t, e);
}

enum err_code outbox_trim(struct registry *r, uint64_t keep, size_t *ret_n, struct err *e)
{
    struct trim t = {.r = r};

    TRY(meta_records_each(r->meta, OUTBOX, count, &t, e));
    t.surplus = t.n > keep ? t.n - keep : 0;
    if (ret_n)
        *ret_n = (size_t)t.surplus;
    while (t.surplus > 0)
        TRY(remove_page(&t, e));
    return ERR_OK;
}

static enum err_code trim(void *ctx, struct job *job, struct err *e)
{
    struct registry *r = ctx;

    (void)job;
    return outbox_trim(r, conf_u64(&r->options->outbox_keep), NULL, e);
}

static int64_t every_ms(void *ctx)
{
    (void)ctx;
    return TRIM_EVERY_MS;
}

void outbox_jobs(struct registry *r)
{
    const struct job_kind kind = {.name = JOB,
                                  .run = trim,
                                  .ctx = r,
                                  .retry_ms = RETRY_MS,
                                  .priority = 3,
                                  .every_ms = every_ms,
                                  .first_ms = every_ms};

    jobs_kind_add(r->jobs, &kind);
}
