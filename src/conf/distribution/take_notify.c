/* Endpoints of notifications: webhooks that have the envelope of the reference registry. */
#include "base/cleanup.h"
#include "conf/distribution/take.h"
#include "conf/items.h"
#include "conf/url.h"
#include "conf/value.h"

#include <stdio.h>
#include <strings.h>

#define PLACE_MAX (FLAT_PATH_MAX + 64)
#define HIDDEN    "values of headers and paths of URLs are not shown: write them here"

struct endpoint {
    struct taking *t;
    const struct flat_entry *from;
    char place[PLACE_MAX]; /* "notifications.endpoints.0" */
    struct conf_webhook *webhook;
    size_t i; /* of it */
};

static const struct flat_entry *member(const struct endpoint *p, const char *name)
{
    char path[PLACE_MAX + 64];

    snprintf(path, sizeof(path), "%s.%s", p->place, name);
    return flat_first(p->t->flat, str_of(path));
}

static const char *value(const struct endpoint *p, const char *name)
{
    const struct flat_entry *entry = member(p, name);

    return entry && entry->value ? entry->value : "";
}

static enum err_code set(const struct endpoint *p, const char *name, void *field, struct str text,
                         struct err *e)
{
    const struct conf_row *sub = conf_item_find(&conf_item_webhook, str_of(name));
    struct conf_key key = {conf_row_find(STR("webhooks")), p->i, sub, {false, 0, NULL}};

    return conf_value_set(sub, text, field, e) == ERR_OK ? ERR_OK
                                                         : conf_place(p->t->source, key, e);
}

/* Ours are parts of paths. */
static enum err_code set_name(const struct endpoint *p, struct err *e)
{
    char name[65];

    snprintf(name, sizeof(name), "%s", value(p, "name"));
    for (char *c = name; *c; c++) {
        if (!str_is_alphanumeric(*c) && !strchr("-_", *c) && (*c != '.' || c == name))
            *c = '-';
    }
    return set(p, "name", &p->webhook->name, str_of(name[0] ? name : "endpoint"), e);
}

static enum err_code set_timeout(const struct endpoint *p, struct err *e)
{
    const struct flat_entry *entry = member(p, "timeout");
    const struct conf_row *sub = conf_item_find(&conf_item_webhook, STR("timeout"));
    uint64_t ms;

    if (!entry || !entry->value)
        return ERR_OK;
    if (!take_duration_parse(entry->value, &ms))
        return take_refuse(p->t, entry, "is no duration such as '1h30m' or '10s'", e);
    p->webhook->timeout_ms = ms < sub->min ? sub->min : ms > sub->max ? sub->max : ms;
    return ERR_OK;
}

static bool ignores(const struct endpoint *p, const char *action)
{
    char place[PLACE_MAX + 64];

    snprintf(place, sizeof(place), "%s.ignore.actions", p->place);
    for (size_t i = 0; i < p->t->flat->n; i++) {
        const struct flat_entry *entry = &p->t->flat->items[i];

        if (flat_below(entry->path, str_of(place)) && entry->value &&
            strcasecmp(entry->value, action) == 0)
            return true;
    }
    return false;
}

static const char *const actions[] = {"push", "pull", "delete"};

#define ACTIONS (sizeof(actions) / sizeof(actions[0]))

static bool is_off(const struct endpoint *p)
{
    size_t n = 0;

    for (size_t i = 0; i < ACTIONS; i++)
        n += ignores(p, actions[i]);
    return n == ACTIONS || take_is_true(value(p, "disabled"));
}

static enum err_code set_events(const struct endpoint *p, struct err *e)
{
    for (size_t i = 0; i < ACTIONS; i++) {
        if (!ignores(p, actions[i]))
            conf_strings_add(&p->webhook->filter.events, str_of(actions[i]));
    }
    if (ignores(p, "pull"))
        return ERR_OK;
    return take_set(p->t, "events.pulls", p->from, "endpoints are told of pulls", STR("true"), e);
}

/* "headers.Authorization.0". */
static enum err_code add_header(const struct endpoint *p, const struct flat_entry *entry,
                                struct str name, struct err *e)
{
    const struct conf_row *row = conf_item_find(&conf_item_webhook, STR("headers"));
    struct conf_header *h = conf_items_add(row, (struct conf_items *)&p->webhook->headers);

    if (!h)
        return take_refuse(p->t, entry, "is one header too many", e);
    TRY(conf_value_set(&row->item->rows[0], name, &h->name, e));
    return conf_value_set(&row->item->rows[1], str_of(entry->value), &h->value, e);
}

static enum err_code set_headers(const struct endpoint *p, struct err *e)
{
    char place[PLACE_MAX + 64];

    snprintf(place, sizeof(place), "%s.headers", p->place);
    for (size_t i = 0; i < p->t->flat->n; i++) {
        const struct flat_entry *entry = &p->t->flat->items[i];
        struct str rest, name;

        if (!flat_below(entry->path, str_of(place)) || !entry->value)
            continue;
        rest = str_of(entry->path + strlen(place) + (entry->path[strlen(place)] == '.'));
        if (!str_cut(&rest, '.', &name) || name.n == 0)
            return take_refuse(p->t, entry, "is no list of values of a header", e);
        if (add_header(p, entry, name, e) != ERR_OK)
            return take_refuse(p->t, entry, "is too long for a header", e);
    }
    return ERR_OK;
}

/* Blobs, which most files leave out by their type, are no events here. */
static void warn_of_types(const struct endpoint *p)
{
    static const char *const lists[] = {"ignoredmediatypes", "ignore.mediatypes"};

    for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++) {
        const struct flat_entry *entry = member(p, lists[i]);

        if (entry && entry->value && strcmp(entry->value, "application/octet-stream") != 0)
            take_warn(p->t, entry, "events of all media types are sent");
    }
}

static bool hides(const struct endpoint *p)
{
    struct conf_url url;

    return member(p, "headers") ||
           (conf_url_parse(str_of(value(p, "url")), &url) && url.path.n > 1);
}

/* Once for each endpoint, at its first key. */
enum err_code take_notified(struct taking *t, const struct distribution_row *row,
                            const struct flat_entry *entry, struct err *e)
{
    const char *rest = take_rest(row, entry);
    struct endpoint p = {.t = t, .from = entry};
    void *item;

    if (!*rest)
        return ERR_OK; /* an empty list */
    snprintf(p.place, sizeof(p.place), "%s.%.*s", row->path, (int)strcspn(rest, "."), rest);
    if (flat_first(t->flat, str_of(p.place)) != entry || is_off(&p))
        return ERR_OK;
    TRY(take_add_item(t, row->to, entry, hides(&p) ? HIDDEN : NULL, &item, e));
    p.webhook = item;
    p.i = t->source->conf->webhooks.n - 1;
    p.webhook->format = CONF_WEBHOOK_DISTRIBUTION;
    p.webhook->allow_private = true; /* as there */
    TRY(set_name(&p, e));
    TRY(set(&p, "url", &p.webhook->url, str_of(value(&p, "url")), e));
    TRY(set_timeout(&p, e));
    TRY(set_events(&p, e));
    warn_of_types(&p);
    return set_headers(&p, e);
}
