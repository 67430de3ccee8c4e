/*
 * Which files differ between two images, as a container sees them: what is no folder, by path. A
 * hard link counts as the file it leads to. Times do not count, for every build has others.
 */
#pragma once

#include "analysis/image_tree.h"

enum diff_change { DIFF_ADDED, DIFF_REMOVED, DIFF_CHANGED, DIFF_CHANGES };

/* What of a file changed; bits. */
enum diff_what { DIFF_KIND = 1, DIFF_CONTENTS = 2, DIFF_MODE = 4, DIFF_OWNER = 8, DIFF_LINK = 16 };

struct diff_side {
    struct layer_file file; /* of a hard link, of what it leads to, with its own path */
    size_t layer;
};

struct diff_file {
    enum diff_change change;
    unsigned what; /* of a changed one */
    struct str path;
    struct diff_side before, after; /* only the one that there is */
};

struct diff_sum {
    uint64_t files, before_bytes, after_bytes;
};

struct image_diff;

/* Both trees are borrowed as long as it lives. max_bytes: of memory. Error, told: IMAGE_TOO_LARGE.
 */
ERR_CHECKED enum err_code image_diff_new(const struct image_tree *before,
                                         const struct image_tree *after, uint64_t max_bytes,
                                         struct image_diff **ret_diff, struct err *e);
void image_diff_free(struct image_diff *d); /* accepts NULL */

/* Sorted by path, bytewise. */
size_t image_diff_count(const struct image_diff *d);
void image_diff_get(const struct image_diff *d, size_t i, struct diff_file *ret);
size_t image_diff_behind(const struct image_diff *d, struct str path); /* the first behind it */
const struct diff_sum *image_diff_sum(const struct image_diff *d, enum diff_change change);

AUTO_POINTER(image_diff, image_diff_free);
