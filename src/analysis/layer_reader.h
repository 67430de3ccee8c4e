/*
 * Reading a layer: its bytes in, as they come, its list of files out. Packed by gzip (eStargz is
 * such) or zstd (zstd:chunked is such), or plain; known by its bytes. Nothing is unpacked to a
 * path.
 *
 * Strict where a tar can be read in two ways (archive/tar.h); a path that leads out of the layer,
 * or a layer that unpacks to more than is allowed, is refused. Memory is that of the list and 1.1
 * MiB. One thread at a time has a reader; of a layer of more than a MiB another one reads the tar.
 */
#pragma once

#include "analysis/layer_files.h"
#include "base/reader.h"

struct layer_limits {
    uint64_t max_unpacked_bytes; /* of a layer */
    uint64_t max_ratio;          /* of unpacked to packed bytes, after the first 64 MiB */
    uint64_t memory_bytes;       /* of the list */
};

/* May a layer of so many bytes unpack to so many? Error, told: IMAGE_TOO_LARGE. */
ERR_CHECKED enum err_code layer_limits_allow(const struct layer_limits *limits,
                                             uint64_t packed_bytes, uint64_t unpacked_bytes,
                                             struct err *e);

struct layer_reader;

/* limits are copied. unpacked: what is fed is a tar already, and needs no look at its packing. */
struct layer_reader *layer_reader_new(const struct layer_limits *limits, bool unpacked);
void layer_reader_free(struct layer_reader *r); /* accepts NULL */

/* The next bytes. Errors, told: IMAGE_INVALID, IMAGE_TOO_LARGE; then it is only good for freeing.
 */
ERR_CHECKED enum err_code layer_reader_feed(struct layer_reader *r, const void *p, size_t n,
                                            struct err *e);

/* All have come. *ret_files is the caller's. packed_bytes: how long the layer is, of a reader of
 * what is unpacked; else it counts itself. Errors: the same. */
ERR_CHECKED enum err_code layer_reader_end(struct layer_reader *r, uint64_t packed_bytes,
                                           struct layer_files **ret_files, struct err *e);

/* The whole of `in`. go_on (may be NULL) is asked now and then, and ends it with LATER. Errors: the
 * same; those of `in`. */
ERR_CHECKED enum err_code layer_read(struct reader *in, const struct layer_limits *limits,
                                     bool (*go_on)(void *ctx), void *ctx,
                                     struct layer_files **ret_files, struct err *e);

AUTO_POINTER(layer_reader, layer_reader_free);
