/* What is shown of one repository. */
#pragma once

#include "api/shown.h"

/* The repository of the request as a JSON object without its closing brace. Error: NAME_UNKNOWN,
 * told. */
ERR_CHECKED enum err_code repository_shown_add(struct req *q, struct buf *body, struct err *e);
