#include "analysis/image_packages.h"

#include "base/mem.h"

#include <stdlib.h>

static int by_package(const void *a, const void *b)
{
    const struct image_package *x = a, *y = b;
    int order;

    if (x->package.kind != y->package.kind)
        return x->package.kind < y->package.kind ? -1 : 1;
    order = str_cmp(x->package.name, y->package.name);
    if (order == 0)
        order = str_cmp(x->package.version, y->package.version);
    return order ? order : str_cmp(x->path, y->path);
}

/* Does a container see the file that says so? */
static bool counts(const struct image_tree *t, size_t layer, const struct layer_package *p,
                   struct layer_file *ret_file)
{
    struct image_file at = {(uint16_t)layer, p->file}, seen;
    uint32_t node;

    image_tree_file(t, at, ret_file);
    node = path_tree_find(image_tree_paths(t), ret_file->path);
    return image_tree_get(t, node, &seen) && seen.layer == at.layer && seen.entry == at.entry;
}

struct image_package *image_packages(const struct image_tree *t, size_t *ret_n)
{
    struct image_package *all = NULL;
    size_t n = 0, cap = 0;

    for (size_t layer = 0; layer < image_tree_layers(t); layer++) {
        const struct layer_files *list = image_tree_list(t, layer);

        for (size_t i = 0; i < layer_files_packages(list); i++) {
            struct image_package p = {.layer = layer};
            struct layer_file file;

            layer_files_get_package(list, i, &p.package);
            if (!counts(t, layer, &p.package, &file))
                continue;
            p.path = file.path;
            if (n == cap) {
                cap = cap ? 2 * cap : 256;
                all = mem_resize(all, cap * sizeof(*all));
            }
            all[n++] = p;
        }
    }
    if (n > 0)
        qsort(all, n, sizeof(*all), by_package);
    *ret_n = n;
    return all;
}
