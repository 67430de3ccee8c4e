/*
 * jobs: what is done in the background. May include replicas/, meta/ and base/.
 *
 * A job has a kind, which names the function that does it, and a key, which is what it is about. It
 * is a row of meta, so that it is not lost with a process, and of all processes on one database at
 * most one runs it at a time. Who takes a job becomes its holder, and gets a new turn of it; when
 * the holder is gone, another takes it. What must not be done by a holder who was taken for gone
 * has the turn as a precondition of its transaction (job_check_op()); before a step that is no
 * transaction the function asks whether it may go on (job_go_on()). It may run again from its
 * beginning whatever it has done, so what it does must be right to do twice.
 *
 * A job that fails is tried again, later and later. After so many attempts that were its own fault
 * (what failed was not just out of reach, or full), or in which its process died, it stops, is
 * listed as such, and waits for a person (`registry jobs`).
 *
 * Some work is of this process alone and has no row: kinds that are `own`.
 *
 * Threads: one looks for what is to be done; what does it comes and goes, at most JOBS_AT_ONCE and
 * one for each kind that is own. Functions are called by these. Any thread may call what is here.
 */
#pragma once

#include "base/uuid.h"
#include "meta/meta.h"

#define JOBS_AT_ONCE   4 /* that have rows, of one process */
#define JOBS_KINDS_MAX 40
#define JOBS_ALL       "all" /* the key of a job that is about everything of its kind */

struct jobs;
struct job; /* one that runs; of the thread that runs it */

typedef enum err_code (*job_fn)(void *ctx, struct job *job, struct err *e);

struct job_kind {
    const char *name; /* one word, lower case; of all processes */

    /* ERR_LATER: there is more to do, or job_go_on() said no; it is put back and made no attempt.
     * NULL as job, of a kind that is own. */
    job_fn run;
    void *ctx;

    unsigned attempts;     /* then it stops; 0: it never does */
    int64_t retry_ms;      /* after the first failure; then twice as long each time, ... */
    int64_t retry_most_ms; /* ... up to this; 0: always retry_ms */
    int64_t priority;      /* lower goes first */
    const char *lane;      /* kinds of one lane are counted together; NULL: the kind by itself */
    unsigned at_once;      /* of the lane, in one process; 0: no other bound than JOBS_AT_ONCE */
    int64_t (*every_ms)(
        void *ctx); /* there is a job JOBS_ALL, and it is run so often; or it, when it is own */
    int64_t (*first_ms)(void *ctx); /* so long after each start; NULL: at once */

    bool own;          /* of this process; run when it is woken, one run at a time */
    int64_t gather_ms; /* of one that is own: the rest between two runs, for company */
};

/* Who else may run jobs: replicas/members.h, or a test. All zero: nobody, and whoever did is gone.
 */
struct jobs_members {
    struct uuid (*own_id)(void *ctx); /* as it is now */
    bool (*may_act)(void *ctx, const struct uuid *id);
    bool (*is_gone)(void *ctx, const struct uuid *id); /* false when that can't be known now */
    void *ctx;
};

struct members;
struct jobs_members jobs_members_of(struct members *m); /* NULL: nobody */

struct jobs_options {
    struct meta *meta; /* outlives the jobs */
    struct jobs_members members;
    int64_t poll_ms; /* how often to look for what others added, or left */
    void (*report)(const char *what, const struct err *e); /* of failures; any thread */
};

struct jobs *jobs_new(const struct jobs_options *o);

/* Before or after the start. k is copied; its name and ctx live until jobs_stop(). */
void jobs_kind_add(struct jobs *j, const struct job_kind *k);

ERR_CHECKED enum err_code jobs_start(struct jobs *j, struct err *e);

/* Tells all that run to end, and waits for that. Nothing is run then. Accepts NULL. */
void jobs_stop(struct jobs *j);
void jobs_free(struct jobs *j); /* stops first; accepts NULL */

/* The job is to be done, from the transaction on that this is in; jobs_wake() then. key must live
 * until that. */
struct meta_op jobs_add_op(struct jobs *j, const char *kind, struct str key);
ERR_CHECKED enum err_code jobs_add(struct jobs *j, const char *kind, struct str key, struct err *e);

/* Looks for what is to be done now. Never blocks for long; accepts NULL. */
void jobs_wake(struct jobs *j);

/* Runs a kind that is own, soon: now, or gather_ms after its last run. Likewise. */
void jobs_wake_own(struct jobs *j, const char *kind);

/* Inside of a job_fn. A job that is NULL is of a kind that is own, and goes on until the stop of
 * the j that is given. */
struct str job_key(const struct job *job);
struct jobs *job_jobs(const struct job *job);
bool job_go_on(const struct jobs *j, const struct job *job);

/* Sleeps so long at most; then as job_go_on(). */
bool job_rest(struct jobs *j, const struct job *job, int64_t ms);

/* "The job is still mine". */
struct meta_op job_check_op(const struct job *job);

/* How far it is, for `registry jobs`; written once a second at most. What fails is nobody's, but
 * that somebody else has the job or that it was cancelled: then job_go_on() says no. */
void job_note(struct job *job, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
