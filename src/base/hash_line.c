#include "base/hash_line.h"

#include "base/byte_line.h"
#include "base/mem.h"

#include <stdlib.h>

struct hash_line {
    struct byte_line *bytes;
};

static enum err_code hash(void *ctx, const void *p, size_t n, struct err *e)
{
    (void)e;
    hasher_update(ctx, p, n);
    return ERR_OK;
}

struct hash_line *hash_line_new(struct hasher *h)
{
    struct hash_line *l = NEW(struct hash_line);

    l->bytes = byte_line_new(hash, h);
    return l;
}

void hash_line_free(struct hash_line *l)
{
    if (!l)
        return;
    byte_line_free(l->bytes);
    free(l);
}

void hash_line_add(struct hash_line *l, const void *p, size_t n)
{
    if (byte_line_add(l->bytes, p, n, ERR_IGNORED) != ERR_OK)
        abort(); /* hashing does not fail */
}
