#include "conf/distribution/take.h"
#include "conf/items.h"
#include "conf/value.h"

#include <stdio.h>

/* How many names there are below `section`, but for those of the list; *ret_first is an entry of
 * the first of them. */
static size_t count_kinds(const struct flat *f, const char *section, const char *const *but,
                          const struct flat_entry **ret_first)
{
    size_t n = strlen(section), kinds = 0;
    struct str last = STR_NONE;

    *ret_first = NULL;
    for (size_t i = 0; i < f->n; i++) {
        struct str rest = str_of(f->items[i].path), name;
        bool known = false;

        if (!flat_below(f->items[i].path, str_of(section)) || rest.n <= n)
            continue;
        rest = str_sub(rest, n + 1, rest.n - n - 1);
        str_cut(&rest, '.', &name);
        for (const char *const *b = but; *b; b++)
            known |= str_eq(name, str_of(*b));
        if (known || str_eq(name, last))
            continue;
        last = name;
        *ret_first = *ret_first ? *ret_first : &f->items[i];
        kinds++;
    }
    return kinds;
}

static enum err_code settle_storage(struct taking *t, const struct flat_entry *version,
                                    struct err *e)
{
    static const char *const sections[] = {"cache",    "delete", "maintenance",
                                           "redirect", "tag",    NULL};
    const struct flat_entry *first;
    size_t kinds = count_kinds(t->flat, "storage", sections, &first);

    if (kinds > 1)
        return take_refuse(t, first, "more than one kind of storage is given; leave one", e);
    if (kinds == 0 && !*flat_value(t->flat, "storage"))
        return take_refuse(t, version,
                           "a key 'storage' with a kind of storage must follow, such as "
                           "'storage: {filesystem: {rootdirectory: /var/lib/registry}}'",
                           e);
    if (take_s3_kind(t))
        TRY(take_settle_s3(t, version, e));
    if (!*flat_value(t->flat, "storage.filesystem.rootdirectory"))
        TRY(take_set(t, "storage.filesystem.root", version, "the default there",
                     STR("/var/lib/registry"), e));
    if (!*flat_value(t->flat, "storage.delete.enabled"))
        TRY(take_set(t, "delete.enabled", version, "the default there", STR("false"), e));
    if (!*flat_value(t->flat, "storage.maintenance.uploadpurging.age"))
        TRY(take_set(t, "upload.timeout", version, "the default there", STR("7d"), e));
    return take_set(t, "limits.blob_size", version, "there is no limit there", STR("1024TiB"), e);
}

/* Who has signed in may delete as well, if anybody may; a token may take away from it. */
static enum err_code allow_everything(struct taking *t, const struct flat_entry *version,
                                      struct err *e)
{
    static const char *const actions[] = {"pull", "push", "overwrite", "delete"};
    const struct conf_row *subjects = conf_item_find(&conf_item_rule, STR("subjects"));
    const struct conf_row *list = conf_item_find(&conf_item_rule, STR("actions"));
    void *rule;

    TRY(take_add_item(t, "policy", version, "who has signed in may do everything", &rule, e));
    TRY(conf_value_add(subjects, STR("authenticated"), conf_item_field(subjects, rule), e));
    for (size_t i = 0; i < sizeof(actions) / sizeof(actions[0]); i++)
        TRY(conf_value_add(list, str_of(actions[i]), conf_item_field(list, rule), e));
    return ERR_OK;
}

static bool algorithms_lost(const struct taking *t)
{
    return flat_has(t->flat, "auth.token.signingalgorithms.0") &&
           t->source->conf->auth.token.algorithms.n == 0;
}

static enum err_code settle_auth(struct taking *t, const struct flat_entry *version, struct err *e)
{
    static const char *const nothing[] = {NULL};
    const struct conf_token *token = &t->source->conf->auth.token;
    const struct flat_entry *first;
    const char *kind = flat_value(t->flat, "auth");
    size_t kinds = count_kinds(t->flat, "auth", nothing, &first);

    if (kinds > 1)
        return take_refuse(t, first, "more than one way to sign in is given; leave one", e);
    if (kinds == 0 && *kind && strcmp(kind, "none") != 0)
        return take_refuse(t, flat_find(t->flat, "auth"), "its keys must follow below it", e);
    if (kinds == 0 || flat_has(t->flat, "auth.none"))
        return take_set(t, "auth.mode", version, "nobody is asked who they are", STR("none"), e);
    if (flat_has(t->flat, "auth.htpasswd") && !*flat_value(t->flat, "auth.htpasswd.path"))
        return take_refuse(t, first, "auth.htpasswd.path must be given: the file of users", e);
    TRY(allow_everything(t, version, e));
    if (!flat_has(t->flat, "auth.token"))
        return ERR_OK;
    if (!*flat_value(t->flat, "auth.token.service") || !*flat_value(t->flat, "auth.token.issuer"))
        return take_refuse(t, first, "auth.token.service and auth.token.issuer must be given", e);
    if (!conf_token_foreign(token))
        return take_refuse(t, first,
                           "auth.token.rootcertbundle or auth.token.jwks must be given: the keys "
                           "that sign tokens",
                           e);
    if (algorithms_lost(t))
        return take_refuse(t, flat_find(t->flat, "auth.token.signingalgorithms.0"),
                           "none of these algorithms is believed here", e);
    return ERR_OK;
}

/* Where the list has no suite of TLS 1.2, that version can't be spoken. */
static enum err_code settle_ciphers(struct taking *t, struct err *e)
{
    const struct conf_tls *tls = &t->source->conf->http.tls;
    const struct flat_entry *first = flat_find(t->flat, "http.tls.ciphersuites.0");

    if (!first || *tls->ciphers || tls->min_version == CONF_TLS_1_3)
        return ERR_OK;
    if (!*tls->ciphersuites)
        return take_refuse(t, first, "none of these suites is offered here", e);
    return take_set(t, "http.tls.min_version", first, "no suite of TLS 1.2 is listed", STR("1.3"),
                    e);
}

static enum err_code settle_http(struct taking *t, const struct flat_entry *version, struct err *e)
{
    if (!*flat_value(t->flat, "http.addr"))
        return take_refuse(t, version,
                           "a key 'http.addr' must follow: where to listen, such as "
                           "':5000'",
                           e);
    take_settle_cors(t);
    TRY(settle_ciphers(t, e));
    if (t->source->conf->http.tls.client_ca.n > 0 && !*flat_value(t->flat, "http.tls.clientauth"))
        return take_set(t, "http.tls.client_auth", version, "the default there", STR("required"),
                        e);
    return ERR_OK;
}

static enum err_code settle_validation(struct taking *t, const struct flat_entry *version,
                                       struct err *e)
{
    const struct conf_registry *r = &t->source->conf->registry;

    if (!take_validates(t) || r->url_allow.n > 0 || r->url_deny.n > 0)
        return ERR_OK;
    return take_add(t, "manifest.urls.allow", version, "the default there: no URL is allowed",
                    STR("^$"), e);
}

enum err_code take_defaults(struct taking *t, struct err *e)
{
    const struct flat_entry *version = flat_find(t->flat, "version");

    TRY(settle_storage(t, version, e));
    TRY(settle_auth(t, version, e));
    TRY(settle_http(t, version, e));
    return settle_validation(t, version, e);
}
