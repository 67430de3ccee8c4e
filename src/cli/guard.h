/* From the configuration to all that access control stands on: for serve and `policy test`. */
#pragma once

#include "api/api.h"
#include "conf/conf.h"
#include "meta/meta.h"
#include "net/redis.h"

/* Signing keys, token service, providers in the configured order, rate limits, audit trail. m must
 * outlive the result, which is released with cli_guard_done(), also after an error.
 * Error: CONFIG. */
ERR_CHECKED enum err_code cli_guard_init(struct api_guard *g, const struct conf *c, struct meta *m,
                                         struct err *e);

/* Counts wrong sign-ins and requests with the other servers, through Redis, which outlives it;
 * before the first request. Error: INTERNAL. */
ERR_CHECKED enum err_code cli_guard_share(struct api_guard *g, const struct conf *c,
                                          struct redis *redis, struct err *e);
void cli_guard_done(struct api_guard *g);

/* A new policy; the caller's reference. */
struct policy *cli_auth_policy(const struct conf *c);
