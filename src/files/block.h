/*
 * A block of the index of files: entries of a key and a value, sorted by key, each written as what
 * differs from the one before. Keys of one table are distinct. Pure functions; one thread at a
 * time.
 *
 *     entry = shared rest value_code rest-bytes value-bytes
 *
 * The three numbers are varints (base/varint.h). A value whose last FILES_TAIL bytes are those of
 * the last value that had so many is written without them: value_code is twice its whole length,
 * and one more for that.
 */
#pragma once

#include "base/buf.h"
#include "base/err.h"
#include "base/varint.h"

#define FILES_KEY_MAX   1100
#define FILES_VALUE_MAX 48
#define FILES_TAIL      32 /* a SHA-256 */

struct files_block_out {
    struct buf bytes;
    char key[FILES_KEY_MAX]; /* of the last entry */
    size_t n_key;
    unsigned char tail[FILES_TAIL];
    bool has_tail;
};

void files_block_out_init(struct files_block_out *b, size_t max_bytes);
void files_block_out_done(struct files_block_out *b);
void files_block_out_clear(struct files_block_out *b);

/* Key and value within their bounds; greater than the last one. */
void files_block_add(struct files_block_out *b, struct str key, struct str value);

struct files_block_in {
    const unsigned char *p; /* borrowed */
    size_t n, at;
    char key[FILES_KEY_MAX]; /* of the entry that was read last, as the next three */
    size_t n_key;
    unsigned char value[FILES_VALUE_MAX];
    size_t n_value;
    unsigned char tail[FILES_TAIL];
    bool has_tail;
};

void files_block_in_init(struct files_block_in *b, const void *p, size_t n);

/* The next entry; *ret_more is false at the end. Error: CORRUPT. */
ERR_CHECKED enum err_code files_block_next(struct files_block_in *b, bool *ret_more, struct err *e);

static inline struct str files_block_key(const struct files_block_in *b)
{
    return (struct str){b->key, b->n_key};
}

static inline struct str files_block_value(const struct files_block_in *b)
{
    return (struct str){(const char *)b->value, b->n_value};
}
