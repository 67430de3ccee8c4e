/*
 * A directory that is an OCI image layout (image-spec "Image Layout"), read as if it were packed
 * into a tar, which is never made: so it passes the same checks as an archive.
 */
#pragma once

#include "archive/out_layout.h"

struct layout_folder {
    int fd; /* of the directory; the caller's */
    struct out_layout layout;
};

/* Lists what is there. layout_folder_done() also after an error. Errors: NOT_FOUND, it is no image
 * layout; UNSUPPORTED, it has too many files; INTERNAL. */
ERR_CHECKED enum err_code layout_folder_open(int fd, struct layout_folder *ret, struct err *e);
void layout_folder_done(struct layout_folder *f);

/* All bytes of the tar, in order. Errors: those of take; CORRUPT, a file became shorter. */
ERR_CHECKED enum err_code layout_folder_read(const struct layout_folder *f,
                                             enum err_code (*take)(void *ctx, const void *p,
                                                                   size_t n, struct err *e),
                                             void *ctx, struct err *e);

/* The file whose contents begin there in the tar; the caller's. */
ERR_CHECKED enum err_code layout_folder_blob(const struct layout_folder *f, uint64_t at_bytes,
                                             int *ret_fd, struct err *e);
