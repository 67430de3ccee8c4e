#include "conf/check_notify.h"

#include "base/cleanup.h"
#include "conf/check_key.h"
#include "conf/check_policy.h"
#include "conf/event_names.h"
#include "conf/url.h"

#include <strings.h>

#define ADDRESS_MAX 254 /* RFC 5321, section 4.5.3.1.3, without the brackets */

bool conf_mail_address(struct str s)
{
    struct str local;

    return s.n <= ADDRESS_MAX && str_cut(&s, '@', &local) &&
           conf_all_of(local, "!#$%&'*+-/=?^_`{|}~.") && conf_all_of(s, "-.:[]");
}

static enum err_code check_address(const struct conf_source *s, struct conf_key key,
                                   const char *text, struct err *e)
{
    if (conf_mail_address(str_of(text)))
        return ERR_OK;
    err_set(e, ERR_CONFIG, "'%.100s' is no address of mail; allowed is one such as 'a@example.org'",
            text);
    return conf_place(s, key, e);
}

/* It is part of keys of records, and of paths of the API. */
static enum err_code check_name(const struct conf_source *s, struct conf_key key, const char *name,
                                struct err *e)
{
    if (conf_all_of(str_of(name), "-._") && name[0] != '.')
        return ERR_OK;
    err_set(e, ERR_CONFIG,
            "'%.64s' is no name; allowed are letters, digits and -._ (no dot at its start)", name);
    return conf_place(s, key, e);
}

static enum err_code refuse_second(const struct conf_source *s, struct conf_key key,
                                   const char *name, struct err *e)
{
    err_set(e, ERR_CONFIG, "there is another '%.64s'; each needs a name of its own", name);
    return conf_place(s, key, e);
}

static enum err_code check_event(const struct conf_source *s, struct conf_key key, const char *name,
                                 struct err *e)
{
    AUTO(buf) struct buf names = {0};

    if (conf_event_known(name))
        return ERR_OK;
    buf_init(&names, 1024);
    conf_event_list(&names);
    err_set(e, ERR_CONFIG, "'%.64s' is no event; there are %s", name, buf_text(&names));
    return conf_place(s, key, e);
}

static enum err_code check_filter(const struct conf_source *s, const char *list, size_t i,
                                  const struct conf_event_filter *f, struct err *e)
{
    for (size_t k = 0; k < f->events.n; k++)
        TRY(check_event(s, conf_item_key_named(list, i, "events"), f->events.items[k], e));
    return conf_check_patterns(s, conf_item_key_named(list, i, "repositories"), &f->repositories,
                               true, e);
}

/* ---- webhooks */

static enum err_code check_url(const struct conf_source *s, size_t i, const char *text,
                               struct err *e)
{
    struct conf_url url;

    if (conf_url_parse(str_of(text), &url) &&
        (str_eq(url.scheme, STR("https")) || str_eq(url.scheme, STR("http"))))
        return ERR_OK;
    err_set(e, ERR_CONFIG,
            "'%.200s' is no URL; allowed is 'https://HOST[:PORT][/PATH]', or http, without a user",
            text);
    return conf_place(s, conf_item_key_named("webhooks", i, "url"), e);
}

/* Headers of the message, and those that say what is sent. */
static bool is_ours(const char *name)
{
    static const char *const names[] = {"Host",
                                        "Content-Length",
                                        "Content-Type",
                                        "Transfer-Encoding",
                                        "Connection",
                                        "Expect",
                                        "Upgrade",
                                        "Webhook-Id",
                                        "Trailer",
                                        "TE",
                                        "Webhook-Timestamp",
                                        "Webhook-Signature"};

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (strcasecmp(name, names[i]) == 0)
            return true;
    }
    return strncasecmp(name, "ce-", 3) == 0;
}

static enum err_code check_header(const struct conf_source *s, size_t i, size_t k, struct err *e)
{
    const struct conf_header *h = &s->conf->webhooks.items[i].headers.items[k];

    if (!conf_all_of(str_of(h->name), "-_") || is_ours(h->name)) {
        err_set(e, ERR_CONFIG, "'%.64s' is no header, or one that the sender sets itself", h->name);
        return conf_place(s, conf_inner_key_named("webhooks", i, "headers", k, "name"), e);
    }
    for (const char *p = h->value; *p; p++) {
        if ((unsigned char)*p >= ' ' && *p != 127)
            continue;
        err_set(e, ERR_CONFIG, "it has a control character, which no header may have");
        return conf_place(s, conf_inner_key_named("webhooks", i, "headers", k, "value"), e);
    }
    return ERR_OK;
}

static enum err_code check_headers(const struct conf_source *s, size_t i, struct err *e)
{
    const struct conf_headers *list = &s->conf->webhooks.items[i].headers;
    size_t bytes = 0;

    for (size_t k = 0; k < list->n; k++) {
        TRY(check_header(s, i, k, e));
        bytes += strlen(list->items[k].name) + strlen(list->items[k].value) + strlen(": \r\n");
    }
    if (bytes <= CONF_WEBHOOK_HEADERS)
        return ERR_OK;
    err_set(e, ERR_CONFIG, "they are %zu bytes; allowed are %u together", bytes,
            CONF_WEBHOOK_HEADERS);
    return conf_place(s, conf_item_key_named("webhooks", i, "headers"), e);
}

static enum err_code check_webhook(const struct conf_source *s, size_t i, struct err *e)
{
    const struct conf_webhooks *list = &s->conf->webhooks;
    const struct conf_webhook *w = &list->items[i];
    struct conf_key name = conf_item_key_named("webhooks", i, "name");

    TRY(check_name(s, name, w->name, e));
    for (size_t k = 0; k < i; k++) {
        if (strcmp(list->items[k].name, w->name) == 0)
            return refuse_second(s, name, w->name, e);
    }
    TRY(check_url(s, i, w->url, e));
    TRY(check_headers(s, i, e));
    return check_filter(s, "webhooks", i, &w->filter, e);
}

/* ---- mail */

static enum err_code check_server(const struct conf_source *s, struct err *e)
{
    const struct conf_mail *m = &s->conf->mail;
    struct conf_url url;
    bool tls;

    if (!conf_url_parse(str_of(m->server), &url) || url.path.n > 0 ||
        !(str_eq(url.scheme, STR("smtps")) || str_eq(url.scheme, STR("smtp")))) {
        err_set(e, ERR_CONFIG,
                "'%.200s' is no server of mail; allowed is 'smtps://HOST[:PORT]', or smtp",
                m->server);
        return conf_place_named(s, "mail.server", e);
    }
    tls = str_eq(url.scheme, STR("smtps")) || m->starttls == CONF_STARTTLS_REQUIRED;
    if (m->username[0] && !tls) {
        err_set(e, ERR_CONFIG,
                "the password could be read on its way; use 'smtps://', or 'required' as "
                "mail.starttls");
        return conf_place_named(s, "mail.username", e);
    }
    return check_address(s, conf_key_named("mail.from"), m->from, e);
}

static enum err_code check_rule(const struct conf_source *s, size_t i, struct err *e)
{
    const struct conf_mail_rules *list = &s->conf->mail.rules;
    const struct conf_mail_rule *r = &list->items[i];
    struct conf_key name = conf_item_key_named("mail.rules", i, "name");
    struct conf_key to = conf_item_key_named("mail.rules", i, "to");

    TRY(check_name(s, name, r->name, e));
    for (size_t k = 0; k < i; k++) {
        if (strcmp(list->items[k].name, r->name) == 0)
            return refuse_second(s, name, r->name, e);
    }
    if (r->to.n == 0 && !r->uploader) {
        err_set(e, ERR_CONFIG, "nobody gets it; it needs 'to' or 'uploader'");
        return conf_place(s, to, e);
    }
    for (size_t k = 0; k < r->to.n; k++)
        TRY(check_address(s, to, r->to.items[k], e));
    return check_filter(s, "mail.rules", i, &r->filter, e);
}

enum err_code conf_check_notify(const struct conf_source *s, struct err *e)
{
    const struct conf *c = s->conf;

    for (size_t i = 0; i < c->webhooks.n; i++)
        TRY(check_webhook(s, i, e));
    if (c->mail.server[0])
        TRY(check_server(s, e));
    for (size_t i = 0; i < c->mail.rules.n; i++)
        TRY(check_rule(s, i, e));
    if (c->mail.rules.n == 0 || c->mail.server[0])
        return ERR_OK;
    err_set(e, ERR_CONFIG, "there is no mail.server to send them by");
    return conf_place_named(s, "mail.rules", e);
}
