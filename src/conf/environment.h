/* REGISTRY_ variables. */
#pragma once

#include "conf/source.h"

ERR_CHECKED enum err_code conf_read_environment(struct conf_source *s, char *const *environment,
                                                struct err *e);
