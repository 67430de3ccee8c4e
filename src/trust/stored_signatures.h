/* Where signatures of images of this registry are, for signing/signature.h. */
#pragma once

#include "core/registry.h"
#include "signing/signature.h"

struct stored_signatures {
    struct registry *registry;
    const struct repo_name *repo;
    char repository[REPO_NAME_MAX + 2];
    struct signature_source source; /* its ctx is this struct, which stays where it is */
};

/* All are borrowed. */
void stored_signatures_init(struct stored_signatures *s, struct registry *r,
                            const struct repo_name *repo, int64_t now_ms);
