/*
 * Packing what comes in pieces, by gzip or zstd. The bytes that come out are a function of those
 * that go in, the form, the level and the library's version: not of the pieces, the time or the
 * number of threads. So what is packed twice has one digest.
 */
#pragma once

#include "archive/unpack.h"

struct packing_form {
    enum packing as; /* NOT, GZIP or ZSTD */
    int level;       /* 1 to PACK_LEVEL_MAX; 0: GZIP's 6, ZSTD's 3 */
};

/* More takes memory (zstd's 19: 100 MiB), and time that an upload does not have. */
#define PACK_LEVEL_MAX 9

/* Takes what was packed. */
typedef enum err_code (*pack_fn)(void *ctx, const void *p, size_t n, struct err *e);

struct pack; /* one thread */

/* Of so many bytes, UINT64_MAX: nobody knows; that is part of what zstd makes of them. Error:
 * UNAVAILABLE, no memory. */
ERR_CHECKED enum err_code pack_new(const struct packing_form *form, uint64_t size_bytes,
                                   pack_fn emit, void *ctx, struct pack **ret_pack, struct err *e);
void pack_free(struct pack *p); /* accepts NULL */

/* Errors: those of emit; INTERNAL. */
ERR_CHECKED enum err_code pack_feed(struct pack *k, const void *p, size_t n, struct err *e);
ERR_CHECKED enum err_code pack_end(struct pack *k, struct err *e); /* all have come */

static inline void auto_pack_(struct pack **k)
{
    pack_free(*k);
}
