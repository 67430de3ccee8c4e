/* What is about an image, and is none: signatures, attestations, lists of materials. */
#pragma once

#include "core/archive_manifest.h"

/* Is the manifest that, and nothing that anybody could run? Also an index of nothing else. What an
 * index names and is not here, could be anything; so could layers that are no statements, of what
 * has the config of an image. */
ERR_CHECKED enum err_code beside_something(struct registry *r, const struct repo_name *repo,
                                           const struct out_manifest *m, bool *ret_is,
                                           struct err *e);

/* The image that a manifest of that tag (NULL: none) is about. False: it is about none. */
bool beside_subject(const struct manifest *m, const struct tag_name *tag,
                    struct digest *ret_subject);
