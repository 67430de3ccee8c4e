#include "base/zone_rule.h"

#include <time.h>

#define DAY_S  86400
#define HOUR_S 3600

/* ---- reading */

static bool take_char(struct str *s, char c)
{
    if (s->n == 0 || s->p[0] != c)
        return false;
    *s = str_sub(*s, 1, s->n - 1);
    return true;
}

static bool take_number(struct str *s, unsigned most, unsigned *ret)
{
    unsigned v = 0;
    size_t n = 0;

    for (; n < s->n && n < 3 && s->p[n] >= '0' && s->p[n] <= '9'; n++)
        v = v * 10 + (unsigned)(s->p[n] - '0');
    *s = str_sub(*s, n, s->n - n);
    *ret = v;
    return n > 0 && v <= most;
}

/* [+-]HH[:MM[:SS]] */
static bool take_time(struct str *s, int32_t *ret_s)
{
    bool negative = take_char(s, '-');
    unsigned hours, minutes = 0, seconds = 0;

    if (!negative)
        (void)take_char(s, '+');
    if (!take_number(s, 167, &hours))
        return false;
    if (take_char(s, ':') && !take_number(s, 59, &minutes))
        return false;
    if (take_char(s, ':') && !take_number(s, 59, &seconds))
        return false;
    *ret_s = (int32_t)(hours * HOUR_S + minutes * 60 + seconds) * (negative ? -1 : 1);
    return true;
}

/* "CET", "<+03>" */
static bool skip_name(struct str *s)
{
    size_t n = 0;

    if (take_char(s, '<')) {
        while (n < s->n && s->p[n] != '>')
            n++;
        *s = str_sub(*s, n, s->n - n);
        return take_char(s, '>');
    }
    while (n < s->n && str_lower(s->p[n]) >= 'a' && str_lower(s->p[n]) <= 'z')
        n++;
    *s = str_sub(*s, n, s->n - n);
    return n >= 3;
}

/* "M3.5.0/3", "J60", "59" */
static bool take_change(struct str *s, struct zone_change *c)
{
    *c = (struct zone_change){.kind = ZONE_DAY_FROM_0, .at_s = 2 * HOUR_S};
    if (take_char(s, 'M')) {
        c->kind = ZONE_WEEKDAY;
        if (!take_number(s, 12, &c->month) || c->month == 0 || !take_char(s, '.') ||
            !take_number(s, 5, &c->week) || c->week == 0 || !take_char(s, '.') ||
            !take_number(s, 6, &c->day))
            return false;
    } else {
        if (take_char(s, 'J'))
            c->kind = ZONE_DAY_FROM_1;
        if (!take_number(s, 365, &c->day) || (c->kind == ZONE_DAY_FROM_1 && c->day == 0))
            return false;
    }
    return !take_char(s, '/') || take_time(s, &c->at_s);
}

bool zone_rule_parse(struct str text, struct zone_rule *ret_rule)
{
    struct zone_rule r = {.has_summer = false};
    int32_t west_s;

    if (!skip_name(&text) || !take_time(&text, &west_s))
        return false;
    r.standard_s = -west_s;
    r.has_summer = text.n > 0;
    if (r.has_summer) {
        if (!skip_name(&text))
            return false;
        r.summer_s = r.standard_s + HOUR_S;
        if (text.n > 0 && text.p[0] != ',') {
            if (!take_time(&text, &west_s))
                return false;
            r.summer_s = -west_s;
        }
        if (!take_char(&text, ',') || !take_change(&text, &r.begins) || !take_char(&text, ',') ||
            !take_change(&text, &r.ends))
            return false;
    }
    *ret_rule = r;
    return text.n == 0;
}

/* ---- going by it */

static bool is_leap(int year)
{
    return (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
}

/* The first day of a month, in days since 1970; and its weekday. */
static int64_t first_of_month(int year, unsigned month, int *ret_weekday)
{
    struct tm tm = {.tm_year = year - 1900, .tm_mon = (int)month - 1, .tm_mday = 1};
    int64_t days = timegm(&tm) / DAY_S;

    *ret_weekday = tm.tm_wday;
    return days;
}

static unsigned days_of_month(int year, unsigned month)
{
    static const unsigned days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};

    return days[month - 1] + (month == 2 && is_leap(year));
}

/* In days since 1970. */
static int64_t day_of(const struct zone_change *c, int year)
{
    int weekday;
    int64_t first = first_of_month(year, c->kind == ZONE_WEEKDAY ? c->month : 1, &weekday);
    unsigned day;

    if (c->kind == ZONE_DAY_FROM_0)
        return first + c->day;
    if (c->kind == ZONE_DAY_FROM_1) /* 29 February is not counted */
        return first + c->day - 1 + (is_leap(year) && c->day >= 60);
    day = (c->day + 7 - (unsigned)weekday) % 7 + 7 * (c->week - 1);
    while (day >= days_of_month(year, c->month))
        day -= 7;
    return first + day;
}

int64_t zone_rule_offset_s(const struct zone_rule *r, int64_t time_s)
{
    time_t local = (time_t)(time_s + r->standard_s);
    int64_t begin_s, end_s;
    struct tm tm;
    bool summer;

    if (!r->has_summer || !gmtime_r(&local, &tm))
        return r->standard_s;
    begin_s = day_of(&r->begins, tm.tm_year + 1900) * DAY_S + r->begins.at_s - r->standard_s;
    end_s = day_of(&r->ends, tm.tm_year + 1900) * DAY_S + r->ends.at_s - r->summer_s;
    summer =
        begin_s < end_s ? time_s >= begin_s && time_s < end_s : time_s >= begin_s || time_s < end_s;
    return summer ? r->summer_s : r->standard_s;
}
