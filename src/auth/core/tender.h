/* A thread that tends the providers (auth_tend()), and what else is to be looked at, once a second.
 */
#pragma once

#include "auth/core/auth.h"

struct tender;

/* Looks whether others have changed something; blocks. */
typedef enum err_code (*tender_fn)(void *ctx, struct err *e);

/* a and ctx must outlive it. report is called from the thread: for each bad file (auth_tend()), and
 * once for a run of other failures. Error: INTERNAL. */
ERR_CHECKED enum err_code tender_start(struct auth *a, tender_fn also, void *ctx,
                                       auth_report_fn report, struct tender **ret_tender,
                                       struct err *e);
void tender_stop(struct tender *t); /* joins the thread; accepts NULL */
