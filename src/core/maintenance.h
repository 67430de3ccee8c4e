/*
 * The maintenance thread: carries pending tag projections soon after they are made, and sweeps
 * abandoned uploads every maintenance.interval. Once a day it counts strays (core/stray.h), slowly.
 */
#pragma once

#include "core/registry.h"

struct maintenance;

ERR_CHECKED enum err_code maintenance_start(struct registry *r, registry_report_fn report,
                                            struct maintenance **ret_maintenance, struct err *e);

/* registry_wake() once it runs; accepts NULL. */
void maintenance_wake(struct maintenance *m);
void maintenance_stop(struct maintenance *m); /* joins the thread and frees; accepts NULL */
