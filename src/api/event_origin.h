/* Whose request it is, for events. */
#pragma once

#include "api/req.h"
#include "core/event.h"

/* It borrows from the request. */
struct event_origin req_origin(struct req *q);
