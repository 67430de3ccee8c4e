/* Which ways to sign in there are, and whether anybody is asked. */
#pragma once

#include "conf/source.h"

/* The mode that follows from what else is given; whether it fits; auth.order. */
void conf_settle_auth(const struct conf_source *s);
ERR_CHECKED enum err_code conf_check_auth(const struct conf_source *s, struct err *e);
