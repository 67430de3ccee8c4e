/*
 * Runs that ended without a word: the process that was at them was killed, and their records
 * (gc.runs) still say "running". One that a server was asked for goes on instead, by its order
 * (server_run.h). All others are of commands, which have the store to themselves: so whoever writes
 * to it now knows that they are gone.
 */
#pragma once

#include "gc/journal.h"

#define GC_RUN_LOST "lost" /* its state, from then on */

/* Does the record say "running", and is there no order? */
ERR_CHECKED enum err_code gc_run_is_orderless(struct meta *m, const struct meta_record *run,
                                              bool *ret_is, struct err *e);

/* The record as it is when it is lost; ended_ms 0: it is not known when. The caller frees it. */
char *gc_run_lost_text(const struct meta_record *run, int64_t ended_ms);

/* Says so in the records of all but `own`, the run that asks (NULL: none does). For who collects,
 * or serves. */
ERR_CHECKED enum err_code gc_lost_end(struct meta *m, const char *own, struct err *e);
