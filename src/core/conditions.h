/*
 * How the registry is, in a few words for people and probes: looked at when somebody asks, at most
 * every CONDITIONS_MS (every maintenance.interval when that is shorter), so that asking often costs
 * nothing. None of it keeps the registry from serving: what does is registry_health().
 */
#pragma once

#include "core/registry.h"

#define CONDITIONS_MS     5000
#define CONDITIONS_OLD_MS 60000 /* what was seen before that says nothing of now */

enum condition {
    CONDITION_UNKNOWN, /* nobody has looked, or it could not be looked at */
    CONDITION_OK,
    CONDITION_BAD
};

struct conditions {
    enum condition structure; /* directories are there and can be written to, or the bucket */
    enum condition symlinks;  /* tags of the store, as the last `registry check` had them */
    enum condition space;     /* BAD: less than check.min_free */
    enum condition resources; /* BAD: nine tenths of file descriptors, or of memory, are in use */
};

struct conditions_cache;

struct conditions_cache *conditions_new(void);
void conditions_free(struct conditions_cache *c); /* accepts NULL */

/* May block when it looks. Any thread. */
void conditions_get(struct registry *r, uint64_t min_free_bytes, struct conditions *ret);

/* What was seen last: never blocks. When that was a while ago, a job looks again. */
void conditions_peek(struct registry *r, uint64_t min_free_bytes, struct conditions *ret);

/* The server has that job from now on. */
void conditions_jobs(struct registry *r);

/* What a check of everything found of tags, for all processes on the database. */
ERR_CHECKED enum err_code conditions_note(struct registry *r, uint64_t bad_tags, struct err *e);
