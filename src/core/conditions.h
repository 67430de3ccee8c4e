/*
 * How the registry is, in a few words for people and probes: looked at by who asks, at most every
 * CONDITIONS_MS, so that asking often costs nothing. None of it keeps the registry from serving:
 * what does is registry_health().
 */
#pragma once

#include "core/registry.h"

#define CONDITIONS_MS 5000

enum condition {
    CONDITION_UNKNOWN, /* nobody has looked, or it could not be looked at */
    CONDITION_OK,
    CONDITION_BAD
};

struct conditions {
    enum condition structure; /* directories are there and can be written to, or the bucket */
    enum condition symlinks;  /* tags of the store, as the last `registry check` had them */
    enum condition space;     /* BAD: less than check.min_free */
    enum condition resources; /* BAD: nine tenths of the file descriptors are in use */
};

struct conditions_cache;

struct conditions_cache *conditions_new(void);
void conditions_free(struct conditions_cache *c); /* accepts NULL */

/* May block when it looks. Any thread. */
void conditions_get(struct registry *r, uint64_t min_free_bytes, struct conditions *ret);

/* What a check of everything found of tags, for all processes on the database. */
ERR_CHECKED enum err_code conditions_note(struct registry *r, uint64_t bad_tags, struct err *e);
