/*
 * Regular expressions of the configuration: POSIX, extended (POSIX.1, "Regular Expressions", 9.4).
 * What other dialects write otherwise, such as \d or (?i), is refused, for here it would be taken
 * for something else. A pattern is safe for any number of threads.
 */
#pragma once

#include "base/err.h"

struct conf_pattern;

/* Error: CONFIG. */
ERR_CHECKED enum err_code conf_pattern_new(const char *text, struct conf_pattern **ret_pattern,
                                           struct err *e);
void conf_pattern_free(struct conf_pattern *p); /* accepts NULL */

/* Is there a match anywhere in the text? */
bool conf_pattern_matches(const struct conf_pattern *p, const char *text);
