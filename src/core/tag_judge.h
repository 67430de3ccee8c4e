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

/* Of who has the right bypass it says in *ret_bypassed that the judge would have refused, and fails
 * of nothing. The caller sets *ret_bypassed to false before. */
static inline enum err_code tag_judge_ask(const struct tag_judge *j, bool bypass,
                                          const struct repo_name *repo, const struct tag_name *tag,
                                          const struct meta_manifest *m,
                                          char ret_warning[static TAG_WARNING_MAX + 1],
                                          bool *ret_bypassed, struct err *e)
{
    enum err_code code = j->may_tag(j->ctx, repo, tag, m, ret_warning, e);

    if (!bypass)
        return code;
    *ret_bypassed = *ret_bypassed || code == ERR_DENIED;
    return ERR_OK;
}
