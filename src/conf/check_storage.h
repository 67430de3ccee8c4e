/* Where content is kept: keys that need one another, and texts that a server will be asked with. */
#pragma once

#include "conf/source.h"

/* The slash of the prefix, and how the bucket is named; the keys below storage. */
void conf_settle_storage(const struct conf_source *s);
ERR_CHECKED enum err_code conf_check_storage(const struct conf_source *s, struct err *e);
