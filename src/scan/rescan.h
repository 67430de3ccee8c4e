/*
 * When the data of vulnerabilities has changed, images that were scanned with other data are
 * scanned again: a walk through all results asks for scans of them (SCAN_AGAIN of
 * core/scan_wish.h), some at a time, and no more while the last that it asked for waits. Where it
 * is stands in a record, so that it goes on after a restart, on whichever server.
 *
 * The walk is for all servers on the database; each says what data it has. One that is behind the
 * others scans with older data what the walk asks for, so the walk comes round again, a few times.
 */
#pragma once

#include "core/registry.h"

#define RESCAN_JOB "rescan"

struct rescan {
    struct registry *registry;
    const struct conf_scan *conf;
    _Atomic bool walking; /* as the last turn left it */
};

/* The kind of job that walks. x outlives it. */
void rescan_jobs(struct rescan *x);

/* The data of this server is of that time; back: since now, and it had newer. A walk begins when it
 * is newer than that of the last one, or was taken back and is another. */
ERR_CHECKED enum err_code rescan_note(struct rescan *x, int64_t data_ms, bool back, struct err *e);

/* Was data of that time taken back by now? What was found with it counts no more. */
ERR_CHECKED enum err_code rescan_is_taken_back(struct registry *r, int64_t data_ms, bool *ret,
                                               struct err *e);

struct rescan_state {
    int64_t data_ms;            /* of the last walk; 0: there was none */
    int64_t began_ms, ended_ms; /* 0: it goes on */
    uint64_t looked, asked;
};

/* Errors: those of meta. */
ERR_CHECKED enum err_code rescan_state(struct registry *r, struct rescan_state *ret, struct err *e);

/* For walks that ask for scans (scheduled.h): how many in a turn of that length; and does the job
 * of that key (SCAN_AGAIN; "": none) still wait, or run, which was asked for then? What is slower
 * than the rate is waited for, but not for ever: one image that can't be scanned now keeps no
 * others from it. */
uint64_t rescan_per_turn(const struct conf_scan *c, int64_t turn_ms);
bool rescan_waits(struct registry *r, const char *key, int64_t asked_ms);

/* One turn of the job, for tests; job may be NULL then. */
struct job;
ERR_CHECKED enum err_code rescan_turn(struct rescan *x, struct job *job, struct err *e);
