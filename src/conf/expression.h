/*
 * Regular expressions of the configuration: POSIX, extended (POSIX.1, "Regular Expressions", 9.4).
 * What other dialects write otherwise, such as \d or (?i), is refused, for here it would be taken
 * for something else. A pattern is safe for any number of threads.
 */
#pragma once

#include "base/err.h"

struct conf_expression;

/* Error: CONFIG. */
ERR_CHECKED enum err_code conf_expression_new(const char *text,
                                              struct conf_expression **ret_pattern, struct err *e);
void conf_expression_free(struct conf_expression *p); /* accepts NULL */

/* Is there a match anywhere in the text? */
bool conf_expression_matches(const struct conf_expression *p, const char *text);
