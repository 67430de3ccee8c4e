/*
 * The chunked transfer coding, RFC 9112 section 7.1, as a decoder that is fed pieces of any size.
 * Pure: no I/O, no allocation.
 */
#pragma once

#include "http/http.h"

struct http_chunk {
    uint64_t left; /* of the chunk's data */
    unsigned state, digits;
    unsigned extra_bytes; /* of extensions and trailers so far; bounded over the whole body */
};

#define HTTP_CHUNK_EXTRA_MAX (16 * 1024)

/* A zeroed struct is ready too. */
void http_chunk_init(struct http_chunk *d);

/*
 * Takes bytes from src, writes data to dst, which may be src itself, or NULL to drop the data.
 * Stops when src is used up, when cap bytes were written, or behind the last byte of the body.
 * DONE: the body has ended, bytes from *ret_used on are not part of it. BAD: malformed. Trailers
 * are checked and dropped.
 */
enum http_parse http_chunk_decode(struct http_chunk *d, const char *src, size_t n, char *dst,
                                  size_t cap, size_t *ret_used, size_t *ret_n);
