/*
 * What repositories are said to hold, which quotas and lists go by, against what they hold. The
 * rows of repositories are read before and after all others: one that was written to meanwhile says
 * nothing. One thread at a time.
 */
#pragma once

#include "check/sums.h"
#include "meta/meta.h"

struct usage {
    struct sums sums;
};

void usage_init(struct usage *u);
void usage_done(struct usage *u);

/* A row of a repository as it was before the rest was read. */
void usage_see(struct usage *u, const struct meta_row *repo);

/* The repository holds so much more. */
void usage_count(struct usage *u, struct str repo, struct meta_repo_sums more);

/* The row afterwards: is it as it was before, and does it say something else than was counted? */
bool usage_drifted(const struct usage *u, const struct meta_row *repo,
                   struct meta_repo_sums *ret_counted);

/* What a row of a repository says. */
struct meta_repo_sums usage_said(const struct meta_row *repo);

/* Counts one repository, and looks whether its row says so, as above. *ret_drifted false: it does,
 * or was written to meanwhile, or is not there. */
ERR_CHECKED enum err_code usage_look(struct meta *m, const struct repo_name *repo,
                                     struct meta_repo_sums *ret_said,
                                     struct meta_repo_sums *ret_counted, bool *ret_drifted,
                                     struct err *e);
