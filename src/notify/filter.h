/* Which events a target wants to hear of. */
#pragma once

#include "conf/conf.h"
#include "notify/notice.h"

/* entry is the name of the event, a group of names that begin with it and a dot, or another name
 * for some of them, such as "push". */
bool filter_names(const char *entry, const char *event);

/* Without a list of events all but pulls; with repositories none that is about no repository. */
bool filter_wants(const struct conf_event_filter *f, const char *event, const char *repository);
