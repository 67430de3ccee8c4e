#include "base/clock.h"

#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

static int64_t now_us(clockid_t id)
{
    struct timespec ts;

    clock_gettime(id, &ts);
    return (int64_t)ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
}

int64_t clock_mono_us(void)
{
    return now_us(CLOCK_MONOTONIC);
}

int64_t clock_mono_ms(void)
{
    return now_us(CLOCK_MONOTONIC) / 1000;
}

int64_t clock_boot_ms(void)
{
    return now_us(CLOCK_BOOTTIME) / 1000;
}

struct timespec clock_mono_in(int64_t ms)
{
    int64_t at_ms = clock_mono_ms() + ms;

    return (struct timespec){.tv_sec = at_ms / 1000, .tv_nsec = at_ms % 1000 * 1000000};
}

int64_t clock_stamp_us(void)
{
    static _Atomic int64_t last;
    int64_t was = atomic_load(&last), stamp;

    do {
        stamp = now_us(CLOCK_REALTIME);
        if (stamp <= was)
            stamp = was + 1;
    } while (!atomic_compare_exchange_weak(&last, &was, stamp));
    return stamp;
}

int64_t clock_wall_ms(void)
{
    return now_us(CLOCK_REALTIME) / 1000;
}

void clock_rfc3339(int64_t wall_ms, char dst[static CLOCK_RFC3339_SIZE])
{
    time_t s = (time_t)(wall_ms / 1000);
    struct tm tm;
    char text[64];

    gmtime_r(&s, &tm);
    snprintf(text, sizeof(text), "%04d-%02d-%02dT%02d:%02d:%02d.%03dZ", tm.tm_year + 1900,
             tm.tm_mon + 1, tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec, (int)(wall_ms % 1000));
    memcpy(dst, text, CLOCK_RFC3339_SIZE - 1);
    dst[CLOCK_RFC3339_SIZE - 1] = '\0';
}

/* Cuts a number of so many digits, with the character before it when there must be one. */
static bool take(struct str *s, char before, size_t digits, int max, int *ret)
{
    size_t skip = before ? 1 : 0;
    uint64_t n;

    if (!s->p || s->n < skip + digits || (before && s->p[0] != before) ||
        !str_to_u64(str_sub(*s, skip, digits), (uint64_t)max, &n))
        return false;
    *ret = (int)n;
    *s = str_sub(*s, skip + digits, s->n - skip - digits);
    return true;
}

/* ".123", of any length; what is finer than a millisecond is dropped. */
static bool take_fraction(struct str *s, int *ret_ms)
{
    int unit = 100;

    if (s->n == 0 || s->p[0] != '.')
        return true;
    *s = str_sub(*s, 1, s->n - 1);
    if (s->n == 0 || s->p[0] < '0' || s->p[0] > '9')
        return false;
    for (; s->n && s->p[0] >= '0' && s->p[0] <= '9'; *s = str_sub(*s, 1, s->n - 1)) {
        *ret_ms += (s->p[0] - '0') * unit;
        unit /= 10;
    }
    return true;
}

/* "Z", "+01:30", or nothing. */
static bool take_offset(struct str s, int *ret_minutes)
{
    int hours = 0, minutes = 0;
    char sign = s.n ? s.p[0] : '\0';

    if (s.n == 0 || str_ieq(s, STR("Z")))
        return true;
    if ((sign != '+' && sign != '-') || !take(&s, sign, 2, 23, &hours) ||
        !take(&s, ':', 2, 59, &minutes) || s.n)
        return false;
    *ret_minutes = (sign == '-' ? -1 : 1) * (hours * 60 + minutes);
    return true;
}

static bool take_time(struct str *s, struct tm *tm, int *ret_ms)
{
    if (s->p[0] != 'T' && s->p[0] != 't' && s->p[0] != ' ')
        return false;
    if (!take(s, s->p[0], 2, 23, &tm->tm_hour) || !take(s, ':', 2, 59, &tm->tm_min))
        return false;
    if (s->n && s->p[0] == ':' && !take(s, ':', 2, 59, &tm->tm_sec))
        return false;
    return take_fraction(s, ret_ms);
}

bool clock_parse(struct str text, int64_t *ret_wall_ms)
{
    struct tm tm = {0};
    int ms = 0, offset = 0, day;
    time_t s;

    if (!take(&text, '\0', 4, 9999, &tm.tm_year) || !take(&text, '-', 2, 12, &tm.tm_mon) ||
        !take(&text, '-', 2, 31, &tm.tm_mday) || (text.n && !take_time(&text, &tm, &ms)) ||
        !take_offset(text, &offset) || tm.tm_year < 1970 || tm.tm_mon < 1 || tm.tm_mday < 1)
        return false;
    tm.tm_year -= 1900;
    tm.tm_mon--;
    day = tm.tm_mday;
    s = timegm(&tm);
    if (tm.tm_mday != day) /* the month has no such day */
        return false;
    *ret_wall_ms = (int64_t)s * 1000 + ms - offset * (int64_t)60000;
    return true;
}

void clock_http(int64_t wall_ms, char dst[static CLOCK_HTTP_SIZE])
{
    static const char days[][4] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
    static const char months[][4] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                     "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    time_t s = (time_t)(wall_ms / 1000);
    struct tm tm;
    char text[96];

    gmtime_r(&s, &tm);
    snprintf(text, sizeof(text), "%s, %02d %s %04d %02d:%02d:%02d GMT", days[tm.tm_wday],
             tm.tm_mday, months[tm.tm_mon], tm.tm_year + 1900, tm.tm_hour, tm.tm_min, tm.tm_sec);
    memcpy(dst, text, CLOCK_HTTP_SIZE - 1);
    dst[CLOCK_HTTP_SIZE - 1] = '\0';
}
