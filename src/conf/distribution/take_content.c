#include "base/cleanup.h"
#include "conf/distribution/take.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

enum err_code take_level(struct taking *t, const struct distribution_row *row,
                         const struct flat_entry *entry, struct err *e)
{
    static const char *const levels[] = {"error", "warn", "info", "debug"};

    if (strcmp(row->path, "loglevel") == 0 && *flat_value(t->flat, "log.level"))
        return ERR_OK;
    for (size_t i = 0; i < sizeof(levels) / sizeof(levels[0]); i++) {
        if (str_ieq(str_of(entry->value), str_of(levels[i])))
            return take_set(t, row->to, entry, NULL, str_of(levels[i]), e);
    }
    return take_refuse(t, entry, "is no level; allowed are 'error', 'warn', 'info' and 'debug'", e);
}

enum err_code take_formatter(struct taking *t, const struct distribution_row *row,
                             const struct flat_entry *entry, struct err *e)
{
    bool logstash = strcmp(entry->value, "logstash") == 0;

    if (logstash)
        take_warn(t, entry,
                  "records are JSON, with other names than Logstash's ('time', 'level', "
                  "'message')");
    return take_set(t, row->to, entry, NULL, logstash ? STR("json") : str_of(entry->value), e);
}

enum err_code take_field(struct taking *t, const struct distribution_row *row,
                         const struct flat_entry *entry, struct err *e)
{
    const char *name = take_rest(row, entry);
    AUTO(buf) struct buf text = {0};

    if (!entry->value)
        return ERR_OK;
    buf_init(&text, 1 << 16);
    for (; *name; name++) {
        if (*name != '\\') /* before a dot in the name */
            buf_add_char(&text, *name);
    }
    buf_addf(&text, "=%s", entry->value);
    return take_add(t, row->to, entry, NULL, buf_str(&text), e);
}

/* Of a list of maps: a map with `disabled` does nothing there either. Told once for each. */
enum err_code take_unless_disabled(struct taking *t, const struct distribution_row *row,
                                   const struct flat_entry *entry, struct err *e)
{
    const char *rest = take_rest(row, entry);
    char map[320], disabled[340];

    if (!*rest)
        return ERR_OK; /* an empty list */
    snprintf(map, sizeof(map), "%s.%.*s", row->path, (int)strcspn(rest, "."), rest);
    snprintf(disabled, sizeof(disabled), "%s.disabled", map);
    if (flat_first(t->flat, str_of(map)) != entry || take_is_true(flat_value(t->flat, disabled)))
        return ERR_OK;
    if (row->verdict == DISTRIBUTION_REFUSED)
        return take_refuse(t, entry, row->note, e);
    take_warn(t, entry, row->note);
    return ERR_OK;
}

enum err_code take_page(struct taking *t, const struct distribution_row *row,
                        const struct flat_entry *entry, struct err *e)
{
    const struct conf_row *to = conf_row_find(str_of(row->to));
    char text[32], warning[64];
    uint64_t n;

    if (str_starts(str_of(entry->value), STR("-")) || strcmp(entry->value, "0") == 0)
        return ERR_OK; /* the default, there and here */
    if (!str_to_u64_up_to(str_of(entry->value), to->max, &n))
        return take_refuse(t, entry, "is no number", e);
    snprintf(text, sizeof(text), "%" PRIu64, n);
    if (n == to->max && strcmp(text, entry->value) != 0) {
        snprintf(warning, sizeof(warning), "can't be so many here; it is %s", text);
        take_warn(t, entry, warning);
    }
    return take_set(t, row->to, entry, row->note, str_of(text), e);
}

enum err_code take_platforms(struct taking *t, const struct distribution_row *row,
                             const struct flat_entry *entry, struct err *e)
{
    if (str_ieq(str_of(entry->value), STR("none")))
        return take_set(t, row->to, entry, NULL, STR("true"), e);
    if (str_ieq(str_of(entry->value), STR("list"))) {
        take_warn(t, entry,
                  "the images of all platforms of an index must be there when it is pushed, not "
                  "only those of the list");
        return ERR_OK;
    }
    if (str_ieq(str_of(entry->value), STR("all")))
        return ERR_OK;
    return take_refuse(t, entry, "is none of 'all', 'none' and 'list'", e);
}

bool take_validates(const struct taking *t)
{
    return take_is_true(flat_value(t->flat, "validation.enabled")) ||
           !take_is_true(flat_value(t->flat, "validation.disabled"));
}

enum err_code take_url_pattern(struct taking *t, const struct distribution_row *row,
                               const struct flat_entry *entry, struct err *e)
{
    if (!take_validates(t))
        return ERR_OK;
    return take_list(t, row, entry, e);
}

/* Both classes together allow every manifest that there is. */
enum err_code take_class(struct taking *t, const struct distribution_row *row,
                         const struct flat_entry *entry, struct err *e)
{
    bool image = false, plugin = false;

    for (size_t i = 0; i < t->flat->n; i++) {
        const struct flat_entry *item = &t->flat->items[i];

        if (!item->value || !flat_below(item->path, str_of(row->path)))
            continue;
        image |= strcmp(item->value, "image") == 0;
        plugin |= strcmp(item->value, "plugin") == 0;
    }
    return image && plugin ? ERR_OK : take_refuse(t, entry, row->note, e);
}
