#include "base/cron.h"

#include "base/cleanup.h"

#include <time.h>

#define MINUTE_MS  60000
#define NEVER_MS   (366ll * 24 * 3600 * 1000)
#define TEXT_MAX   200
#define HOURS_MOST (5 * 366 * 24) /* that are looked at */

static enum err_code wrong(struct str text, struct err *e)
{
    return err_set(
        e, ERR_CONFIG,
        "'%.*s' is no time that comes again; allowed are MINUTE HOUR DAY MONTH WEEKDAY, "
        "such as '30 3 * * 1-5', and behind them UTC, local, a distance such as +02:00 or a name "
        "such as Europe/Berlin",
        (int)(text.n < TEXT_MAX ? text.n : TEXT_MAX), text.p ? text.p : "");
}

static bool number(struct str s, unsigned low, unsigned high, unsigned *ret)
{
    uint64_t v;

    if (s.n == 0 || s.n > 2 || !str_to_u64(s, high, &v) || v < low)
        return false;
    *ret = (unsigned)v;
    return true;
}

/* "*", "5", "1-5", with "/STEP" behind. */
static bool one_part(struct str part, unsigned low, unsigned high, uint64_t *bits)
{
    struct str range, first;
    unsigned from = low, to = high, step = 1;
    bool stepped = memchr(part.p, '/', part.n) != NULL, single = false;

    if (stepped) {
        if (!str_cut(&part, '/', &range) || !number(part, 1, high, &step))
            return false;
    } else {
        range = part;
    }
    if (!str_eq(range, STR("*"))) {
        single = !memchr(range.p, '-', range.n);
        if (single)
            first = range;
        else if (!str_cut(&range, '-', &first) || !number(range, low, high, &to))
            return false;
        if (!number(first, low, high, &from))
            return false;
        if (single)
            to = stepped ? high : from;
    }
    for (unsigned i = from; i <= to; i += step)
        *bits |= 1ull << i;
    return from <= to;
}

static bool field(struct str text, unsigned low, unsigned high, uint64_t *ret_bits)
{
    struct str part;
    bool more = true;

    *ret_bits = 0;
    while (more) {
        more = memchr(text.p, ',', text.n) != NULL;
        if (more)
            str_cut(&text, ',', &part);
        else
            part = text;
        if (part.n == 0 || !one_part(part, low, high, ret_bits))
            return false;
    }
    return true;
}

static bool is_distance(struct str text, struct cron *c)
{
    unsigned hours, minutes;

    if (text.n != 6 || (text.p[0] != '+' && text.p[0] != '-') || text.p[3] != ':' ||
        !number(str_sub(text, 1, 2), 0, 14, &hours) ||
        !number(str_sub(text, 4, 2), 0, 59, &minutes))
        return false;
    c->east_min = (int32_t)(hours * 60 + minutes) * (text.p[0] == '-' ? -1 : 1);
    return true;
}

/* A name is one of the system's, which may not have it. */
static enum err_code take_zone(struct str all, struct str text, struct cron *c, struct err *e)
{
    AUTO(zone) struct zone *unused = NULL;

    c->local = str_eq(text, STR("local"));
    if (text.n == 0 || str_eq(text, STR("UTC")) || c->local || is_distance(text, c))
        return ERR_OK;
    if (!zone_name_valid(text))
        return wrong(all, e);
    (void)!str_copy(text, c->name, sizeof(c->name));
    return zone_load(c->name, &unused, e);
}

/* The next word, cut off; empty at the end. */
static struct str word(struct str *text)
{
    size_t n = 0;
    struct str w;

    while (text->n > 0 && text->p[0] == ' ')
        *text = str_sub(*text, 1, text->n - 1);
    while (n < text->n && text->p[n] != ' ')
        n++;
    w = str_sub(*text, 0, n);
    *text = str_sub(*text, n, text->n - n);
    return w;
}

enum err_code cron_parse(struct str text, struct cron *ret_cron, struct err *e)
{
    static const struct {
        unsigned low, high;
    } bounds[] = {{0, 59}, {0, 23}, {1, 31}, {1, 12}, {0, 7}};
    struct cron c = {.minutes = 0};
    struct str rest = text, words[5], zone;
    uint64_t bits[5];

    if (text.n == 0 || text.n > TEXT_MAX)
        return wrong(text, e);
    for (size_t i = 0; i < 5; i++) {
        words[i] = word(&rest);
        if (words[i].n == 0 || !field(words[i], bounds[i].low, bounds[i].high, &bits[i]))
            return wrong(text, e);
    }
    zone = word(&rest);
    if (word(&rest).n > 0)
        return wrong(text, e);
    TRY(take_zone(text, zone, &c, e));
    c.minutes = bits[0];
    c.hours = (uint32_t)bits[1];
    c.days = (uint32_t)bits[2];
    c.months = (uint32_t)bits[3];
    c.weekdays = (uint32_t)(bits[4] | bits[4] >> 7);
    c.any_day = words[2].p[0] == '*';
    c.any_weekday = words[4].p[0] == '*';
    *ret_cron = c;
    return ERR_OK;
}

static void break_down(const struct cron *c, const struct zone *z, int64_t ms, struct tm *ret)
{
    time_t t = (time_t)(ms / 1000);

    if (c->local) {
        localtime_r(&t, ret);
        return;
    }
    t += z ? (time_t)zone_offset_s(z, t) : c->east_min * 60;
    gmtime_r(&t, ret);
}

static bool day_matches(const struct cron *c, const struct tm *tm)
{
    bool day = c->days >> tm->tm_mday & 1, weekday = c->weekdays >> tm->tm_wday & 1;

    if (!(c->months >> (tm->tm_mon + 1) & 1))
        return false;
    return c->any_day || c->any_weekday ? day && weekday : day || weekday;
}

int64_t cron_next(const struct cron *c, int64_t after_ms)
{
    int64_t at_ms = after_ms - after_ms % MINUTE_MS + MINUTE_MS;
    AUTO(zone) struct zone *z = NULL;
    struct tm tm = {.tm_sec = 0};

    if (c->name[0] && zone_load(c->name, &z, ERR_IGNORED) != ERR_OK)
        return 0;
    for (int i = 0; i < HOURS_MOST;) {
        break_down(c, z, at_ms, &tm);
        if (day_matches(c, &tm) && c->hours >> tm.tm_hour & 1) {
            if (c->minutes >> tm.tm_min & 1)
                return at_ms;
            at_ms += MINUTE_MS;
            i += tm.tm_min == 59;
            continue;
        }
        at_ms += (60 - tm.tm_min) * MINUTE_MS;
        i++;
    }
    return 0;
}

int64_t cron_wait_ms(struct str text, int64_t now_ms)
{
    int64_t next_ms = 0;
    struct cron c;

    if (cron_parse(text, &c, ERR_IGNORED) == ERR_OK)
        next_ms = cron_next(&c, now_ms);
    return next_ms > 0 ? next_ms - now_ms : NEVER_MS;
}
