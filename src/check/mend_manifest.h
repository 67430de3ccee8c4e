/* Repair of what the database has of a manifest. */
#pragma once

#include "core/registry.h"

/*
 * Makes the bytes that the database has of a manifest, and what it says that they name, what the
 * digest says. The bytes are those of the database where they are good, else of the store, else of
 * any repository that has the manifest. Where none are good nothing is done: that is no error.
 */
ERR_CHECKED enum err_code mend_manifest(struct registry *r, const struct repo_name *repo,
                                        const struct digest *d, struct err *e);
