/*
 * Projection: carrying the tags that meta holds into the store, so that meta could be rebuilt from
 * it. Every change of a tag leaves a pending projection in its transaction. Where one process is
 * alone on the database, it is carried at once by the request, and made durable and crossed out in
 * the background, also after a crash. Where several are, each holds the projections that it has
 * made, from their transactions on, and carries them in the background; of two changes of a tag
 * the second is left to who holds the first. So nobody writes the tag of somebody else, and what
 * a process that is gone held is a job of one of the others.
 */
#pragma once

#include "core/registry.h"

/* Is the database one of several processes? */
bool project_is_shared(const struct registry *r);

/* Who this process is as a holder; in *ret_id, or "" where it is alone. */
struct str project_holder(struct registry *r, struct uuid *ret_id);

/* What the operation leaves is held by this process. *ret_id must live as long. */
void project_hold(struct registry *r, struct meta_op *op, struct uuid *ret_id);

/* Makes the store say of the tag what meta says now, at once or soon. A failure is no failure of
 * the request: the pending projection stays, and is tried again in the background. */
void project_tag(struct registry *r, const struct repo_name *repo, const struct tag_name *tag);

/* Likewise, and says how it went. For a tag that the store has otherwise without any change being
 * pending; on a database of several processes the caller looks afterwards whether it still is
 * right.
 */
ERR_CHECKED enum err_code project_again(struct registry *r, const struct repo_name *repo,
                                        const struct tag_name *tag, struct err *e);

struct project_run {
    struct str holder;          /* whose */
    unsigned max_batches;       /* at most so many */
    bool (*goes_on)(void *ctx); /* asked before each step; NULL: it does */
    void *ctx;
};

/* Carries pending projections, durably; *ret_more when there may be others then. One that fails
 * stays pending and does not keep the others: its error is returned. LATER: it does not go on, as
 * when the process may be taken for gone. */
ERR_CHECKED enum err_code project_run(struct registry *r, const struct project_run *run,
                                      bool *ret_more, struct err *e);

/* The same of those that nobody holds. */
ERR_CHECKED enum err_code project_pending(struct registry *r, unsigned max_batches, bool *ret_more,
                                          struct err *e);
