#include "files/batch.h"

#include "base/cleanup.h"
#include "base/mem.h"

#include <stdlib.h>

struct row {
    uint32_t path; /* where it is in text */
    uint16_t n_path, n_base;
    uint32_t layer;
    uint64_t size_bytes;
    enum files_type type;
    bool has_hash;
    unsigned char hash[FILES_HASH_BYTES];
};

struct files_batch {
    struct buf text; /* all paths */
    struct row *rows;
    size_t n, cap;
    struct files_layer *layers; /* as they came; when it is written, sorted */
    uint32_t n_layers, cap_layers;
};

struct files_batch *files_batch_new(void)
{
    struct files_batch *b = NEW(struct files_batch);

    buf_init(&b->text, FILES_BATCH_BYTES + FILES_PATH_MAX);
    return b;
}

void files_batch_free(struct files_batch *b)
{
    if (!b)
        return;
    buf_done(&b->text);
    free(b->rows);
    free(b->layers);
    free(b);
}

void files_batch_clear(struct files_batch *b)
{
    buf_clear(&b->text);
    b->n = 0;
    b->n_layers = 0;
}

void files_batch_layer(struct files_batch *b, const struct digest *layer)
{
    if (b->n_layers == b->cap_layers) {
        b->cap_layers = b->cap_layers ? 2 * b->cap_layers : 16;
        b->layers = mem_resize(b->layers, b->cap_layers * sizeof(*b->layers));
    }
    files_layer_of(layer, &b->layers[b->n_layers++]);
}

bool files_batch_full(const struct files_batch *b)
{
    return b->n >= FILES_BATCH_FILES || b->text.n >= FILES_BATCH_BYTES;
}

uint32_t files_batch_layers(const struct files_batch *b)
{
    return b->n_layers;
}

/* Without what stands before a path and says nothing. */
static struct str plain(struct str path)
{
    while (str_starts(path, STR("/")) || str_starts(path, STR("./"))) {
        size_t skip = path.p[0] == '/' ? 1 : 2;

        path = str_sub(path, skip, path.n - skip);
    }
    return path;
}

static size_t base_length(struct str path)
{
    size_t n = 0;

    while (n < path.n && path.p[path.n - 1 - n] != '/')
        n++;
    return n;
}

bool files_batch_add(struct files_batch *b, struct str path, enum files_type type,
                     uint64_t size_bytes, const unsigned char *hash)
{
    struct row *row;

    path = plain(path);
    if (path.n == 0 || path.n > FILES_PATH_MAX || base_length(path) == 0 ||
        memchr(path.p, '\0', path.n) || b->n_layers == 0 || files_batch_full(b))
        return false;
    if (b->n == b->cap) {
        b->cap = b->cap ? 2 * b->cap : 1024;
        b->rows = mem_resize(b->rows, b->cap * sizeof(*b->rows));
    }
    row = &b->rows[b->n++];
    *row = (struct row){.path = (uint32_t)b->text.n,
                        .n_path = (uint16_t)path.n,
                        .n_base = (uint16_t)base_length(path),
                        .layer = b->n_layers - 1,
                        .size_bytes = size_bytes,
                        .type = type,
                        .has_hash = hash};
    if (hash)
        memcpy(row->hash, hash, FILES_HASH_BYTES);
    buf_add_str(&b->text, path);
    return true;
}

/* ---- orders */

static struct str path_of(const struct files_batch *b, const struct row *r)
{
    return (struct str){b->text.p + r->path, r->n_path};
}

static struct str base_of(const struct files_batch *b, const struct row *r)
{
    return (struct str){b->text.p + r->path + r->n_path - r->n_base, r->n_base};
}

static struct str dir_of(const struct files_batch *b, const struct row *r)
{
    return str_sub(path_of(b, r), 0, r->n_path > r->n_base ? (size_t)r->n_path - r->n_base - 1 : 0);
}

static int by_name(const void *x, const void *y, void *ctx)
{
    const struct files_batch *b = ctx;
    const struct row *r = *(const struct row *const *)x, *s = *(const struct row *const *)y;
    int order = str_cmp(base_of(b, r), base_of(b, s));

    if (order == 0)
        order = str_cmp(dir_of(b, r), dir_of(b, s));
    if (order == 0)
        order = (r->layer > s->layer) - (r->layer < s->layer);
    return order ? order : (r < s) - (r > s); /* what came last is first, and counts */
}

static int by_path(const void *x, const void *y, void *ctx)
{
    const struct files_batch *b = ctx;

    return str_cmp(path_of(b, *(const struct row *const *)x),
                   path_of(b, *(const struct row *const *)y));
}

static int by_end(const void *x, const void *y, void *ctx)
{
    const struct files_batch *b = ctx;
    struct str r = base_of(b, *(const struct row *const *)x);
    struct str s = base_of(b, *(const struct row *const *)y);

    for (; r.n > 0 && s.n > 0; r.n--, s.n--) {
        unsigned char c = (unsigned char)r.p[r.n - 1], d = (unsigned char)s.p[s.n - 1];

        if (c != d)
            return c < d ? -1 : 1;
    }
    return (r.n > 0) - (s.n > 0);
}

static int by_layer(const void *a, const void *b)
{
    return files_layer_cmp(a, b);
}

/* Layers get the numbers that they have when they are sorted; one that came twice has one. */
static void sort_layers(struct files_batch *b)
{
    AUTO(mem) struct files_layer *came = mem_alloc((b->n_layers + 1) * sizeof(*came));
    uint32_t n = 0;

    memcpy(came, b->layers, b->n_layers * sizeof(*came));
    if (b->n_layers > 1)
        qsort(b->layers, b->n_layers, sizeof(*b->layers), by_layer);
    for (uint32_t i = 0; i < b->n_layers; i++) {
        if (n == 0 || files_layer_cmp(&b->layers[n - 1], &b->layers[i]) != 0)
            b->layers[n++] = b->layers[i];
    }
    b->n_layers = n;
    for (size_t i = 0; i < b->n; i++) {
        const struct files_layer *at =
            bsearch(&came[b->rows[i].layer], b->layers, n, sizeof(*b->layers), by_layer);

        b->rows[i].layer = (uint32_t)(at - b->layers);
    }
}

/* ---- writing */

static enum err_code write_names(struct files_batch *b, const struct row *const *list,
                                 struct files_segment_out *o, struct err *e)
{
    for (size_t i = 0; i < b->n; i++) {
        const struct row *r = list[i];
        const struct files_file f = {.base = base_of(b, r),
                                     .dir = dir_of(b, r),
                                     .layer = r->layer,
                                     .type = r->type,
                                     .size_bytes = r->size_bytes,
                                     .has_hash = r->has_hash,
                                     .hash = r->hash};

        TRY(files_segment_add(o, &f, e));
    }
    return files_segment_names_end(o, e);
}

static enum err_code write_reversed(struct files_batch *b, const struct row *const *list,
                                    struct files_segment_out *o, struct err *e)
{
    char key[FILES_PATH_MAX];

    for (size_t i = 0; i < b->n; i++) {
        struct str base = base_of(b, list[i]);

        files_reverse(base, key);
        TRY(files_segment_reversed(o, (struct str){key, base.n}, e));
    }
    return files_segment_reversed_end(o, e);
}

static enum err_code write_paths(struct files_batch *b, const struct row *const *list,
                                 struct files_segment_out *o, struct err *e)
{
    for (size_t i = 0; i < b->n; i++)
        TRY(files_segment_path(o, path_of(b, list[i]), e));
    return ERR_OK;
}

enum err_code files_batch_write(struct files_batch *b, int fd, struct files_segment_size *ret_size,
                                struct err *e)
{
    AUTO(files_segment_out) struct files_segment_out *o = NULL;
    AUTO(mem) const struct row **list = mem_alloc((b->n + 1) * sizeof(*list));

    sort_layers(b);
    for (size_t i = 0; i < b->n; i++)
        list[i] = &b->rows[i];
    o = files_segment_out_new(fd, b->layers, b->n_layers);
    qsort_r(list, b->n, sizeof(*list), by_name, b);
    TRY(write_names(b, list, o, e));
    qsort_r(list, b->n, sizeof(*list), by_end, b);
    TRY(write_reversed(b, list, o, e));
    qsort_r(list, b->n, sizeof(*list), by_path, b);
    TRY(write_paths(b, list, o, e));
    return files_segment_end(o, ret_size, e);
}
