#include "files/segment.h"

#include "base/hex.h"

#include <stdio.h>

static const size_t digest_bytes[] = {[DIGEST_SHA256] = 32, [DIGEST_SHA512] = 64};

void files_layer_of(const struct digest *d, struct files_layer *ret_layer)
{
    *ret_layer = (struct files_layer){{(unsigned char)d->algorithm}};
    (void)hex_decode(digest_hex(d), ret_layer->bytes + 1, digest_bytes[d->algorithm]);
}

enum err_code files_layer_digest(const struct files_layer *l, struct digest *ret_digest,
                                 struct err *e)
{
    char text[DIGEST_TEXT_MAX + 1];
    int n;

    if (l->bytes[0] > DIGEST_SHA512)
        return err_set(e, ERR_CORRUPT, "the index of files has a damaged digest");
    n = snprintf(text, sizeof(text), "%s:", digest_algorithm_name(l->bytes[0]));
    hex_encode(l->bytes + 1, digest_bytes[l->bytes[0]], text + n);
    return digest_parse(str_of(text), ret_digest, e);
}

void files_key(struct str base, const struct str *dir, struct buf *dst)
{
    buf_clear(dst);
    buf_add_str(dst, base);
    buf_add_char(dst, '\0');
    if (!dir)
        return;
    buf_add_str(dst, *dir);
    buf_add_char(dst, '\0');
}

void files_reverse(struct str base, char *dst)
{
    for (size_t i = 0; i < base.n; i++)
        dst[i] = base.p[base.n - 1 - i];
}

static uint64_t number_at(const unsigned char *p)
{
    uint64_t v = 0;

    for (size_t i = 8; i-- > 0;)
        v = v << 8 | p[i];
    return v;
}

static bool table_at(const unsigned char *p, uint64_t end, struct files_table *t)
{
    *t = (struct files_table){number_at(p), number_at(p + 8), number_at(p + 16), number_at(p + 24)};
    return t->begin <= t->end && t->end <= end;
}

enum err_code files_segment_open(struct files_segment *s, struct files_bytes bytes, struct err *e)
{
    unsigned char foot[FILES_FOOT_BYTES];
    struct files_table *tables[] = {&s->names, &s->reversed, &s->paths, &s->hashes};
    uint64_t end, n_layers;
    bool fine = true;

    s->bytes = bytes;
    if (bytes.n_bytes < sizeof(foot))
        return err_set(e, ERR_CORRUPT, "a segment of the index of files is cut");
    end = bytes.n_bytes - sizeof(foot);
    TRY(bytes.read(bytes.ctx, end, foot, sizeof(foot), e));
    s->layers_at = number_at(foot + 8);
    n_layers = number_at(foot + 16);
    for (size_t i = 0; i < 4; i++)
        fine = table_at(foot + 24 + 32 * i, end, tables[i]) && fine;
    if (!fine || memcmp(foot, FILES_FOOT_MAGIC, 8) != 0 || s->layers_at > end ||
        n_layers > UINT32_MAX || n_layers > (end - s->layers_at) / FILES_LAYER_BYTES)
        return err_set(e, ERR_CORRUPT, "the foot of a segment of the index of files is damaged");
    s->n_layers = (uint32_t)n_layers;
    return ERR_OK;
}

enum err_code files_segment_layer(const struct files_segment *s, uint32_t number,
                                  struct files_layer *ret_layer, struct err *e)
{
    if (number >= s->n_layers)
        return err_set(e, ERR_CORRUPT, "the index of files names a layer that it has not");
    return s->bytes.read(s->bytes.ctx, s->layers_at + (uint64_t)number * FILES_LAYER_BYTES,
                         ret_layer->bytes, FILES_LAYER_BYTES, e);
}

enum err_code files_segment_has(const struct files_segment *s, const struct files_layer *layer,
                                bool *ret_has, struct err *e)
{
    uint32_t low = 0, high = s->n_layers;

    *ret_has = false;
    while (low < high && !*ret_has) {
        uint32_t middle = low + (high - low) / 2;
        struct files_layer at;
        int order;

        TRY(files_segment_layer(s, middle, &at, e));
        order = files_layer_cmp(&at, layer);
        *ret_has = order == 0;
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return ERR_OK;
}

static enum err_code damaged(struct err *e)
{
    return err_set(e, ERR_CORRUPT, "a name in the index of files is damaged");
}

static enum err_code read_value(struct str value, struct files_file *f, struct err *e)
{
    const unsigned char *p = (const unsigned char *)value.p;
    size_t n, hash;

    if (value.n == 0 || (p[0] & 3) > FILES_SYMBOLIC_LINK)
        return damaged(e);
    f->type = p[0] & 3;
    f->has_hash = p[0] & 4;
    hash = f->has_hash ? FILES_HASH_BYTES : 0;
    n = varint_get(p + 1, value.n - 1, &f->size_bytes);
    if (n == 0 || value.n != 1 + n + hash)
        return damaged(e);
    f->hash = f->has_hash ? p + 1 + n : NULL;
    return ERR_OK;
}

enum err_code files_file_at(const struct files_cursor *c, struct files_file *ret_file,
                            struct err *e)
{
    struct str rest = files_block_key(&c->block);
    const unsigned char *number;

    if (!str_cut(&rest, '\0', &ret_file->base) || !str_cut(&rest, '\0', &ret_file->dir) ||
        rest.n != 4 || ret_file->base.n == 0)
        return damaged(e);
    number = (const unsigned char *)rest.p;
    ret_file->layer = (uint32_t)number[0] << 24 | (uint32_t)number[1] << 16 |
                      (uint32_t)number[2] << 8 | number[3];
    return read_value(files_block_value(&c->block), ret_file, e);
}
