/* The pull policy: what no row of the table can tell of it. */
#pragma once

#include "conf/source.h"

ERR_CHECKED enum err_code conf_check_pull_policy(const struct conf_source *s, struct err *e);
