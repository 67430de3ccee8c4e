#include "core/conditions.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/mem.h"
#include "jobs/jobs.h"

#include <dirent.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#define RECORDS STR("check")
#define VERDICT STR("tags")

#define JOB "conditions"

struct conditions_cache {
    pthread_mutex_t looking; /* held while somebody looks: who needs to know waits for that */
    pthread_mutex_t lock;    /* of the rest, held for a moment */
    struct conditions last;
    int64_t seen_ms;                 /* monotonic; 0: nobody has looked */
    _Atomic uint64_t min_free_bytes; /* of who asked last */
};

struct conditions_cache *conditions_new(void)
{
    struct conditions_cache *c = NEW(struct conditions_cache);

    pthread_mutex_init(&c->looking, NULL);
    pthread_mutex_init(&c->lock, NULL);
    return c;
}

void conditions_free(struct conditions_cache *c)
{
    if (c) {
        pthread_mutex_destroy(&c->looking);
        pthread_mutex_destroy(&c->lock);
    }
    free(c);
}

static enum condition of(bool good)
{
    return good ? CONDITION_OK : CONDITION_BAD;
}

static enum condition look_at_descriptors(void)
{
    AUTO(dir) DIR *dir = opendir("/proc/self/fd");
    struct rlimit limit;
    uint64_t n = 0;

    if (!dir || getrlimit(RLIMIT_NOFILE, &limit) < 0)
        return CONDITION_UNKNOWN;
    while (readdir(dir))
        n++;
    return of(limit.rlim_cur == RLIM_INFINITY || n < limit.rlim_cur / 10 * 9);
}

#define FILE_MAX 128

/* The first bytes of a small file, as text; "" when there is none. */
static void read_text(const char *path, char dst[static FILE_MAX])
{
    AUTO(fd) int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? 0 : read(fd, dst, FILE_MAX - 1);

    dst[n > 0 ? n : 0] = '\0';
}

/* Of what the control group that this container, or service, is gives it. */
static enum condition look_at_memory(void)
{
    uint64_t resident_pages, most_bytes;
    char text[FILE_MAX];

    read_text("/proc/self/statm", text);
    if (sscanf(text, "%*u %" SCNu64, &resident_pages) != 1)
        return CONDITION_UNKNOWN;
    read_text("/sys/fs/cgroup/memory.max", text);
    if (sscanf(text, "%" SCNu64, &most_bytes) != 1)
        return CONDITION_OK; /* there is no limit */
    return of(resident_pages * (uint64_t)sysconf(_SC_PAGESIZE) < most_bytes / 10 * 9);
}

static enum condition look_at_resources(void)
{
    enum condition descriptors = look_at_descriptors();

    return descriptors == CONDITION_OK ? look_at_memory() : descriptors;
}

static enum condition look_at_verdict(struct registry *r)
{
    AUTO(record) struct meta_record verdict = {0};

    if (meta_record_get(r->meta, RECORDS, VERDICT, &verdict, ERR_IGNORED) != ERR_OK)
        return CONDITION_UNKNOWN;
    return of(str_eq(str_of(verdict.value), STR("0")));
}

static struct conditions look(struct registry *r, uint64_t min_free_bytes)
{
    struct store_health h = {0};
    bool there = store_health(r->store, &h, ERR_IGNORED) == ERR_OK;

    return (struct conditions){
        .structure = of(there),
        .symlinks = look_at_verdict(r),
        .space = there ? of(h.free_bytes >= min_free_bytes) : CONDITION_UNKNOWN,
        .resources = look_at_resources(),
    };
}

/* *ret_age_ms is -1 when nobody has looked. */
static void read_last(struct conditions_cache *c, uint64_t min_free_bytes, struct conditions *ret,
                      int64_t *ret_age_ms)
{
    atomic_store(&c->min_free_bytes, min_free_bytes);
    pthread_mutex_lock(&c->lock);
    *ret = c->last;
    *ret_age_ms = c->seen_ms == 0 ? -1 : clock_mono_ms() - c->seen_ms;
    pthread_mutex_unlock(&c->lock);
}

/* So long it holds what was seen. */
static int64_t fresh_ms(const struct registry *r)
{
    int64_t interval_ms = (int64_t)conf_u64(&r->options->sweep_interval_ms);

    return interval_ms < CONDITIONS_MS ? interval_ms : CONDITIONS_MS;
}

static bool is_fresh(const struct registry *r, int64_t age_ms)
{
    return age_ms >= 0 && age_ms < fresh_ms(r);
}

void conditions_get(struct registry *r, uint64_t min_free_bytes, struct conditions *ret)
{
    struct conditions_cache *c = r->conditions;
    int64_t age_ms;

    pthread_mutex_lock(&c->looking);
    read_last(c, min_free_bytes, ret, &age_ms);
    if (!is_fresh(r, age_ms)) {
        *ret = look(r, min_free_bytes);
        pthread_mutex_lock(&c->lock);
        c->last = *ret;
        c->seen_ms = clock_mono_ms();
        pthread_mutex_unlock(&c->lock);
    }
    pthread_mutex_unlock(&c->looking);
}

void conditions_peek(struct registry *r, uint64_t min_free_bytes, struct conditions *ret)
{
    int64_t age_ms;

    read_last(r->conditions, min_free_bytes, ret, &age_ms);
    if (!is_fresh(r, age_ms))
        jobs_wake_own(r->jobs, JOB);
    if (age_ms < 0 || age_ms >= CONDITIONS_OLD_MS)
        *ret = (struct conditions){0};
}

static enum err_code run(void *ctx, struct job *job, struct err *e)
{
    struct registry *r = ctx;
    struct conditions unused;

    (void)job, (void)e;
    conditions_get(r, atomic_load(&r->conditions->min_free_bytes), &unused);
    return ERR_OK;
}

void conditions_jobs(struct registry *r)
{
    const struct job_kind kind = {
        .name = JOB, .run = run, .ctx = r, .gather_ms = fresh_ms(r), .own = true};

    jobs_kind_add(r->jobs, &kind);
}

enum err_code conditions_note(struct registry *r, uint64_t bad_tags, struct err *e)
{
    char digits[STR_DECIMAL_MAX];
    struct meta_op op =
        meta_op_record_put(RECORDS, VERDICT, str_decimal(bad_tags, digits), META_ANY);

    return meta_commit(r->meta, &op, 1, 0, NULL, e);
}
