/*
 * Layers on their way into the index of files: read, collected until there are enough for a
 * segment, then committed with the images that have them. What is not committed is done again. For
 * the one job that changes the index.
 */
#pragma once

#include "files/index.h"
#include "jobs/jobs.h"

struct files_intake;

/* job may be NULL, in tests. */
struct files_intake *files_intake_new(struct files_index *x, struct job *job);
void files_intake_free(struct files_intake *in); /* accepts NULL */

/* A manifest by its record's key, "REPOSITORY@DIGEST", with all of its layers. One that is not
 * there is taken off the list of those that wait. Errors: LATER, job_go_on() said no; those of the
 * store and of meta. */
ERR_CHECKED enum err_code files_intake_take(struct files_intake *in, struct str key, struct err *e);

/* All that was taken is in the index. */
ERR_CHECKED enum err_code files_intake_commit(struct files_intake *in, struct err *e);

static inline void auto_files_intake_(struct files_intake **in)
{
    files_intake_free(*in);
}
