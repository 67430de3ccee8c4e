/*
 * Scans that failed for want of a scanner or its data wait longer each time (jobs/jobs.h). When
 * what they waited for has come, they are tried at once.
 */
#pragma once

#include "core/registry.h"

/* Of all servers on the database; those that run, or wait for their first turn, stay as they are.
 * Blocks; any thread. Errors: those of meta. */
ERR_CHECKED enum err_code scan_retry_waiting(struct registry *r, struct err *e);
