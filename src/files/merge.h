/*
 * Several segments made into one, without the layers that are gone. What is in memory does not grow
 * with the files, but for the numbers of layers. One thread at a time.
 */
#pragma once

#include "files/segment_out.h"

#define FILES_MERGE_MOST 64 /* segments */

struct files_merge {
    const struct files_segment *const *segments; /* a layer may be in several */
    size_t n;
    /* Is the layer still of use? An error ends the merge. */
    enum err_code (*keep)(void *ctx, const struct files_layer *layer, bool *ret_keep,
                          struct err *e);
    /* Asked now and then; an error ends the merge. May be NULL. */
    enum err_code (*go_on)(void *ctx, struct err *e);
    void *ctx;
};

/* Into a file as of files_segment_out_new(). *ret_layers is how many there are in it. */
ERR_CHECKED enum err_code files_merge_run(const struct files_merge *m, int fd,
                                          struct files_segment_size *ret_size, uint32_t *ret_layers,
                                          struct err *e);
