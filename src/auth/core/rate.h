/*
 * Rate limits: a token bucket for each identity and each address, in a bounded table in memory.
 * When the table is full the bucket that was used longest ago gives way, which only ever lets more
 * through. Any thread; never blocks for long.
 */
#pragma once

#include "base/str.h"

struct rate;

/* A bucket that something was taken from, for those who share it (shared_rates.h). */
#define RATE_NAME_SIZE 33
struct rate_taken {
    uint64_t id;               /* of the bucket, here */
    char name[RATE_NAME_SIZE]; /* the same in every process */
    uint64_t one, full;        /* in the units of the bucket: a request; all of it */
    uint64_t per_us;           /* that it refills with */
    uint64_t taken;            /* requests */
};

/* The memory is taken at once: some 1 MiB, most of it never touched. */
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

/* From now on what is taken is noted for rate_collect(): of so many buckets between two calls of
 * it. Before anything is taken. */
#define RATE_NOTED_MAX 4096
void rate_note_taken(struct rate *r);

/* Up to cap buckets, and what was taken from each since. */
size_t rate_collect(struct rate *r, struct rate_taken *ret_list, size_t cap);

/* The bucket of that id has no more than so much left. */
void rate_lower(struct rate *r, uint64_t id, uint64_t fill);
