/* Docker archives. Source: Docker Image Specification v1.2. */
#pragma once

#include "archive/judge.h"

/* Errors: IMAGE_INVALID, IMAGE_TOO_LARGE. */
ERR_CHECKED enum err_code judge_docker(struct judge *g, struct member *manifest_json,
                                       struct err *e);

/* manifest.json beside an OCI layout, which was judged: it has to speak of the same images. */
ERR_CHECKED enum err_code judge_both(struct judge *g, struct member *manifest_json, struct err *e);
