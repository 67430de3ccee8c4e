/* Names of events as webhooks and rules of mail give them. */
#pragma once

#include "base/buf.h"

#include <stdbool.h>

#define EVENT_PULLED "manifest.pulled"

/* name is the event, a group of those that begin with it and a dot, or another word for some of
 * them, such as "push". */
bool conf_event_matches(const char *name, const char *event);

/* Does it match any that there is? */
bool conf_event_known(const char *name);

/* All that are known, with commas between, for messages. */
void conf_event_list(struct buf *ret_names);
