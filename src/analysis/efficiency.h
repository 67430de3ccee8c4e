/*
 * How efficient an image is, counted as dive (github.com/wagoodman/dive, 0.13) counts it, so that
 * the numbers are the same. What it counts is not what is lost (image_tree.h has that): a folder
 * that is deleted counts with what was in it as a path of its own, and nothing of a layer counts
 * behind a deletion of what was not there.
 */
#pragma once

#include "analysis/layer_files.h"
#include "analysis/path_tree.h"

/* A path that stands in several layers. */
struct efficiency_path {
    uint32_t node;
    uint32_t count;      /* layers that have it, or delete it */
    uint64_t size_bytes; /* in all of them together */
};

struct efficiency {
    uint64_t size_bytes;           /* of files, in all layers */
    uint64_t inefficient_bytes;    /* of the paths below */
    double score;                  /* 1: nothing is lost */
    struct efficiency_path *paths; /* the largest first, then the lower node */
    size_t n_paths;
};

/* tree has all paths of the lists. Takes max_bytes of memory at most while it counts. Error, told:
 * IMAGE_TOO_LARGE. The caller frees with efficiency_done(). */
ERR_CHECKED enum err_code efficiency_count(const struct layer_files *const *lists, size_t n,
                                           const struct path_tree *tree, uint64_t max_bytes,
                                           struct efficiency *ret, struct err *e);
void efficiency_done(struct efficiency *x);

static inline void auto_efficiency_(struct efficiency *x)
{
    efficiency_done(x);
}
