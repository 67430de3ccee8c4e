/* Where a browser is sent after signing in: a place of ours, and no other (an open redirect). */
#pragma once

#include "base/str.h"

#define RETURN_TO_MAX 512

/* An absolute path with its query, of printable ASCII, below the prefix (http.prefix without its
 * closing slash; may be empty): "/repositories?q=x". No "//host", also none that is left when a
 * browser takes "." and ".." out, no backslash (which browsers take for a slash), no scheme,
 * nothing below /auth/. Pure. */
bool return_to_valid(struct str path, struct str prefix);
