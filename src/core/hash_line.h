/*
 * A hash that another thread makes while its owner goes on: bytes are copied, and hashed in their
 * order. For what comes in pieces and from time to time: where nothing comes for a moment, there is
 * no thread. Short contents, and all when the machine has no processor to spare, are hashed by
 * whoever adds them.
 */
#pragma once

#include "base/digest.h"

struct hash_line; /* of one owner, one thread */

/* h is borrowed: nobody else touches it before hash_line_free(). */
struct hash_line *hash_line_new(struct hasher *h);

/* Waits for what was added to be hashed. Accepts NULL. */
void hash_line_free(struct hash_line *l);

void hash_line_add(struct hash_line *l, const void *p, size_t n);

/* Hashing threads of the process: at most as many as it has processors, none with one. give() for
 * each that was taken. */
bool hash_thread_take(void);
void hash_thread_give(void);
