/* Deleting (dist-spec "Content Management"). Error of all when delete.enabled is off: UNSUPPORTED.
 */
#pragma once

#include "core/reference.h"
#include "core/registry.h"

/* A tag alone, or a manifest with the tags that point to it.
 * Errors: MANIFEST_UNKNOWN; IN_USE when an index names the manifest. */
ERR_CHECKED enum err_code remove_manifest(struct registry *r, const struct repo_name *repo,
                                          const struct reference *ref, struct err *e);

/* May the tag go? An error says why not. Must not push or delete. */
typedef enum err_code (*remove_tag_fn)(void *ctx, const struct tag_name *tag, struct err *e);

/* As that, by actor ("user:alice"; NULL: not known) for the history of tags; may_untag is asked for
 * each tag that goes with a manifest, and nothing goes when it refuses one. It may be asked more
 * than once for a tag, and for tags that then do not go. Error: CONFLICT when other tags come to
 * point there again and again. */
ERR_CHECKED enum err_code remove_manifest_if(struct registry *r, const struct repo_name *repo,
                                             const struct reference *ref, const char *actor,
                                             remove_tag_fn may_untag, void *ctx, struct err *e);

/* Errors: BLOB_UNKNOWN; IN_USE when a manifest of the repository names it. */
ERR_CHECKED enum err_code remove_blob(struct registry *r, const struct repo_name *repo,
                                      const struct digest *d, struct err *e);
