/* Numbers of as few bytes as they need (LEB128). Pure; any thread. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#define VARINT_MAX 10

/* How many bytes were written; or read, 0 when there is none. */
size_t varint_put(uint64_t v, unsigned char dst[static VARINT_MAX]);
size_t varint_get(const unsigned char *p, size_t n, uint64_t *ret_v);
