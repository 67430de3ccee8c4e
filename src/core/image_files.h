/*
 * The files of an image of this registry, without its layers: from the lists that its analysis has
 * made (core/layer_lists.h). Where they are not there yet, every function fails with LATER:
 * image_analysis_ask() has them made.
 */
#pragma once

#include "analysis/image_folder.h"
#include "core/reference.h"
#include "core/registry.h"

struct image_layer_set {
    struct repo_name repo;
    struct digest *digests; /* the lowest first */
    size_t n;
};

/* Of the image with that digest. Errors: MANIFEST_UNKNOWN; NOT_ANALYZABLE, told, when it is none.
 */
ERR_CHECKED enum err_code image_files_layers(struct registry *r, const struct repo_name *repo,
                                             const struct digest *image,
                                             struct image_layer_set *ret_layers, struct err *e);
void image_layer_set_done(struct image_layer_set *l);

/* Only this one, by its number from 0 or its digest. Error, told: NOT_FOUND. */
ERR_CHECKED enum err_code image_files_choose(struct image_layer_set *l, struct str layer,
                                             struct err *e);

/* A path in them (analysis/image_folder.h). Errors: those of there; LATER. */
ERR_CHECKED enum err_code image_files_folder(struct registry *r, const struct image_layer_set *l,
                                             struct str path, enum folder_links links,
                                             struct image_folder **ret_folder, struct err *e);

/* The regular file at a path: image_folder_find_file(). Errors: those of there; LATER. */
ERR_CHECKED enum err_code image_files_file(struct registry *r, const struct image_layer_set *l,
                                           struct str path, struct image_folder **ret_folder,
                                           struct err *e);

static inline void auto_image_layer_set_(struct image_layer_set *l)
{
    image_layer_set_done(l);
}
