/* Where the contents of an archive go, and how much there may be of everything. */
#pragma once

#include "base/digest.h"

struct archive_limits {
    uint64_t max_bytes;          /* of the archive as it comes */
    uint64_t max_unpacked_bytes; /* of all that comes of unpacking it, and its layers */
    uint64_t max_ratio;          /* of unpacked to packed bytes */
    uint64_t max_members;
    uint64_t json_bytes;    /* of one description */
    uint64_t memory_bytes;  /* of all that is kept in memory: descriptions, small files */
    uint64_t decoder_bytes; /* see unpack_bound(); of the archive, and again of a layer */
};

/*
 * Where contents go. A content is written by one call of begin, any of write, one of finish; of
 * each that has begun there is one call of release in the end, whatever happened. Errors of the
 * sink end the archive.
 */
struct archive_sink {
    /* said: the digest that the member's name gives it, or NULL: it is refused if it is wrong and
     * the content is used. *ret_content is the sink's own. */
    enum err_code (*begin)(void *ctx, enum digest_algorithm algorithm, const struct digest *said,
                           uint64_t size_bytes, void **ret_content, struct err *e);
    enum err_code (*write)(void *ctx, void *content, const void *p, size_t n, struct err *e);
    enum err_code (*finish)(void *ctx, void *content, struct digest *ret_digest, struct err *e);
    void (*release)(void *ctx, void *content);
    /* Optional: what the bytes that were written unpack to, by gzip or zstd; of what is not packed,
     * these bytes. */
    enum err_code (*unpacked)(void *ctx, void *content, const void *p, size_t n, struct err *e);
};
