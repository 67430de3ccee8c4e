/* Rules of signatures: what no row of the table can tell of them. */
#pragma once

#include "conf/source.h"

ERR_CHECKED enum err_code conf_check_signatures(const struct conf_source *s, struct err *e);
