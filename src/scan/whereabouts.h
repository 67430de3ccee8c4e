/*
 * Which repositories have an image. Its result names some; of others is known that they have its
 * config, which they keep until their garbage is collected.
 */
#pragma once

#include "scan/result.h"

enum scan_where {
    SCAN_NOWHERE,  /* no repository has it */
    SCAN_HIDDEN,   /* one may: some has its config, and that one does not have the image */
    SCAN_SOMEWHERE /* s->repos[0] has it */
};

/* Does the repository have it? Errors: those of meta. */
ERR_CHECKED enum err_code scan_has(struct registry *r, const struct repo_name *repo,
                                   const struct digest *d, bool *ret, struct err *e);

/* Looks, and takes those out of s->repos that have it no more. Any thread; blocks. Errors: those
 * of meta. */
ERR_CHECKED enum err_code scan_where(struct registry *r, const struct digest *d,
                                     struct scan_result *s, enum scan_where *ret, struct err *e);

/* Does the result name the repository? */
bool scan_result_names(const struct scan_result *s, const struct repo_name *repo);

/* The repository has the image, too; as far as there is room. */
void scan_result_note_repo(struct scan_result *s, const struct repo_name *repo);
