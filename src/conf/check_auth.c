#include "conf/check_auth.h"

#include "conf/check_key.h"

void conf_settle_auth(const struct conf_source *s)
{
    const struct conf_row *mode = conf_row_find(STR("auth.mode"));
    bool on = s->of[mode - conf_rows].section;

    if (conf_given(s, mode))
        return;
    for (size_t i = 0; i < conf_rows_n; i++)
        on |= str_starts(str_of(conf_rows[i].name), STR("auth.")) && conf_given(s, &conf_rows[i]);
    s->conf->auth.mode = on ? CONF_AUTH_ON : CONF_AUTH_LOOPBACK;
}

struct provider {
    const char *name; /* in auth.order; NULL: has no place in it */
    const char *key;  /* that turns it on */
    bool on;
    bool always; /* `local` and our tokens: authentication alone turns them on */
};

#define PROVIDERS 8

static void find_providers(const struct conf_auth *a, struct provider p[static PROVIDERS])
{
    const struct provider all[PROVIDERS] = {
        {"htpasswd", "auth.htpasswd.file", .on = a->htpasswd_file[0]},
        {"local", "auth.mode", .on = conf_auth_on(a), .always = true},
        {"token", "auth.token.enabled", .on = conf_token_own(a) || conf_token_foreign(&a->token),
         .always = !conf_token_foreign(&a->token)},
        {"external", "auth.external", .on = a->external.n > 0},
        {"ldap", "auth.ldap.url", .on = a->ldap.urls.n > 0},
        {"certificate", "auth.certificate.enabled", .on = a->certificate.enabled},
        {"aws", "auth.aws.audience", .on = a->aws.audience[0]},
        {NULL, "auth.oidc.issuer", .on = a->oidc.issuer[0]},
    };

    memcpy(p, all, sizeof(all));
}

/* Whoever configured a way to sign in and also that nobody needs to must mean one of them. */
static enum err_code check_mode(const struct conf_source *s, struct err *e)
{
    const struct conf_auth *a = &s->conf->auth;
    struct provider p[PROVIDERS];

    find_providers(a, p);
    for (size_t i = 0; i < PROVIDERS && a->mode != CONF_AUTH_ON; i++) {
        if (!p[i].on || p[i].always)
            continue;
        err_set(e, ERR_CONFIG,
                "is not asked, because auth is '%s'; leave out that, or write 'mode: on' below "
                "auth, or leave out this key",
                conf_mode_name(a));
        return conf_place_named(s, p[i].key, e);
    }
    return ERR_OK;
}

static enum err_code check_order(const struct conf_source *s, struct err *e)
{
    const struct conf_strings *order = &s->conf->auth.order;
    struct provider p[PROVIDERS];

    find_providers(&s->conf->auth, p);
    for (size_t i = 0; i < order->n; i++) {
        const struct conf_strings before = {order->items, i};

        if (conf_strings_have(&before, str_of(order->items[i]))) {
            err_set(e, ERR_CONFIG, "'%s' stands here twice", order->items[i]);
            return conf_place_named(s, "auth.order", e);
        }
    }
    for (size_t i = 0; order->n && i < PROVIDERS && p[i].name; i++) {
        bool named = conf_strings_have(order, str_of(p[i].name));

        if (named && !p[i].on)
            err_set(e, ERR_CONFIG, "'%s' is not configured: set %s, or leave it out", p[i].name,
                    p[i].key);
        else if (!named && p[i].on && strcmp(p[i].name, "local") != 0)
            err_set(e, ERR_CONFIG, "'%s' is missing here; add it, or turn it off by %s", p[i].name,
                    p[i].key);
        else
            continue;
        return conf_place_named(s, "auth.order", e);
    }
    return ERR_OK;
}

enum err_code conf_check_auth(const struct conf_source *s, struct err *e)
{
    TRY(check_mode(s, e));
    return check_order(s, e);
}
