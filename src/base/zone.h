/*
 * Time zones by their names, as the system's database has them ("Europe/Berlin"): files of RFC 9636
 * below /usr/share/zoneinfo, or TZDIR. Read here, for localtime() knows one zone for the whole
 * process, and changing that while other threads run is not safe.
 */
#pragma once

#include "base/err.h"
#include "base/str.h"

#include <stddef.h>
#include <stdint.h>

#define ZONE_NAME_MAX 63

struct zone;

/* Could it be the name of a zone? One that is no path out of the database. */
bool zone_name_valid(struct str name);

/* The caller's, for zone_free(). Error: CONFIG: there is no such zone here, or its file is wrong.
 */
ERR_CHECKED enum err_code zone_load(const char *name, struct zone **ret_zone, struct err *e);
void zone_free(struct zone *z); /* accepts NULL */

/* From UTC to its clocks, in seconds, at that time (seconds since 1970). Any thread. */
int64_t zone_offset_s(const struct zone *z, int64_t time_s);

static inline void auto_zone_(struct zone **z)
{
    zone_free(*z);
}
