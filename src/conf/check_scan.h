/* What the keys of scanning need of each other. */
#pragma once

#include "conf/source.h"

ERR_CHECKED enum err_code conf_check_scan(const struct conf_source *s, struct err *e);
