/* What may be a fault, until it was looked at again. One thread at a time. */
#pragma once

#include "check/check_finding.h"
#include "core/registry.h"

#define DOUBTS_MOST 4096 /* then they are settled before there are more */

typedef enum err_code (*doubts_fn)(void *ctx, const struct check_finding *list, size_t n,
                                   struct err *e);
typedef enum err_code (*doubt_fn)(void *ctx, const struct check_finding *f, struct err *e);

struct doubts {
    struct registry *registry;
    int64_t settle_ms; /* for so long a doubt must stand */
    doubts_fn stand;   /* is told of those that did, at most DOUBTS_MOST at a time */
    void *ctx;
    struct check_finding *list;
    char **paths; /* of the list; owned */
    size_t n;
    int64_t last_ms;   /* monotonic: when the youngest came */
    uint64_t findings; /* how many stood */
};

/* The first four are the caller's to set. */
void doubts_init(struct doubts *d);
void doubts_done(struct doubts *d);

static inline void auto_doubts_(struct doubts *d)
{
    doubts_done(d);
}

/* f is copied. When there are DOUBTS_MOST, all are settled first. */
ERR_CHECKED enum err_code doubts_add(struct doubts *d, const struct check_finding *f,
                                     struct err *e);

/* Looks at all again, now and until settle_ms after the youngest; what stands is told, and none is
 * left. */
ERR_CHECKED enum err_code doubts_settle(struct doubts *d, struct err *e);
