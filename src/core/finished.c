#include "core/finished.h"

#include "base/clock.h"
#include "base/mem.h"

#include <pthread.h>
#include <stdlib.h>

#define MOST 4096

struct entry {
    struct uuid id;
    struct digest whose; /* of owner and repository */
    struct digest blob;
    int64_t until_ms; /* monotonic */
};

struct finished {
    pthread_mutex_t mutex;
    struct entry *ring; /* grows up to MOST */
    size_t n, next;
};

struct finished *finished_new(void)
{
    struct finished *f = NEW(struct finished);

    pthread_mutex_init(&f->mutex, NULL);
    return f;
}

void finished_free(struct finished *f)
{
    if (!f)
        return;
    pthread_mutex_destroy(&f->mutex);
    free(f->ring);
    free(f);
}

static struct digest whose(const struct meta_upload *info)
{
    struct hasher *h = hasher_new(DIGEST_SHA256);
    struct digest d;

    hasher_update(h, info->owner, strlen(info->owner) + 1);
    hasher_update(h, info->repo.text, info->repo.n);
    hasher_digest(h, &d);
    hasher_free(h);
    return d;
}

/* The place of the next entry, under the mutex. */
static struct entry *place(struct finished *f)
{
    if (f->n < MOST) {
        if ((f->n & (f->n - 1)) == 0) /* full at each power of two */
            f->ring = mem_resize(f->ring, (f->n ? 2 * f->n : 1) * sizeof(*f->ring));
        return &f->ring[f->n++];
    }
    f->next = (f->next + 1) % MOST;
    return &f->ring[f->next];
}

void finished_add(struct finished *f, const struct meta_upload *info, const struct digest *d,
                  int64_t keep_ms)
{
    struct entry e = {
        .id = info->id, .whose = whose(info), .blob = *d, .until_ms = clock_mono_ms() + keep_ms};

    pthread_mutex_lock(&f->mutex);
    *place(f) = e;
    pthread_mutex_unlock(&f->mutex);
}

bool finished_has(struct finished *f, const struct meta_upload *info, const struct digest *d)
{
    struct digest owner = whose(info);
    int64_t now_ms = clock_mono_ms();
    bool has = false;

    pthread_mutex_lock(&f->mutex);
    for (size_t i = 0; i < f->n && !has; i++) {
        const struct entry *e = &f->ring[i];

        has = strcmp(e->id.text, info->id.text) == 0 && digest_eq(&e->blob, d) &&
              digest_eq(&e->whose, &owner) && now_ms < e->until_ms;
    }
    pthread_mutex_unlock(&f->mutex);
    return has;
}
