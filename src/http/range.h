/* The Range header: pure functions on its value. RFC 9110 section 14. */
#pragma once

#include "http/http.h"

#define HTTP_RANGES_MAX 16 /* a request for more gets the whole content */

struct http_range {
    uint64_t first_bytes, n_bytes; /* n_bytes > 0 */
};

enum http_range_verdict {
    HTTP_RANGE_IGNORE,        /* malformed, another unit, too many: as if there were no Range */
    HTTP_RANGE_OK,            /* *ret_n of 1 to HTTP_RANGES_MAX, in the order asked for */
    HTTP_RANGE_UNSATISFIABLE, /* 416 */
};

enum http_range_verdict http_range_parse(struct str value, uint64_t size_bytes,
                                         struct http_range ret[static HTTP_RANGES_MAX],
                                         size_t *ret_n);
