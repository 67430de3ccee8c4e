#include "store/s3/known.h"

#include "base/mem.h"

#include <pthread.h>
#include <stdlib.h>

#define SETS 256
#define WAYS 4

struct seen {
    struct digest digest;
    int64_t until_ms; /* monotonic; 0: there is none */
};

struct s3_known {
    pthread_mutex_t lock;
    uint64_t forgotten;
    struct seen sets[SETS][WAYS];
};

struct s3_known *s3_known_new(void)
{
    struct s3_known *k = NEW(struct s3_known);

    pthread_mutex_init(&k->lock, NULL);
    return k;
}

void s3_known_free(struct s3_known *k)
{
    if (!k)
        return;
    pthread_mutex_destroy(&k->lock);
    free(k);
}

/* Digests are as good as random. */
static struct seen *set_of(struct s3_known *k, const struct digest *d)
{
    struct str hex = digest_hex(d);
    size_t hash = 0;

    for (size_t i = 0; i < 8; i++)
        hash = hash * 31 + (unsigned char)hex.p[i];
    return k->sets[hash % SETS];
}

/* NULL: it is not there. Lock held. */
static struct seen *find(struct s3_known *k, const struct digest *d)
{
    struct seen *set = set_of(k, d);

    for (size_t i = 0; i < WAYS; i++) {
        if (set[i].until_ms && digest_eq(&set[i].digest, d))
            return &set[i];
    }
    return NULL;
}

bool s3_known_has(struct s3_known *k, const struct digest *d, int64_t now_ms)
{
    const struct seen *s;
    bool has;

    pthread_mutex_lock(&k->lock);
    s = find(k, d);
    has = s && now_ms < s->until_ms;
    pthread_mutex_unlock(&k->lock);
    return has;
}

uint64_t s3_known_since(struct s3_known *k)
{
    uint64_t since;

    pthread_mutex_lock(&k->lock);
    since = k->forgotten;
    pthread_mutex_unlock(&k->lock);
    return since;
}

/* The one that was seen first, or none yet. Lock held. */
static struct seen *oldest(struct seen *set)
{
    struct seen *first = set;

    for (size_t i = 1; i < WAYS; i++) {
        if (set[i].until_ms < first->until_ms)
            first = &set[i];
    }
    return first;
}

void s3_known_add(struct s3_known *k, const struct digest *d, uint64_t since, int64_t now_ms)
{
    struct seen *s;

    pthread_mutex_lock(&k->lock);
    if (since == k->forgotten) {
        s = find(k, d);
        if (!s)
            s = oldest(set_of(k, d));
        s->digest = *d;
        s->until_ms = now_ms + S3_KNOWN_MS;
    }
    pthread_mutex_unlock(&k->lock);
}

void s3_known_forget(struct s3_known *k, const struct digest *d)
{
    struct seen *s;

    pthread_mutex_lock(&k->lock);
    k->forgotten++;
    s = find(k, d);
    if (s)
        s->until_ms = 0;
    pthread_mutex_unlock(&k->lock);
}
