/* The section of each provider: keys that need one another, and URLs that can be meant. */
#pragma once

#include "conf/source.h"

/* A section below auth each. */
ERR_CHECKED enum err_code conf_check_providers(const struct conf_source *s, struct err *e);
