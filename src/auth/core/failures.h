/*
 * Counting of wrong credentials, by user and address together and by address alone: a bounded
 * table in memory, and, where there is one, what all servers have counted in Redis; the greater
 * counts. An attacker can so lock out themselves, but nobody else. Any thread.
 *
 * Without a user it is a token, which nobody can guess, and which expires: one that is shown too
 * late counts for nothing, or a farm of builds behind one address would lock itself out.
 */
#pragma once

#include "base/str.h"

struct failures;
struct redis;

struct failures *failures_new(uint64_t lock_after, uint64_t lock_ms);
void failures_free(struct failures *f); /* accepts NULL */

/* From now on all who have the same prefix in that Redis count together. Borrowed; before anything
 * is counted. The other calls then wait for Redis, for as long as a command may take. */
void failures_share(struct failures *f, struct redis *redis, const char *prefix);

/* Milliseconds until another try is heard; 0: now. */
int64_t failures_locked_ms(struct failures *f, struct str user, const char *address);

/* Counts one. Returns how long to wait before it is answered, in milliseconds. */
int64_t failures_count(struct failures *f, struct str user, const char *address);

/* The right secret came: the pair of user and address starts anew. */
void failures_clear(struct failures *f, struct str user, const char *address);
