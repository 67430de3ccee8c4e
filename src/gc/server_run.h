/*
 * Runs of a server: it alone may write to the store while it runs. What is to be run is an order, a
 * record (gc.orders, by the id of its run) that a command or a request writes together with the job
 * that does it: one job, so that of all processes on a database one collects, one order after the
 * other. An order stays until its run has ended, so a process that dies is followed by another one.
 * From the order on there is a record of the run, whose state is "waiting" at first.
 */
#pragma once

#include "conf/conf.h"
#include "gc/collector.h"
#include "gc/journal.h"
#include "jobs/jobs.h"

#define GC_JOB          "gc"
#define GC_SCHEDULE_JOB "schedule"
#define GC_TURN         STR("gc.turn") /* one record: an order that would not wait for others */

struct gc_order {
    char id[GC_RUN_SIZE];  /* of the run; set by gc_order_add() */
    struct repo_name repo; /* n is 0: all */
    int64_t grace_ms;
    int64_t orphans_ms; /* as of struct gc_options */
    bool dry_run;
    const char *undo; /* the run that is to be undone; NULL: none, it collects */
    const char *actor;
};

/* A server that runs sees it within a second or a quarter of replicas.lease. */
ERR_CHECKED enum err_code gc_order_add(struct meta *m, struct gc_order *o, struct err *e);

/* The same, unless another run is going on or waits: then CONFLICT, which tells the id of that. */
ERR_CHECKED enum err_code gc_order_add_alone(struct meta *m, struct gc_order *o, struct err *e);

struct gc_server {
    struct registry *registry;
    const struct conf_gc *conf;
};

/* s outlives it. */
struct job_kind gc_job_kind(struct gc_server *s);

/* Asks for a run at the times of gc.schedule, unless one is going on then. For servers whose
 * gc.schedule is not empty. */
struct job_kind gc_schedule_kind(struct gc_server *s);

/* As the configuration says, of that registry. */
struct gc_options gc_options_of(struct registry *r, const struct conf_gc *c);
