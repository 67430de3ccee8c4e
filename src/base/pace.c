#include "base/pace.h"

#include "base/clock.h"

#include <stdatomic.h>

#define FITS_LEAST 64  /* less does not make shorter what waits for the disk */
#define REST_LEAST 1   /* ms */
#define REST_MOST  100 /* ms: waiting for a slow disk is no work */

/* All servers of a process are asked by the same clients. */
static _Atomic int64_t asked_us = INT64_MIN;

void pace_request(int64_t now_us)
{
    /* The line of the cache is not written by each request. */
    if (now_us / 1000 != atomic_load_explicit(&asked_us, memory_order_relaxed) / 1000)
        atomic_store_explicit(&asked_us, now_us, memory_order_relaxed);
}

struct pace pace_begin(uint64_t share)
{
    return (struct pace){.share = share > 0 ? share : 100, .since_us = clock_mono_us()};
}

bool pace_gives_way(const struct pace *p)
{
    return p->share < 100 && atomic_load_explicit(&asked_us, memory_order_relaxed) >=
                                 clock_mono_us() - PACE_REQUEST_MS * 1000;
}

size_t pace_fits(const struct pace *p, size_t most)
{
    size_t fits = p->fits > 0 ? p->fits : FITS_LEAST;

    return fits < most && pace_gives_way(p) ? fits : most;
}

void pace_took(struct pace *p, size_t n, int64_t us)
{
    size_t fits = us > 0 ? n * PACE_PIECE_MS * 1000 / (size_t)us : 2 * n;

    if (n == 0)
        return;
    if (fits > 2 * n)
        fits = 2 * n;
    p->fits = fits < FITS_LEAST ? FITS_LEAST : fits;
}

int64_t pace_rest_ms(const struct pace *p)
{
    int64_t worked_us = clock_mono_us() - p->since_us, ms;

    if (!pace_gives_way(p))
        return 0;
    ms = worked_us * (int64_t)(100 - p->share) / (int64_t)p->share / 1000;
    return ms < REST_LEAST ? 0 : ms < REST_MOST ? ms : REST_MOST;
}

void pace_rested(struct pace *p)
{
    p->since_us = clock_mono_us();
}
