#include "archive/judge.h"

#include "base/mem.h"

#include <stdlib.h>

struct archive_manifest *judge_add_manifest(struct judge *g)
{
    struct archive_verdict *v = g->verdict;

    if (v->n_manifests == g->manifests_cap) {
        g->manifests_cap = g->manifests_cap ? 2 * g->manifests_cap : 8;
        v->manifests = mem_resize(v->manifests, g->manifests_cap * sizeof(*v->manifests));
    }
    v->manifests[v->n_manifests] = (struct archive_manifest){.platform = SIZE_MAX};
    return &v->manifests[v->n_manifests++];
}

static struct archive_image *image_of(struct judge *g, size_t manifest)
{
    struct archive_verdict *v = g->verdict;

    for (size_t i = 0; i < v->n_images; i++) {
        if (v->images[i].manifest == manifest)
            return &v->images[i];
    }
    if (v->n_images == g->images_cap) {
        g->images_cap = g->images_cap ? 2 * g->images_cap : 8;
        v->images = mem_resize(v->images, g->images_cap * sizeof(*v->images));
    }
    v->images[v->n_images] = (struct archive_image){.manifest = manifest};
    return &v->images[v->n_images++];
}

void judge_name_image(struct judge *g, size_t manifest, const char *name)
{
    struct archive_image *image = image_of(g, manifest);

    if (!name)
        return;
    image->names = mem_resize(image->names, (image->n_names + 1) * sizeof(*image->names));
    image->names[image->n_names++] = mem_strdup(name);
}
