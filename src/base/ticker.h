/*
 * A ticker: a reader of text that another thread adds to, as it happens. Its reads do not wait;
 * what is added wakes who waits for its descriptor. Two have it, the reader and the one who adds,
 * and each lets go of its own end, in any order. Any thread.
 */
#pragma once

#include "base/reader.h"
#include "base/str.h"

struct ticker;

/* max_bytes: that are added and not read. Error: INTERNAL (no descriptors). */
ERR_CHECKED enum err_code ticker_new(size_t max_bytes, struct ticker **ret_ticker,
                                     struct reader **ret_reader, struct err *e);

/* How much may be added; 0 when it has ended, or nobody reads any more. */
size_t ticker_room(struct ticker *f);

/* Nothing, when there is no room for it. */
void ticker_add(struct ticker *f, struct str text);

/* Nothing comes any more: the reader ends behind what was added. */
void ticker_end(struct ticker *f);

bool ticker_is_left(struct ticker *f); /* the reader is gone */
void ticker_free(struct ticker *f);    /* ends it; accepts NULL */
