/* Quotas: what a namespace may hold, checked by the transaction that would add to it. */
#pragma once

#include "core/registry.h"

#define QUOTAS_MAX 64 /* that can speak of one repository */

/*
 * Fills ops with a check for every quota that repo falls under, to be put behind the operations
 * that add to it, and returns how many there are. Their error is QUOTA.
 */
size_t quota_checks(const struct registry *r, const struct repo_name *repo,
                    struct meta_op ops[static QUOTAS_MAX]);

/* What is to come to a repository. */
struct quota_need {
    const struct repo_name *repo;
    uint64_t bytes;
};

/* Is there room for all of it, as things are now? Nothing is added: whether it is so then, the
 * checks above say. Errors: QUOTA, told; those of meta. */
ERR_CHECKED enum err_code quota_has_room(const struct registry *r, const struct quota_need *needs,
                                         size_t n_needs, struct err *e);
