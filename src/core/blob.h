/* Taking away the bytes of a blob that its repository no longer refers to. All under the lock on
 * the blob (core/registry.h). */
#pragma once

#include "core/registry.h"

/* meta has unlinked it from the repository. Where the store keeps a blob once for all repositories,
 * it goes with the last of them. Not there: success. */
ERR_CHECKED enum err_code blob_drop(struct registry *r, const struct repo_name *repo,
                                    const struct digest *d, struct err *e);

/* After its link was refused: takes it back, unless an earlier link made it. */
void blob_discard(struct registry *r, const struct repo_name *repo, const struct digest *d);
