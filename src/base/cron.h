/*
 * Times that come again, as cron has them: "MINUTE HOUR DAY MONTH WEEKDAY [ZONE]", where each of
 * the five is "*", a number, a range "1-5", either of these with a step ("0-59/10"), or several
 * separated by commas; Sunday is 0 and 7. When both days are restricted, one of them is enough.
 * ZONE is UTC (also when there is none), "local" (that of the machine, or of TZ), a distance from
 * UTC such as "+02:00", or a name that the system knows, such as "Europe/Berlin" (zone.h). Where
 * clocks are put forward, a time that is left out is left out; where they are put back, one that
 * comes twice does so here too.
 */
#pragma once

#include "base/err.h"
#include "base/str.h"
#include "base/zone.h"

struct cron {
    uint64_t minutes;                       /* a bit each */
    uint32_t hours, days, months, weekdays; /* likewise */
    bool any_day, any_weekday;
    bool local;                   /* the zone of the machine; else */
    char name[ZONE_NAME_MAX + 1]; /* the zone of that name, unless it is ""; else */
    int32_t east_min;             /* so far from UTC */
};

/* Error: CONFIG: what is wrong and what is allowed. */
ERR_CHECKED enum err_code cron_parse(struct str text, struct cron *ret_cron, struct err *e);

/* The first of these times after that one; 0: there is none within five years, as of 30 February,
 * or its zone is not here any more. */
int64_t cron_next(const struct cron *c, int64_t after_ms);

/* How long until the first of them, from now on; a year when there is none, or the text is no such
 * thing. For jobs that go by a key of the configuration, which is checked. */
int64_t cron_wait_ms(struct str text, int64_t now_ms);
