/*
 * Repair: what can be made right of a finding without losing anything. It looks first whether the
 * finding still is so, and may be done twice.
 *
 * Beside servers it is theirs to do, for they have the locks: as a job of the kind "mend", whose
 * key is the finding in one line.
 */
#pragma once

#include "check/check_finding.h"
#include "core/registry.h"

#define MEND_JOB "mend"

struct jobs;

/* For the process that has the store to itself, or serves. *ret_mended: it is not so any more.
 * What repair leaves alone is no error. */
ERR_CHECKED enum err_code mend_finding(struct registry *r, const struct check_finding *f,
                                       bool *ret_mended, struct err *e);

/* Does repair do anything about findings of that code? About some only when it is asked for. */
bool mend_can(enum check_code code, bool move_tags);

/* "CODE REPOSITORY DIGEST TAG PATH", with "-" for what it does not have. */
#define MEND_KEY_MAX (FINDING_SUBJECT_MAX + REPO_NAME_MAX + DIGEST_TEXT_MAX + 256)
void mend_key(const struct check_finding *f, char dst[static MEND_KEY_MAX]);
bool mend_key_parse(struct str key, struct check_finding *ret_finding, char *path, size_t path_cap);

/* The server does such jobs from now on. */
void mend_jobs(struct registry *r);
