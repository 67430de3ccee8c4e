/*
 * Digests of which something was seen lately, so that not everybody has to look. A bounded table:
 * what is pushed out of it, or was seen longer ago than it is kept, is looked at again. Any thread.
 */
#pragma once

#include "base/digest.h"

#include <stdbool.h>
#include <stdint.h>

struct recent;

struct recent *recent_new(int64_t keep_ms);
void recent_free(struct recent *r); /* accepts NULL */

bool recent_has(struct recent *r, const struct digest *d, int64_t now_ms);

/* A look takes time, in which what is seen may change: it is added as it was after `since`, unless
 * it was forgotten meanwhile. */
uint64_t recent_since(struct recent *r, const struct digest *d);
void recent_add(struct recent *r, const struct digest *d, uint64_t since, int64_t now_ms);
void recent_forget(struct recent *r, const struct digest *d);
