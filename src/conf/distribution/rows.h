/*
 * The keys of the reference registry's configuration (distribution 3.1 and 2.8: "Configuring a
 * registry"), one row each: what becomes of it here. What is documented of them, and how a file is
 * read and converted, comes from this table.
 */
#pragma once

#include "conf/distribution/key.h"

extern const struct distribution_row distribution_rows[];
extern const size_t distribution_rows_n;

/* The row for what stands at that path, but for OTHER ones; NULL: there is none. */
const struct distribution_row *distribution_row_find(const char *path);

/* The row of OTHER kinds of a section that has known kinds only; NULL: it has not, or the path is
 * of a known kind. */
const struct distribution_row *distribution_row_other(const char *path);

/* Is the path one of a key there, or of a section? */
bool distribution_row_known(const char *path);

/* Does it lie below a key that has a value, or a list of values, and no keys? */
bool distribution_row_below_value(const char *path);
