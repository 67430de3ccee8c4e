#include "conf/check.h"

#include "base/cron.h"
#include "base/name.h"
#include "conf/check_auth.h"
#include "conf/check_key.h"
#include "conf/check_notify.h"
#include "conf/check_policy.h"
#include "conf/check_providers.h"
#include "conf/check_pull_policy.h"
#include "conf/check_scan.h"
#include "conf/check_signatures.h"
#include "conf/check_storage.h"
#include "conf/check_texts.h"
#include "conf/items.h"
#include "conf/listen.h"
#include "conf/origin.h"

static enum err_code check_listen(const struct conf_source *s, struct err *e)
{
    const struct conf_strings *list = &s->conf->http.listen;
    struct conf_listen l;

    for (size_t i = 0; i < list->n; i++) {
        if (!conf_listen_parse(str_of(list->items[i]), &l)) {
            err_set(e, ERR_CONFIG,
                    "'%.80s' is not an address; allowed are '127.0.0.1:5000', '[::1]:5000', "
                    "':5000' (all addresses) and 'unix:/path'",
                    list->items[i]);
            return conf_place_named(s, "http.listen", e);
        }
        /* where nobody is asked, only this machine may ask */
        if (!l.loopback && s->conf->auth.mode == CONF_AUTH_LOOPBACK) {
            err_set(e, ERR_CONFIG,
                    "'%.80s' can be reached from other machines, and no authentication is "
                    "configured; configure it ('auth: local' has users and tokens in the "
                    "database), or listen on 127.0.0.1, or let everyone in with the line "
                    "'auth: none' (or REGISTRY_AUTH=none)",
                    list->items[i]);
            return conf_place_named(s, "http.listen", e);
        }
    }
    return ERR_OK;
}

static enum err_code check_tls(const struct conf_source *s, struct err *e)
{
    const struct conf_tls *tls = &s->conf->http.tls;

    if (*tls->certificate && !*tls->key) {
        err_set(e, ERR_CONFIG, "a certificate needs its private key: set http.tls.key too");
        return conf_place_named(s, "http.tls.certificate", e);
    }
    if (*tls->key && !*tls->certificate) {
        err_set(e, ERR_CONFIG, "a key needs its certificate: set http.tls.certificate too");
        return conf_place_named(s, "http.tls.key", e);
    }
    if (tls->client_ca.n && !*tls->certificate) {
        err_set(e, ERR_CONFIG,
                "client certificates need TLS: set http.tls.certificate and http.tls.key too");
        return conf_place_named(s, "http.tls.client_ca", e);
    }
    if (*tls->client_crl && !tls->client_ca.n) {
        err_set(e, ERR_CONFIG, "revoked by whom? Set http.tls.client_ca too");
        return conf_place_named(s, "http.tls.client_crl", e);
    }
    if (tls->client_auth == CONF_CLIENT_AUTH_REQUIRED && !tls->client_ca.n) {
        err_set(e, ERR_CONFIG,
                "'required' needs the authorities to check against: set http.tls.client_ca too");
        return conf_place_named(s, "http.tls.client_auth", e);
    }
    return ERR_OK;
}

/* A browser writes an origin in one way, and what is listed is compared with that byte by byte. */
static enum err_code check_origin(struct str text, struct err *e)
{
    char written[CONF_ORIGIN_SIZE];

    if (!conf_origin_parse(text, written))
        return err_set(e, ERR_CONFIG,
                       "'%.80s' is no origin; allowed are '*' and SCHEME://HOST[:PORT], as in "
                       "'https://ui.example.com' or 'http://[::1]:8080', with nothing behind",
                       text.p);
    if (!str_eq(text, str_of(written)))
        return err_set(e, ERR_CONFIG, "a browser never says '%.80s'; write '%s'", text.p, written);
    return ERR_OK;
}

static enum err_code check_cors(const struct conf_source *s, struct err *e)
{
    const struct conf_cors *c = &s->conf->http.cors;

    for (size_t i = 0; i < c->origins.n; i++) {
        struct str one = str_of(c->origins.items[i]);
        bool all = str_eq(one, STR("*"));

        if (all && c->credentials) {
            err_set(e, ERR_CONFIG,
                    "'*' is not allowed with http.cors.credentials: name the origins");
            return conf_place_named(s, "http.cors.origins", e);
        }
        if (!all && check_origin(one, e) != ERR_OK)
            return conf_place_named(s, "http.cors.origins", e);
    }
    return ERR_OK;
}

static enum err_code check_quota(const struct conf_source *s, size_t i, struct err *e)
{
    const struct conf_quotas *list = &s->conf->quotas;
    struct conf_key key = conf_item_key_named("quotas", i, "namespace");
    const char *name = list->items[i].name;

    if (*name && !repo_name_valid(str_of(name))) {
        err_set(e, ERR_CONFIG,
                "'%.100s' is no name of a repository; allowed are names such as 'dev' (which "
                "counts all below it), and \"\" for the whole registry",
                name);
        return conf_place(s, key, e);
    }
    for (size_t k = 0; k < i; k++) {
        if (strcmp(list->items[k].name, name) == 0) {
            err_set(e, ERR_CONFIG, "'%.100s' has a quota already", name);
            return conf_place(s, key, e);
        }
    }
    return ERR_OK;
}

/* One that keeps nothing would delete every tag it is about. */
static enum err_code check_retention(const struct conf_source *s, size_t i, struct err *e)
{
    const struct conf_retention *r = &s->conf->retention.items[i];
    struct conf_key key = conf_item_key_named("retention", i, "repositories");

    TRY(conf_check_patterns(s, key, &r->repositories, true, e));
    TRY(conf_check_patterns(s, conf_item_key_named("retention", i, "tags"), &r->tags, false, e));
    TRY(conf_check_patterns(s, conf_item_key_named("retention", i, "keep_tags"), &r->keep_tags,
                            false, e));
    if (r->keep_last > 0 || r->keep_tags.n > 0 || r->keep_pushed_ms > 0 || r->keep_pulled_ms > 0)
        return ERR_OK;
    err_set(e, ERR_CONFIG,
            "it keeps nothing; it needs keep_last, keep_tags, keep_pushed or keep_pulled, or "
            "several of them");
    return conf_place(s, key, e);
}

static enum err_code check_schedule(const struct conf_source *s, struct err *e)
{
    struct cron unused;

    if (!s->conf->schedule[0] || cron_parse(str_of(s->conf->schedule), &unused, e) == ERR_OK)
        return ERR_OK;
    return conf_place_named(s, "gc.schedule", e);
}

enum err_code conf_check(const struct conf_source *s, struct err *e)
{
    conf_settle_auth(s);
    conf_settle_storage(s);
    TRY(check_listen(s, e));
    TRY(check_tls(s, e));
    TRY(conf_check_networks(s, "http.trusted_proxies", &s->conf->http.trusted_proxies, e));
    TRY(check_cors(s, e));
    TRY(conf_check_texts(s, e));
    TRY(conf_check_storage(s, e));
    TRY(conf_check_auth(s, e));
    TRY(conf_check_providers(s, e));
    TRY(conf_check_policy(s, e));
    TRY(conf_check_pull_policy(s, e));
    TRY(conf_check_signatures(s, e));
    TRY(conf_check_scan(s, e));
    TRY(conf_check_notify(s, e));
    for (size_t i = 0; i < s->conf->quotas.n; i++)
        TRY(check_quota(s, i, e));
    for (size_t i = 0; i < s->conf->retention.n; i++)
        TRY(check_retention(s, i, e));
    return check_schedule(s, e);
}
