#include "conf/check.h"

#include "base/cleanup.h"
#include "base/name.h"
#include "conf/cidr.h"
#include "conf/items.h"
#include "conf/listen.h"
#include "conf/origin.h"

#include <fcntl.h>
#include <sys/stat.h>

/* What the checks share. */

struct conf_key conf_key_named(const char *name)
{
    return CONF_KEY(conf_row_find(str_of(name)));
}

enum err_code conf_place_named(const struct conf_source *s, const char *name, struct err *e)
{
    return conf_place(s, conf_key_named(name), e);
}

struct conf_key conf_item_key_named(const char *name, size_t item, const char *sub)
{
    const struct conf_row *row = conf_row_find(str_of(name));

    return (struct conf_key){row, item, conf_item_find(row->item, str_of(sub))};
}

const char *conf_mode_name(const struct conf_auth *a)
{
    return conf_row_find(STR("auth.mode"))->choices[a->mode];
}

/* The server. */

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

enum err_code conf_check_networks(const struct conf_source *s, const char *key,
                                  const struct conf_strings *list, struct err *e)
{
    struct conf_cidr cidr;

    for (size_t i = 0; i < list->n; i++) {
        if (conf_cidr_parse(str_of(list->items[i]), &cidr))
            continue;
        err_set(e, ERR_CONFIG,
                "'%.80s' is no address or network; allowed are '10.1.2.3', '10.0.0.0/8' (no bits "
                "set behind the prefix), '::1' and 'fd00::/8'",
                list->items[i]);
        return conf_place_named(s, key, e);
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
    for (size_t i = 0; i < s->conf->quotas.n; i++)
        TRY(check_quota(s, i, e));
    return ERR_OK;
}

/* Files. */

static enum err_code check_file(const struct conf_source *s, struct conf_key key, const char *path,
                                struct err *e)
{
    AUTO(fd) int fd = -1;
    struct stat st;

    if (!*path)
        return ERR_OK;
    fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0 || fstat(fd, &st) != 0) {
        err_set(e, ERR_CONFIG, "'%.200s' can't be read: %m", path);
    } else if (S_ISDIR(st.st_mode)) {
        err_set(e, ERR_CONFIG, "'%.200s' is a directory, not a file", path);
    } else {
        return ERR_OK;
    }
    return conf_place(s, key, e);
}

static enum err_code check_item_files(const struct conf_source *s, const struct conf_row *row,
                                      struct err *e)
{
    const struct conf_items *list = conf_field(s->conf, row);

    for (size_t i = 0; i < list->n; i++) {
        for (size_t k = 0; k < row->item->n; k++) {
            const struct conf_row *sub = &row->item->rows[k];
            void *field = conf_item_field(sub, conf_items_at(row, list, i));

            if (sub->flags & CONF_READ)
                TRY(check_file(s, (struct conf_key){row, i, sub}, *(char **)field, e));
        }
    }
    return ERR_OK;
}

static enum err_code check_row_files(const struct conf_source *s, const struct conf_row *row,
                                     struct err *e)
{
    const struct conf_strings *list = conf_field(s->conf, row);

    if (row->type != CONF_TEXTS)
        return check_file(s, CONF_KEY(row), *(char **)conf_field(s->conf, row), e);
    for (size_t i = 0; i < list->n; i++)
        TRY(check_file(s, CONF_KEY(row), list->items[i], e));
    return ERR_OK;
}

enum err_code conf_check_files(const struct conf_source *s, struct err *e)
{
    for (size_t i = 0; i < conf_rows_n; i++) {
        const struct conf_row *row = &conf_rows[i];

        if (row->type == CONF_ITEMS)
            TRY(check_item_files(s, row, e));
        else if (row->flags & CONF_READ)
            TRY(check_row_files(s, row, e));
    }
    return ERR_OK;
}
