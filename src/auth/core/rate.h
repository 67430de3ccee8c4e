/*
 * Rate limits: a token bucket for each identity and each address, in a bounded table in memory.
 * When the table is full the bucket that was used longest ago gives way, which only ever lets more
 * through. Any thread; never blocks for long.
 */
#pragma once

#include "base/str.h"

struct rate;

/* The memory is taken at once: some 800 KiB, most of it never touched. */
struct rate *rate_new(void);
void rate_free(struct rate *r); /* accepts NULL */

struct rate_state {
    uint64_t limit;     /* the burst */
    uint64_t remaining; /* after this request */
    uint64_t reset_s;   /* until the bucket is full again */
    uint64_t retry_s;   /* when refused: until the next one is let through */
};

/* A bucket refills with `requests` (at least 1) in so many seconds, and holds burst. */
struct rate_limit {
    uint64_t requests, seconds, burst;
};

/* Takes one from the bucket of kind and key. False: it is empty, and nothing was taken. */
bool rate_take(struct rate *r, char kind, struct str key, const struct rate_limit *limit,
               struct rate_state *ret_state);

/* Would rate_take() be true? Nothing is taken. */
bool rate_peek(struct rate *r, char kind, struct str key, const struct rate_limit *limit,
               struct rate_state *ret_state);
