#include "auth/core/audit.h"

#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/pattern.h"
#include "base/thread.h"
#include "conf/conf.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define WAITING_MAX    1024
#define UNPLACED_MAX   (WAITING_MAX / 4 * 3) /* of those without a place: others find one still */
#define GATHER_MS      50
#define RETRY_MS       1000
#define LINE_MAX_BYTES 16384

struct audit {
    struct meta *meta;
    const _Atomic uint64_t *retention_ms;
    int64_t wait_ms;
    int fd; /* -1: the log */
    pthread_t thread;
    pthread_mutex_t mutex; /* guards what follows */
    pthread_cond_t added, taken, stopped;
    struct meta_audit waiting[WAITING_MAX];
    size_t n, placed;      /* entries that wait; places that are kept for others */
    enum err_code failing; /* of the last attempt to write; OK: it went well */
    uint64_t lost;         /* entries that found no room */
    int64_t lost_since_ms;
    bool stop;
};

static void copy_texts(struct meta_audit *x)
{
    x->actor = mem_strdup(x->actor);
    x->action = mem_strdup(x->action);
    x->target = mem_strdup(x->target);
    x->address = mem_strdup(x->address);
    x->result = mem_strdup(x->result);
    x->detail = mem_strdup(x->detail);
    x->repository = mem_strdup(x->repository ? x->repository : "");
}

static void free_texts(struct meta_audit *x)
{
    free((char *)x->actor);
    free((char *)x->action);
    free((char *)x->target);
    free((char *)x->address);
    free((char *)x->result);
    free((char *)x->detail);
    free((char *)x->repository);
}

static void add_member(struct buf *line, const char *key, const char *value)
{
    buf_addf(line, ",\"%s\":", key);
    buf_add_json(line, str_of(value));
}

static void log_line(const struct meta_audit *x)
{
    log_event(LOG_INFO, "audit", LOG_TEXT("actor", x->actor), LOG_TEXT("action", x->action),
              LOG_TEXT("target", x->target), LOG_TEXT("address", x->address),
              LOG_TEXT("result", x->result), LOG_TEXT("detail", x->detail));
}

static bool below(const void *ctx, struct str repository)
{
    return str_starts(repository, str_of(ctx));
}

static bool by_pattern(const void *ctx, struct str repository)
{
    return repository.n && pattern_matches(str_of(ctx), repository);
}

enum err_code audit_filter_repository(struct meta_audit_filter *f, const char *text, struct err *e)
{
    struct str s = str_of(text);

    if (s.n == 0)
        return ERR_OK;
    if (!pattern_valid(s))
        return err_tell(e, ERR_REQUEST_INVALID,
                        "'%.100s' is no name or pattern of repositories, such as 'dev/app', 'dev/' "
                        "or 'dev/**'",
                        text);
    f->ctx = text;
    if (memchr(s.p, '*', s.n) || memchr(s.p, '?', s.n))
        f->repository_matches = by_pattern;
    else if (str_ends(s, STR("/")))
        f->repository_matches = below;
    else
        f->repository = s;
    return ERR_OK;
}

void audit_json(const struct meta_audit *x, struct buf *ret_json)
{
    char time[CLOCK_RFC3339_SIZE];

    clock_rfc3339(x->time_ms, time);
    buf_add_char(ret_json, '{');
    if (x->id)
        buf_addf(ret_json, "\"id\":%lld,", (long long)x->id);
    buf_addf(ret_json, "\"time\":\"%s\"", time);
    add_member(ret_json, "actor", x->actor);
    add_member(ret_json, "action", x->action);
    add_member(ret_json, "target", x->target);
    add_member(ret_json, "address", x->address);
    add_member(ret_json, "result", x->result);
    add_member(ret_json, "detail", x->detail);
    buf_add_char(ret_json, '}');
}

static void file_line(struct audit *a, const struct meta_audit *x)
{
    AUTO(buf) struct buf line = {0};

    buf_init(&line, LINE_MAX_BYTES);
    audit_json(x, &line);
    buf_add_char(&line, '\n');
    if (!line.full && file_write_all(a->fd, line.p, line.n) != 0)
        log_event(LOG_ERROR, "the audit file can't be written");
}

static struct meta_audit with_time(const struct meta_audit *entry)
{
    struct meta_audit x = *entry;

    if (x.time_ms == 0)
        x.time_ms = clock_wall_ms();
    return x;
}

static void write_line(struct audit *a, const struct meta_audit *x)
{
    if (a->fd < 0)
        log_line(x);
    else
        file_line(a, x);
}

void audit_add_line(struct audit *a, const struct meta_audit *entry)
{
    struct meta_audit x = with_time(entry);

    write_line(a, &x);
}

/* Under the mutex. */
static void put(struct audit *a, const struct meta_audit *x)
{
    a->waiting[a->n] = *x;
    copy_texts(&a->waiting[a->n]);
    a->n++;
    pthread_cond_signal(&a->added);
}

static bool has_place(const struct audit *a)
{
    return a->n + a->placed < WAITING_MAX;
}

static enum err_code no_place(enum err_code failing, struct err *e)
{
    return err_tell(e, failing == ERR_STORAGE_READONLY ? failing : ERR_STORAGE_FULL,
                    "the audit trail takes no entries, and nothing is done that it can't record");
}

enum err_code audit_begin(struct audit *a, struct err *e)
{
    struct timespec until = clock_mono_in(a->wait_ms);
    enum err_code failing;
    bool placed;

    pthread_mutex_lock(&a->mutex);
    while (!has_place(a) && a->failing == ERR_OK) {
        if (pthread_cond_timedwait(&a->taken, &a->mutex, &until) != 0)
            break;
    }
    placed = has_place(a);
    failing = a->failing;
    if (placed)
        a->placed++;
    pthread_mutex_unlock(&a->mutex);
    return placed ? ERR_OK : no_place(failing, e);
}

void audit_end(struct audit *a, const struct meta_audit *entry)
{
    struct meta_audit x = with_time(entry);

    write_line(a, &x);
    pthread_mutex_lock(&a->mutex);
    a->placed--;
    put(a, &x);
    pthread_mutex_unlock(&a->mutex);
}

void audit_cancel(struct audit *a)
{
    pthread_mutex_lock(&a->mutex);
    a->placed--;
    pthread_cond_signal(&a->taken);
    pthread_mutex_unlock(&a->mutex);
}

void audit_add(struct audit *a, const struct meta_audit *entry)
{
    struct meta_audit x = with_time(entry);

    write_line(a, &x);
    pthread_mutex_lock(&a->mutex);
    if (a->n < UNPLACED_MAX && has_place(a))
        put(a, &x);
    else if (a->lost++ == 0)
        a->lost_since_ms = x.time_ms;
    pthread_mutex_unlock(&a->mutex);
}

/* Sleeps so long, or until it is time to stop. */
static void rest(struct audit *a, int64_t ms)
{
    struct timespec until = clock_mono_in(ms);

    pthread_mutex_lock(&a->mutex);
    while (!a->stop && pthread_cond_timedwait(&a->stopped, &a->mutex, &until) != ETIMEDOUT)
        ;
    pthread_mutex_unlock(&a->mutex);
}

/* True: it is time to stop. */
static bool tell_result(struct audit *a, enum err_code code)
{
    bool stop;

    pthread_mutex_lock(&a->mutex);
    a->failing = code;
    stop = a->stop;
    if (code != ERR_OK)
        pthread_cond_broadcast(&a->taken); /* who waits for room need not any longer */
    pthread_mutex_unlock(&a->mutex);
    return stop;
}

/* Until it is written: an entry is not given up because the disk was full for a moment. When the
 * process is to end, once must do: what can't be written then has its lines. */
static void commit(struct audit *a, const struct meta_audit *batch, size_t n)
{
    struct meta_op *ops = mem_zero(n * sizeof(*ops));
    struct err e = {0};
    enum err_code code;

    for (size_t i = 0; i < n; i++)
        ops[i] = meta_op_audit_add(&batch[i]);
    for (;;) {
        code = meta_commit(a->meta, ops, n, META_LAZY, NULL, &e);
        if (tell_result(a, code) || code == ERR_OK)
            break;
        log_err(LOG_ERROR, "the audit trail can't be written; will be tried again", &e);
        rest(a, RETRY_MS);
    }
    if (code != ERR_OK)
        log_event(LOG_ERROR, "entries of the audit trail are not in the database",
                  LOG_U64("entries", n), LOG_TEXT("detail", e.detail));
    free(ops);
}

enum err_code audit_prune(struct audit *a, struct err *e)
{
    int64_t keep_ms = a->retention_ms ? (int64_t)conf_u64(a->retention_ms) : 0;
    struct meta_op op = meta_op_audit_prune(clock_wall_ms() - keep_ms);

    return keep_ms > 0 ? meta_commit(a->meta, &op, 1, META_LAZY, NULL, e) : ERR_OK;
}

/* Under the mutex. The entry that tells how many found no room. */
static void put_lost(struct audit *a)
{
    char detail[64];
    struct meta_audit x = {
        .time_ms = clock_wall_ms(),
        .actor = "registry",
        .action = "audit",
        .target = "",
        .address = "",
        .result = "lost",
        .detail = detail,
    };

    snprintf(detail, sizeof(detail), "{\"entries\":%llu,\"since_ms\":%lld}",
             (unsigned long long)a->lost, (long long)a->lost_since_ms);
    write_line(a, &x);
    put(a, &x);
    a->lost = 0;
}

/* Under the mutex; takes all that waits. */
static size_t take(struct audit *a, struct meta_audit *batch)
{
    size_t n = a->n;

    memcpy(batch, a->waiting, n * sizeof(*batch));
    a->n = 0;
    if (a->lost > 0 && n > 0)
        put_lost(a); /* for the next batch */
    pthread_cond_broadcast(&a->taken);
    return n;
}

static void wait_for_entries(struct audit *a)
{
    while (a->n == 0 && !a->stop)
        pthread_cond_wait(&a->added, &a->mutex);
}

static void *run(void *arg)
{
    struct audit *a = arg;
    struct meta_audit *batch = mem_alloc(WAITING_MAX * sizeof(*batch));
    bool stopping = false;

    while (!stopping) {
        size_t n;

        pthread_mutex_lock(&a->mutex);
        wait_for_entries(a);
        n = take(a, batch);
        stopping = a->stop && a->n == 0;
        pthread_mutex_unlock(&a->mutex);
        if (n == 0)
            continue;
        commit(a, batch, n);
        for (size_t i = 0; i < n; i++)
            free_texts(&batch[i]);
        rest(a, GATHER_MS); /* for company: one commit serves many */
    }
    free(batch);
    return NULL;
}

static enum err_code start(struct audit *a, struct err *e)
{
    int error = thread_start(&a->thread, "audit", THREAD_STACK_USUAL, run, a);

    if (error)
        return err_set(e, ERR_INTERNAL, "start the audit thread: %s", strerror(error));
    return ERR_OK;
}

enum err_code audit_new(struct meta *m, const struct audit_options *o, struct audit **ret_audit,
                        struct err *e)
{
    struct audit *a = NEW(struct audit);

    a->meta = m;
    a->retention_ms = o->retention_ms;
    a->wait_ms = (int64_t)o->wait_ms;
    a->fd = -1;
    if (o->file[0]) {
        a->fd = open(o->file, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
        if (a->fd < 0) {
            free(a);
            return err_set(e, ERR_CONFIG, "audit file '%s': %m", o->file);
        }
    }
    pthread_mutex_init(&a->mutex, NULL);
    thread_cond_init(&a->added);
    thread_cond_init(&a->taken);
    thread_cond_init(&a->stopped);
    if (start(a, e) != ERR_OK) {
        if (a->fd >= 0)
            close(a->fd);
        free(a);
        return ERR_INTERNAL;
    }
    *ret_audit = a;
    return ERR_OK;
}

void audit_free(struct audit *a)
{
    if (!a)
        return;
    pthread_mutex_lock(&a->mutex);
    a->stop = true;
    pthread_cond_signal(&a->added);
    pthread_cond_signal(&a->stopped);
    pthread_mutex_unlock(&a->mutex);
    pthread_join(a->thread, NULL);
    if (a->fd >= 0)
        close(a->fd);
    pthread_cond_destroy(&a->stopped);
    pthread_cond_destroy(&a->taken);
    pthread_cond_destroy(&a->added);
    pthread_mutex_destroy(&a->mutex);
    free(a);
}
