/*
 * A snapshot of the metadata as an image in the store of a backup: its only layer is the file of an
 * SQLite database, its tag says when it was taken. So a backup lies wherever images do, and any
 * client of a registry that serves it can fetch it.
 */
#pragma once

#include "core/manifest.h"
#include "store/store.h"

/* Where they are; no repository of a registry that is backed up may be called so. */
#define BACKUP_REPOSITORY "cyberdock-backup"

/* Puts the file at path there under that tag, which is the last to be written. On ERR_OK all is
 * durable. */
ERR_CHECKED enum err_code backup_image_put(struct store *s, const struct tag_name *tag,
                                           const char *path, struct err *e);

/* The tags there are, in an order in which later ones come later. The caller frees each, and the
 * list. */
ERR_CHECKED enum err_code backup_image_list(struct store *s, char ***ret_tags, size_t *ret_n,
                                            struct err *e);

/* The manifest of the image, and its digest. *ret_manifest is released with manifest_done().
 * Errors: MANIFEST_UNKNOWN: there is no such tag; CORRUPT. */
ERR_CHECKED enum err_code backup_image_look(struct store *s, const struct tag_name *tag,
                                            struct manifest *ret_manifest,
                                            struct digest *ret_digest, struct err *e);

/* Writes the layer to a new file at path. Errors: the same. */
ERR_CHECKED enum err_code backup_image_get(struct store *s, const struct tag_name *tag,
                                           const char *path, struct err *e);

/* The same of an image that was looked at. */
ERR_CHECKED enum err_code backup_image_read(struct store *s, const struct manifest *m,
                                            const char *path, struct err *e);
