/* Parameters of a request's query. */
#pragma once

#include "api/req.h"

/* n of a list: absent is `unasked`, and greater than limits.page is limits.page. Error:
 * REQUEST_INVALID. */
#define PAGE_UNASKED 1000 /* of lists whose clients know of pages */
ERR_CHECKED enum err_code query_page(struct req *q, size_t unasked, size_t *ret_n, struct err *e);

/* A text parameter, "" when absent. Error: REQUEST_INVALID. */
ERR_CHECKED enum err_code query_text(struct req *q, const char *name, char *dst, size_t cap,
                                     struct err *e);
/* Which of the types that are asked for (Accept) is known first: its place in the list, which NULL
 * ends; -1: none. Weights are not looked at. */
int header_accepts(const struct req *q, const char *const *types);

/* Is that encoding named in Accept-Encoding, and not refused (q=0)? "*" names none. */
bool header_takes_encoding(const struct req *q, const char *encoding);

bool query_has(struct req *q, const char *name);
