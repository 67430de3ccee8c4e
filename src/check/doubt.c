#include "check/doubt.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/mem.h"
#include "check/again.h"

#include <stdlib.h>

#define FIRST_REST_MS 50

void doubts_init(struct doubts *d)
{
    d->list = mem_alloc(DOUBTS_MOST * sizeof(*d->list));
    d->paths = mem_alloc(DOUBTS_MOST * sizeof(*d->paths));
}

void doubts_done(struct doubts *d)
{
    for (size_t i = 0; i < d->n; i++)
        free(d->paths[i]);
    free(d->list);
    free(d->paths);
    *d = (struct doubts){0};
}

enum err_code doubts_add(struct doubts *d, const struct check_finding *f, struct err *e)
{
    if (d->n == DOUBTS_MOST)
        TRY(doubts_settle(d, e));
    d->list[d->n] = *f;
    d->paths[d->n] = f->path ? mem_strdup(f->path) : NULL;
    d->list[d->n].path = d->paths[d->n];
    d->n++;
    d->last_ms = clock_mono_ms();
    return ERR_OK;
}

static void rest(int64_t ms)
{
    struct timespec t = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000};

    nanosleep(&t, NULL);
}

/* Those that are not so any more go. */
static enum err_code look(struct doubts *d, struct err *e)
{
    AUTO(again) struct again a = {0};
    size_t kept = 0;

    TRY(again_begin(d->registry, d->list, d->n, &a, e));
    for (size_t i = 0; i < d->n; i++) {
        bool stands = true;

        TRY(again_stands(&a, &d->list[i], &stands, e));
        if (!stands) {
            free(d->paths[i]);
            d->paths[i] = NULL;
            continue;
        }
        if (kept != i) {
            d->list[kept] = d->list[i];
            d->paths[kept] = STEAL(d->paths[i]);
        }
        kept++;
    }
    d->n = kept;
    return ERR_OK;
}

/* Most that is in progress ends at once, so the rests begin short; the last look is at the end. */
static enum err_code look_until_settled(struct doubts *d, struct err *e)
{
    int64_t until_ms = d->last_ms + d->settle_ms, rest_ms = FIRST_REST_MS;

    TRY(look(d, e));
    while (d->n > 0 && clock_mono_ms() < until_ms) {
        int64_t left_ms = until_ms - clock_mono_ms();

        rest(rest_ms < left_ms ? rest_ms : left_ms + 1);
        rest_ms *= 4;
        TRY(look(d, e));
    }
    return ERR_OK;
}

enum err_code doubts_settle(struct doubts *d, struct err *e)
{
    enum err_code code = ERR_OK;

    if (d->n == 0)
        return ERR_OK;
    TRY(look_until_settled(d, e));
    d->findings += d->n;
    if (d->n > 0)
        code = d->stand(d->ctx, d->list, d->n, e);
    for (size_t i = 0; i < d->n; i++)
        free(d->paths[i]);
    d->n = 0;
    return code;
}
