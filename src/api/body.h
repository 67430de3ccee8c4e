/* Bodies of requests that are small enough to be held. */
#pragma once

#include "api/req.h"

#include <jansson.h>

/* All of it. Error: REQUEST_INVALID when it is larger than ret->max, told. Worker only. */
ERR_CHECKED enum err_code body_read(struct req *q, struct buf *ret, struct err *e);

/* An object, sent as application/json; the caller's reference. Error: REQUEST_INVALID, told. */
ERR_CHECKED enum err_code body_json(struct req *q, size_t max_bytes, json_t **ret_json,
                                    struct err *e);
