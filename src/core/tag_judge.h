/*
 * Who decides whether a tag may be given to a manifest, besides rights and quotas (`signatures`, at
 * pushes): of which core knows nothing. What moves tags of people asks: pushes, archives, rollback.
 * Any thread.
 */
#pragma once

#include "base/name.h"
#include "meta/meta.h"

#define TAG_WARNING_MAX 239

struct tag_judge {
    /* The manifest need not be in the repository yet. Of what passes, ret_warning says what would
     * be wrong if rules were enforced, or "". Errors: DENIED, told; those of meta and store. */
    enum err_code (*may_tag)(void *ctx, const struct repo_name *repo, const struct tag_name *tag,
                             const struct meta_manifest *m,
                             char ret_warning[static TAG_WARNING_MAX + 1], struct err *e);
    void *ctx;
};
