#include "auth/core/shared_rates.h"

#include "base/clock.h"
#include "base/mem.h"
#include "base/thread.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#define INTERVAL_MS 200
#define AT_ONCE     10 /* buckets in one script */
#define NUMBERS     4  /* of each */
#define KEY_MAX     128
#define NUMBER_MAX  24

struct shared_rates {
    struct rate *rate;
    struct redis *redis;
    const char *prefix;
    struct rate_taken taken[RATE_NOTED_MAX];
    pthread_t thread;
    bool running;
    pthread_mutex_t mutex;
    pthread_cond_t stopped;
    bool stop;
};

/*
 * KEYS: buckets. ARGV, of each: requests taken, a request, all of it, what it refills with in a
 * microsecond. A bucket is "FILL TIME", by the clock of Redis; it owes as much as it can hold at
 * most. What is full is forgotten, by itself.
 */
static const char take_text[] =
    "local t = redis.call('TIME') local now = t[1] * 1000000 + t[2] local left = {} "
    "for i, key in ipairs(KEYS) do "
    "local n, one, full, per = tonumber(ARGV[4 * i - 3]), tonumber(ARGV[4 * i - 2]), "
    "tonumber(ARGV[4 * i - 1]), tonumber(ARGV[4 * i]) "
    "local v = redis.call('GET', key) or '' "
    "local fill, last = string.match(v, '^(-?%d+) (%d+)$') "
    "fill, last = tonumber(fill) or full, tonumber(last) or now "
    "if now > last then fill = fill + (now - last) * per end "
    "fill = math.max(math.min(fill, full) - n * one, -full) "
    "redis.call('SET', key, string.format('%.0f %.0f', fill, now), 'PX', "
    "math.ceil((full - fill) / per / 1000) + 1000) "
    "left[i] = string.format('%.0f', math.max(fill, 0)) end "
    "return left";

struct words {
    char keys[AT_ONCE][KEY_MAX];
    char numbers[AT_ONCE][NUMBERS][NUMBER_MAX];
    struct str all[AT_ONCE * (1 + NUMBERS)];
};

static void spell(const struct shared_rates *s, const struct rate_taken *list, size_t n,
                  struct words *w)
{
    for (size_t i = 0; i < n; i++) {
        const uint64_t numbers[NUMBERS] = {list[i].taken, list[i].one, list[i].full,
                                           list[i].per_us};

        snprintf(w->keys[i], KEY_MAX, "%sr:%s", s->prefix, list[i].name);
        w->all[i] = str_of(w->keys[i]);
        for (size_t k = 0; k < NUMBERS; k++) {
            snprintf(w->numbers[i][k], NUMBER_MAX, "%" PRIu64, numbers[k]);
            w->all[n + i * NUMBERS + k] = str_of(w->numbers[i][k]);
        }
    }
}

/* False: Redis does not answer. */
static bool tell_some(struct shared_rates *s, const struct rate_taken *list, size_t n)
{
    const struct redis_script script = {take_text, n};
    AUTO(redis_reply) struct redis_reply left = {0};
    struct words w;
    uint64_t fill;

    spell(s, list, n, &w);
    if (redis_run(s->redis, NULL, &script, w.all, n * (1 + NUMBERS), &left, ERR_IGNORED) !=
        REDIS_ANSWERED)
        return false;
    for (size_t i = 0; i < n; i++) {
        if (str_to_u64(redis_reply_str(redis_reply_at(left.r, i)), UINT64_MAX, &fill))
            rate_lower(s->rate, list[i].id, fill);
    }
    return true;
}

void shared_rates_tell(struct shared_rates *s)
{
    size_t n = rate_collect(s->rate, s->taken, RATE_NOTED_MAX);
    bool answers = true;

    for (size_t done = 0, some; done < n && answers; done += some) {
        some = n - done < AT_ONCE ? n - done : AT_ONCE;
        answers = tell_some(s, s->taken + done, some);
    }
}

static void *run(void *arg)
{
    struct shared_rates *s = arg;

    pthread_mutex_lock(&s->mutex);
    while (!s->stop) {
        struct timespec until = clock_mono_in(INTERVAL_MS);

        pthread_cond_timedwait(&s->stopped, &s->mutex, &until);
        pthread_mutex_unlock(&s->mutex);
        shared_rates_tell(s);
        pthread_mutex_lock(&s->mutex);
    }
    pthread_mutex_unlock(&s->mutex);
    return NULL;
}

struct shared_rates *shared_rates_new(struct rate *rate, struct redis *redis, const char *prefix)
{
    struct shared_rates *s = NEW(struct shared_rates);

    s->rate = rate;
    s->redis = redis;
    s->prefix = prefix;
    pthread_mutex_init(&s->mutex, NULL);
    thread_cond_init(&s->stopped);
    rate_note_taken(rate);
    return s;
}

enum err_code shared_rates_start(struct shared_rates *s, struct err *e)
{
    s->running = thread_start(&s->thread, "rates", THREAD_STACK_USUAL, run, s) == 0;
    return s->running ? ERR_OK : err_set(e, ERR_INTERNAL, "no thread for rates");
}

void shared_rates_free(struct shared_rates *s)
{
    if (!s)
        return;
    pthread_mutex_lock(&s->mutex);
    s->stop = true;
    pthread_cond_signal(&s->stopped);
    pthread_mutex_unlock(&s->mutex);
    if (s->running)
        pthread_join(s->thread, NULL);
    pthread_cond_destroy(&s->stopped);
    pthread_mutex_destroy(&s->mutex);
    free(s);
}
