/*
 * cache/redis_cache keeps manifests in a Redis that all processes on a database share, behind the
 * memory of each: what one has read from the database costs the others no query. It answers
 * meta_manifest_by_tag() and meta_manifest_by_digest(); every other call goes to the meta it wraps.
 *
 * Never wrong, whatever becomes of Redis. A commit that may change an entry first has all processes
 * end what they are putting there and put no more (replicas/replicas.h), then removes it, then
 * takes place. When that is not certain, or a put has no answer, or a process died that may have
 * been putting something, a new epoch begins: all fall silent, and nothing older is ever read. So
 * it is while Redis is down, and after another server has taken its place. Any thread.
 */
#pragma once

#include "meta/meta.h"
#include "net/redis.h"
#include "replicas/replicas.h"

struct cache_redis_options {
    struct meta *replicas; /* one of those that inner is or wraps */
    struct redis *redis;   /* borrowed, as all of these */
    const char *prefix;    /* of keys in Redis; copied */
    struct uuid database;  /* no other one has it (replicas/database_id.h) */
};

/* Takes ownership of inner. Before members_start(). */
struct meta *cache_redis_new(struct meta *inner, const struct cache_redis_options *o);
