#include "core/locks.h"

void locks_init(struct locks *l)
{
    for (size_t i = 0; i < LOCKS_STRIPES; i++)
        pthread_mutex_init(&l->stripes[i], NULL);
}

void locks_done(struct locks *l)
{
    for (size_t i = 0; i < LOCKS_STRIPES; i++)
        pthread_mutex_destroy(&l->stripes[i]);
}

/* FNV-1a: collisions cost only a wait, so it need not be keyed. */
static uint64_t hash(uint64_t h, struct str s)
{
    for (size_t i = 0; i < s.n; i++)
        h = (h ^ (unsigned char)s.p[i]) * 0x100000001b3u;
    return h;
}

pthread_mutex_t *locks_hold(struct locks *l, struct str a, struct str b)
{
    uint64_t h = hash(hash(0xcbf29ce484222325u, a), b);
    pthread_mutex_t *m = &l->stripes[h % LOCKS_STRIPES];

    pthread_mutex_lock(m);
    return m;
}

void locks_release(pthread_mutex_t *held)
{
    if (held)
        pthread_mutex_unlock(held);
}
