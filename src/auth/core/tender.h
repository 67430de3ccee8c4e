/* A thread that tends the providers (auth_tend()) and the rules (rules_poll()) once a second. */
#pragma once

#include "auth/core/auth.h"
#include "auth/policy/rules.h"

struct tender;

/* a and rules must outlive it. report is called from the thread: for each bad file (auth_tend()),
 * and once for a run of other failures. Error: INTERNAL. */
ERR_CHECKED enum err_code tender_start(struct auth *a, struct rules *rules, auth_report_fn report,
                                       struct tender **ret_tender, struct err *e);
void tender_stop(struct tender *t); /* joins the thread; accepts NULL */
