/* How far a target has come: a record, which the holder of its job alone writes. */
#pragma once

#include "core/registry.h"
#include "notify/target.h"

#define PROGRESS_TARGETS STR("notify.targets") /* the collection; keys are those of targets */

#define PROGRESS_WHY   256
#define PROGRESS_AHEAD 256 /* events beyond the cursor that may be known to be done with */

struct progress {
    uint64_t cursor;    /* the number of the last event that is done with */
    uint64_t delivered; /* all in all */
    uint64_t dead;      /* likewise, dead letters */
    uint64_t lost;      /* events that were gone from the log before they were looked at */
    int64_t delivered_ms;
    uint64_t done[PROGRESS_AHEAD / 64]; /* bit i: so is the event cursor + 1 + i */

    /* While it fails: */
    uint64_t failures;  /* in a row; 0: it does not */
    int64_t failing_ms; /* since */
    int64_t next_ms;    /* when it is tried again */
    uint64_t stuck;     /* the event that failed last */
    uint64_t stuck_n;   /* so often */
    int64_t status;     /* of the answer; 0: none */
    uint64_t told;      /* struct parcel, of that event */
    char why[PROGRESS_WHY];
};

/* Error: NOT_FOUND; CORRUPT. */
ERR_CHECKED enum err_code progress_read(struct meta *m, const char *key, struct progress *ret,
                                        struct err *e);

/* text, which is made, lives as long as the operation; the caller frees it. */
struct meta_op progress_put(const char *key, const struct progress *p, char **ret_text);

/* The record is made, if there is none, at that number. */
ERR_CHECKED enum err_code progress_begin(struct meta *m, const char *key, uint64_t cursor,
                                         struct err *e);

/* Is an event beyond the cursor done with? Those far beyond are not. */
bool progress_is_done(const struct progress *p, uint64_t seq);
void progress_set_done(struct progress *p, uint64_t seq);

/* It worked. */
void progress_succeed(struct progress *p, int64_t now_ms);

/* It failed at that event: it is tried again later and later, and not before retry_after_s, up to
 * an hour. */
void progress_fail(struct progress *p, uint64_t seq, int64_t now_ms, int status, const char *why,
                   uint64_t retry_after_s);
