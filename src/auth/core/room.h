/* How many may be at something that takes time, together. Any thread; never blocks. */
#pragma once

#include "conf/conf.h"

#include <stdatomic.h>

struct room_options {
    const _Atomic uint64_t *most; /* of the configuration: outlives the room, and may
 change. NULL: max alone holds */
    uint64_t max;                 /* never more than that */
};

struct room {
    struct room_options options;
    atomic_ullong in;
};

/* False: there is none, and room_leave() must not be called. */
static inline bool room_enter(struct room *r)
{
    uint64_t most = r->options.most ? conf_u64(r->options.most) : r->options.max;

    if (most > r->options.max)
        most = r->options.max;
    if (atomic_fetch_add(&r->in, 1) < most)
        return true;
    atomic_fetch_sub(&r->in, 1);
    return false;
}

static inline void room_leave(struct room *r)
{
    atomic_fetch_sub(&r->in, 1);
}
