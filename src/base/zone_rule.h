/* How the clocks of a zone are set from its last recorded change on: the text behind a file of RFC
 * 9636, in the form of POSIX (TZ): "CET-1CEST,M3.5.0,M10.5.0/3". Pure functions. */
#pragma once

#include "base/str.h"

struct zone_change {
    enum { ZONE_WEEKDAY, ZONE_DAY_FROM_1, ZONE_DAY_FROM_0 } kind;
    unsigned month, week, day; /* of the first kind; day alone of the others */
    int32_t at_s;              /* since midnight of the clocks before */
};

struct zone_rule {
    int32_t standard_s, summer_s; /* from UTC to the clocks */
    bool has_summer;
    struct zone_change begins, ends; /* of summer time */
};

bool zone_rule_parse(struct str text, struct zone_rule *ret_rule);

/* From UTC to the clocks, in seconds, at that time (seconds since 1970). */
int64_t zone_rule_offset_s(const struct zone_rule *r, int64_t time_s);
