/*
 * What is inside an image of this registry (analysis/report.h), found out by a job and kept.
 *
 * A report is about a manifest's digest, whatever repository it is in, and never changes: so it is
 * kept once, in records of meta, where every server finds it. One that is too long for a record is
 * cut into several. A report of a manifest that is gone is forgotten within a day.
 */
#pragma once

#include "core/reference.h"
#include "core/registry.h"

#define IMAGE_ANALYSIS "analysis" /* the kind of job; and the collection of records */

/* The image that is meant: of an index, the one of that platform ("": the only one there is).
 * Errors: MANIFEST_UNKNOWN; told: NOT_FOUND, REQUEST_INVALID, UNSUPPORTED, as
 * out_platform_choose() has them. */
ERR_CHECKED enum err_code image_analysis_find(struct registry *r, const struct repo_name *repo,
                                              const struct reference *ref, struct str platform,
                                              struct digest *ret_digest, struct err *e);

/* Appends the report. Errors: NOT_FOUND, there is none yet; NOT_ANALYZABLE, told: there will be
 * none, and why. */
ERR_CHECKED enum err_code image_analysis_get(struct registry *r, const struct digest *d,
                                             struct buf *ret_json, struct err *e);

/* Is there a reason for none? Error: NOT_ANALYZABLE, told. */
ERR_CHECKED enum err_code image_analysis_refusal(struct registry *r, const struct digest *d,
                                                 struct err *e);

/* It is to be made, and lists of its layers with it (core/layer_lists.h), by whichever server has
 * time, after what is more urgent. Error: NOT_ANALYZABLE, told: it failed so often that it is tried
 * no more. */
ERR_CHECKED enum err_code image_analysis_ask(struct registry *r, const struct repo_name *repo,
                                             const struct digest *d, struct err *e);

/* The kinds of jobs; before jobs start. */
void image_analysis_jobs(struct registry *r);
