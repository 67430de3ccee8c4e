/*
 * Scans of images: asked for, done by jobs, and kept (result.h).
 *
 * A job is one image, "REPOSITORY@DIGEST"; its kind says who waits (core/scan_wish.h). All kinds
 * share a lane, so that scans never have all threads of jobs. What has been scanned with the data
 * of vulnerabilities that the scanner has now, or with newer, is not scanned again; where the
 * scanner does not say how old its data is, not within an hour. A result is written in one
 * transaction with the turn of its job, with what tells caches of verdicts, and with its events.
 *
 * Any thread.
 */
#pragma once

#include "core/reference.h"
#include "scan/result.h"

struct scans;

struct scans_options {
    struct registry *registry;
    const struct conf_scan *conf;
    struct scanner *scanner; /* borrowed; outlives the jobs */
    const char *dir;         /* absolute; images are laid out below it, and it is made */
};

/* Removes what scans that died have left in the directory. */
ERR_CHECKED enum err_code scans_new(const struct scans_options *o, struct scans **ret_scans,
                                    struct err *e);
void scans_free(struct scans *s); /* after its jobs have ended; accepts NULL */

/* The kinds of jobs. */
void scans_jobs(struct scans *s);

/* One image to be scanned, by a job of that kind. again: whatever is known of it. *ret_status is
 * what the job is from now on, or COMPLETED and its like, when there is nothing to do. */
ERR_CHECKED enum err_code scans_ask(struct scans *s, const struct repo_name *repo,
                                    const struct digest *d, const char *kind, bool again,
                                    enum scan_status *ret_status, struct err *e);

/* Does the scanner have data of vulnerabilities now? */
bool scans_has_data(struct scans *s);

/* Is it an image that has no result, or one that was not made with the data of now? */
bool scans_is_due(struct scans *s, const struct repo_name *repo, const struct digest *d);

/* What is known of an image and of its job. Its own result has no such status as QUEUED; one that
 * is there stays while it is scanned again (busy: QUEUED or RUNNING, else NOT_SCANNED). Where that
 * is NOT_SCANNED, the result is of all scans that have ended. */
struct scan_standing {
    struct scan_result result; /* status NOT_SCANNED: there is none */
    enum scan_status busy;
    char note[SCAN_REASON_MAX + 1]; /* of a job that waits: why it failed last */
};

ERR_CHECKED enum err_code scans_standing(struct registry *r, const struct repo_name *repo,
                                         const struct digest *d, struct scan_standing *ret,
                                         struct err *e);

/* What a client sees as its status. */
enum scan_status scan_standing_status(const struct scan_standing *s);

/* Removes the results of images that no repository has (as far as whereabouts.h can tell), blobs
 * that belong to none, and what images waited for that are scanned or gone. What a job does; for
 * tests. */
ERR_CHECKED enum err_code scans_forget(struct registry *r, int64_t now_ms, struct err *e);

AUTO_POINTER(scans, scans_free);
