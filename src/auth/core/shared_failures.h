/*
 * Wrong credentials as all servers on one database count them, in Redis: under hashes of who and
 * where, each for as long as a lock lasts since the last of them. Where Redis is not up, or does
 * not answer in time, it knows of none, and who asked counts alone. Waits for one command of Redis
 * at most (net/redis.h); any thread.
 */
#pragma once

#include "net/redis.h"

/* What the count of some name is. */
struct shared_count {
    uint64_t n;
    int64_t left_ms; /* until it is forgotten */
};

struct shared_failures {
    struct redis *redis; /* NULL: everybody counts alone */
    const char *prefix;  /* of keys in Redis */
    int64_t keep_ms;
};

/* Two names at once: a pair of user and address, and an address. Any bytes. */
#define SHARED_FAILURES_NAMES 2

/* False: it is not known. */
bool shared_failures_get(const struct shared_failures *s,
                         const struct str names[static SHARED_FAILURES_NAMES],
                         struct shared_count ret_counts[static SHARED_FAILURES_NAMES]);

/* One more of both; the counts with it. */
bool shared_failures_add(const struct shared_failures *s,
                         const struct str names[static SHARED_FAILURES_NAMES],
                         struct shared_count ret_counts[static SHARED_FAILURES_NAMES]);
void shared_failures_clear(const struct shared_failures *s, struct str name);
