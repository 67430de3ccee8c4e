#include "base/recent.h"

#include "base/mem.h"

#include <pthread.h>
#include <stdlib.h>

#define SETS 256
#define WAYS 4

struct seen {
    struct digest digest;
    int64_t until_ms; /* monotonic; 0: there is none */
};

/* Digests that share one have their news in common. */
struct set {
    uint64_t forgotten;
    struct seen seen[WAYS];
};

struct recent {
    pthread_mutex_t lock;
    int64_t keep_ms;
    struct set sets[SETS];
};

struct recent *recent_new(int64_t keep_ms)
{
    struct recent *r = NEW(struct recent);

    pthread_mutex_init(&r->lock, NULL);
    r->keep_ms = keep_ms;
    return r;
}

void recent_free(struct recent *r)
{
    if (!r)
        return;
    pthread_mutex_destroy(&r->lock);
    free(r);
}

/* Digests are as good as random. */
static struct set *set_of(struct recent *r, const struct digest *d)
{
    struct str hex = digest_hex(d);
    size_t hash = 0;

    for (size_t i = 0; i < 8; i++)
        hash = hash * 31 + (unsigned char)hex.p[i];
    return &r->sets[hash % SETS];
}

/* NULL: it is not there. Lock held. */
static struct seen *find(struct set *set, const struct digest *d)
{
    for (size_t i = 0; i < WAYS; i++) {
        if (set->seen[i].until_ms && digest_eq(&set->seen[i].digest, d))
            return &set->seen[i];
    }
    return NULL;
}

bool recent_has(struct recent *r, const struct digest *d, int64_t now_ms)
{
    const struct seen *s;
    bool has;

    pthread_mutex_lock(&r->lock);
    s = find(set_of(r, d), d);
    has = s && now_ms < s->until_ms;
    pthread_mutex_unlock(&r->lock);
    return has;
}

uint64_t recent_since(struct recent *r, const struct digest *d)
{
    uint64_t since;

    pthread_mutex_lock(&r->lock);
    since = set_of(r, d)->forgotten;
    pthread_mutex_unlock(&r->lock);
    return since;
}

/* The one that was seen first, or none yet. Lock held. */
static struct seen *oldest(struct set *set)
{
    struct seen *first = set->seen;

    for (size_t i = 1; i < WAYS; i++) {
        if (set->seen[i].until_ms < first->until_ms)
            first = &set->seen[i];
    }
    return first;
}

void recent_add(struct recent *r, const struct digest *d, uint64_t since, int64_t now_ms)
{
    struct set *set = set_of(r, d);
    struct seen *s;

    pthread_mutex_lock(&r->lock);
    if (since == set->forgotten) {
        s = find(set, d);
        if (!s)
            s = oldest(set);
        s->digest = *d;
        s->until_ms = now_ms + r->keep_ms;
    }
    pthread_mutex_unlock(&r->lock);
}

void recent_forget(struct recent *r, const struct digest *d)
{
    struct set *set = set_of(r, d);
    struct seen *s;

    pthread_mutex_lock(&r->lock);
    set->forgotten++;
    s = find(set, d);
    if (s)
        s->until_ms = 0;
    pthread_mutex_unlock(&r->lock);
}
