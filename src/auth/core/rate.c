#include "auth/core/rate.h"

#include "base/clock.h"
#include "base/digest.h"
#include "base/mem.h"
#include "base/uuid.h"

#include <pthread.h>
#include <stdlib.h>

#define SHARDS 16
#define SETS   512 /* of each shard */
#define WAYS   4
#define SECOND 1000000 /* in microseconds */

#define NOTED_MAX (RATE_NOTED_MAX / SHARDS)

struct bucket {
    uint64_t key; /* 0: a free place */
    uint64_t fill;
    int64_t used_us;
    size_t noted; /* where in shard.noted, from 1 on, if it is there */
};

struct shard {
    pthread_mutex_t mutex;
    struct rate_taken *noted; /* NULL: nobody shares */
    size_t n_noted;
    struct bucket buckets[SETS * WAYS];
};

struct rate {
    uint64_t seed;
    struct shard shards[SHARDS];
};

struct rate *rate_new(void)
{
    struct rate *r = NEW(struct rate);

    random_bytes(&r->seed, sizeof(r->seed));
    for (size_t i = 0; i < SHARDS; i++)
        pthread_mutex_init(&r->shards[i].mutex, NULL);
    return r;
}

void rate_free(struct rate *r)
{
    if (!r)
        return;
    for (size_t i = 0; i < SHARDS; i++) {
        free(r->shards[i].noted);
        pthread_mutex_destroy(&r->shards[i].mutex);
    }
    free(r);
}

static uint64_t hash(uint64_t h, char kind, struct str key)
{
    h ^= (unsigned char)kind;
    for (size_t i = 0; i < key.n; i++)
        h = (h ^ (unsigned char)key.p[i]) * 0x9e3779b97f4a7c15u + (h >> 29);
    return h ? h : 1;
}

static struct bucket *find(struct shard *s, uint64_t key, uint64_t full, int64_t now_us)
{
    struct bucket *set = &s->buckets[key / SHARDS % SETS * WAYS], *oldest = set;

    for (size_t i = 0; i < WAYS; i++) {
        if (set[i].key == key)
            return &set[i];
        if (set[i].used_us < oldest->used_us)
            oldest = &set[i];
    }
    *oldest = (struct bucket){key, full, now_us, 0};
    return oldest;
}

/* Without a seed, so that others find the same. */
static void name_of(char kind, struct str key, char dst[static RATE_NAME_SIZE])
{
    struct hasher *h = hasher_new(DIGEST_SHA256);
    struct digest d;

    hasher_update(h, &kind, 1);
    hasher_update(h, key.p, key.n);
    hasher_digest(h, &d);
    hasher_free(h);
    memcpy(dst, digest_hex(&d).p, RATE_NAME_SIZE - 1);
    dst[RATE_NAME_SIZE - 1] = '\0';
}

/* Under the mutex. Beyond the bound a bucket is this process's own until there is room. */
static void note(struct shard *s, struct bucket *b, char kind, struct str key,
                 const struct rate_taken *bucket)
{
    bool there = b->noted > 0 && b->noted <= s->n_noted && s->noted[b->noted - 1].id == b->key;

    if (!there && s->n_noted == NOTED_MAX)
        return;
    if (!there) {
        s->noted[s->n_noted++] = *bucket;
        b->noted = s->n_noted;
        s->noted[b->noted - 1].id = b->key;
        name_of(kind, key, s->noted[b->noted - 1].name);
    }
    s->noted[b->noted - 1].taken++;
}

static uint64_t ceil_div(uint64_t a, uint64_t b)
{
    return (a + b - 1) / b;
}

/* Fills are in microseconds times limit->requests: one request is limit->seconds of them. */
static bool use(struct rate *r, char kind, struct str key, const struct rate_limit *limit,
                bool take, struct rate_state *ret_state)
{
    uint64_t id = hash(r->seed, kind, key), one = limit->seconds * SECOND;
    uint64_t burst = limit->burst < 1 ? 1 : limit->burst, full = burst * one;
    struct shard *s = &r->shards[id % SHARDS];
    int64_t now_us = clock_mono_us();
    struct bucket *b;
    bool there;

    pthread_mutex_lock(&s->mutex);
    b = find(s, id, full, now_us);
    if (now_us > b->used_us) {
        uint64_t passed = (uint64_t)(now_us - b->used_us);

        /* No more than fills the bucket, so that the product cannot overflow. */
        if (passed > full / limit->requests)
            passed = full / limit->requests + 1;
        b->fill += passed * limit->requests;
        b->used_us = now_us;
    }
    if (b->fill > full)
        b->fill = full;
    there = b->fill >= one;
    if (there && take)
        b->fill -= one;
    if (there && take && s->noted)
        note(s, b, kind, key,
             &(struct rate_taken){.one = one, .full = full, .per_us = limit->requests});
    *ret_state = (struct rate_state){
        .limit = burst,
        .remaining = b->fill / one,
        .reset_s = ceil_div((full - b->fill) / limit->requests, SECOND),
        .retry_s = there ? 0 : ceil_div((one - b->fill) / limit->requests + 1, SECOND),
    };
    pthread_mutex_unlock(&s->mutex);
    return there;
}

bool rate_take(struct rate *r, char kind, struct str key, const struct rate_limit *limit,
               struct rate_state *ret_state)
{
    return use(r, kind, key, limit, true, ret_state);
}

bool rate_peek(struct rate *r, char kind, struct str key, const struct rate_limit *limit,
               struct rate_state *ret_state)
{
    return use(r, kind, key, limit, false, ret_state);
}

void rate_note_taken(struct rate *r)
{
    for (size_t i = 0; i < SHARDS; i++)
        r->shards[i].noted = mem_alloc(NOTED_MAX * sizeof(struct rate_taken));
}

size_t rate_collect(struct rate *r, struct rate_taken *ret_list, size_t cap)
{
    size_t n = 0;

    for (size_t i = 0; i < SHARDS; i++) {
        struct shard *s = &r->shards[i];
        size_t some;

        pthread_mutex_lock(&s->mutex);
        some = s->n_noted < cap - n ? s->n_noted : cap - n;
        s->n_noted -= some;
        memcpy(ret_list + n, s->noted + s->n_noted, some * sizeof(ret_list[0]));
        pthread_mutex_unlock(&s->mutex);
        n += some;
    }
    return n;
}

void rate_lower(struct rate *r, uint64_t id, uint64_t fill)
{
    struct shard *s = &r->shards[id % SHARDS];
    struct bucket *set = &s->buckets[id / SHARDS % SETS * WAYS];

    pthread_mutex_lock(&s->mutex);
    for (size_t i = 0; i < WAYS; i++) {
        if (set[i].key == id && set[i].fill > fill)
            set[i].fill = fill;
    }
    pthread_mutex_unlock(&s->mutex);
}
