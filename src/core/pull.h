/* Pulling (dist-spec "Pull"), and looking at what there is. */
#pragma once

#include "core/reference.h"
#include "core/registry.h"

/* *ret_manifest is the caller's reference. Error: MANIFEST_UNKNOWN. */
ERR_CHECKED enum err_code pull_manifest(struct registry *r, const struct repo_name *repo,
                                        const struct reference *ref,
                                        struct meta_manifest **ret_manifest, struct err *e);

/* The same, for a client that wants to know whether it has to push the manifest: one that is to be
 * collected stays for gc.grace from now on. It is not revived, for nothing but its being condemned
 * may tell by now what it went with. */
ERR_CHECKED enum err_code pull_manifest_head(struct registry *r, const struct repo_name *repo,
                                             const struct reference *ref,
                                             struct meta_manifest **ret_manifest, struct err *e);

/* Does that do more than pull_manifest()? What another tag points to is not collected. */
bool pull_head_matters(const struct reference *ref);

/* The manifest when it is at hand in memory, else NULL. Never blocks. */
struct meta_manifest *pull_manifest_quick(struct registry *r, const struct repo_name *repo,
                                          const struct reference *ref);

/* Errors: BLOB_UNKNOWN; CORRUPT when the stored blob is not what it should be. */
ERR_CHECKED enum err_code pull_blob(struct registry *r, const struct repo_name *repo,
                                    const struct digest *d, struct reader **ret_reader,
                                    uint64_t *ret_size_bytes, struct err *e);

/* The same, for a client that wants to know whether it has to push the blob: see blob_look(). */
ERR_CHECKED enum err_code pull_blob_head(struct registry *r, const struct repo_name *repo,
                                         const struct digest *d, struct reader **ret_reader,
                                         uint64_t *ret_size_bytes, struct err *e);

/*
 * A reader of a blob that was there a little ago, with so many bytes: of an archive that is being
 * sent, layer by layer. Asks no database, so that it may be called where a transfer goes on.
 * Errors: BLOB_UNKNOWN, CORRUPT.
 */
ERR_CHECKED enum err_code pull_blob_again(struct registry *r, const struct repo_name *repo,
                                          const struct digest *d, uint64_t size_bytes,
                                          struct reader **ret_reader, struct err *e);
