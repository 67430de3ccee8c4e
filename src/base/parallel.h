/* The same work on many things, by several threads. */
#pragma once

#include <stddef.h>

/* Calls fn(ctx, i) once for each i below n, by at most that many threads, of which the calling one
 * is the first, in no order; returns when all are done. Where a thread can't be started, those that
 * are there do its share. fn keeps its own errors. */
void parallel_each(size_t n, size_t threads, void (*fn)(void *ctx, size_t i), void *ctx);
