/* A meta behind a cache in a real Redis, which this program starts and ends. */
#pragma once

#include "meta/meta.h"

/* Starts the Redis. */
void behind_redis_make(void);

/* Takes ownership of inner, which need not be shared by processes: it looks as if. What Redis keeps
 * is used at once. */
struct meta *behind_redis(struct meta *inner);
