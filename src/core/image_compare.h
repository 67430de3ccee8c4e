/* Two images of this registry, compared by their files, configs and packages. */
#pragma once

#include "analysis/diff_json.h"
#include "core/registry.h"

struct compared_image {
    struct repo_name repo;
    struct digest digest;
};

/* Are all lists there? Error: LATER: image_analysis_ask() has them made. */
ERR_CHECKED enum err_code image_compare_ready(struct registry *r, const struct compared_image *x,
                                              struct err *e);

/* Appends the JSON of diff_json(); page->next is the caller's then, to be freed with next_text.
 * Errors: those of there; LATER. Takes analysis.memory_bytes for the lists of both, and each tree.
 */
ERR_CHECKED enum err_code image_compare(struct registry *r, const struct compared_image *before,
                                        const struct compared_image *after, struct diff_page *page,
                                        char **ret_next_text, struct buf *ret_json, struct err *e);
