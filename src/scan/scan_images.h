/* Which images a manifest or an index means, for scans: each has a result of its own. */
#pragma once

#include "core/archive_platform.h"
#include "core/reference.h"

/* An image of a manifest or index. */
struct scan_image {
    struct digest digest;
    char platform[OUT_PLATFORM_TEXT]; /* "linux/arm64/v8"; "": of a manifest that is no index's */
};

#define SCAN_IMAGES_MAX 256

/* The images of a manifest: itself, or those of an index that are there; no attestations. *ret is
 * the caller's to free, *ret_index says whether it is one. Errors: MANIFEST_UNKNOWN, UNSUPPORTED
 * (told: there are more than SCAN_IMAGES_MAX). */
ERR_CHECKED enum err_code scans_images(struct registry *r, const struct repo_name *repo,
                                       const struct reference *ref, struct digest *ret_digest,
                                       bool *ret_index, struct scan_image **ret, size_t *ret_n,
                                       struct err *e);
