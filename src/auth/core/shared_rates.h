/*
 * Buckets of rate limits that all servers on one database share, in Redis. No request waits for it:
 * what was taken from the buckets here is told to Redis five times a second, and these are lowered
 * to what it says is left. So what all let through together is above a limit by what comes within
 * that time, which the bucket then owes. Where Redis does not answer each counts alone.
 */
#pragma once

#include "auth/core/rate.h"
#include "net/redis.h"

struct shared_rates;

/* rate, redis and prefix (of keys in Redis) are borrowed. Before anything is taken. */
struct shared_rates *shared_rates_new(struct rate *rate, struct redis *redis, const char *prefix);
void shared_rates_free(struct shared_rates *s); /* accepts NULL */

/* Its thread. Error: INTERNAL. */
ERR_CHECKED enum err_code shared_rates_start(struct shared_rates *s, struct err *e);

/* What that does each time; for tests, which do not start it. */
void shared_rates_tell(struct shared_rates *s);
