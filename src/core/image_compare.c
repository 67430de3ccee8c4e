#include "core/image_compare.h"

#include "base/json.h"
#include "base/mem.h"
#include "core/archive_manifest.h"
#include "core/image_files.h"
#include "core/layer_lists.h"

#include <stdlib.h>

struct side {
    struct image_layer_set layers;
    const char **digests;
    struct layer_files **own; /* NULL: another one has it */
    const struct layer_files **lists;
    json_t *config;
    struct image_tree *tree;
};

static void auto_side_(struct side *s)
{
    image_tree_free(s->tree);
    for (size_t i = 0; i < s->layers.n; i++)
        layer_files_free(s->own ? s->own[i] : NULL);
    free(s->digests);
    free(s->own);
    free(s->lists);
    json_decref(s->config);
    image_layer_set_done(&s->layers);
}

struct comparing {
    struct registry *r;
    uint64_t memory_bytes, used_bytes;
};

enum err_code image_compare_ready(struct registry *r, const struct compared_image *x, struct err *e)
{
    AUTO(image_layer_set) struct image_layer_set l = {.n = 0};

    TRY(image_files_layers(r, &x->repo, &x->digest, &l, e));
    for (size_t i = 0; i < l.n; i++) {
        if (!layer_lists_has(r, &l.digests[i]))
            return err_set(e, ERR_LATER, "the list of the files of a layer is not made yet");
    }
    return ERR_OK;
}

/* The list of the layer, where one of the first n of the side has it. */
static const struct layer_files *find_list(const struct side *s, size_t n, const char *digest)
{
    for (size_t i = 0; i < n; i++) {
        if (strcmp(s->digests[i], digest) == 0)
            return s->lists[i];
    }
    return NULL;
}

static enum err_code load_layer(struct comparing *c, struct side *s, const struct side *other,
                                size_t i, struct err *e)
{
    enum err_code code;

    s->digests[i] = s->layers.digests[i].text;
    s->lists[i] = find_list(s, i, s->digests[i]);
    if (!s->lists[i] && other)
        s->lists[i] = find_list(other, other->layers.n, s->digests[i]);
    if (s->lists[i])
        return ERR_OK;
    code = layer_lists_find(c->r, &s->layers.digests[i], c->memory_bytes - c->used_bytes, NULL,
                            NULL, &s->own[i], e);
    if (code == ERR_NOT_FOUND)
        return err_set(e, ERR_LATER, "the list of the files of a layer is not made yet");
    TRY(code);
    s->lists[i] = s->own[i];
    c->used_bytes += layer_files_memory(s->own[i]);
    return ERR_OK;
}

static enum err_code load(struct comparing *c, const struct compared_image *x,
                          const struct side *other, struct side *s, struct err *e)
{
    AUTO(out_manifest) struct out_manifest m = {0};

    TRY(image_files_layers(c->r, &x->repo, &x->digest, &s->layers, e));
    s->digests = mem_zero((s->layers.n + 1) * sizeof(*s->digests));
    s->own = mem_zero((s->layers.n + 1) * sizeof(*s->own));
    s->lists = mem_zero((s->layers.n + 1) * sizeof(*s->lists));
    for (size_t i = 0; i < s->layers.n; i++)
        TRY(load_layer(c, s, other, i, e));
    TRY(out_manifest_by_digest(c->r, &x->repo, &x->digest, &m, e));
    TRY(out_manifest_config(c->r, &x->repo, &m, &s->config, e));
    return image_tree_new(s->lists, s->layers.n, c->memory_bytes, &s->tree, e);
}

enum err_code image_compare(struct registry *r, const struct compared_image *before,
                            const struct compared_image *after, struct diff_page *page,
                            char **ret_next_text, struct buf *ret_json, struct err *e)
{
    struct comparing c = {.r = r, .memory_bytes = conf_u64(&r->options->analysis.memory_bytes)};
    AUTO(side) struct side a = {.config = NULL};
    AUTO(side) struct side b = {.config = NULL};
    struct diff_image x, y;

    TRY(load(&c, before, NULL, &a, e));
    TRY(load(&c, after, &a, &b, e));
    x = (struct diff_image){before->digest.text, a.digests, a.tree, a.config};
    y = (struct diff_image){after->digest.text, b.digests, b.tree, b.config};
    TRY(diff_json(&x, &y, c.memory_bytes, page, ret_json, e));
    *ret_next_text = str_dup(page->next);
    page->next = STR("");
    return ERR_OK;
}
