/*
 * What no row of the table can tell alone: keys that need or exclude one another, and texts that
 * mean something. One file for each concern, check_*.c; this one has the order of them, and the
 * keys of the server itself.
 */
#pragma once

#include "conf/source.h"

/* Settles what follows from other keys, then looks for what no row alone can tell. */
ERR_CHECKED enum err_code conf_check(const struct conf_source *s, struct err *e);
