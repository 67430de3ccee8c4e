/* Why something is kept, or will go. */
#pragma once

#include "base/buf.h"
#include "gc/graph.h"

/* A sentence or more for people, added to dst, a line each: of that digest in the repository.
 * *ret_there false: it is in none of its rows. Errors: as gc_graph_load(). */
ERR_CHECKED enum err_code gc_explain(struct meta *m, const struct repo_name *repo,
                                     const struct digest *d, const struct gc_policy *p,
                                     int64_t grace_ms, struct buf *dst, bool *ret_there,
                                     struct err *e);
