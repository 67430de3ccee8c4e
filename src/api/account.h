/* What the handlers of users, tokens and rules share. */
#pragma once

#include "api/req.h"

/* ,"key":"2026-01-31T23:59:59.123Z"; null for 0 and INT64_MAX. */
void account_add_time(struct buf *body, const char *key, int64_t wall_ms);
