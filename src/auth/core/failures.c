#include "auth/core/failures.h"

#include "auth/core/shared_failures.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/mem.h"
#include "base/uuid.h"

#include <pthread.h>
#include <stdlib.h>

#define SETS 4096
#define WAYS 4
/* An address may stand for many people behind one gateway. */
#define ADDRESS_FACTOR 10
#define DELAY_FIRST_MS 50
#define DELAY_MOST_MS  1000
#define NAME_MAX_BYTES 1024

struct count {
    uint64_t key; /* 0: a free place */
    uint64_t n;
    int64_t last_ms;
};

struct failures {
    pthread_mutex_t mutex;
    uint64_t lock_after;
    int64_t lock_ms;
    struct shared_failures shared;
    uint64_t seed;
    struct count counts[SETS * WAYS];
};

struct failures *failures_new(uint64_t lock_after, uint64_t lock_ms)
{
    struct failures *f = NEW(struct failures);

    pthread_mutex_init(&f->mutex, NULL);
    f->lock_after = lock_after;
    f->lock_ms = (int64_t)lock_ms;
    random_bytes(&f->seed, sizeof(f->seed));
    return f;
}

void failures_share(struct failures *f, struct redis *redis, const char *prefix)
{
    f->shared = (struct shared_failures){redis, prefix, f->lock_ms};
}

void failures_free(struct failures *f)
{
    if (!f)
        return;
    pthread_mutex_destroy(&f->mutex);
    free(f);
}

static uint64_t mix(uint64_t h, char c)
{
    return (h ^ (unsigned char)c) * 0x9e3779b97f4a7c15u + (h >> 29);
}

/* A directory takes " Alice" for "alice" (RFC 4518): they are one, whoever is guessed at. */
static bool counts(char *c)
{
    *c = str_lower(*c);
    return *c != ' ';
}

static uint64_t mix_name(uint64_t h, struct str name)
{
    for (size_t i = 0; i < name.n; i++) {
        char c = name.p[i];

        if (counts(&c))
            h = mix(h, c);
    }
    return h;
}

/* The same two, as all servers know them. */
static void name_both(struct str user, const char *address, struct buf *ret_text,
                      struct str ret_names[static SHARED_FAILURES_NAMES])
{
    size_t n;

    buf_init(ret_text, NAME_MAX_BYTES);
    for (size_t i = 0; i < user.n; i++) {
        char c = user.p[i];

        if (counts(&c))
            buf_add_char(ret_text, c);
    }
    n = ret_text->n;
    buf_add_char(ret_text, '\n'); /* which no address has */
    buf_add_text(ret_text, address);
    ret_names[0] = buf_str(ret_text);
    ret_names[1] = str_sub(buf_str(ret_text), n, ret_text->n - n);
}

static uint64_t key_of(const struct failures *f, struct str user, const char *address)
{
    uint64_t h = mix_name(f->seed, user) + (user.n > 0 ? 2 : 1);

    for (; *address; address++)
        h = mix(h, *address);
    return h ? h : 1;
}

/* The place of the key, or the one of its set that was used longest ago. */
static struct count *place_of(struct failures *f, uint64_t key)
{
    struct count *set = &f->counts[key % SETS * WAYS], *oldest = set;

    for (size_t i = 0; i < WAYS; i++) {
        if (set[i].key == key)
            return &set[i];
        if (set[i].last_ms < oldest->last_ms)
            oldest = &set[i];
    }
    return oldest;
}

static int64_t left_ms(struct failures *f, uint64_t key, uint64_t limit)
{
    const struct count *c = place_of(f, key);
    int64_t left = c->last_ms + f->lock_ms - clock_mono_ms();

    return c->key == key && c->n >= limit && left > 0 ? left : 0;
}

static int64_t own_locked_ms(struct failures *f, struct str user, const char *address)
{
    int64_t pair, alone;

    pthread_mutex_lock(&f->mutex);
    pair = user.n > 0 ? left_ms(f, key_of(f, user, address), f->lock_after) : 0;
    alone = left_ms(f, key_of(f, STR_NONE, address), f->lock_after * ADDRESS_FACTOR);
    pthread_mutex_unlock(&f->mutex);
    return pair > alone ? pair : alone;
}

int64_t failures_locked_ms(struct failures *f, struct str user, const char *address)
{
    struct shared_count all[SHARED_FAILURES_NAMES];
    struct str names[SHARED_FAILURES_NAMES];
    AUTO(buf) struct buf text = {0};
    int64_t left = own_locked_ms(f, user, address);

    if (left > 0 || !f->shared.redis)
        return left;
    name_both(user, address, &text, names);
    if (!shared_failures_get(&f->shared, names, all))
        return 0;
    if (user.n > 0 && all[0].n >= f->lock_after)
        left = all[0].left_ms;
    if (all[1].n >= f->lock_after * ADDRESS_FACTOR && all[1].left_ms > left)
        left = all[1].left_ms;
    return left;
}

static uint64_t add_one(struct failures *f, uint64_t key)
{
    struct count *c = place_of(f, key);

    if (c->key != key || clock_mono_ms() - c->last_ms > f->lock_ms)
        *c = (struct count){.key = key};
    c->last_ms = clock_mono_ms();
    return ++c->n;
}

static uint64_t count_own(struct failures *f, struct str user, const char *address)
{
    uint64_t n;

    pthread_mutex_lock(&f->mutex);
    n = add_one(f, key_of(f, user, address));
    add_one(f, key_of(f, STR_NONE, address));
    pthread_mutex_unlock(&f->mutex);
    return n;
}

static uint64_t count_shared(const struct failures *f, struct str user, const char *address)
{
    struct shared_count all[SHARED_FAILURES_NAMES];
    struct str names[SHARED_FAILURES_NAMES];
    AUTO(buf) struct buf text = {0};

    if (!f->shared.redis)
        return 0;
    name_both(user, address, &text, names);
    return shared_failures_add(&f->shared, names, all) ? all[0].n : 0;
}

int64_t failures_count(struct failures *f, struct str user, const char *address)
{
    int64_t delay_ms = DELAY_FIRST_MS;
    uint64_t n, shared;

    if (user.n == 0)
        return DELAY_FIRST_MS;
    n = count_own(f, user, address);
    shared = count_shared(f, user, address);
    for (n = n > shared ? n : shared; n > 1 && delay_ms < DELAY_MOST_MS; n--)
        delay_ms *= 2;
    return delay_ms < DELAY_MOST_MS ? delay_ms : DELAY_MOST_MS;
}

static void clear_own(struct failures *f, uint64_t key)
{
    struct count *c;

    pthread_mutex_lock(&f->mutex);
    c = place_of(f, key);
    if (c->key == key)
        *c = (struct count){0};
    pthread_mutex_unlock(&f->mutex);
}

void failures_clear(struct failures *f, struct str user, const char *address)
{
    struct str names[SHARED_FAILURES_NAMES];
    AUTO(buf) struct buf text = {0};

    if (user.n == 0)
        return;
    clear_own(f, key_of(f, user, address));
    if (!f->shared.redis)
        return;
    name_both(user, address, &text, names);
    shared_failures_clear(&f->shared, names[0]);
}
