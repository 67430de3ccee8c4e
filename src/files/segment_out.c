/*
 * Writing a segment. The table of hashes is made last, out of the names that were written: they
 * are read once for each HASHES_AT_ONCE of them, and what lies between two bounds is sorted, so
 * that memory is bounded however large the segment is. Hashes are evenly spread.
 */
#include "files/segment_out.h"
#include "base/cleanup.h"
#include "base/file.h"
#include "base/mem.h"

#include <stdlib.h>

#define HASHES_AT_ONCE (1u << 20)
#define RECENT         8

struct files_segment_out {
    struct files_out out;
    struct files_table_out *table; /* that is being written */
    struct files_table names, reversed, paths, hashes;
    const struct files_layer *layers; /* borrowed */
    uint32_t n_layers;
    uint64_t n_hashes;
    struct buf key;
};

struct files_segment_out *files_segment_out_new(int fd, const struct files_layer *layers,
                                                uint32_t n_layers)
{
    struct files_segment_out *o = NEW(struct files_segment_out);

    files_out_init(&o->out, fd);
    buf_init(&o->key, FILES_KEY_MAX);
    o->layers = layers;
    o->n_layers = n_layers;
    o->table = files_table_out_new(&o->out);
    return o;
}

void files_segment_out_free(struct files_segment_out *o)
{
    if (!o)
        return;
    files_table_out_free(o->table);
    files_out_done(&o->out);
    buf_done(&o->key);
    free(o);
}

/* Ends the table that is being written and begins the next. */
static enum err_code next_table(struct files_segment_out *o, struct files_table *ended,
                                struct err *e)
{
    TRY(files_table_end(o->table, ended, e));
    files_table_out_free(o->table);
    o->table = files_table_out_new(&o->out);
    return ERR_OK;
}

enum err_code files_segment_add(struct files_segment_out *o, const struct files_file *f,
                                struct err *e)
{
    const unsigned char number[4] = {(unsigned char)(f->layer >> 24),
                                     (unsigned char)(f->layer >> 16),
                                     (unsigned char)(f->layer >> 8), (unsigned char)f->layer};
    unsigned char value[1 + VARINT_MAX + FILES_HASH_BYTES] = {
        (unsigned char)(f->type | (f->has_hash ? 4 : 0))};
    size_t n = 1 + varint_put(f->size_bytes, value + 1);

    files_key(f->base, &f->dir, &o->key);
    buf_add(&o->key, number, sizeof(number));
    if (o->key.full)
        return err_set(e, ERR_INTERNAL, "a path is too long for the index of files");
    if (f->has_hash) {
        memcpy(value + n, f->hash, FILES_HASH_BYTES);
        n += FILES_HASH_BYTES;
        o->n_hashes++;
    }
    return files_table_add(o->table, buf_str(&o->key), (struct str){(const char *)value, n}, e);
}

enum err_code files_segment_names_end(struct files_segment_out *o, struct err *e)
{
    return next_table(o, &o->names, e);
}

enum err_code files_segment_reversed(struct files_segment_out *o, struct str key, struct err *e)
{
    return files_table_add(o->table, key, STR(""), e);
}

enum err_code files_segment_reversed_end(struct files_segment_out *o, struct err *e)
{
    return next_table(o, &o->reversed, e);
}

enum err_code files_segment_path(struct files_segment_out *o, struct str key, struct err *e)
{
    return files_table_add(o->table, key, STR(""), e);
}

/* ---- hashes */

struct place {
    uint64_t hash;  /* its first 8 bytes, as a number */
    uint64_t block; /* of names */
};

struct places {
    struct place *list;
    size_t n, cap;
};

static inline void auto_places_(struct places *p)
{
    free(p->list);
}

static int by_hash(const void *a, const void *b)
{
    const struct place *x = a, *y = b;

    if (x->hash != y->hash)
        return x->hash < y->hash ? -1 : 1;
    return (x->block > y->block) - (x->block < y->block);
}

/* The same content often lies side by side. */
static bool is_recent(const struct places *p, struct place new)
{
    for (size_t i = p->n; i > 0 && i + RECENT > p->n; i--) {
        if (p->list[i - 1].hash == new.hash && p->list[i - 1].block == new.block)
            return true;
    }
    return false;
}

static void add_place(struct places *p, struct place new)
{
    if (is_recent(p, new))
        return;
    if (p->n == p->cap) {
        p->cap = p->cap ? p->cap + p->cap / 2 : 4096;
        p->list = mem_resize(p->list, p->cap * sizeof(*p->list));
    }
    p->list[p->n++] = new;
}

static uint64_t begin_of(const unsigned char *hash)
{
    uint64_t v = 0;

    for (size_t i = 0; i < 8; i++)
        v = v << 8 | hash[i];
    return v;
}

static enum err_code read_back(void *ctx, uint64_t at_bytes, void *p, size_t n_bytes, struct err *e)
{
    const struct files_out *o = ctx;
    ssize_t n = file_pread_all(o->fd, p, n_bytes, at_bytes);

    if (n < 0)
        return err_errno(e, "read an index of files");
    return (size_t)n == n_bytes ? ERR_OK : err_set(e, ERR_CORRUPT, "an index of files is cut");
}

/* Of the hashes from first to last. */
static enum err_code collect(struct files_segment_out *o, uint64_t first, uint64_t last,
                             struct places *p, struct err *e)
{
    const struct files_bytes bytes = {read_back, &o->out, o->names.end};
    AUTO(mem) struct files_cursor *c = NEW(struct files_cursor);
    struct files_file f;

    files_cursor_init(c, &bytes, &o->names);
    TRY(files_cursor_seek(c, STR(""), e));
    p->n = 0;
    while (!c->end) {
        TRY(files_file_at(c, &f, e));
        if (f.has_hash) {
            struct place place = {begin_of(f.hash), c->at_bytes};

            if (place.hash >= first && place.hash <= last)
                add_place(p, place);
        }
        TRY(files_cursor_next(c, e));
    }
    return ERR_OK;
}

static enum err_code add_hashes(struct files_segment_out *o, struct places *p, struct err *e)
{
    if (p->n > 1)
        qsort(p->list, p->n, sizeof(*p->list), by_hash);
    for (size_t i = 0; i < p->n; i++) {
        unsigned char key[13];

        for (size_t j = 0; j < 8; j++)
            key[j] = (unsigned char)(p->list[i].hash >> (56 - 8 * j));
        for (size_t j = 0; j < 5; j++)
            key[8 + j] = (unsigned char)(p->list[i].block >> (32 - 8 * j));
        TRY(files_table_add(o->table, (struct str){(const char *)key, sizeof(key)}, STR(""), e));
    }
    return ERR_OK;
}

static enum err_code write_hashes(struct files_segment_out *o, struct err *e)
{
    AUTO(places) struct places p = {0};
    uint64_t parts = o->n_hashes / HASHES_AT_ONCE + 1, step = UINT64_MAX / parts;

    TRY(files_out_flush(&o->out, e));
    for (uint64_t i = 0; i < parts; i++) {
        TRY(collect(o, i == 0 ? 0 : i * step + 1, i + 1 == parts ? UINT64_MAX : (i + 1) * step, &p,
                    e));
        TRY(add_hashes(o, &p, e));
    }
    return ERR_OK;
}

/* ---- the foot */

static void add_number(struct buf *dst, uint64_t v)
{
    for (size_t i = 0; i < 8; i++)
        buf_add_char(dst, (char)(v >> 8 * i));
}

static void add_table(struct buf *dst, const struct files_table *t)
{
    add_number(dst, t->begin);
    add_number(dst, t->end);
    add_number(dst, t->root);
    add_number(dst, t->entries);
}

static enum err_code write_foot(struct files_segment_out *o, struct err *e)
{
    AUTO(buf) struct buf foot = {0};
    uint64_t layers_at = o->out.at_bytes;

    TRY(files_out_flush(&o->out, e));
    for (uint32_t i = 0; i < o->n_layers; i++)
        TRY(files_out_add(&o->out, o->layers[i].bytes, FILES_LAYER_BYTES, e));
    buf_init(&foot, FILES_FOOT_BYTES);
    buf_add_text(&foot, FILES_FOOT_MAGIC);
    add_number(&foot, layers_at);
    add_number(&foot, o->n_layers);
    add_table(&foot, &o->names);
    add_table(&foot, &o->reversed);
    add_table(&foot, &o->paths);
    add_table(&foot, &o->hashes);
    TRY(files_out_add(&o->out, foot.p, foot.n, e));
    return files_out_flush(&o->out, e);
}

enum err_code files_segment_end(struct files_segment_out *o, struct files_segment_size *ret_size,
                                struct err *e)
{
    TRY(next_table(o, &o->paths, e));
    TRY(write_hashes(o, e));
    TRY(files_table_end(o->table, &o->hashes, e));
    TRY(write_foot(o, e));
    *ret_size = (struct files_segment_size){o->out.at_bytes, o->names.entries};
    return ERR_OK;
}
