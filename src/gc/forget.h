/* Forgetting runs: their records, and what the journal has of them, when they are older than
 * gc.journal_keep. One that can still be undone, for bytes of what it deleted are there, stays. */
#pragma once

#include "gc/server_run.h"

struct gc_forget {
    struct meta *meta;
    bool once;                /* content is kept once for all repositories */
    int64_t before_ms;        /* of runs that began before; wall clock */
    bool (*go_on)(void *ctx); /* asked now and then; NULL: to the end */
    void *ctx;
};

/* Ends anywhere without harm: a run of which a part is forgotten can't be undone. Error: LATER. */
ERR_CHECKED enum err_code gc_forget(const struct gc_forget *p, struct err *e);

/* The job that does it, once a day. */
struct job_kind gc_forget_kind(struct gc_server *s);
