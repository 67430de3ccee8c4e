/*
 * Bytes that another thread takes while their owner goes on: they are copied, and taken in their
 * order. For what comes in pieces and from time to time: where nothing comes for a moment, there is
 * no thread. The first MiB, and all when the machine has no processor to spare, is taken by whoever
 * adds it. Takes 512 KiB of memory after that.
 */
#pragma once

#include "base/err.h"

#include <stddef.h>

/* In one thread at a time, though not always in the same. */
typedef enum err_code (*byte_line_fn)(void *ctx, const void *p, size_t n, struct err *e);

struct byte_line; /* of one owner, one thread */

struct byte_line *byte_line_new(byte_line_fn take, void *ctx);

/* Waits for what was added to be taken. Accepts NULL. */
void byte_line_free(struct byte_line *l);

/* Errors: the first of take(), be it of bytes that were added long before; after it nothing is
 * taken any more. */
ERR_CHECKED enum err_code byte_line_add(struct byte_line *l, const void *p, size_t n,
                                        struct err *e);

/* Waits for what was added to be taken: what take() has written may be read. Errors: the same. */
ERR_CHECKED enum err_code byte_line_settle(struct byte_line *l, struct err *e);

/* Threads of the process that help another one so: at most as many as it has processors, none with
 * one. give() for each that was taken. */
bool helper_thread_take(void);
void helper_thread_give(void);

static inline void auto_byte_line_(struct byte_line **l)
{
    byte_line_free(*l);
}
