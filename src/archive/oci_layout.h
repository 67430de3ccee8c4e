/* OCI layouts. Source: image-spec "Image Layout". */
#pragma once

#include "archive/judge.h"

/* Errors: IMAGE_INVALID, IMAGE_TOO_LARGE. */
ERR_CHECKED enum err_code judge_oci(struct judge *g, struct member *layout, struct member *index,
                                    struct err *e);
