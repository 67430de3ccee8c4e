/* Putting a configuration together, with where each value came from. */
#pragma once

#include "conf/distribution/flat.h"
#include "conf/source.h"

/* As conf_load(). s has a conf of zeros and the path; flat is empty, and must outlive s. */
ERR_CHECKED enum err_code conf_load_source(struct conf_source *s, struct flat *flat,
                                           char *const *environment, struct err *e);
