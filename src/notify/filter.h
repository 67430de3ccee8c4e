/* Which events a target wants to hear of. */
#pragma once

#include "conf/conf.h"
#include "notify/notice.h"

/* Without a list of events all but pulls; with repositories none that is about no repository. */
bool filter_wants(const struct conf_event_filter *f, const char *event, const char *repository);
