/*
 * The manifests whose subject is a given digest (dist-spec "Listing Referrers"), those of the
 * referrers tag schema included, which clients wrote for registries without this API.
 */
#pragma once

#include "core/registry.h"

struct referrers_query {
    const struct repo_name *repo;
    const struct digest *subject;
    struct str artifact_type; /* empty: all */
    struct str after;         /* rows with a digest greater than this; empty: from the start */
    size_t limit;             /* at most so many rows, >= 1 */
};

/* Takes the row, or returns false when there is no room for it: then the list ends before it. */
typedef bool (*referrers_fn)(void *ctx, const struct meta_referrer *row);

/* Calls fn for the rows in the order of their digests, a few in memory at a time. *ret_more: there
 * are others after the last one taken. A repository that is not there has none. */
ERR_CHECKED enum err_code referrers_each(struct registry *r, const struct referrers_query *q,
                                         referrers_fn fn, void *ctx, bool *ret_more, struct err *e);

/* dist-spec "Referrers Tag Schema". */
void referrers_tag(const struct digest *subject, struct tag_name *ret_tag);
