/*
 * What the providers said lately: a bounded table in memory. Any thread; never blocks for longer
 * than another thread copies an entry.
 */
#pragma once

#include "auth/core/provider.h"

struct answers;

#define ANSWER_KEY_BYTES 32

/* SHA-256, keyed with a secret of this process, of all that is in the credential: the credential
 * itself is nowhere kept. */
void answers_key(const struct answers *a, const struct credential *c,
                 unsigned char ret_key[static ANSWER_KEY_BYTES]);

struct answers *answers_new(size_t entries);
void answers_free(struct answers *a); /* accepts NULL */

/* A new reference; NULL when nothing is known, or it was known at another generation, or for too
 * long. */
struct identity *answers_get(struct answers *a, const unsigned char key[static ANSWER_KEY_BYTES],
                             uint64_t generation);

/* Takes a reference of its own. Of a full set the answer that ends first gives way. */
void answers_put(struct answers *a, const unsigned char key[static ANSWER_KEY_BYTES],
                 uint64_t generation, struct identity *id, int64_t until_mono_ms);
