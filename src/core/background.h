/*
 * What a registry does in the background, as kinds of jobs (jobs/jobs.h):
 *
 *   carry    of each process: the pending projections that it holds
 *   left     of each process: looks whether a process that is gone held any
 *   tags     those, by the process that held them; "nobody" for those that none does
 *   uploads  abandoned upload sessions, every maintenance.interval
 *   history  forgets where tags pointed, once an hour, after gc.history
 *   order    what commands ask the server to do (core/order.h)
 *   pulls    of each process: writes when tags were pulled, once a minute (core/pulled.h)
 *   retention  deletes tags as the configuration says, by gc.schedule
 *   remove   deletes the content of blobs that nothing links (core/removal.h), as often
 *   analysis  reports of what is inside an image (core/image_analysis.h); `analyses` forgets them
 *   strays   counts strays (core/stray.h), once a day and slowly
 */
#pragma once

#include "core/registry.h"

/* After the kinds that others add. r->jobs is there, and starts when it returns. */
ERR_CHECKED enum err_code background_start(struct registry *r, registry_report_fn report,
                                           struct err *e);

/* Those that delete what people pushed: orders and retention, once r->is_immutable can answer. */
void background_delete(struct registry *r);
