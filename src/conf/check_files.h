/* The files that the configuration names. */
#pragma once

#include "conf/source.h"

/* Every file that is read (CONF_READ) is there and may be read. */
ERR_CHECKED enum err_code conf_check_files(const struct conf_source *s, struct err *e);
