/*
 * One file out of an image: unpacked from its layer, as far as it stands there, into a file without
 * a name, and its digest checked, before any of it is given. Such files together take no more of
 * the disk than analysis.file_room.
 */
#pragma once

#include "core/image_files.h"

struct image_file_found {
    struct layer_file file; /* borrowed from the folder */
    struct image_folder *folder;
    size_t layer;
};

/* The regular file at a path (image_folder_find_file()). Errors: those of there; LATER, as
 * image_files_folder(). */
ERR_CHECKED enum err_code image_file_find(struct registry *r, const struct image_layer_set *l,
                                          struct str path, struct image_file_found *ret_found,
                                          struct err *e);
void image_file_found_done(struct image_file_found *f);

/* Its bytes; the reader has an fd, and is the caller's. Takes as long as unpacking the layer up to
 * there. Errors: BODY_TOO_LARGE, told: there can be no room; UNAVAILABLE, told: there is none just
 * now, or too many files are unpacked; UNSUPPORTED, told: one with holes; CORRUPT; those of
 * pull_blob(). */
ERR_CHECKED enum err_code image_file_open(struct registry *r, const struct image_layer_set *l,
                                          const struct image_file_found *f,
                                          struct reader **ret_reader, struct err *e);

static inline void auto_image_file_found_(struct image_file_found *f)
{
    image_file_found_done(f);
}
