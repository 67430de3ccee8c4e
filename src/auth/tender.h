/* A thread that tends the providers (auth_tend()) and the rules (rules_poll()) once a second. */
#pragma once

#include "auth/auth.h"
#include "auth/rules.h"

struct tender;

/* What is done with an error; called from the thread, once for a run of failures. */
typedef void (*tender_report_fn)(const char *what, const struct err *e);

/* a and rules must outlive it. Error: INTERNAL. */
ERR_CHECKED enum err_code tender_start(struct auth *a, struct rules *rules, tender_report_fn report,
                                       struct tender **ret_tender, struct err *e);
void tender_stop(struct tender *t); /* joins the thread; accepts NULL */
