#include "conf/check_scan.h"

#include "base/cron.h"
#include "conf/check_key.h"
#include "conf/url.h"

static enum err_code check_url(const struct conf_source *s, const char *key, const char *text,
                               struct err *e)
{
    struct conf_url url;

    if (!*text || (conf_url_parse(str_of(text), &url) &&
                   (str_eq(url.scheme, STR("https")) || str_eq(url.scheme, STR("http")))))
        return ERR_OK;
    err_set(e, ERR_CONFIG, "'%.200s' is no URL; allowed is 'https://HOST[:PORT][/PATH]', or http",
            text);
    return conf_place_named(s, key, e);
}

/* A part of a command line and of a path. */
static enum err_code check_repository(const struct conf_source *s, const char *key,
                                      const char *text, struct err *e)
{
    bool fine = *text != '-' && (!*text || strchr(text, '/'));

    for (const char *p = text; *p && fine; p++)
        fine = str_is_alphanumeric(*p) || strchr("-._/:@[]", *p);
    if (fine)
        return ERR_OK;
    err_set(e, ERR_CONFIG, "'%.200s' is no repository; allowed is 'HOST[:PORT]/NAME[:TAG]'", text);
    return conf_place_named(s, key, e);
}

/* It pulls as everybody does where there are no tokens: what is blocked could never be scanned. */
static enum err_code check_adapter(const struct conf_source *s, struct err *e)
{
    const struct conf *c = s->conf;
    bool enforces = false;

    for (size_t i = 0; i < c->pull_policy.n; i++)
        enforces = enforces || c->pull_policy.items[i].mode == CONF_PULL_ENFORCE;
    for (size_t i = 0; i < c->signatures.n; i++)
        enforces = enforces || c->signatures.items[i].mode == CONF_PULL_ENFORCE;
    if (!c->scan.adapter.url[0] || !enforces || conf_token_own(&c->auth))
        return ERR_OK;
    err_set(e, ERR_CONFIG,
            "this scanner needs a token of ours to pull what 'pull_policy' blocks, and there are "
            "none; write 'auth: local' (or a section auth, with auth.token.enabled), or leave the "
            "mode of each rule of pull_policy at 'warn' or 'off'");
    return conf_place_named(s, "scan.adapter.url", e);
}

enum err_code conf_check_scan(const struct conf_source *s, struct err *e)
{
    const struct conf_scan *c = &s->conf->scan;
    struct cron unused;

    TRY(check_url(s, "scan.trivy.server", c->trivy.server, e));
    TRY(check_url(s, "scan.adapter.url", c->adapter.url, e));
    TRY(check_url(s, "scan.adapter.registry_url", c->adapter.registry_url, e));
    TRY(check_adapter(s, e));
    TRY(check_repository(s, "scan.trivy.db_repository", c->trivy.db_repository, e));
    TRY(check_repository(s, "scan.trivy.java_db_repository", c->trivy.java_db_repository, e));
    if (c->schedule[0] && cron_parse(str_of(c->schedule), &unused, e) != ERR_OK)
        return conf_place_named(s, "scan.schedule", e);
    if (s->conf->registry.archives.scan == CONF_UPLOAD_SCAN_BLOCK && s->conf->pull_policy.n == 0) {
        err_set(e, ERR_CONFIG, "'block' needs rules in pull_policy, which say what is blocked");
        return conf_place_named(s, "upload.scan", e);
    }
    return ERR_OK;
}
