/*
 * Unpacking what comes in pieces: gzip (of several members), zstd (of several frames, and frames to
 * skip), xz and bzip2, known by their first bytes; whatever begins otherwise comes out as it is.
 * Checksums are checked, and nothing may stand behind the end.
 */
#pragma once

#include "archive/refusal.h"

#include <stdint.h>

enum packing { PACKED_UNKNOWN, PACKED_NOT, PACKED_GZIP, PACKED_ZSTD, PACKED_XZ, PACKED_BZIP2 };

/* Takes what was unpacked. */
typedef enum err_code (*unpack_fn)(void *ctx, const void *p, size_t n, struct err *e);

struct unpack; /* one thread */

/* few: only gzip and zstd are unpacked, as layers may be. *f gets why it is refused. */
struct unpack *unpack_new(bool few, unpack_fn emit, void *ctx, struct refusal *f);
void unpack_free(struct unpack *u); /* accepts NULL */

/* What xz's decoder, or zstd's window, may take from here on, before the first bytes come; 0, and
 * where nothing is said: 128 MiB. gzip and bzip2 never take more than 4 MiB. */
void unpack_bound(struct unpack *u, uint64_t memory_bytes);

/* The next bytes. Errors: IMAGE_INVALID, those of emit. */
ERR_CHECKED enum err_code unpack_feed(struct unpack *u, const void *p, size_t n, struct err *e);

/* All have come. Errors: the same. */
ERR_CHECKED enum err_code unpack_end(struct unpack *u, struct err *e);

/* What begins with these bytes, PACK_HEAD_BYTES or all. */
#define PACK_HEAD_BYTES 6
enum packing packing_of(const void *p, size_t n, bool few);

/* UNKNOWN before the first bytes decide. */
enum packing unpack_packing(const struct unpack *u);

static inline void auto_unpack_(struct unpack **u)
{
    unpack_free(*u);
}
