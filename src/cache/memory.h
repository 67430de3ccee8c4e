/*
 * cache: bounded caches, as decorators around store and meta. May include store/, meta/, replicas/,
 * net/ and base/.
 *
 * cache/memory keeps hot manifests in the process, by tag and by digest. It answers
 * meta_manifest_peek(), meta_manifest_by_tag() and meta_manifest_by_digest(); every other call goes
 * to the meta it wraps. A commit drops what it may have changed before it returns, and a look-up
 * that ran beside a commit does not put an old answer back, nor one behind a commit whose outcome
 * is open (UNAVAILABLE), for a minute. Any thread.
 */
#pragma once

#include "meta/meta.h"
#include "replicas/replicas.h"

/* Takes ownership of inner. max_bytes bounds all memory of entries (manifest bytes, names, and the
 * entries themselves); 0 keeps nothing. The least recently used go first, approximately. */
struct meta *cache_memory_new(struct meta *inner, uint64_t max_bytes);

/* On a database that processes share: keeps and answers only while members may, and drops what
 * another one changes, before it does. replicas is one of those that the cache wraps; before
 * members_start(). Without it the process is the only one. */
void cache_memory_join(struct meta *cache, struct meta *replicas);

/* How many entries the deletions of manifests have looked at so far: what they cost. */
uint64_t cache_memory_looked_at(const struct meta *cache);
