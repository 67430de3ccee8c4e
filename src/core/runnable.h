/*
 * Would engines run a manifest, and which of its layers would they unpack? Labels alone don't say:
 * engines take configs and layers of more types than the specifications name, and what is no image
 * (a signature, a statement, a list of materials) often has the config of one. Whoever lets images
 * pass by what is in them has to look at all that could be run.
 */
#pragma once

#include "core/archive_manifest.h"

/*
 * By the media types of a manifest and of its config. Sources: image-spec "Image Manifest"; engines
 * with images in a store of their own (docker 29, daemon/internal/distribution,
 * "defaultImageTypes") take configs that old registries called by the type of any bytes; others
 * take whatever a manifest of Docker's schema 2 has.
 */
bool runnable_config(struct str manifest_type, struct str config_type);

/* *ret_unpacks: would engines unpack parsed.links[i], a layer? What is labelled a layer, or in no
 * way at all, is one; of all else the first bytes say. What is not here counts as one. */
ERR_CHECKED enum err_code runnable_layer(struct registry *r, const struct repo_name *repo,
                                         const struct out_manifest *m, size_t i, bool *ret_unpacks,
                                         struct err *e);

/* False: *ret_why says what it is, in words that live as long as m. An index is none. */
ERR_CHECKED enum err_code runnable_image(struct registry *r, const struct repo_name *repo,
                                         const struct out_manifest *m, bool *ret_runs,
                                         struct str *ret_why, struct err *e);
