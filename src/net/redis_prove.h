/* Trying out whether a Redis gives what the registry needs of it. */
#pragma once

#include "base/err.h"
#include "conf/conf.h"

/* Told of each thing that was tried: its name, what it is, and why it failed; NULL: it worked. */
typedef void (*redis_proven_fn)(void *ctx, const char *name, const char *what,
                                const struct err *why);

/* Connects, writes and removes a key, subscribes to a channel and publishes to it; all of names of
 * its own that begin with storage.cache.redis_prefix. What can't be tried without an earlier thing
 * that failed is left out. Waits. */
void redis_prove(const struct conf_cache *conf, redis_proven_fn fn, void *ctx);
