#include "analysis/suggestions.h"

#include "base/mem.h"

#include <stdlib.h>

enum code { DELETED, REPLACED, REPEATED, CACHE, DUPLICATES };

static const char *const codes[] = {
    [DELETED] = "deleted-later", [REPLACED] = "replaced-later", [REPEATED] = "written-again",
    [CACHE] = "cache",           [DUPLICATES] = "duplicates",
};

struct suggestion {
    enum code code;
    size_t layer; /* where something is to be done */
    size_t of;    /* of DELETED and REPLACED: the layer whose files they were */
    uint64_t bytes;
    size_t files;
    const struct found_cache *cache;
};

struct list {
    struct suggestion *all;
    size_t n, cap;
};

static void add(struct list *l, struct suggestion s)
{
    if (s.bytes == 0)
        return;
    if (l->n == l->cap) {
        l->cap = l->cap ? 2 * l->cap : 32;
        l->all = mem_resize(l->all, l->cap * sizeof(*l->all));
    }
    l->all[l->n++] = s;
}

static void add_losses(const struct image_tree *t, struct list *l)
{
    size_t n = image_tree_layers(t);

    for (size_t by = 0; by < n; by++) {
        const struct image_layer *layer = image_tree_layer(t, by);

        for (size_t of = 0; of <= by; of++) {
            const struct image_loss *loss = image_tree_loss(t, by, of);

            add(l, (struct suggestion){DELETED, by, of, loss->deleted_bytes, 0, NULL});
            add(l, (struct suggestion){REPLACED, by, of, loss->replaced_bytes, 0, NULL});
        }
        add(l, (struct suggestion){REPEATED, by, by, layer->repeated_bytes, layer->repeated, NULL});
    }
}

static int by_bytes(const void *a, const void *b)
{
    const struct suggestion *x = a, *y = b;

    if (x->bytes != y->bytes)
        return x->bytes > y->bytes ? -1 : 1;
    if (x->layer != y->layer)
        return x->layer < y->layer ? -1 : 1;
    return x->code < y->code ? -1 : x->code > y->code;
}

/* Bytes as people say them. */
static void add_size(struct buf *b, uint64_t bytes)
{
    static const char *const units[] = {"bytes", "kB", "MB", "GB", "TB"};
    double v = (double)bytes;
    size_t unit = 0;

    for (; v >= 1000 && unit < 4; unit++)
        v /= 1000;
    if (unit == 0)
        buf_addf(b, "%llu bytes", (unsigned long long)bytes);
    else
        buf_addf(b, "%.1f %s", v, units[unit]);
}

static void add_text(const struct suggestion *s, struct buf *b)
{
    if (s->code == DUPLICATES) {
        add_size(b, s->bytes);
        buf_addf(b, " are files that are in the image more than once: links would do");
        return;
    }
    buf_addf(b, "layer %zu ", s->layer);
    switch (s->code) {
    case DELETED:
        buf_addf(b, "deletes ");
        add_size(b, s->bytes);
        buf_addf(b, " that layer %zu brought: delete them in the step that makes them", s->of);
        break;
    case REPLACED:
        buf_addf(b, "replaces ");
        add_size(b, s->bytes);
        buf_addf(b, " of layer %zu: make these files once", s->of);
        break;
    case REPEATED:
        buf_addf(b, "writes %zu files again (", s->files);
        add_size(b, s->bytes);
        buf_addf(b, ") without changing what is in them: set owner and mode in the step that makes "
                    "them (COPY --chown, --chmod)");
        break;
    default:
        buf_addf(b, "leaves ");
        add_size(b, s->bytes);
        buf_addf(b, " of %s in %s: %s", s->cache->kind, s->cache->path, s->cache->cure);
        break;
    }
}

static void add_json(const struct suggestion *s, struct buf *b)
{
    AUTO(buf) struct buf text = {0};

    buf_init(&text, 4096);
    add_text(s, &text);
    buf_addf(b, "{\"code\":\"%s\",", codes[s->code]);
    if (s->code != DUPLICATES)
        buf_addf(b, "\"layer\":%zu,", s->layer);
    if (s->code == DELETED || s->code == REPLACED)
        buf_addf(b, "\"of_layer\":%zu,", s->of);
    buf_addf(b, "\"bytes\":%llu,\"text\":", (unsigned long long)s->bytes);
    buf_add_json(b, buf_str(&text));
    buf_add_char(b, '}');
}

void suggestions_json(const struct image_tree *t, const struct findings *f, size_t most,
                      struct buf *ret_json)
{
    struct list l = {0};

    add_losses(t, &l);
    for (size_t i = 0; i < f->n_caches; i++)
        add(&l, (struct suggestion){CACHE, f->caches[i].layer, 0, f->caches[i].size_bytes,
                                    (size_t)f->caches[i].files, &f->caches[i]});
    add(&l, (struct suggestion){DUPLICATES, 0, 0, f->duplicate_bytes, 0, NULL});
    if (l.n > 0)
        qsort(l.all, l.n, sizeof(*l.all), by_bytes);
    buf_add_char(ret_json, '[');
    for (size_t i = 0; i < l.n && i < most; i++) {
        if (i > 0)
            buf_add_char(ret_json, ',');
        add_json(&l.all[i], ret_json);
    }
    buf_add_char(ret_json, ']');
    free(l.all);
}
