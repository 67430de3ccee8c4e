/* Deleting (dist-spec "Content Management"). Error of what clients may do, when delete.enabled is
 * off: UNSUPPORTED. */
#pragma once

#include "core/event.h"

/* A tag alone, or a manifest with the tags that point to it.
 * Errors: MANIFEST_UNKNOWN; IN_USE when an index names the manifest. */
ERR_CHECKED enum err_code remove_manifest(struct registry *r, const struct repo_name *repo,
                                          const struct reference *ref, struct err *e);

/* May the tag go? An error says why not. Must not push or delete. */
typedef enum err_code (*remove_tag_fn)(void *ctx, const struct tag_name *tag, struct err *e);

/* As that, by somebody (NULL: not known) for the history of tags and events; may_untag is asked for
 * each tag that goes with a manifest, and nothing goes when it refuses one. It may be asked more
 * than once for a tag, and for tags that then do not go. Error: CONFLICT when other tags come to
 * point there again and again. */
ERR_CHECKED enum err_code remove_manifest_if(struct registry *r, const struct repo_name *repo,
                                             const struct reference *ref,
                                             const struct event_origin *by, remove_tag_fn may_untag,
                                             void *ctx, struct err *e);

/* Meta has forgotten the manifest: its bytes go as well, unless it was pushed again. Whatever
 * delete.enabled says. Durable after store_dropped(). */
ERR_CHECKED enum err_code remove_manifest_content(struct registry *r, const struct repo_name *repo,
                                                  const struct digest *d, struct err *e);

/* Errors: BLOB_UNKNOWN; IN_USE when a manifest of the repository names it. */
ERR_CHECKED enum err_code remove_blob(struct registry *r, const struct repo_name *repo,
                                      const struct digest *d, struct err *e);

/* The same error. */
ERR_CHECKED enum err_code remove_check_enabled(const struct registry *r, struct err *e);

/*
 * The steps of these, and of what deletes many (core/bulk.h), whatever delete.enabled says. actor
 * is for the history of tags.
 */

/* A tag that is still at that version (META_ANY: whatever it is). Errors: CONFLICT,
 * MANIFEST_UNKNOWN. */
ERR_CHECKED enum err_code remove_tag_at(struct registry *r, const struct repo_name *repo,
                                        const struct tag_name *tag, int64_t version,
                                        const char *actor, struct err *e);

/* A manifest with its tags, as remove_manifest_if(). */
ERR_CHECKED enum err_code remove_digest_by(struct registry *r, const struct repo_name *repo,
                                           const struct digest *d, const char *actor,
                                           remove_tag_fn may_untag, void *ctx, struct err *e);

/* The same, unless a tag points to it: what somebody has given a tag is theirs. Error: DENIED. */
ERR_CHECKED enum err_code remove_untagged(struct registry *r, const struct repo_name *repo,
                                          const struct digest *d, const char *actor, struct err *e);

/* As remove_blob(); soon: its bytes do not wait for gc.grace, for nobody will want them back. */
ERR_CHECKED enum err_code remove_link(struct registry *r, const struct repo_name *repo,
                                      const struct digest *d, struct err *e);
ERR_CHECKED enum err_code remove_link_soon(struct registry *r, const struct repo_name *repo,
                                           const struct digest *d, struct err *e);
