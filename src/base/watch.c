#include "base/watch.h"

#include "base/clock.h"

#include <sys/stat.h>

#define LOOK_MS 1000

static unsigned long long mix(unsigned long long h, unsigned long long value)
{
    return (h ^ value) * 1099511628211u; /* as FNV-1a */
}

/* Another number for another file or content; 0: there is none. */
static unsigned long long stamp_of(const char *path)
{
    unsigned long long h = 14695981039346656037u;
    struct stat st;

    if (stat(path, &st) != 0)
        return 0;
    h = mix(h, st.st_dev);
    h = mix(h, st.st_ino);
    h = mix(h, (unsigned long long)st.st_size);
    h = mix(h, (unsigned long long)st.st_mtim.tv_sec);
    h = mix(h, (unsigned long long)st.st_mtim.tv_nsec);
    h = mix(h, (unsigned long long)st.st_ctim.tv_sec);
    return mix(h, (unsigned long long)st.st_ctim.tv_nsec) | 1;
}

void watch_init(struct watch *w, const char *path)
{
    w->path = path && path[0] ? path : NULL;
    atomic_init(&w->stamp, w->path ? stamp_of(w->path) : 0);
    atomic_init(&w->missed, 0);
    atomic_init(&w->look_ms, clock_mono_ms() + LOOK_MS);
}

bool watch_changed(struct watch *w)
{
    long long now = clock_mono_ms(), next = atomic_load(&w->look_ms);
    unsigned long long stamp;

    if (!w->path || now < next ||
        !atomic_compare_exchange_strong(&w->look_ms, &next, now + LOOK_MS))
        return false;
    stamp = stamp_of(w->path);
    if (!stamp && atomic_fetch_add(&w->missed, 1) != 1)
        return false;
    if (stamp)
        atomic_store(&w->missed, 0);
    return atomic_exchange(&w->stamp, stamp) != stamp;
}
