#include "files/sorted_table.h"

#include "base/cleanup.h"
#include "base/file.h"
#include "base/mem.h"

#include <stdlib.h>

#define PENDING_BYTES (256u << 10)

/* ---- writing */

void files_out_init(struct files_out *o, int fd)
{
    *o = (struct files_out){.fd = fd};
    buf_init(&o->pending, PENDING_BYTES + FILES_BLOCK_HEAD + FILES_BLOCK_MAX);
}

void files_out_done(struct files_out *o)
{
    buf_done(&o->pending);
}

enum err_code files_out_flush(struct files_out *o, struct err *e)
{
    if (o->pending.n > 0 &&
        file_pwrite_all(o->fd, o->pending.p, o->pending.n, o->at_bytes - o->pending.n) != 0)
        return err_errno(e, "write an index of files");
    buf_clear(&o->pending);
    return ERR_OK;
}

enum err_code files_out_add(struct files_out *o, const void *p, size_t n, struct err *e)
{
    buf_add(&o->pending, p, n);
    o->at_bytes += n;
    return o->pending.n >= PENDING_BYTES ? files_out_flush(o, e) : ERR_OK;
}

struct level {
    struct files_block_out block;
    char first[FILES_KEY_MAX]; /* of the block */
    size_t n_first;
    uint64_t blocks; /* that were written */
    uint64_t last;   /* where the last one is */
};

struct files_table_out {
    struct files_out *out;
    struct files_table table;
    unsigned n_levels;
    struct level levels[FILES_TABLE_LEVELS];
};

struct files_table_out *files_table_out_new(struct files_out *o)
{
    struct files_table_out *t = NEW(struct files_table_out);

    t->out = o;
    t->table.begin = o->at_bytes;
    return t;
}

void files_table_out_free(struct files_table_out *t)
{
    if (!t)
        return;
    for (unsigned i = 0; i < t->n_levels; i++)
        files_block_out_done(&t->levels[i].block);
    free(t);
}

static enum err_code add_at(struct files_table_out *t, unsigned i, struct str key, struct str value,
                            struct err *e);

/* The block is written, and the level above told of it. */
static enum err_code close_block(struct files_table_out *t, unsigned i, bool tell, struct err *e)
{
    struct level *l = &t->levels[i];
    size_t n = l->block.bytes.n;
    const unsigned char head[FILES_BLOCK_HEAD] = {
        (unsigned char)i, (unsigned char)n, (unsigned char)(n >> 8), (unsigned char)(n >> 16)};
    unsigned char place[VARINT_MAX];

    l->last = t->out->at_bytes;
    l->blocks++;
    TRY(files_out_add(t->out, head, sizeof(head), e));
    TRY(files_out_add(t->out, l->block.bytes.p, n, e));
    files_block_out_clear(&l->block);
    if (!tell)
        return ERR_OK;
    n = varint_put(l->last, place);
    return add_at(t, i + 1, (struct str){l->first, l->n_first},
                  (struct str){(const char *)place, n}, e);
}

static enum err_code add_at(struct files_table_out *t, unsigned i, struct str key, struct str value,
                            struct err *e)
{
    struct level *l = &t->levels[i];

    if (i == FILES_TABLE_LEVELS)
        return err_set(e, ERR_INTERNAL, "an index of files has too many entries");
    if (i == t->n_levels) {
        files_block_out_init(&l->block, FILES_BLOCK_MAX);
        t->n_levels++;
    }
    if (l->block.bytes.n >= FILES_BLOCK_BYTES)
        TRY(close_block(t, i, true, e));
    if (l->block.bytes.n == 0) {
        memcpy(l->first, key.p, key.n);
        l->n_first = key.n;
    }
    files_block_add(&l->block, key, value);
    return ERR_OK;
}

enum err_code files_table_add(struct files_table_out *t, struct str key, struct str value,
                              struct err *e)
{
    const struct files_block_out *b = &t->levels[0].block;

    if (key.n > FILES_KEY_MAX || value.n > FILES_VALUE_MAX)
        return err_set(e, ERR_INTERNAL, "a key of the index of files is too long");
    if (t->table.entries > 0 && str_eq(key, (struct str){b->key, b->n_key}))
        return ERR_OK;
    t->table.entries++;
    return add_at(t, 0, key, value, e);
}

enum err_code files_table_end(struct files_table_out *t, struct files_table *ret_table,
                              struct err *e)
{
    for (unsigned i = 0; i < t->n_levels; i++) {
        bool root = t->levels[i].blocks == 0;

        TRY(close_block(t, i, !root, e));
        if (root) {
            t->table.root = t->levels[i].last;
            break;
        }
    }
    t->table.end = t->out->at_bytes;
    *ret_table = t->table;
    return ERR_OK;
}

/* ---- reading */

void files_cursor_init(struct files_cursor *c, const struct files_bytes *bytes,
                       const struct files_table *table)
{
    c->bytes = bytes;
    c->table = table;
    c->end = true;
    files_block_in_init(&c->block, c->data, 0);
}

static enum err_code damaged(struct err *e)
{
    return err_set(e, ERR_CORRUPT, "a table of the index of files is damaged");
}

/* As much at once as a block may have: most is to be read anyway. */
static enum err_code load(struct files_cursor *c, uint64_t at, struct err *e)
{
    uint64_t end = c->table->end;
    size_t n, length;

    if (end > c->bytes->n_bytes || at < c->table->begin || at >= end ||
        end - at <= FILES_BLOCK_HEAD)
        return damaged(e);
    n = end - at < sizeof(c->data) ? (size_t)(end - at) : sizeof(c->data);
    TRY(c->bytes->read(c->bytes->ctx, at, c->data, n, e));
    length = (size_t)(c->data[1] | c->data[2] << 8 | c->data[3] << 16);
    if (length == 0 || length > n - FILES_BLOCK_HEAD)
        return damaged(e);
    c->level = c->data[0];
    c->at_bytes = at;
    files_block_in_init(&c->block, c->data + FILES_BLOCK_HEAD, length);
    return ERR_OK;
}

enum err_code files_cursor_at(struct files_cursor *c, uint64_t at_bytes, struct err *e)
{
    TRY(load(c, at_bytes, e));
    return c->level == 0 ? ERR_OK : damaged(e);
}

enum err_code files_cursor_next(struct files_cursor *c, struct err *e)
{
    bool more;

    TRY(files_block_next(&c->block, &more, e));
    while (!more) {
        uint64_t next = c->at_bytes + FILES_BLOCK_HEAD + c->block.n;

        c->end = next >= c->table->end;
        if (c->end)
            return ERR_OK;
        TRY(load(c, next, e));
        if (c->level > 0)
            c->block.at = c->block.n; /* it is of a level above, and passed over */
        TRY(files_block_next(&c->block, &more, e));
    }
    c->end = false;
    return ERR_OK;
}

/* Where the block is that has the key: what is said by the last entry that is not greater. */
static enum err_code below(struct files_cursor *c, struct str key, uint64_t *ret_at, struct err *e)
{
    bool more = true, found = false;

    while (true) {
        TRY(files_block_next(&c->block, &more, e));
        if (!more || (found && str_cmp(files_block_key(&c->block), key) > 0))
            break;
        found = varint_get(c->block.value, c->block.n_value, ret_at) > 0;
        if (!found)
            return damaged(e);
    }
    return found && *ret_at < c->at_bytes ? ERR_OK : damaged(e);
}

enum err_code files_cursor_seek(struct files_cursor *c, struct str key, struct err *e)
{
    uint64_t at = c->table->root;

    c->end = true;
    if (c->table->begin == c->table->end)
        return ERR_OK;
    TRY(load(c, at, e));
    for (unsigned level = c->level; level > 0; level--) {
        TRY(below(c, key, &at, e));
        TRY(load(c, at, e));
        if (c->level != level - 1)
            return damaged(e);
    }
    do
        TRY(files_cursor_next(c, e));
    while (!c->end && str_cmp(files_block_key(&c->block), key) < 0);
    return ERR_OK;
}
