/*
 * What is said of an image: numbers of its layers, what is lost and by which layer, what is in it
 * twice, what package managers left behind, its largest files, packages, and what might be done.
 */
#pragma once

#include "analysis/efficiency.h"
#include "analysis/image_tree.h"
#include "base/buf.h"

#include <jansson.h>

/* As much is listed of everything. */
#define REPORT_PATHS       5u /* of a duplicate */
#define REPORT_INEFFICIENT 50u
#define REPORT_SUGGESTIONS 25u
#define REPORT_PACKAGES    5000u
#define REPORT_COMMAND_MAX 1000u /* bytes of a layer's command */

struct report_image {
    const char *const *digests; /* of each layer, as its manifest has them */
    const json_t *config;       /* of the image; NULL: none */
};

/* Appends a JSON object. max_bytes: of memory while it is made. Errors, told: IMAGE_TOO_LARGE. */
ERR_CHECKED enum err_code report_json(const struct image_tree *t, const struct report_image *image,
                                      uint64_t max_bytes, struct buf *ret_json, struct err *e);
