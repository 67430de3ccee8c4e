/*
 * channel_redis: a channel through publishing and subscribing of Redis. It is up while a message to
 * itself comes back in time, and that Redis is up and the same for commands (net/redis.h).
 */
#pragma once

#include "net/redis.h"
#include "replicas/channel.h"

#define CHANNEL_REDIS_NAME_MAX 200

/* redis is borrowed. name: of the channel, which says too whose database it is; longer ones are
 * refused as INTERNAL. */
ERR_CHECKED enum err_code channel_redis_new(struct redis *redis, const char *name,
                                            struct channel **ret_channel, struct err *e);
