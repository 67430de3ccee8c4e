/*
 * Small allocations: failing ends the process, so callers need no error path. What a client can
 * size must be bounded before it is allocated here.
 */
#pragma once

#include <stddef.h>

void *mem_alloc(size_t bytes) __attribute__((malloc, returns_nonnull));
void *mem_zero(size_t bytes) __attribute__((malloc, returns_nonnull)); /* zeroed */
void *mem_resize(void *p, size_t bytes) __attribute__((returns_nonnull));
char *mem_strdup(const char *text) __attribute__((malloc, returns_nonnull));

/* A zeroed struct of the given type. */
#define NEW(type) ((type *)mem_zero(sizeof(type)))
