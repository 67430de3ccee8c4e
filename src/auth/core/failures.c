#include "auth/core/failures.h"

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

struct count {
    uint64_t key; /* 0: a free place */
    uint64_t n;
    int64_t last_ms;
};

struct failures {
    pthread_mutex_t mutex;
    uint64_t lock_after;
    int64_t lock_ms;
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
static uint64_t mix_name(uint64_t h, struct str name)
{
    for (size_t i = 0; i < name.n; i++) {
        char c = name.p[i];

        if (c != ' ')
            h = mix(h, c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c);
    }
    return h;
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

int64_t failures_locked_ms(struct failures *f, struct str user, const char *address)
{
    int64_t pair, alone;

    pthread_mutex_lock(&f->mutex);
    pair = user.n > 0 ? left_ms(f, key_of(f, user, address), f->lock_after) : 0;
    alone = left_ms(f, key_of(f, STR_NONE, address), f->lock_after * ADDRESS_FACTOR);
    pthread_mutex_unlock(&f->mutex);
    return pair > alone ? pair : alone;
}

static uint64_t add_one(struct failures *f, uint64_t key)
{
    struct count *c = place_of(f, key);

    if (c->key != key || clock_mono_ms() - c->last_ms > f->lock_ms)
        *c = (struct count){.key = key};
    c->last_ms = clock_mono_ms();
    return ++c->n;
}

int64_t failures_count(struct failures *f, struct str user, const char *address)
{
    int64_t delay_ms = DELAY_FIRST_MS;
    uint64_t n;

    if (user.n == 0)
        return DELAY_FIRST_MS;
    pthread_mutex_lock(&f->mutex);
    n = add_one(f, key_of(f, user, address));
    add_one(f, key_of(f, STR_NONE, address));
    pthread_mutex_unlock(&f->mutex);
    while (--n > 0 && delay_ms < DELAY_MOST_MS)
        delay_ms *= 2;
    return delay_ms < DELAY_MOST_MS ? delay_ms : DELAY_MOST_MS;
}

void failures_clear(struct failures *f, struct str user, const char *address)
{
    uint64_t key = key_of(f, user, address);
    struct count *c;

    if (user.n == 0)
        return;
    pthread_mutex_lock(&f->mutex);
    c = place_of(f, key);
    if (c->key == key)
        *c = (struct count){0};
    pthread_mutex_unlock(&f->mutex);
}
