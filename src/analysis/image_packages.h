/* Packages of an image: those whose file a container sees. */
#pragma once

#include "analysis/image_tree.h"

struct image_package {
    struct layer_package package;
    struct str path; /* of the file that says so */
    size_t layer;
};

/* Sorted by kind, name, version and path; the caller frees. What is in it is borrowed of the tree.
 */
struct image_package *image_packages(const struct image_tree *t, size_t *ret_n);
