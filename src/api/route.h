/* From a request to its row of the table. */
#pragma once

#include "api/req.h"

/*
 * Finds the route and fills name, digest, reference and upload. Errors: NOT_FOUND; UNSUPPORTED;
 * those of parsing what the path names.
 */
ERR_CHECKED enum err_code route_request(struct req *q, struct err *e);
