/* Mounting a blob from another repository (dist-spec "Mounting a blob from another repository"). */
#pragma once

#include "core/registry.h"

/* Makes the blob, which repository `from` has, a blob of repo as well. Error: BLOB_UNKNOWN when it
 * has none; the caller falls back to an upload session. */
ERR_CHECKED enum err_code mount_blob(struct registry *r, const struct repo_name *repo,
                                     const struct repo_name *from, const struct digest *d,
                                     struct err *e);

/* A repository that has the blob. Error: BLOB_UNKNOWN. */
ERR_CHECKED enum err_code mount_source(struct registry *r, const struct digest *d,
                                       struct repo_name *ret_from, struct err *e);
