/*
 * A sorted table of a segment: blocks of entries in their order, and among them blocks that say
 * where others begin, level above level up to one, the root. What a block of a level above says
 * was written before it.
 *
 *     block = level (1 byte) length (3 bytes, little-endian) entries
 *
 * Written once, from the first key to the last; read from any key on, with a block a level.
 * One thread at a time.
 */
#pragma once

#include "files/block.h"

#include <stdint.h>

#define FILES_BLOCK_BYTES  8192 /* a block is closed when it has so many */
#define FILES_BLOCK_MAX    (FILES_BLOCK_BYTES + FILES_KEY_MAX + FILES_VALUE_MAX + 32)
#define FILES_BLOCK_HEAD   4
#define FILES_TABLE_LEVELS 6

/* Where the bytes of a segment are. n_bytes of them from at_bytes on, which are there; blocks. */
struct files_bytes {
    enum err_code (*read)(void *ctx, uint64_t at_bytes, void *p, size_t n_bytes, struct err *e);
    void *ctx;
    uint64_t n_bytes;
};

struct files_table {
    uint64_t begin, end; /* of all its blocks; the same: it is empty */
    uint64_t root;
    uint64_t entries;
};

/* ---- writing */

/* A file that grows. */
struct files_out {
    int fd; /* borrowed */
    uint64_t at_bytes;
    struct buf pending; /* what is not written yet */
};

void files_out_init(struct files_out *o, int fd);
void files_out_done(struct files_out *o);
ERR_CHECKED enum err_code files_out_add(struct files_out *o, const void *p, size_t n,
                                        struct err *e);
ERR_CHECKED enum err_code files_out_flush(struct files_out *o, struct err *e);

struct files_table_out;

struct files_table_out *files_table_out_new(struct files_out *o);
void files_table_out_free(struct files_table_out *t); /* accepts NULL */

/* Keys grow; one that is the last one again is passed over. */
ERR_CHECKED enum err_code files_table_add(struct files_table_out *t, struct str key,
                                          struct str value, struct err *e);
ERR_CHECKED enum err_code files_table_end(struct files_table_out *t, struct files_table *ret_table,
                                          struct err *e);

static inline void auto_files_table_out_(struct files_table_out **t)
{
    files_table_out_free(*t);
}

/* ---- reading */

struct files_cursor {
    const struct files_bytes *bytes; /* borrowed, as the table */
    const struct files_table *table;
    uint64_t at_bytes; /* of the block */
    unsigned level;
    bool end; /* there is no entry; else block.key and so on are it */
    struct files_block_in block;
    unsigned char data[FILES_BLOCK_HEAD + FILES_BLOCK_MAX];
};

void files_cursor_init(struct files_cursor *c, const struct files_bytes *bytes,
                       const struct files_table *table);

/* To the first entry of that key or a greater one. Errors: CORRUPT, those of the bytes. */
ERR_CHECKED enum err_code files_cursor_seek(struct files_cursor *c, struct str key, struct err *e);

/* Before the first entry of the block there, which must have some of the table: next() then. */
ERR_CHECKED enum err_code files_cursor_at(struct files_cursor *c, uint64_t at_bytes, struct err *e);
ERR_CHECKED enum err_code files_cursor_next(struct files_cursor *c, struct err *e);

/* Is the next entry in another block, or nowhere? */
static inline bool files_cursor_block_ends(const struct files_cursor *c)
{
    return c->block.at == c->block.n;
}
