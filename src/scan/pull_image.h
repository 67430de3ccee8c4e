/*
 * What the pull policy goes by: is the manifest an image at all, what did scanners find in it, and
 * which documents are attached to it.
 */
#pragma once

#include "core/image_judge.h"
#include "core/registry.h"
#include "scan/gate.h"

/* A gate_look_fn; ctx is a struct registry. Errors: MANIFEST_UNKNOWN, those of meta and store. */
ERR_CHECKED enum err_code pull_image_look(void *registry, const struct repo_name *repo,
                                          const struct digest *d, const struct conf_pull_rule *rule,
                                          int64_t now_ms, struct gate_image *ret_image,
                                          struct err *e);

/* The same of an image that waits, and has not been pushed where it is to be. */
ERR_CHECKED enum err_code pull_image_look_held(struct registry *r, const struct image_case *c,
                                               const struct conf_pull_rule *rule, int64_t now_ms,
                                               struct gate_image *ret_image, struct err *e);

/* Is that a manifest of documents which verdicts go by? Its push makes those of its subject anew.
 */
bool pull_image_says(struct str manifest);
