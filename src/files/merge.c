#include "files/merge.h"

#include "base/cleanup.h"
#include "base/mem.h"

#include <stdlib.h>

#define NO_LAYER UINT32_MAX
#define ASK_EACH 4096

/* Where one segment is. */
struct source {
    const struct files_segment *segment;
    uint32_t *numbers; /* the new ones of its layers */
    struct files_cursor *cursor;
    struct files_file file; /* of names: with its new number */
};

struct merging {
    const struct files_merge *m;
    struct source *sources;
    struct files_layer *layers; /* of all, sorted */
    uint32_t n_layers;
    unsigned steps;
};

static void auto_merging_(struct merging *x)
{
    for (size_t i = 0; x->sources && i < x->m->n; i++) {
        free(x->sources[i].numbers);
        free(x->sources[i].cursor);
    }
    free(x->sources);
    free(x->layers);
}

static int by_layer(const void *a, const void *b)
{
    return files_layer_cmp(a, b);
}

/* All that are kept, each once. */
static enum err_code collect_layers(struct merging *x, struct err *e)
{
    uint32_t n = 0;
    bool keep;

    for (size_t i = 0; i < x->m->n; i++) {
        const struct files_segment *s = x->m->segments[i];

        x->layers =
            mem_resize(x->layers, ((size_t)x->n_layers + s->n_layers + 1) * sizeof(*x->layers));
        for (uint32_t j = 0; j < s->n_layers; j++)
            TRY(files_segment_layer(s, j, &x->layers[x->n_layers++], e));
    }
    if (x->n_layers > 1)
        qsort(x->layers, x->n_layers, sizeof(*x->layers), by_layer);
    for (uint32_t i = 0; i < x->n_layers; i++) {
        if (n > 0 && files_layer_cmp(&x->layers[n - 1], &x->layers[i]) == 0)
            continue;
        TRY(x->m->keep(x->m->ctx, &x->layers[i], &keep, e));
        if (keep)
            x->layers[n++] = x->layers[i];
    }
    x->n_layers = n;
    return ERR_OK;
}

static enum err_code number_layers(struct merging *x, struct source *s, struct err *e)
{
    s->numbers = mem_alloc(((size_t)s->segment->n_layers + 1) * sizeof(*s->numbers));
    for (uint32_t j = 0; j < s->segment->n_layers; j++) {
        struct files_layer layer;
        const struct files_layer *at;

        TRY(files_segment_layer(s->segment, j, &layer, e));
        at = bsearch(&layer, x->layers, x->n_layers, sizeof(layer), by_layer);
        s->numbers[j] = at ? (uint32_t)(at - x->layers) : NO_LAYER;
    }
    return ERR_OK;
}

static enum err_code open_sources(struct merging *x, struct err *e)
{
    x->sources = mem_zero((x->m->n + 1) * sizeof(*x->sources));
    for (size_t i = 0; i < x->m->n; i++) {
        x->sources[i].segment = x->m->segments[i];
        x->sources[i].cursor = NEW(struct files_cursor);
        TRY(number_layers(x, &x->sources[i], e));
    }
    return ERR_OK;
}

static enum err_code go_on(struct merging *x, struct err *e)
{
    return x->m->go_on && ++x->steps % ASK_EACH == 0 ? x->m->go_on(x->m->ctx, e) : ERR_OK;
}

/* ---- names */

/* The file that the cursor is at, or the next one whose layer is kept. */
static enum err_code settle(struct source *s, struct err *e)
{
    while (!s->cursor->end) {
        TRY(files_file_at(s->cursor, &s->file, e));
        if (s->file.layer >= s->segment->n_layers)
            return err_set(e, ERR_CORRUPT, "the index of files names a layer that it has not");
        s->file.layer = s->numbers[s->file.layer];
        if (s->file.layer != NO_LAYER)
            break;
        TRY(files_cursor_next(s->cursor, e));
    }
    return ERR_OK;
}

static int file_cmp(const struct files_file *a, const struct files_file *b)
{
    int order = str_cmp(a->base, b->base);

    if (order == 0)
        order = str_cmp(a->dir, b->dir);
    return order ? order : (a->layer > b->layer) - (a->layer < b->layer);
}

static struct source *first_file(struct merging *x)
{
    struct source *first = NULL;

    for (size_t i = 0; i < x->m->n; i++) {
        struct source *s = &x->sources[i];

        if (!s->cursor->end && (!first || file_cmp(&s->file, &first->file) < 0))
            first = s;
    }
    return first;
}

static enum err_code merge_names(struct merging *x, struct files_segment_out *o, struct err *e)
{
    struct source *s;

    for (size_t i = 0; i < x->m->n; i++) {
        s = &x->sources[i];
        files_cursor_init(s->cursor, &s->segment->bytes, &s->segment->names);
        TRY(files_cursor_seek(s->cursor, STR(""), e));
        TRY(settle(s, e));
    }
    while ((s = first_file(x))) {
        TRY(files_segment_add(o, &s->file, e));
        TRY(files_cursor_next(s->cursor, e));
        TRY(settle(s, e));
        TRY(go_on(x, e));
    }
    return files_segment_names_end(o, e);
}

/* ---- the tables of texts alone */

typedef enum err_code (*add_fn)(struct files_segment_out *o, struct str key, struct err *e);

static struct source *first_text(struct merging *x)
{
    struct source *first = NULL;

    for (size_t i = 0; i < x->m->n; i++) {
        struct source *s = &x->sources[i];

        if (!s->cursor->end && (!first || str_cmp(files_block_key(&s->cursor->block),
                                                  files_block_key(&first->cursor->block)) < 0))
            first = s;
    }
    return first;
}

static enum err_code merge_texts(struct merging *x, size_t table, add_fn add,
                                 struct files_segment_out *o, struct err *e)
{
    struct source *s;

    for (size_t i = 0; i < x->m->n; i++) {
        s = &x->sources[i];
        files_cursor_init(
            s->cursor, &s->segment->bytes,
            (const struct files_table *)(const void *)((const char *)s->segment + table));
        TRY(files_cursor_seek(s->cursor, STR(""), e));
    }
    while ((s = first_text(x))) {
        TRY(add(o, files_block_key(&s->cursor->block), e));
        TRY(files_cursor_next(s->cursor, e));
        TRY(go_on(x, e));
    }
    return ERR_OK;
}

enum err_code files_merge_run(const struct files_merge *m, int fd,
                              struct files_segment_size *ret_size, uint32_t *ret_layers,
                              struct err *e)
{
    AUTO(merging) struct merging x = {.m = m};
    AUTO(files_segment_out) struct files_segment_out *o = NULL;

    TRY(collect_layers(&x, e));
    TRY(open_sources(&x, e));
    o = files_segment_out_new(fd, x.layers, x.n_layers);
    TRY(merge_names(&x, o, e));
    TRY(merge_texts(&x, offsetof(struct files_segment, reversed), files_segment_reversed, o, e));
    TRY(files_segment_reversed_end(o, e));
    TRY(merge_texts(&x, offsetof(struct files_segment, paths), files_segment_path, o, e));
    TRY(files_segment_end(o, ret_size, e));
    *ret_layers = x.n_layers;
    return ERR_OK;
}
