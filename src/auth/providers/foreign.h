/*
 * Tokens of a token service that is not ours, as the reference registry takes them: what the token
 * says in `access` may be done, whoever the policy allows it to; what the policy denies may not.
 */
#pragma once

#include "auth/core/provider.h"
#include "conf/conf.h"

/* conf must outlive it. Error: CONFIG. */
ERR_CHECKED enum err_code foreign_new(const struct conf_token *conf, struct provider **ret_provider,
                                      struct err *e);
