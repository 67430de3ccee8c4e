/*
 * Manifests in Redis: how they lie there, and the scripts that put them there, find them and take
 * them away. It knows nothing of when that may be done (redis_cache.h).
 *
 * A tag's entry has its version, the digest, and the birth of the manifest's entry, a random
 * number. It counts only while there is an entry of that manifest with that birth; so with a
 * manifest all its tags go, whatever their names, and whatever Redis has evicted of either. Who
 * drops an entry leaves a tombstone with its version for a minute, over which nothing as old is
 * put.
 *
 * What Redis gives is looked at as if a stranger had written it: digests, lengths and names are
 * checked, and the bytes are hashed.
 */
#pragma once

#include "meta/meta.h"
#include "net/redis.h"

#define REDIS_SHELF_EPOCH_SIZE 64
#define REDIS_SHELF_BYTES_MAX  (512 << 10) /* of a manifest; larger ones are not put there */

struct redis_shelf {
    struct redis *redis;
    const char *prefix; /* of all keys */
};

/* What no two times in which different things may hold have in common; part of every key. */
struct redis_shelf_era {
    char server[REDIS_SERVER_SIZE];
    char epoch[REDIS_SHELF_EPOCH_SIZE]; /* without ':' */
};

/* A tag (tag), or a manifest by its digest (tag NULL). */
struct redis_shelf_key {
    const struct repo_name *repo;
    const struct tag_name *tag;
    const struct digest *digest;
};

/* *ret_manifest NULL: it is not there; else the caller's reference. *ret_version: of a tag. */
enum redis_outcome redis_shelf_get(const struct redis_shelf *s, const struct redis_shelf_era *era,
                                   const struct redis_shelf_key *key,
                                   struct meta_manifest **ret_manifest, int64_t *ret_version,
                                   struct err *e);

/* Puts it there, unless something that is later is. UNSENT when it is too large. */
enum redis_outcome redis_shelf_put(const struct redis_shelf *s, const struct redis_shelf_era *era,
                                   const struct redis_shelf_key *key,
                                   const struct meta_manifest *manifest, int64_t version,
                                   struct err *e);

/* Takes all of them away. Anything but ANSWERED: some may still be there. */
enum redis_outcome redis_shelf_drop(const struct redis_shelf *s, const struct redis_shelf_era *era,
                                    const struct redis_shelf_key *keys, size_t n, struct err *e);
