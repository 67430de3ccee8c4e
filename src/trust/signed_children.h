/*
 * Images that signed indexes name: records that lead from an image to the index, of a repository.
 * They are hints: whoever takes one looks at the index again.
 */
#pragma once

#include "core/archive_manifest.h"

#define SIGNED_CHILDREN     STR("signed.children")
#define SIGNED_CHILDREN_MAX 256 /* of an index; others have to be signed themselves */
#define SIGNED_INDEXES_MAX  256 /* of an image, that are looked at */
#define SIGNED_INDEXES_PAGE 16

/* Writes those that are not there; *ret_any: there were such. Errors: those of meta. */
ERR_CHECKED enum err_code signed_children_note(struct registry *r, const struct repo_name *repo,
                                               const struct out_manifest *index, bool *ret_any,
                                               struct err *e);

struct signed_indexes {
    struct digest digests[SIGNED_INDEXES_PAGE];
    size_t n;
};

/* Those behind the last of the list, which is empty at first; it is again behind all of them. */
ERR_CHECKED enum err_code signed_indexes_next(struct registry *r, const struct repo_name *repo,
                                              const struct digest *child, struct signed_indexes *l,
                                              struct err *e);

/* That one does not name it any more, or is gone; a failure is nobody's. */
void signed_children_forget(struct registry *r, const struct repo_name *repo,
                            const struct digest *child, const struct digest *index);

/* Removes those of indexes that are gone. For a job: LATER, go_on said no. */
ERR_CHECKED enum err_code signed_children_prune(struct registry *r, bool (*go_on)(void *ctx),
                                                void *ctx, struct err *e);
