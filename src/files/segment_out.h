/*
 * Writing a segment (segment.h): names first, then the texts of `reversed`, then those of `paths`.
 * One thread at a time.
 */
#pragma once

#include "files/segment.h"

struct files_segment_out;

/* To a file that is empty and open for reading as well; layers are sorted and each is there once.
 */
struct files_segment_out *files_segment_out_new(int fd, const struct files_layer *layers,
                                                uint32_t n_layers);
void files_segment_out_free(struct files_segment_out *o); /* accepts NULL */

/* Sorted by basename, directory and layer; what comes twice counts once. */
ERR_CHECKED enum err_code files_segment_add(struct files_segment_out *o, const struct files_file *f,
                                            struct err *e);
ERR_CHECKED enum err_code files_segment_names_end(struct files_segment_out *o, struct err *e);

/* Sorted, likewise; all of them, then files_segment_reversed_end(), then the paths. */
ERR_CHECKED enum err_code files_segment_reversed(struct files_segment_out *o, struct str key,
                                                 struct err *e);
ERR_CHECKED enum err_code files_segment_reversed_end(struct files_segment_out *o, struct err *e);
ERR_CHECKED enum err_code files_segment_path(struct files_segment_out *o, struct str key,
                                             struct err *e);

struct files_segment_size {
    uint64_t n_bytes, n_files;
};
ERR_CHECKED enum err_code files_segment_end(struct files_segment_out *o,
                                            struct files_segment_size *ret_size, struct err *e);

static inline void auto_files_segment_out_(struct files_segment_out **o)
{
    files_segment_out_free(*o);
}
