/* A blob that a repository lost, and that comes back as long as bytes of it are there: those that
 * were its own and wait for their deletion (core/removal.h), or those of another repository. */
#pragma once

#include "core/registry.h"

/* Could it come back? Changes nothing. Error: BLOB_UNKNOWN: there are no bytes of it any more. */
ERR_CHECKED enum err_code bring_back_look(struct registry *r, const struct repo_name *repo,
                                          const struct digest *d, uint64_t *ret_size_bytes,
                                          struct err *e);

/* It is the repository's again, which is made if missing. One that is there already is success.
 * Errors: BLOB_UNKNOWN; GONE: it is being deleted just now; QUOTA of a namespace. */
ERR_CHECKED enum err_code bring_back_blob(struct registry *r, const struct repo_name *repo,
                                          const struct digest *d, struct err *e);
