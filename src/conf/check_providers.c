#include "conf/check_providers.h"

#include "conf/check_key.h"
#include "conf/url.h"

/* URLs. */

/* what is sent there is secret, or what comes from there is believed: TLS, or nobody in between */
static enum err_code check_https(const struct conf_source *s, struct conf_key key, const char *text,
                                 struct err *e)
{
    struct conf_url url;

    if (!*text)
        return ERR_OK;
    if (conf_url_parse(str_of(text), &url) &&
        (str_eq(url.scheme, STR("https")) || (str_eq(url.scheme, STR("http")) && url.loopback)))
        return ERR_OK;
    err_set(e, ERR_CONFIG,
            "'%.100s' must be a URL such as 'https://id.example.org'; 'http:' is allowed on "
            "loopback only",
            text);
    return conf_place(s, key, e);
}

/* RFC 6749 section 3.1.2: no fragment; and clients on a network of their own may use http. */
static enum err_code check_own_url(const struct conf_source *s, const char *name, const char *text,
                                   struct err *e)
{
    struct conf_url url;

    if (!*text || (conf_url_parse(str_of(text), &url) &&
                   (str_eq(url.scheme, STR("https")) || str_eq(url.scheme, STR("http")))))
        return ERR_OK;
    err_set(e, ERR_CONFIG, "'%.100s' must be a URL such as 'https://registry.example.org/path'",
            text);
    return conf_place_named(s, name, e);
}

static enum err_code needs(const struct conf_source *s, const char *name, bool set, const char *why,
                           struct err *e)
{
    if (set)
        return ERR_OK;
    err_set(e, ERR_CONFIG, "must be set, because %s", why);
    return conf_place_named(s, name, e);
}

/* Sections. */

static enum err_code check_token(const struct conf_source *s, struct err *e)
{
    const struct conf_token *t = &s->conf->auth.token;

    if (t->realm[0] != '/')
        TRY(check_own_url(s, "auth.token.realm", t->realm, e));
    if (!conf_token_foreign(t))
        return ERR_OK;
    TRY(needs(s, "auth.token.realm", t->realm[0],
              "tokens are made elsewhere (rootcertbundle or jwks): write the URL of that service",
              e));
    return needs(s, "auth.token.issuer", conf_given(s, conf_row_find(STR("auth.token.issuer"))),
                 "tokens are made elsewhere (rootcertbundle or jwks): write what their 'iss' says",
                 e);
}

static enum err_code check_external(const struct conf_source *s, size_t i, struct err *e)
{
    const struct conf_externals *list = &s->conf->auth.external;
    const struct conf_external *x = &list->items[i];
    const char *equals;

    TRY(check_https(s, conf_item_key_named("auth.external", i, "issuer"), x->issuer, e));
    TRY(check_https(s, conf_item_key_named("auth.external", i, "jwks_uri"), x->jwks_uri, e));
    for (size_t k = 0; k < i; k++) {
        if (strcmp(list->items[k].name, x->name) == 0) {
            err_set(e, ERR_CONFIG, "'%s' is the name of another one", x->name);
            return conf_place(s, conf_item_key_named("auth.external", i, "name"), e);
        }
        if (strcmp(list->items[k].issuer, x->issuer) == 0) {
            err_set(e, ERR_CONFIG, "'%.100s' stands here already, as '%s'", x->issuer,
                    list->items[k].name);
            return conf_place(s, conf_item_key_named("auth.external", i, "issuer"), e);
        }
    }
    for (size_t k = 0; k < x->required_claims.n; k++) {
        equals = strchr(x->required_claims.items[k], '=');
        if (equals && equals != x->required_claims.items[k])
            continue;
        err_set(e, ERR_CONFIG, "'%.100s' must be NAME=VALUE", x->required_claims.items[k]);
        return conf_place(s, conf_item_key_named("auth.external", i, "required_claims"), e);
    }
    return ERR_OK;
}

static enum err_code check_oidc(const struct conf_source *s, struct err *e)
{
    const struct conf_oidc *o = &s->conf->auth.oidc;

    TRY(check_https(s, conf_key_named("auth.oidc.issuer"), o->issuer, e));
    TRY(check_own_url(s, "auth.oidc.redirect_uri", o->redirect_uri, e));
    if (o->issuer[0])
        return needs(s, "auth.oidc.client_id", o->client_id[0],
                     "auth.oidc.issuer is: write the name under which the provider knows this "
                     "registry",
                     e);
    return needs(s, "auth.oidc.issuer", !o->client_id[0],
                 "auth.oidc.client_id is: write the URL of the provider", e);
}

static enum err_code check_oidc_scopes(const struct conf_source *s, struct err *e)
{
    const struct conf_strings *scopes = &s->conf->auth.oidc.scopes;

    if (conf_strings_have(scopes, STR("openid"))) /* OpenID Connect Core 3.1.2.1 */
        return ERR_OK;
    err_set(e, ERR_CONFIG, "'openid' must be there");
    return conf_place_named(s, "auth.oidc.scopes", e);
}

static enum err_code check_ldap_url(const struct conf_source *s, const char *text, struct err *e)
{
    const struct conf_ldap *l = &s->conf->auth.ldap;
    struct conf_url url;
    bool tls;

    if (!conf_url_parse(str_of(text), &url) ||
        (!str_eq(url.scheme, STR("ldap")) && !str_eq(url.scheme, STR("ldaps"))) ||
        (url.path.n && !str_eq(url.path, STR("/")))) {
        err_set(e, ERR_CONFIG, "'%.100s' must be a URL such as 'ldaps://ldap.example.org'", text);
        return conf_place_named(s, "auth.ldap.url", e);
    }
    tls = str_eq(url.scheme, STR("ldaps"));
    if (l->start_tls && tls) {
        err_set(e, ERR_CONFIG, "ldaps speaks TLS from the start; leave this out, or write ldap://");
        return conf_place_named(s, "auth.ldap.start_tls", e);
    }
    if (l->start_tls || tls || url.loopback || l->insecure)
        return ERR_OK;
    err_set(e, ERR_CONFIG,
            "passwords would go to '%.100s' in the clear: write 'start_tls: true', or ldaps://, "
            "or, if that is meant, 'insecure: true'",
            text);
    return conf_place_named(s, "auth.ldap.url", e);
}

/* RFC 4515: in parentheses, and they match. */
static bool parentheses_match(const char *text)
{
    int depth = 0;

    if (text[0] != '(')
        return false;
    for (; *text; text++) {
        depth += (*text == '(') - (*text == ')');
        if (depth < 0 || (depth == 0 && text[1]))
            return false;
    }
    return depth == 0;
}

static bool has_placeholder(const char *text, const char *a, const char *b)
{
    return strstr(text, a) || strstr(text, b);
}

/* Each {user} is (part of) the value of an equality, and no wildcard widens it: so a name finds
 * nobody else, and auth/providers/ldap.c may put a wildcard in its place. */
static bool users_are_compared(const char *filter)
{
    for (const char *p = filter; (p = strstr(p, "{user}")); p++) {
        const char *end = p + strlen("{user}"), *equals = p;

        while (*equals != '(' && *equals != '=')
            equals--;
        if (equals[0] != '=' || strchr("(:<>~", equals[-1]) || p[-1] == '*' || *end == '*')
            return false;
    }
    return true;
}

static enum err_code check_ldap_filters(const struct conf_source *s, struct err *e)
{
    const struct conf_ldap *l = &s->conf->auth.ldap;

    if (!parentheses_match(l->user_filter) || !strstr(l->user_filter, "{user}")) {
        err_set(e, ERR_CONFIG, "'%.100s' must be a filter with {user}, such as '(uid={user})'",
                l->user_filter);
        return conf_place_named(s, "auth.ldap.user_filter", e);
    }
    if (!users_are_compared(l->user_filter)) {
        err_set(e, ERR_CONFIG,
                "'%.100s' must compare {user} with an attribute, without '*', such as "
                "'(uid={user})'",
                l->user_filter);
        return conf_place_named(s, "auth.ldap.user_filter", e);
    }
    if (!l->group_filter[0] ||
        (parentheses_match(l->group_filter) && has_placeholder(l->group_filter, "{dn}", "{user}")))
        return ERR_OK;
    err_set(e, ERR_CONFIG, "'%.100s' must be a filter with {dn} or {user}, such as '(member={dn})'",
            l->group_filter);
    return conf_place_named(s, "auth.ldap.group_filter", e);
}

/* RFC 4512 section 2.5: a name or an OID, perhaps with options. */
static enum err_code check_ldap_attribute(const struct conf_source *s, const char *key,
                                          const char *text, struct err *e)
{
    if (text[strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-;")] ==
        '\0')
        return ERR_OK;
    err_set(e, ERR_CONFIG, "'%.100s' is no name of an attribute", text);
    return conf_place_named(s, key, e);
}

static enum err_code check_ldap(const struct conf_source *s, struct err *e)
{
    const struct conf_ldap *l = &s->conf->auth.ldap;

    if (l->urls.n == 0)
        return needs(s, "auth.ldap.url", !l->base_dn[0],
                     "auth.ldap.base_dn is: write the URL of the directory", e);
    for (size_t i = 0; i < l->urls.n; i++)
        TRY(check_ldap_url(s, l->urls.items[i], e));
    TRY(needs(s, "auth.ldap.base_dn", l->base_dn[0],
              "auth.ldap.url is: write the entry that holds the users", e));
    TRY(check_ldap_filters(s, e));
    TRY(check_ldap_attribute(s, "auth.ldap.user_attribute", l->user_attribute, e));
    TRY(check_ldap_attribute(s, "auth.ldap.group_attribute", l->group_attribute, e));
    TRY(check_ldap_attribute(s, "auth.ldap.memberof_attribute", l->memberof_attribute, e));
    if (l->bind_password[0] && l->bind_password_file[0]) {
        err_set(e, ERR_CONFIG, "auth.ldap.bind_password_file is set too; leave out one of them");
        return conf_place_named(s, "auth.ldap.bind_password", e);
    }
    /* RFC 4513 section 5.1.2: a name without a password is an anonymous bind that succeeds */
    if (l->bind_dn[0])
        return needs(s, "auth.ldap.bind_password_file",
                     l->bind_password_file[0] || l->bind_password[0], "auth.ldap.bind_dn is", e);
    return ERR_OK;
}

/* A name and perhaps a port: requests are compared with it. */
static enum err_code check_sts_endpoints(const struct conf_source *s, struct err *e)
{
    const struct conf_strings *list = &s->conf->auth.aws.sts_endpoints;

    for (size_t i = 0; i < list->n; i++) {
        const char *authority = strstr(list->items[i], "://");

        TRY(check_https(s, conf_key_named("auth.aws.sts_endpoints"), list->items[i], e));
        if (authority && !strpbrk(authority + 3, "/?"))
            continue;
        err_set(e, ERR_CONFIG, "'%.100s' must be no more than 'https://HOST'", list->items[i]);
        return conf_place_named(s, "auth.aws.sts_endpoints", e);
    }
    return ERR_OK;
}

static enum err_code check_aws_roles(const struct conf_source *s, struct err *e)
{
    const struct conf_aws_roles *roles = &s->conf->auth.aws.roles;

    for (size_t i = 0; i < roles->n; i++) {
        if (str_starts(str_of(roles->items[i].arn), STR("arn:")))
            continue;
        err_set(e, ERR_CONFIG,
                "'%.100s' must be an ARN such as 'arn:aws:iam::123456789012:role/ci-*'",
                roles->items[i].arn);
        return conf_place(s, conf_item_key_named("auth.aws.roles", i, "arn"), e);
    }
    return ERR_OK;
}

static enum err_code check_aws(const struct conf_source *s, struct err *e)
{
    const struct conf_aws *a = &s->conf->auth.aws;

    TRY(check_sts_endpoints(s, e));
    TRY(check_aws_roles(s, e));
    for (size_t i = 0; i < a->accounts.n; i++) {
        struct str account = str_of(a->accounts.items[i]);
        uint64_t number;

        if (account.n == 12 && str_to_u64(account, UINT64_MAX, &number))
            continue;
        err_set(e, ERR_CONFIG, "'%.100s' must be the 12 digits of an account, in quotes",
                account.p);
        return conf_place_named(s, "auth.aws.accounts", e);
    }
    if (!a->audience[0])
        return needs(s, "auth.aws.audience", !a->accounts.n,
                     "auth.aws.accounts is: write a name that is only this registry's", e);
    return needs(s, "auth.aws.accounts", a->accounts.n > 0,
                 "auth.aws.audience is: anyone with an account of AWS could sign in", e);
}

static enum err_code check_certificate(const struct conf_source *s, struct err *e)
{
    if (!s->conf->auth.certificate.enabled)
        return ERR_OK;
    return needs(s, "http.tls.client_ca", s->conf->http.tls.client_ca.n,
                 "auth.certificate.enabled is: write the file of the authorities that sign client "
                 "certificates",
                 e);
}

enum err_code conf_check_providers(const struct conf_source *s, struct err *e)
{
    TRY(check_token(s, e));
    TRY(check_oidc(s, e));
    TRY(check_oidc_scopes(s, e));
    TRY(check_ldap(s, e));
    TRY(check_aws(s, e));
    TRY(check_certificate(s, e));
    for (size_t i = 0; i < s->conf->auth.external.n; i++)
        TRY(check_external(s, i, e));
    return ERR_OK;
}
