/*
 * At the times of scan.schedule, all images of all repositories that have no result made with the
 * data of then are asked for (SCAN_AGAIN of core/scan_wish.h): those too that were pushed while
 * nothing was scanned, and those whose scan failed. The walk through all manifests asks for some
 * at a time, as many as scan.rescan_rate allows, and for none while the last that it asked for
 * waits. Where it is stands in a record, so that it goes on after a restart, on whichever server.
 */
#pragma once

#include "scan/scans.h"

#define SCHEDULED_JOB      "scan.schedule" /* begins a walk */
#define SCHEDULED_WALK_JOB "scan.all"      /* a turn of it */

struct scheduled {
    struct registry *registry;
    const struct conf_scan *conf;
    struct scans *scans;
    _Atomic bool walking; /* as the last turn left it */
};

/* The kinds of jobs. x outlives them. For servers whose scan.schedule is not empty. */
void scheduled_jobs(struct scheduled *x);

/* A walk begins, unless one is under way. What a job does; for tests. */
ERR_CHECKED enum err_code scheduled_begin(struct scheduled *x, struct err *e);

/* One turn of the walk, for tests; job may be NULL then. Does nothing while the scanner has no
 * data. */
struct job;
ERR_CHECKED enum err_code scheduled_turn(struct scheduled *x, struct job *job, struct err *e);
