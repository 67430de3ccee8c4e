/*
 * A segment of the index of files: which files there are in some layers. Never changed. Its tables:
 *
 *     names     "BASENAME\0DIRECTORY\0LAYER": size and SHA-256; LAYER is a number of 4 bytes
 *     reversed  basenames backwards, for what is known of their end
 *     paths     "DIRECTORY/BASENAME", for what is known of the beginning of a path
 *     hashes    the first 8 bytes of a SHA-256, and in which block of `names` (5 bytes) it is
 *
 * then the digests of the layers, sorted, so that their numbers sort as they do; then a foot of
 * fixed length, which says where all that is. `reversed` and `paths` may know names that are not
 * in `names` any more. Numbers in keys are big-endian, in the foot little-endian.
 *
 * A path is relative and has no "." in it: "usr/bin/env" is the directory "usr/bin" and the
 * basename "env". One thread at a time.
 */
#pragma once

#include "base/digest.h"
#include "files/sorted_table.h"

#define FILES_PATH_MAX   1024 /* longer ones are not indexed */
#define FILES_HASH_BYTES 32

enum files_type { FILES_FILE, FILES_HARD_LINK, FILES_SYMBOLIC_LINK };

/* A digest as a layer table has it: its algorithm, then its bytes; compares as the texts do. */
#define FILES_LAYER_BYTES (1 + DIGEST_BYTES_MAX)
struct files_layer {
    unsigned char bytes[FILES_LAYER_BYTES];
};

void files_layer_of(const struct digest *d, struct files_layer *ret_layer);
ERR_CHECKED enum err_code files_layer_digest(const struct files_layer *l, struct digest *ret_digest,
                                             struct err *e);

static inline int files_layer_cmp(const struct files_layer *a, const struct files_layer *b)
{
    return memcmp(a->bytes, b->bytes, FILES_LAYER_BYTES);
}

/* What is known of a file of a layer. Borrowed. */
struct files_file {
    struct str base, dir;
    uint32_t layer; /* its number in the segment */
    enum files_type type;
    uint64_t size_bytes;
    bool has_hash;
    const unsigned char *hash; /* FILES_HASH_BYTES */
};

/* "BASENAME\0", or with dir "BASENAME\0DIRECTORY\0"; the parts fit in a path. */
void files_key(struct str base, const struct str *dir, struct buf *dst);
void files_reverse(struct str base, char *dst); /* base.n bytes */

struct files_segment {
    struct files_bytes bytes;
    struct files_table names, reversed, paths, hashes;
    uint64_t layers_at;
    uint32_t n_layers;
};

/* Reads the foot. Error: CORRUPT. */
ERR_CHECKED enum err_code files_segment_open(struct files_segment *s, struct files_bytes bytes,
                                             struct err *e);
ERR_CHECKED enum err_code files_segment_layer(const struct files_segment *s, uint32_t number,
                                              struct files_layer *ret_layer, struct err *e);
ERR_CHECKED enum err_code files_segment_has(const struct files_segment *s,
                                            const struct files_layer *layer, bool *ret_has,
                                            struct err *e);

/* The file that a cursor of `names` is at; good until it moves. Error: CORRUPT. */
ERR_CHECKED enum err_code files_file_at(const struct files_cursor *c, struct files_file *ret_file,
                                        struct err *e);

/* The foot, in the order of its fields. */
#define FILES_FOOT_MAGIC "CDFILES1"
#define FILES_FOOT_BYTES (8 + 16 + 4 * 32)
