#include "conf/distribution/take.h"

#include "base/cleanup.h"
#include "conf/items.h"
#include "conf/value.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

/* The value of that row of ours is the one that stands at `from`. */
static void note(struct taking *t, const struct conf_row *row, const struct flat_entry *from,
                 const char *remark)
{
    struct conf_origin *o = &t->source->of[row - conf_rows];

    o->line = from->line;
    o->environment = from->variable != NULL;
    o->as = from->path;
    o->remark = remark;
}

static enum err_code settle(struct taking *t, const struct conf_row *row, enum err_code code,
                            struct err *e)
{
    return code == ERR_OK ? ERR_OK : conf_place(t->source, CONF_KEY(row), e);
}

enum err_code take_set(struct taking *t, const char *key, const struct flat_entry *from,
                       const char *remark, struct str text, struct err *e)
{
    const struct conf_row *row = conf_row_find(str_of(key));

    note(t, row, from, remark);
    return settle(t, row, conf_value_set(row, text, conf_field(t->source->conf, row), e), e);
}

/* The field of a list, which holds what was taken for it so far. */
static void *list_field(struct taking *t, const struct conf_row *row, const struct flat_entry *from,
                        const char *remark)
{
    void *field = conf_field(t->source->conf, row);

    if (!conf_given(t->source, row))
        conf_value_free(row, field);
    note(t, row, from, remark);
    return field;
}

enum err_code take_add(struct taking *t, const char *key, const struct flat_entry *from,
                       const char *remark, struct str text, struct err *e)
{
    const struct conf_row *row = conf_row_find(str_of(key));
    void *field = list_field(t, row, from, remark);
    enum err_code code = conf_value_add(row, text, field, e);

    return settle(t, row, code == ERR_OK ? conf_value_complete(row, field, e) : code, e);
}

enum err_code take_add_item(struct taking *t, const char *key, const struct flat_entry *from,
                            const char *remark, void **ret_item, struct err *e)
{
    const struct conf_row *row = conf_row_find(str_of(key));
    struct conf_items *list = conf_field(t->source->conf, row);

    note(t, row, from, remark);
    t->source->of[row - conf_rows].as = row->name; /* the item is in a place of its own */
    *ret_item = conf_items_add(row, list);
    if (*ret_item) {
        conf_note_item(t->source, (struct conf_key){row, list->n - 1, NULL}, from->line);
        return ERR_OK;
    }
    err_set(e, ERR_CONFIG, "at most %" PRIu64 " of these are taken", row->max);
    return conf_place(t->source, CONF_KEY(row), e);
}

/* "FILE:LINE: KEY" or "environment variable NAME". */
static void place_of(const struct taking *t, const struct flat_entry *entry, char *dst, size_t cap)
{
    if (entry->variable)
        snprintf(dst, cap, "environment variable %s", entry->variable);
    else
        snprintf(dst, cap, "%s:%u: %s", t->source->path, entry->line, entry->path);
}

void take_warn(struct taking *t, const struct flat_entry *entry, const char *text)
{
    char place[512], warning[1024];

    place_of(t, entry, place, sizeof(place));
    snprintf(warning, sizeof(warning), "%s: %s", place, text);
    conf_strings_add(&t->source->conf->warnings, str_of(warning));
}

enum err_code take_refuse(const struct taking *t, const struct flat_entry *entry, const char *text,
                          struct err *e)
{
    char place[512];

    place_of(t, entry, place, sizeof(place));
    return err_set(e, ERR_CONFIG, "%s: %s", place, text);
}

bool take_is_true(const char *value)
{
    static const char *const words[] = {"true", "yes", "on", "y"};

    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        if (str_ieq(str_of(value), str_of(words[i])))
            return true;
    }
    return false;
}

const char *take_rest(const struct distribution_row *row, const struct flat_entry *entry)
{
    size_t n = strlen(row->path);

    return entry->path[n] ? entry->path + n + 1 : "";
}

enum err_code take_text(struct taking *t, const struct distribution_row *row,
                        const struct flat_entry *entry, struct err *e)
{
    return take_set(t, row->to, entry, row->note, str_of(entry->value), e);
}

enum err_code take_list(struct taking *t, const struct distribution_row *row,
                        const struct flat_entry *entry, struct err *e)
{
    return take_add(t, row->to, entry, row->note, str_of(entry->value), e);
}

static bool is_switch(const char *value)
{
    static const char *const words[] = {"false", "no", "off", "n"};
    bool known = take_is_true(value);

    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
        known |= str_ieq(str_of(value), str_of(words[i]));
    return known;
}

static enum err_code take_as(struct taking *t, const struct distribution_row *row,
                             const struct flat_entry *entry, bool when_true, struct err *e)
{
    bool value = take_is_true(entry->value) == when_true;

    if (entry->quoted)
        return take_refuse(t, entry, "is a text; true and false have no quotes", e);
    if (!is_switch(entry->value))
        return take_refuse(t, entry, "is neither true nor false", e);
    return take_set(t, row->to, entry, row->note, value ? STR("true") : STR("false"), e);
}

enum err_code take_switch(struct taking *t, const struct distribution_row *row,
                          const struct flat_entry *entry, struct err *e)
{
    return take_as(t, row, entry, true, e);
}

enum err_code take_switch_not(struct taking *t, const struct distribution_row *row,
                              const struct flat_entry *entry, struct err *e)
{
    return take_as(t, row, entry, false, e);
}

static bool unit_of(const char **at, double *ret_ns)
{
    static const struct {
        const char *name;
        double ns;
    } units[] = {{"ns", 1},   {"us", 1e3}, {"\xc2\xb5s", 1e3}, {"\xce\xbcs", 1e3},
                 {"ms", 1e6}, {"s", 1e9},  {"m", 60e9},        {"h", 3600e9}};

    for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
        size_t n = strlen(units[i].name);

        if (strncmp(*at, units[i].name, n) != 0)
            continue;
        *at += n;
        *ret_ns = units[i].ns;
        return true;
    }
    return false;
}

bool take_duration_parse(const char *text, uint64_t *ret_ms)
{
    double ns = 0;
    const char *at = text;

    if (!*at || strspn(text, "0123456789") == strlen(text)) {
        ns = strtod(text, NULL);
        at = *text ? "" : "?";
    }
    while (*at) {
        size_t digits = strspn(at, "0123456789.");
        double number = strtod(at, NULL), unit;

        if (digits == 0 || digits > 18 || memchr(at, '.', digits) == at)
            return false;
        at += digits;
        if (!unit_of(&at, &unit))
            return false;
        ns += number * unit;
    }
    if (ns > 1e18)
        return false;
    *ret_ms = (uint64_t)ceil(ns / 1e6);
    return true;
}

/* Out of our range it is the nearest that we have. */
enum err_code take_duration(struct taking *t, const struct distribution_row *row,
                            const struct flat_entry *entry, struct err *e)
{
    const struct conf_row *to = conf_row_find(str_of(row->to));
    AUTO(buf) struct buf text = {0};
    char warning[128];
    uint64_t ms, near;

    if (!take_duration_parse(entry->value, &ms))
        return take_refuse(t, entry, "is no duration such as '1h30m' or '10s'", e);
    buf_init(&text, 64);
    near = ms < to->min ? to->min : ms > to->max ? to->max : ms;
    conf_value_print_number(to, near, &text);
    if (near != ms) {
        snprintf(warning, sizeof(warning), "can't be so %s here; it is %s",
                 ms > near ? "long" : "short", buf_text(&text));
        take_warn(t, entry, warning);
    }
    return take_set(t, row->to, entry, row->note, buf_str(&text), e);
}

/* Files have units where a bare number is no time, or would be nanoseconds. */
enum err_code take_time(struct taking *t, const struct distribution_row *row,
                        const struct flat_entry *entry, struct err *e)
{
    if (strspn(entry->value, "0123456789") == strlen(entry->value))
        return take_refuse(t, entry, "has no unit; write '168h' or '10s'", e);
    return take_duration(t, row, entry, e);
}
