#include "files/block.h"

void files_block_out_init(struct files_block_out *b, size_t max_bytes)
{
    *b = (struct files_block_out){.n_key = 0};
    buf_init(&b->bytes, max_bytes);
}

void files_block_out_done(struct files_block_out *b)
{
    buf_done(&b->bytes);
}

void files_block_out_clear(struct files_block_out *b)
{
    buf_clear(&b->bytes);
    b->n_key = 0;
    b->has_tail = false;
}

static void add_number(struct buf *dst, uint64_t v)
{
    unsigned char bytes[VARINT_MAX];

    buf_add(dst, bytes, varint_put(v, bytes));
}

static size_t shared_length(const struct files_block_out *b, struct str key)
{
    size_t n = 0;

    while (n < key.n && n < b->n_key && b->key[n] == key.p[n])
        n++;
    return n;
}

void files_block_add(struct files_block_out *b, struct str key, struct str value)
{
    size_t shared = shared_length(b, key), kept = value.n;
    const char *tail = value.n >= FILES_TAIL ? value.p + value.n - FILES_TAIL : NULL;
    bool same = tail && b->has_tail && memcmp(tail, b->tail, FILES_TAIL) == 0;

    if (same)
        kept -= FILES_TAIL;
    add_number(&b->bytes, shared);
    add_number(&b->bytes, key.n - shared);
    add_number(&b->bytes, 2 * value.n + same);
    buf_add(&b->bytes, key.p + shared, key.n - shared);
    if (kept > 0)
        buf_add(&b->bytes, value.p, kept);
    memcpy(b->key + shared, key.p + shared, key.n - shared);
    b->n_key = key.n;
    if (tail && !same) {
        memcpy(b->tail, tail, FILES_TAIL);
        b->has_tail = true;
    }
}

void files_block_in_init(struct files_block_in *b, const void *p, size_t n)
{
    b->p = p;
    b->n = n;
    b->at = 0;
    b->n_key = 0;
    b->n_value = 0;
    b->has_tail = false;
}

/* Most numbers have one byte. */
static bool take_number(struct files_block_in *b, uint64_t *ret_v)
{
    size_t n;

    if (b->at < b->n && b->p[b->at] < 0x80) {
        *ret_v = b->p[b->at++];
        return true;
    }
    n = varint_get(b->p + b->at, b->n - b->at, ret_v);
    b->at += n;
    return n > 0;
}

static enum err_code damaged(struct err *e)
{
    return err_set(e, ERR_CORRUPT, "a block of the index of files is damaged");
}

static enum err_code take_value(struct files_block_in *b, uint64_t code, struct err *e)
{
    uint64_t n = code / 2;
    bool same = code & 1;
    size_t kept = (size_t)n;

    if (n > FILES_VALUE_MAX || (same && (n < FILES_TAIL || !b->has_tail)))
        return damaged(e);
    if (same)
        kept -= FILES_TAIL;
    if (kept > b->n - b->at)
        return damaged(e);
    memcpy(b->value, b->p + b->at, kept);
    b->at += kept;
    b->n_value = (size_t)n;
    if (same) {
        memcpy(b->value + kept, b->tail, FILES_TAIL);
    } else if (n >= FILES_TAIL) {
        memcpy(b->tail, b->value + n - FILES_TAIL, FILES_TAIL);
        b->has_tail = true;
    }
    return ERR_OK;
}

enum err_code files_block_next(struct files_block_in *b, bool *ret_more, struct err *e)
{
    uint64_t shared, rest, code;

    *ret_more = b->at < b->n;
    if (!*ret_more)
        return ERR_OK;
    if (!take_number(b, &shared) || !take_number(b, &rest) || !take_number(b, &code))
        return damaged(e);
    if (shared > b->n_key || rest > FILES_KEY_MAX - shared || rest > b->n - b->at)
        return damaged(e);
    memcpy(b->key + shared, b->p + b->at, (size_t)rest);
    b->at += (size_t)rest;
    b->n_key = (size_t)(shared + rest);
    return take_value(b, code, e);
}
