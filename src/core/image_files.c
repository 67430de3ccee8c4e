#include "core/image_files.h"

#include "base/mem.h"
#include "core/archive_manifest.h"
#include "core/layer_lists.h"

#include <stdlib.h>

enum err_code image_files_layers(struct registry *r, const struct repo_name *repo,
                                 const struct digest *image, struct image_layer_set *ret_layers,
                                 struct err *e)
{
    AUTO(out_manifest) struct out_manifest m = {0};
    size_t n;

    TRY(out_manifest_by_digest(r, repo, image, &m, e));
    if (m.parsed.shape == MANIFEST_INDEX || m.parsed.n_links == 0)
        return err_tell(e, ERR_NOT_ANALYZABLE, "this is no image of one platform");
    n = m.parsed.n_links - 1;
    if (n > IMAGE_LAYERS_MAX)
        return err_tell(e, ERR_NOT_ANALYZABLE, "more than %d layers", IMAGE_LAYERS_MAX);
    ret_layers->repo = *repo;
    ret_layers->n = n;
    ret_layers->digests = mem_alloc((n + 1) * sizeof(*ret_layers->digests));
    for (size_t i = 0; i < n; i++)
        ret_layers->digests[i] = m.parsed.links[i + 1].digest;
    return ERR_OK;
}

void image_layer_set_done(struct image_layer_set *l)
{
    free(l->digests);
}

enum err_code image_files_choose(struct image_layer_set *l, struct str layer, struct err *e)
{
    uint64_t number;
    size_t i = 0;

    if (str_to_u64(layer, UINT32_MAX, &number))
        i = (size_t)number;
    else
        while (i < l->n && !str_eq(digest_str(&l->digests[i]), layer))
            i++;
    if (i >= l->n)
        return err_tell(e, ERR_NOT_FOUND,
                        "the image has no such layer: 'layer' is a number below %zu, or a digest",
                        l->n);
    l->digests[0] = l->digests[i];
    l->n = 1;
    return ERR_OK;
}

struct loading {
    struct registry *r;
    const struct image_layer_set *layers;
    uint64_t memory_bytes, used_bytes;
};

static enum err_code load(void *ctx, size_t layer, kept_list_want want, void *want_ctx,
                          struct layer_files **ret_files, struct err *e)
{
    struct loading *l = ctx;
    enum err_code code;

    if (layer == 0)
        l->used_bytes = 0; /* those of before are gone, for a link led elsewhere */
    code = layer_lists_find(l->r, &l->layers->digests[layer], l->memory_bytes - l->used_bytes, want,
                            want_ctx, ret_files, e);

    if (code == ERR_NOT_FOUND)
        return err_set(e, ERR_LATER, "the list of the files of a layer is not made yet");
    TRY(code);
    l->used_bytes += layer_files_memory(*ret_files);
    return ERR_OK;
}

enum err_code image_files_file(struct registry *r, const struct image_layer_set *layers,
                               struct str path, struct image_folder **ret_folder, struct err *e)
{
    struct loading l = {
        .r = r, .layers = layers, .memory_bytes = conf_u64(&r->options->analysis.memory_bytes)};
    const struct folder_source source = {.n_layers = layers->n, .load = load, .ctx = &l};

    return image_folder_find_file(&source, path, l.memory_bytes, ret_folder, e);
}

enum err_code image_files_folder(struct registry *r, const struct image_layer_set *layers,
                                 struct str path, enum folder_links links,
                                 struct image_folder **ret_folder, struct err *e)
{
    struct loading l = {
        .r = r, .layers = layers, .memory_bytes = conf_u64(&r->options->analysis.memory_bytes)};
    const struct folder_source source = {.n_layers = layers->n, .load = load, .ctx = &l};

    return image_folder_open(&source, path, links, l.memory_bytes, ret_folder, e);
}
