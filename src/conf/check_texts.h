/* Texts that mean something outside of the configuration: a path, headers, patterns, fields. */
#pragma once

#include "conf/source.h"

/* Paths, headers, patterns and fields. */
ERR_CHECKED enum err_code conf_check_texts(const struct conf_source *s, struct err *e);
