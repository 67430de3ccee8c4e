/* Keeping the index of files in shape: merging its segments, and leaving out what is gone. For the
 * one job that changes it. */
#pragma once

#include "files/index.h"
#include "jobs/jobs.h"

/* Merges what is to be merged, until nothing is. job may be NULL. Error: LATER, job_go_on() said
 * no.
 */
ERR_CHECKED enum err_code files_upkeep_merge(struct files_index *x, struct job *job, struct err *e);

/* Forgets images that are gone, and rewrites segments of which many layers are. The same. */
ERR_CHECKED enum err_code files_upkeep_prune(struct files_index *x, struct job *job, struct err *e);

/* Which of n segments, of that many files each, are to be merged next: their places in ret; 0: none
 * are. Pure. */
size_t files_upkeep_choose(const uint64_t *n_files, size_t n, size_t *ret);
