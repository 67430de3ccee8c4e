/* Rules and admins: auth/policy/policy.h says what subjects and patterns are. */
#pragma once

#include "conf/source.h"

/* Errors, as of all checks: CONFIG, with the place. */
ERR_CHECKED enum err_code conf_check_policy(const struct conf_source *s, struct err *e);

/* Patterns of repositories, or of tags: each can match something. Likewise. */
ERR_CHECKED enum err_code conf_check_patterns(const struct conf_source *s, struct conf_key key,
                                              const struct conf_strings *list, bool repository,
                                              struct err *e);
