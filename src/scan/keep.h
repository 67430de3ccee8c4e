/* Writes what a scan has said as the result of an image. */
#pragma once

#include "jobs/jobs.h"
#include "scan/result.h"

struct scan_keep {
    struct registry *r;
    struct job *job; /* whose turn it is; NULL: nobody's */
    const struct repo_name *repo;
    const struct digest *digest;
    const struct scan_result *before; /* NULL: there was none */
    int64_t version;                  /* that the record had, or META_ABSENT */
    bool publish;                     /* in each repository that is known to have it (publish.h) */
};

/*
 * Completed: of findings, whose list is sorted and gets since when each is known. s has what else
 * is to be kept, and gets counts and the blob. In the same transaction are the events: completed,
 * and what is new to an image that had been scanned before. Errors: CONFLICT, the job or the record
 * is somebody else's by now; those of the store and of meta.
 */
ERR_CHECKED enum err_code scan_keep_findings(const struct scan_keep *k, struct finding_list *l,
                                             struct scan_result *s, struct err *e);

/* As it stands, without findings; or with those that are kept already. The event tells what became
 * of this attempt, which need not be what is kept. */
ERR_CHECKED enum err_code scan_keep_result(const struct scan_keep *k, const struct scan_result *s,
                                           enum scan_status attempt, const char *reason,
                                           struct err *e);

/* The same without an event, for nothing was scanned: it has lists of packages from now on. */
ERR_CHECKED enum err_code scan_keep_lists(const struct scan_keep *k, const struct scan_result *s,
                                          struct err *e);
