#include "core/conditions.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/mem.h"

#include <dirent.h>
#include <stdlib.h>
#include <sys/resource.h>

#define RECORDS STR("check")
#define VERDICT STR("tags")

struct conditions_cache {
    pthread_mutex_t lock; /* held while somebody looks: the others wait for that */
    struct conditions last;
    int64_t until_ms; /* monotonic; 0: nobody has looked */
};

struct conditions_cache *conditions_new(void)
{
    struct conditions_cache *c = NEW(struct conditions_cache);

    pthread_mutex_init(&c->lock, NULL);
    return c;
}

void conditions_free(struct conditions_cache *c)
{
    if (c)
        pthread_mutex_destroy(&c->lock);
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
        .resources = look_at_descriptors(),
    };
}

void conditions_get(struct registry *r, uint64_t min_free_bytes, struct conditions *ret)
{
    struct conditions_cache *c = r->conditions;

    pthread_mutex_lock(&c->lock);
    if (c->until_ms == 0 || clock_mono_ms() >= c->until_ms) {
        c->last = look(r, min_free_bytes);
        c->until_ms = clock_mono_ms() + CONDITIONS_MS;
    }
    *ret = c->last;
    pthread_mutex_unlock(&c->lock);
}

enum err_code conditions_note(struct registry *r, uint64_t bad_tags, struct err *e)
{
    char digits[STR_DECIMAL_MAX];
    struct meta_op op =
        meta_op_record_put(RECORDS, VERDICT, str_decimal(bad_tags, digits), META_ANY);

    return meta_commit(r->meta, &op, 1, 0, NULL, e);
}
