/* A hash that another thread makes while its owner goes on (base/byte_line.h). */
#pragma once

#include "base/digest.h"

struct hash_line; /* of one owner, one thread */

/* h is borrowed: nobody else touches it before hash_line_free(). */
struct hash_line *hash_line_new(struct hasher *h);

/* Waits for what was added to be hashed. Accepts NULL. */
void hash_line_free(struct hash_line *l);

void hash_line_add(struct hash_line *l, const void *p, size_t n);
