/* Two images compared, as JSON: files by the page, config, packages. */
#pragma once

#include "analysis/image_diff.h"
#include "base/buf.h"

#include <jansson.h>

struct diff_image {
    const char *digest;         /* of its manifest; NULL: not known */
    const char *const *digests; /* of its layers */
    const struct image_tree *tree;
    const json_t *config; /* NULL: none */
};

/* Which files are told. */
struct diff_page {
    struct str last; /* those behind this path */
    size_t n;        /* so many at most */
    struct str
        next; /* out: the last one told, when there are more; else empty. Lives as the trees */
};

/* Appends an object. max_bytes: of memory. Error, told: IMAGE_TOO_LARGE. */
ERR_CHECKED enum err_code diff_json(const struct diff_image *before, const struct diff_image *after,
                                    uint64_t max_bytes, struct diff_page *page,
                                    struct buf *ret_json, struct err *e);
