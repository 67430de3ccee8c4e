/*
 * gc: collection within repositories, while the registry serves. May include core/ and what that
 * may. tests/model/collection.pml has the protocol, with the names of its steps.
 *
 * A run goes through the repositories. In each it looks who names whom (graph.h), and revives what
 * is condemned and lives (find_live); condemns what does not live, index before child, subject
 * before referrer (condemn); and deletes what has been condemned for gc.grace (delete), once
 * nothing is there that it belonged to. What was looked up may be old by then: each transaction
 * looks again, under the lock of the repository that a push takes, and leaves alone what is used
 * meanwhile. Pushes, links and tags revive what they name in their own transactions. So nothing
 * waits for a run, and it may end anywhere: another one goes on.
 *
 * Whatever is deleted is in the journal, in the same transaction (journal.h).
 *
 * Threads: a run is of one thread. The functions may be called by any.
 */
#pragma once

#include "core/registry.h"
#include "gc/count.h"
#include "gc/graph.h"
#include "gc/journal.h"

enum gc_action {
    GC_REVIVED,
    GC_CONDEMNED,
    GC_DELETED,
    GC_KEPT /* it should go, and can't be read */
};

/* What becomes of one blob or manifest. */
struct gc_item {
    const struct repo_name *repo;
    enum meta_item_kind kind;
    const struct digest *digest;
    uint64_t size_bytes;
    enum meta_why why;
    enum gc_action action;
    const char *problem; /* of GC_KEPT */
};

struct gc_options {
    struct registry *registry;
    const struct repo_name *repo; /* this one alone; NULL: all */
    bool dry_run;                 /* all of it, but for the transactions */
    bool noted;                   /* it has a record also when it is dry */
    int64_t grace_ms;             /* since it was condemned */
    int64_t untagged_ms;          /* manifests without a tag for so long go; 0: they stay */
    bool children, referrers;     /* go with what they belong to */
    int64_t orphans_ms; /* what the database has not known for so long goes; 0: it stays */
    int64_t empty_ms;   /* repositories that are empty for so long go; 0: they stay */
    uint64_t rate;      /* of deletions a second, at most; 0: no limit */
    uint64_t share;     /* percent of the time while this process serves requests; 0: all of it */
    const char *actor;  /* "shell:root" */
    const char *id;     /* of the run; NULL: a new one */
    const struct meta_op *check; /* a precondition of each transaction; NULL: none */

    /* All may be NULL. item: after it was done; progress: of so many repositories, 0: not known. */
    void (*item)(void *ctx, const struct gc_item *item);
    void (*repo_gone)(void *ctx, const struct repo_name *repo); /* it was empty */
    void (*progress)(void *ctx, uint64_t repos, uint64_t of);
    bool (*go_on)(void *ctx); /* false: the run ends with LATER */
    gc_end_fn end;
    void *ctx;
};

/* One that fails at something of one repository goes on with the next, and returns the first error.
 * ret_id may be NULL. Errors: LATER; UNSUPPORTED of a database without collection; CONFLICT when
 * `check` does not hold. */
ERR_CHECKED enum err_code gc_run(const struct gc_options *o, struct gc_counts *ret_counts,
                                 struct err *e);

/* What lives, as the options have it. */
struct gc_policy gc_policy_of(const struct gc_options *o, int64_t now_ms);
