/*
 * The audit trail: who did what to what, from where, and what came of it. Entries go into meta, in
 * batches, a moment after they happen, and as JSON lines into a file or the log at once.
 */
#pragma once

#include "base/buf.h"
#include "meta/meta.h"

struct audit;

struct audit_options {
    const char *file; /* of JSON lines; "": the log, at level INFO */
    const _Atomic uint64_t
        *retention_ms; /* as it is now: older entries are removed; 0, or NULL: never */
    uint64_t wait_ms;  /* how long audit_begin() may wait for room */
};

/* m must outlive it. Error: CONFIG when the file can't be opened. */
ERR_CHECKED enum err_code audit_new(struct meta *m, const struct audit_options *o,
                                    struct audit **ret_audit, struct err *e);
void audit_free(struct audit *a); /* writes what waits if that goes at once; accepts NULL */

/*
 * Keeps a place for the entry of something that may be done only when it is recorded. Waits for one
 * at most wait_ms, and not at all while the database takes no entries. Errors: STORAGE_FULL,
 * STORAGE_READONLY; then it may not be done. Any thread that may wait.
 */
ERR_CHECKED enum err_code audit_begin(struct audit *a, struct err *e);

/* The entry that has a place; never waits. Copies; sets the time when there is none. */
void audit_end(struct audit *a, const struct meta_audit *entry);

/* The place is not needed after all. */
void audit_cancel(struct audit *a);

/* Any other entry: never waits. One that finds no room is counted, and when there is room again an
 * entry of its own tells how many were lost; their lines of JSON are there. Copies. Any thread. */
void audit_add(struct audit *a, const struct meta_audit *entry);

/* Removes entries that are older than retention_ms says. Now and then. */
ERR_CHECKED enum err_code audit_prune(struct audit *a, struct err *e);

/* As the line of JSON alone, of what would fill the database. */
void audit_add_line(struct audit *a, const struct meta_audit *entry);

/*
 * Narrows the filter to a repository as people write it: a name, a pattern as in a policy, or a
 * name with a slash at its end for all that is below it. text must outlive the filter. Error:
 * REQUEST_INVALID.
 */
ERR_CHECKED enum err_code audit_filter_repository(struct meta_audit_filter *f, const char *text,
                                                  struct err *e);

/* An entry as a JSON object on one line; with its id when it has one. */
void audit_json(const struct meta_audit *x, struct buf *ret_json);
