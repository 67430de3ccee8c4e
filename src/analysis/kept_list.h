/*
 * A layer's list (layer_files.h) as bytes, to be kept: 60 of them or so for a file, the same ones
 * for the same list. Numbers are varints (base/varint.h); of a path stands what it does not share
 * with the one before. `of` says whose list it is.
 *
 *     "CDLF1\n" of packed unpacked n_files file... n_packages package... os_release
 *     file = kind shared path [link] [size mode uid gid modified at] [sha256]
 *
 * A whiteout has nothing behind its path.
 */
#pragma once

#include "analysis/layer_files.h"
#include "base/reader.h"

typedef enum err_code (*kept_list_fn)(void *ctx, const void *p, size_t n, struct err *e);

/* Gives the bytes, in pieces. Errors: those of emit. */
ERR_CHECKED enum err_code kept_list_write(const struct layer_files *f, struct str of,
                                          kept_list_fn emit, void *ctx, struct err *e);

/* What is wanted of a list; NULL: all. Of one that was cut short there are no packages and no
 * os-release. */
typedef bool (*kept_list_want)(void *ctx, const struct layer_file *file);

/* max_bytes: of memory for what is wanted. Errors: CORRUPT, also when it is not
 * `of` that; IMAGE_TOO_LARGE, told; those of in. */
ERR_CHECKED enum err_code kept_list_read(struct reader *in, struct str of, uint64_t max_bytes,
                                         kept_list_want want, void *ctx,
                                         struct layer_files **ret_files, struct err *e);
