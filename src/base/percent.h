/* What URLs write as %XX (RFC 3986, 2.1); buf_add_percent() writes it. */
#pragma once

#include "base/str.h"

/* The first character of *s, which is not empty, decoded; *s goes on behind it. -1: a malformed
 * escape, or a NUL byte. */
int percent_next(struct str *s);

/* All of s into dst (no '+' rule); false on a malformed escape, a NUL byte or no room. */
bool percent_decode(struct str s, char *dst, size_t cap, size_t *ret_n);
