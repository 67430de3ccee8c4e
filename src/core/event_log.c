#include "core/event_log.h"

#include "base/clock.h"
#include "base/mem.h"
#include "base/recent.h"
#include "base/thread.h"
#include "jobs/jobs.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#define STATE STR("events.state") /* the collection of one record */
#define LAST  STR("last")         /* its value is the number that was given last */

#define SEQ_DIGITS 16
#define SEQ_MOST   9999999999999999ull

/* Of one transaction, so that DynamoDB, too, takes them in one. */
#define MOVED_EVENTS 48
#define MOVED_BYTES  (1u << 20)
#define MOVED_OPS    (2 * MOVED_EVENTS + 1)

#define DEFERRED_MAX  4096
#define TOLD_AGAIN_MS (3600 * 1000)

#define TRIMMED 64 /* deletions in a transaction */

#define MOVE_JOB      "events"
#define LOOK_JOB      "events.look"
#define TRIM_JOB      "outbox"
#define GATHER_MS     20
#define LOOK_EVERY_MS 1000
#define TRIM_EVERY_MS (60 * 1000)
#define RETRY_MS      5000

struct event_log {
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    uint64_t last; /* as far as this process knows */
    bool hushed;
    unsigned pokes;
    struct outbox_event *deferred; /* room for DEFERRED_MAX, once there was one */
    atomic_size_t n_deferred;
    struct registry *r;
    struct recent *told;
    event_log_read_fn read;
    void *read_ctx;
    pthread_mutex_t moving; /* so that this process is not its own rival */
};

struct event_log *event_log_new(struct registry *r)
{
    struct event_log *l = NEW(struct event_log);

    l->r = r;
    l->told = recent_new(TOLD_AGAIN_MS);
    pthread_mutex_init(&l->mutex, NULL);
    pthread_mutex_init(&l->moving, NULL);
    thread_cond_init(&l->changed);
    return l;
}

/* ---- what nobody waits for */

bool event_log_has_room(struct event_log *l)
{
    return atomic_load_explicit(&l->n_deferred, memory_order_relaxed) < DEFERRED_MAX;
}

void event_log_defer(struct event_log *l, struct outbox_event *ev)
{
    pthread_mutex_lock(&l->mutex);
    if (event_log_has_room(l)) {
        if (!l->deferred)
            l->deferred = mem_alloc(DEFERRED_MAX * sizeof(*l->deferred));
        l->deferred[l->n_deferred++] = *ev;
        *ev = (struct outbox_event){0};
    }
    pthread_mutex_unlock(&l->mutex);
    outbox_done(ev);
}

static enum err_code write_deferred(struct event_log *l, struct err *e)
{
    struct meta_op ops[MOVED_EVENTS];
    struct err_first all = {0};
    struct outbox_event *list;
    size_t n, n_ops = 0;

    pthread_mutex_lock(&l->mutex);
    list = STEAL(l->deferred);
    n = l->n_deferred;
    l->n_deferred = 0;
    pthread_mutex_unlock(&l->mutex);
    for (size_t i = 0; i < n; i++) {
        ops[n_ops++] = outbox_put(&list[i]);
        if (n_ops < MOVED_EVENTS && i + 1 < n)
            continue;
        err_first_add(&all, meta_commit(l->r->meta, ops, n_ops, META_LAZY, NULL, &all.step));
        n_ops = 0;
    }
    for (size_t i = 0; i < n; i++)
        outbox_done(&list[i]);
    free(list);
    return err_first_of(&all, e);
}

bool event_log_may_tell(struct event_log *l, struct str what)
{
    int64_t now_ms = clock_mono_ms();
    struct digest d;

    digest_of(DIGEST_SHA256, what.p, what.n, &d);
    if (recent_has(l->told, &d, now_ms))
        return false;
    recent_add(l->told, &d, recent_since(l->told, &d), now_ms);
    return true;
}

void event_log_free(struct event_log *l)
{
    if (!l)
        return;
    (void)!write_deferred(l, ERR_IGNORED);
    recent_free(l->told);
    pthread_cond_destroy(&l->changed);
    pthread_mutex_destroy(&l->moving);
    pthread_mutex_destroy(&l->mutex);
    free(l);
}

/* ---- who waits */

static void note_last(struct event_log *l, uint64_t last)
{
    pthread_mutex_lock(&l->mutex);
    if (last > l->last) {
        l->last = last;
        pthread_cond_broadcast(&l->changed);
    }
    pthread_mutex_unlock(&l->mutex);
}

bool event_log_wait(struct event_log *l, uint64_t after, int64_t ms)
{
    struct timespec until = clock_mono_in(ms);
    unsigned pokes;
    int error = 0;
    bool there;

    pthread_mutex_lock(&l->mutex);
    pokes = l->pokes;
    while (!l->hushed && l->last <= after && l->pokes == pokes && error == 0)
        error = pthread_cond_timedwait(&l->changed, &l->mutex, &until);
    there = l->last > after;
    pthread_mutex_unlock(&l->mutex);
    return there;
}

void event_log_poke(struct event_log *l)
{
    pthread_mutex_lock(&l->mutex);
    l->pokes++;
    pthread_cond_broadcast(&l->changed);
    pthread_mutex_unlock(&l->mutex);
}

void event_log_hush(struct event_log *l)
{
    pthread_mutex_lock(&l->mutex);
    l->hushed = true;
    pthread_cond_broadcast(&l->changed);
    pthread_mutex_unlock(&l->mutex);
}

void event_log_wake(struct registry *r)
{
    jobs_wake_own(r->jobs, MOVE_JOB);
}

/* ---- reading */

static void seq_key(uint64_t seq, char dst[static SEQ_DIGITS + 1])
{
    snprintf(dst, SEQ_DIGITS + 1, "%016llu", (unsigned long long)(seq % (SEQ_MOST + 1)));
}

static enum err_code seq_of(const struct meta_record *row, uint64_t *ret_seq, struct err *e)
{
    if (!str_to_u64(str_of(row->key), SEQ_MOST, ret_seq))
        return err_set(e, ERR_CORRUPT, "the event log has a record '%.64s'", row->key);
    return ERR_OK;
}

#define ID_MARK "{\"id\":\""

static enum err_code event_of(const struct meta_record *row, struct event *ret_event, struct err *e)
{
    struct str value = str_of(row->value), mark = STR(ID_MARK);

    TRY(seq_of(row, &ret_event->seq, e));
    if (!str_starts(value, mark) || value.n < mark.n + UUID_TEXT)
        return err_set(e, ERR_CORRUPT, "event %s has no id", row->key);
    memcpy(ret_event->id, value.p + mark.n, UUID_TEXT);
    ret_event->id[UUID_TEXT] = '\0';
    ret_event->json = row->value;
    return ERR_OK;
}

void event_list_done(struct event_list *l)
{
    free(l->rows);
    meta_record_list_done(&l->records);
    *l = (struct event_list){0};
}

enum err_code event_log_read(struct meta *m, uint64_t after, size_t limit,
                             struct event_list *ret_list, struct err *e)
{
    AUTO(events) struct event_list l = {0};
    char key[SEQ_DIGITS + 1];

    if (limit < 1 || limit > EVENT_LOG_PAGE || after > SEQ_MOST)
        return err_set(e, ERR_INTERNAL, "no page of the event log");
    seq_key(after, key);
    TRY(meta_records(m, EVENT_LOG, str_of(key), limit, &l.records, e));
    l.rows = mem_zero((l.records.n + 1) * sizeof(*l.rows));
    for (; l.n < l.records.n; l.n++)
        TRY(event_of(&l.records.rows[l.n], &l.rows[l.n], e));
    l.more = l.records.more;
    *ret_list = l;
    l = (struct event_list){0};
    return ERR_OK;
}

/* *ret_version META_ABSENT: no number was given yet. */
static enum err_code read_last(struct meta *m, uint64_t *ret_last, int64_t *ret_version,
                               struct err *e)
{
    AUTO(record) struct meta_record row = {0};
    enum err_code code = meta_record_get(m, STATE, LAST, &row, e);

    *ret_last = 0;
    *ret_version = META_ABSENT;
    if (code == ERR_NOT_FOUND)
        return ERR_OK;
    TRY(code);
    if (!str_to_u64(str_of(row.value), SEQ_MOST, ret_last))
        return err_set(e, ERR_CORRUPT, "the last number of the event log is '%.64s'", row.value);
    *ret_version = row.version;
    return ERR_OK;
}

enum err_code event_log_bounds(struct meta *m, uint64_t *ret_first, uint64_t *ret_last,
                               struct err *e)
{
    AUTO(records) struct meta_record_list l = {0};
    uint64_t last, first;
    int64_t unused;

    TRY(read_last(m, &last, &unused, e));
    TRY(meta_records(m, EVENT_LOG, STR(""), 1, &l, e));
    first = last + 1;
    if (l.n > 0)
        TRY(seq_of(&l.rows[0], &first, e));
    *ret_first = first;
    *ret_last = first > last + 1 ? first : last; /* what came between the two reads */
    return ERR_OK;
}

/* ---- moving */

struct move {
    struct registry *r;
    uint64_t last;
    int64_t version; /* of the record of that */
    struct meta_record_list page;
    struct meta_op ops[MOVED_OPS];
    size_t rows, n, n_ops; /* of the page that are moved; events; operations */
    char keys[MOVED_EVENTS][SEQ_DIGITS + 1];
    char new_last[STR_DECIMAL_MAX];
    struct buf values; /* one behind the other */
};

static void auto_move_(struct move **m)
{
    if (!*m)
        return;
    meta_record_list_done(&(*m)->page);
    buf_done(&(*m)->values);
    free(*m);
}

/* The id stands at the end of the key. What is no event has none, and is dropped. */
static bool add_value(struct move *m, const struct meta_record *row)
{
    struct str key = str_of(row->key), value = str_of(row->value);
    struct uuid id;

    if (key.n < UUID_TEXT || value.n < 2 || value.p[0] != '{' ||
        !uuid_parse((struct str){key.p + key.n - UUID_TEXT, UUID_TEXT}, &id))
        return false;
    buf_addf(&m->values, ID_MARK "%s\",", id.text);
    buf_add(&m->values, value.p + 1, value.n - 1);
    return true;
}

static size_t value_bytes(const struct meta_record *row)
{
    return strlen(row->value) + sizeof(ID_MARK) + UUID_TEXT + 2;
}

/* Values are pointed into once all are there: the buffer has room for them from the start. */
static void make_ops(struct move *m)
{
    size_t bytes = 0;

    while (m->rows < m->page.n &&
           (m->rows == 0 || bytes + value_bytes(&m->page.rows[m->rows]) <= MOVED_BYTES))
        bytes += value_bytes(&m->page.rows[m->rows++]);
    buf_init(&m->values, bytes + 1);
    buf_reserve(&m->values, bytes);
    m->n_ops = 1;
    for (size_t i = 0; i < m->rows; i++) {
        const struct meta_record *row = &m->page.rows[i];
        size_t at = m->values.n;

        m->ops[m->n_ops++] = meta_op_record_delete(OUTBOX, str_of(row->key), META_ANY);
        if (!add_value(m, row))
            continue;
        seq_key(m->last + m->n + 1, m->keys[m->n]);
        m->ops[m->n_ops++] =
            meta_op_record_put(EVENT_LOG, str_of(m->keys[m->n]),
                               (struct str){m->values.p + at, m->values.n - at}, META_ANY);
        m->n++;
    }
    m->ops[0] =
        meta_op_record_put(STATE, LAST, str_decimal(m->last + m->n, m->new_last), m->version);
}

/* Some of the oldest. The number comes first: what is read behind it was moved by nobody before
 * that, or the condition fails. *ret_n 0: there were none. */
static enum err_code move_some(struct registry *r, size_t *ret_n, bool *ret_more, struct err *e)
{
    AUTO(move) struct move *m = NEW(struct move);
    enum err_code code;

    m->r = r;
    TRY(read_last(r->meta, &m->last, &m->version, e));
    TRY(meta_records(r->meta, OUTBOX, STR(""), MOVED_EVENTS, &m->page, e));
    *ret_n = 0;
    *ret_more = false;
    if (m->page.n > 0) {
        make_ops(m);
        code = meta_commit(r->meta, m->ops, m->n_ops, 0, NULL, e);
        if (code == ERR_CONFLICT)
            return err_set(e, ERR_LATER, "another process moves events");
        TRY(code);
        *ret_n = m->n;
        *ret_more = m->page.more || m->rows < m->page.n;
    }
    note_last(r->events, m->last + m->n);
    return ERR_OK;
}

enum err_code event_log_move(struct registry *r, size_t *ret_n, struct err *e)
{
    enum err_code code = ERR_OK;
    size_t all = 0, n = 0;

    pthread_mutex_lock(&r->events->moving);
    for (bool more = true; more && code == ERR_OK; all += n)
        code = move_some(r, &n, &more, e);
    pthread_mutex_unlock(&r->events->moving);
    if (ret_n)
        *ret_n = all;
    return code;
}

/* ---- trimming */

static enum err_code trim_some(struct registry *r, uint64_t before, size_t *ret_n, struct err *e)
{
    AUTO(records) struct meta_record_list l = {0};
    struct meta_op ops[TRIMMED];
    uint64_t seq;

    *ret_n = 0;
    TRY(meta_records(r->meta, EVENT_LOG, STR(""), TRIMMED, &l, e));
    for (size_t i = 0; i < l.n; i++) {
        TRY(seq_of(&l.rows[i], &seq, e));
        if (seq >= before)
            break;
        ops[(*ret_n)++] = meta_op_record_delete(EVENT_LOG, str_of(l.rows[i].key), META_ANY);
    }
    return *ret_n > 0 ? meta_commit(r->meta, ops, *ret_n, 0, NULL, e) : ERR_OK;
}

enum err_code event_log_trim(struct registry *r, uint64_t keep, size_t *ret_n, struct err *e)
{
    uint64_t first, last;
    size_t all = 0, n = 0;

    TRY(event_log_bounds(r->meta, &first, &last, e));
    if (last >= keep && first + keep <= last) {
        do {
            TRY(trim_some(r, last - keep + 1, &n, e));
            all += n;
        } while (n == TRIMMED);
    }
    if (ret_n)
        *ret_n = all;
    return ERR_OK;
}

void event_log_keep_for(struct event_log *l, event_log_read_fn read, void *ctx)
{
    l->read = read;
    l->read_ctx = ctx;
}

enum err_code event_log_tidy(struct registry *r, struct err *e)
{
    uint64_t keep = conf_u64(&r->options->outbox_keep);
    uint64_t most = conf_u64(&r->options->outbox_keep_waiting);
    uint64_t first, last, read;

    if (r->events->read && most > keep) {
        TRY(event_log_bounds(r->meta, &first, &last, e));
        TRY(r->events->read(r->events->read_ctx, &read, e));
        if (last > read && last - read > keep)
            keep = last - read < most ? last - read : most;
    }
    return event_log_trim(r, keep, NULL, e);
}

/* ---- the jobs */

static enum err_code move(void *ctx, struct job *job, struct err *e)
{
    (void)job;
    return event_log_move(ctx, NULL, e);
}

static enum err_code look(void *ctx, struct job *job, struct err *e)
{
    struct registry *r = ctx;

    (void)job;
    TRY(write_deferred(r->events, e));
    return event_log_move(r, NULL, e);
}

static enum err_code trim(void *ctx, struct job *job, struct err *e)
{
    (void)job;
    return event_log_tidy(ctx, e);
}

static int64_t look_every_ms(void *ctx)
{
    (void)ctx;
    return LOOK_EVERY_MS;
}

static int64_t trim_every_ms(void *ctx)
{
    (void)ctx;
    return TRIM_EVERY_MS;
}

void event_log_jobs(struct registry *r)
{
    const struct job_kind kinds[] = {
        {.name = MOVE_JOB,
         .run = move,
         .ctx = r,
         .gather_ms = GATHER_MS,
         .retry_ms = RETRY_MS,
         .own = true},
        {.name = LOOK_JOB,
         .run = look,
         .ctx = r,
         .every_ms = look_every_ms,
         .gather_ms = GATHER_MS,
         .retry_ms = RETRY_MS,
         .own = true},
        {.name = TRIM_JOB,
         .run = trim,
         .ctx = r,
         .retry_ms = TRIM_EVERY_MS,
         .priority = 3,
         .every_ms = trim_every_ms,
         .first_ms = trim_every_ms},
    };

    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
        jobs_kind_add(r->jobs, &kinds[i]);
}
