/*
 * Feeding the index of files, in the background: one job of all processes takes what was pushed,
 * and once a day looks at all manifests for what came otherwise, or was there before there was an
 * index. It reads the layers that are not in the index, rests as long as it works, and goes on
 * where it was when it was stopped.
 */
#pragma once

#include "files/index.h"
#include "jobs/jobs.h"

#define FILES_JOB "files"

/* The kinds of jobs of an index that is wanted. */
void files_feed_jobs(struct files_index *x);

/* The next run looks at all manifests again. *op is for a transaction of its own, or with others.
 */
struct meta_op files_feed_again(void);

/* There is no index wanted: one that is wanted later looks at everything again, for nobody notes
 * what is pushed meanwhile. */
ERR_CHECKED enum err_code files_feed_off(struct meta *m, struct err *e);

/* What the job does, for tests; job may be NULL then. */
ERR_CHECKED enum err_code files_feed_run(struct files_index *x, struct job *job, struct err *e);
