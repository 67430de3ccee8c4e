/*
 * Files of some layers, collected in memory until there are enough for a segment. One thread at a
 * time.
 */
#pragma once

#include "files/segment_out.h"

#define FILES_BATCH_FILES (128u << 10) /* then it is full */
#define FILES_BATCH_BYTES (24u << 20)  /* of paths; likewise */

struct files_batch;

struct files_batch *files_batch_new(void);
void files_batch_free(struct files_batch *b); /* accepts NULL */

/* What is added from now on is of this layer, also when there is nothing. */
void files_batch_layer(struct files_batch *b, const struct digest *layer);

/* The path as an archive may have it: "./usr/bin/env", "/usr/bin/env". False: it is no path of a
 * file, or too long, and was passed over. hash: FILES_HASH_BYTES, or NULL. */
bool files_batch_add(struct files_batch *b, struct str path, enum files_type type,
                     uint64_t size_bytes, const unsigned char *hash);

bool files_batch_full(const struct files_batch *b);
uint32_t files_batch_layers(const struct files_batch *b);

/* As a segment, into a file as of files_segment_out_new(). */
ERR_CHECKED enum err_code files_batch_write(struct files_batch *b, int fd,
                                            struct files_segment_size *ret_size, struct err *e);

/* It is empty again, and without a layer. */
void files_batch_clear(struct files_batch *b);

static inline void auto_files_batch_(struct files_batch **b)
{
    files_batch_free(*b);
}
