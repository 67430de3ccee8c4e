#include "base/mem.h"
#include "base/name.h"
#include "conf/cidr.h"
#include "conf/items.h"
#include "conf/load.h"
#include "conf/url.h"
#include "conf/value.h"

#include <stdlib.h>

/* Places of mistakes. */

static struct conf_key key_of(const char *name)
{
    return CONF_KEY(conf_row_find(str_of(name)));
}

static enum err_code at(const struct conf_source *s, const char *name, struct err *e)
{
    return conf_place(s, key_of(name), e);
}

static struct conf_key item_key(const char *name, size_t item, const char *sub)
{
    const struct conf_row *row = conf_row_find(str_of(name));

    return (struct conf_key){row, item, conf_item_find(row->item, str_of(sub))};
}

/* The mode. */

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
    p[0] = (struct provider){"htpasswd", "auth.htpasswd.file", a->htpasswd_file[0], false};
    p[1] = (struct provider){"local", "auth.mode", conf_auth_on(a), true};
    p[2] = (struct provider){"token", "auth.token.enabled",
                             conf_token_own(a) || conf_token_foreign(&a->token),
                             !conf_token_foreign(&a->token)};
    p[3] = (struct provider){"external", "auth.external", a->external.n > 0, false};
    p[4] = (struct provider){"ldap", "auth.ldap.url", a->ldap.urls.n > 0, false};
    p[5] =
        (struct provider){"certificate", "auth.certificate.enabled", a->certificate.enabled, false};
    p[6] = (struct provider){"aws", "auth.aws.audience", a->aws.audience[0], false};
    p[7] = (struct provider){NULL, "auth.oidc.issuer", a->oidc.issuer[0], false};
}

static const char *mode_name(const struct conf_auth *a)
{
    return conf_row_find(STR("auth.mode"))->choices[a->mode];
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
                mode_name(a));
        return at(s, p[i].key, e);
    }
    return ERR_OK;
}

static bool in_list(const struct conf_strings *list, const char *text, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (strcmp(list->items[i], text) == 0)
            return true;
    }
    return false;
}

static enum err_code check_order(const struct conf_source *s, struct err *e)
{
    const struct conf_strings *order = &s->conf->auth.order;
    struct provider p[PROVIDERS];

    find_providers(&s->conf->auth, p);
    for (size_t i = 0; i < order->n; i++) {
        if (in_list(order, order->items[i], i)) {
            err_set(e, ERR_CONFIG, "'%s' stands here twice", order->items[i]);
            return at(s, "auth.order", e);
        }
    }
    for (size_t i = 0; order->n && i < PROVIDERS && p[i].name; i++) {
        bool named = in_list(order, p[i].name, order->n);

        if (named && !p[i].on)
            err_set(e, ERR_CONFIG, "'%s' is not configured: set %s, or leave it out", p[i].name,
                    p[i].key);
        else if (!named && p[i].on && strcmp(p[i].name, "local") != 0)
            err_set(e, ERR_CONFIG, "'%s' is missing here; add it, or turn it off by %s", p[i].name,
                    p[i].key);
        else
            continue;
        return at(s, "auth.order", e);
    }
    return ERR_OK;
}

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
    return at(s, name, e);
}

static enum err_code needs(const struct conf_source *s, const char *name, bool set, const char *why,
                           struct err *e)
{
    if (set)
        return ERR_OK;
    err_set(e, ERR_CONFIG, "must be set, because %s", why);
    return at(s, name, e);
}

/* Sections. */

static enum err_code check_token(const struct conf_source *s, struct err *e)
{
    const struct conf_token *t = &s->conf->auth.token;

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

    TRY(check_https(s, item_key("auth.external", i, "issuer"), x->issuer, e));
    TRY(check_https(s, item_key("auth.external", i, "jwks_uri"), x->jwks_uri, e));
    for (size_t k = 0; k < i; k++) {
        if (strcmp(list->items[k].name, x->name) == 0) {
            err_set(e, ERR_CONFIG, "'%s' is the name of another one", x->name);
            return conf_place(s, item_key("auth.external", i, "name"), e);
        }
        if (strcmp(list->items[k].issuer, x->issuer) == 0) {
            err_set(e, ERR_CONFIG, "'%.100s' stands here already, as '%s'", x->issuer,
                    list->items[k].name);
            return conf_place(s, item_key("auth.external", i, "issuer"), e);
        }
    }
    for (size_t k = 0; k < x->required_claims.n; k++) {
        equals = strchr(x->required_claims.items[k], '=');
        if (equals && equals != x->required_claims.items[k])
            continue;
        err_set(e, ERR_CONFIG, "'%.100s' must be NAME=VALUE", x->required_claims.items[k]);
        return conf_place(s, item_key("auth.external", i, "required_claims"), e);
    }
    return ERR_OK;
}

static enum err_code check_oidc(const struct conf_source *s, struct err *e)
{
    const struct conf_oidc *o = &s->conf->auth.oidc;

    TRY(check_https(s, key_of("auth.oidc.issuer"), o->issuer, e));
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

    if (in_list(scopes, "openid", scopes->n)) /* OpenID Connect Core 3.1.2.1 */
        return ERR_OK;
    err_set(e, ERR_CONFIG, "'openid' must be there");
    return at(s, "auth.oidc.scopes", e);
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
        return at(s, "auth.ldap.url", e);
    }
    tls = str_eq(url.scheme, STR("ldaps"));
    if (l->start_tls && tls) {
        err_set(e, ERR_CONFIG, "ldaps speaks TLS from the start; leave this out, or write ldap://");
        return at(s, "auth.ldap.start_tls", e);
    }
    if (l->start_tls || tls || url.loopback || l->insecure)
        return ERR_OK;
    err_set(e, ERR_CONFIG,
            "passwords would go to '%.100s' in the clear: write 'start_tls: true', or ldaps://, "
            "or, if that is meant, 'insecure: true'",
            text);
    return at(s, "auth.ldap.url", e);
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
 * nobody else, and auth/ldap.c may put a wildcard in its place. */
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
        return at(s, "auth.ldap.user_filter", e);
    }
    if (!users_are_compared(l->user_filter)) {
        err_set(e, ERR_CONFIG,
                "'%.100s' must compare {user} with an attribute, without '*', such as "
                "'(uid={user})'",
                l->user_filter);
        return at(s, "auth.ldap.user_filter", e);
    }
    if (!l->group_filter[0] ||
        (parentheses_match(l->group_filter) && has_placeholder(l->group_filter, "{dn}", "{user}")))
        return ERR_OK;
    err_set(e, ERR_CONFIG, "'%.100s' must be a filter with {dn} or {user}, such as '(member={dn})'",
            l->group_filter);
    return at(s, "auth.ldap.group_filter", e);
}

/* RFC 4512 section 2.5: a name or an OID, perhaps with options. */
static enum err_code check_ldap_attribute(const struct conf_source *s, const char *key,
                                          const char *text, struct err *e)
{
    if (text[strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-;")] ==
        '\0')
        return ERR_OK;
    err_set(e, ERR_CONFIG, "'%.100s' is no name of an attribute", text);
    return at(s, key, e);
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
        return at(s, "auth.ldap.bind_password", e);
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

        TRY(check_https(s, key_of("auth.aws.sts_endpoints"), list->items[i], e));
        if (authority && !strpbrk(authority + 3, "/?"))
            continue;
        err_set(e, ERR_CONFIG, "'%.100s' must be no more than 'https://HOST'", list->items[i]);
        return at(s, "auth.aws.sts_endpoints", e);
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
        return conf_place(s, item_key("auth.aws.roles", i, "arn"), e);
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
        return at(s, "auth.aws.accounts", e);
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
    return needs(s, "http.tls.client_ca", s->conf->http.tls.client_ca[0],
                 "auth.certificate.enabled is: write the file of the authorities that sign client "
                 "certificates",
                 e);
}

/* Subjects and patterns: auth/policy.h says what they are. */

/* A pattern that nothing can match is a mistake, and a dangerous one in a rule that denies. */
static bool pattern_valid(struct str s, bool repository)
{
    for (size_t i = 0; i < s.n; i++) {
        char c = s.p[i];

        if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || strchr("._-*?", c) ||
              (repository ? c == '/' && i > 0 : c >= 'A' && c <= 'Z')))
            return false;
    }
    return s.n > 0 && s.n <= 512;
}

static bool subject_names_someone(struct str s)
{
    static const char *const kinds[] = {"user:", "robot:", "group:"};

    for (size_t i = 0; i < 3; i++) {
        if (str_starts(s, str_of(kinds[i])))
            return s.n > strlen(kinds[i]) && s.n <= 512;
    }
    return false;
}

static enum err_code check_subjects(const struct conf_source *s, struct conf_key key,
                                    const struct conf_strings *list, bool anyone, struct err *e)
{
    for (size_t i = 0; i < list->n; i++) {
        struct str subject = str_of(list->items[i]);

        if (subject_names_someone(subject) ||
            (anyone && (str_eq(subject, STR("*")) || str_eq(subject, STR("anonymous")) ||
                        str_eq(subject, STR("authenticated")))))
            continue;
        err_set(e, ERR_CONFIG,
                "'%.100s' is no subject; allowed are 'user:NAME', 'robot:NAME' and 'group:NAME'%s",
                subject.p, anyone ? ", 'authenticated', 'anonymous' and '*'" : "");
        return conf_place(s, key, e);
    }
    return ERR_OK;
}

static enum err_code check_patterns(const struct conf_source *s, struct conf_key key,
                                    const struct conf_strings *list, bool repository, struct err *e)
{
    for (size_t i = 0; i < list->n; i++) {
        if (pattern_valid(str_of(list->items[i]), repository))
            continue;
        err_set(e, ERR_CONFIG,
                "'%.100s' can't match any %s; allowed are %s, and for them '*' (%s), '**' "
                "(anything) and '?', such as '%s'",
                list->items[i], repository ? "repository" : "tag",
                repository ? "the small letters, digits and ._-/ of names"
                           : "the letters, digits and ._- of tags",
                repository ? "up to the next slash" : "anything", repository ? "dev/**" : "v1.*");
        return conf_place(s, key, e);
    }
    return ERR_OK;
}

static enum err_code check_rule(const struct conf_source *s, size_t i, struct err *e)
{
    const struct conf_rule *r = &s->conf->policy.items[i];

    TRY(check_subjects(s, item_key("policy", i, "subjects"), &r->subjects, true, e));
    TRY(check_patterns(s, item_key("policy", i, "repositories"), &r->repositories, true, e));
    return check_patterns(s, item_key("policy", i, "tags"), &r->tags, false, e);
}

/* Quotas and proxies. */

static enum err_code check_quota(const struct conf_source *s, size_t i, struct err *e)
{
    const struct conf_quotas *list = &s->conf->quotas;
    struct conf_key key = item_key("quotas", i, "namespace");
    const char *name = list->items[i].name;

    if (*name && !repo_name_valid(str_of(name))) {
        err_set(e, ERR_CONFIG, "'%.100s' is no name of a repository", name);
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

static enum err_code check_proxies(const struct conf_source *s, struct err *e)
{
    const struct conf_strings *list = &s->conf->http.trusted_proxies;
    struct conf_cidr cidr;

    for (size_t i = 0; i < list->n; i++) {
        if (conf_cidr_parse(str_of(list->items[i]), &cidr))
            continue;
        err_set(e, ERR_CONFIG,
                "'%.80s' is no address or network; allowed are '10.1.2.3', '10.0.0.0/8' (no bits "
                "set behind the prefix), '::1' and 'fd00::/8'",
                list->items[i]);
        return at(s, "http.trusted_proxies", e);
    }
    return ERR_OK;
}

/* A policy that nobody asks protects nothing, whatever it says. */
static enum err_code check_policy_asked(const struct conf_source *s, struct err *e)
{
    const struct conf *c = s->conf;

    if (c->policy.n == 0 || conf_auth_on(&c->auth))
        return ERR_OK;
    err_set(e, ERR_CONFIG,
            "is not asked, because auth is '%s'; write 'auth: local' (or a section auth), or leave "
            "out this key",
            mode_name(&c->auth));
    return at(s, "policy", e);
}

enum err_code conf_check_auth(const struct conf_source *s, struct err *e)
{
    const struct conf *c = s->conf;

    TRY(check_mode(s, e));
    TRY(check_order(s, e));
    TRY(check_token(s, e));
    TRY(check_oidc(s, e));
    TRY(check_oidc_scopes(s, e));
    TRY(check_ldap(s, e));
    TRY(check_aws(s, e));
    TRY(check_certificate(s, e));
    TRY(check_proxies(s, e));
    TRY(check_subjects(s, key_of("auth.admins"), &c->auth.admins, false, e));
    for (size_t i = 0; i < c->auth.external.n; i++)
        TRY(check_external(s, i, e));
    for (size_t i = 0; i < c->policy.n; i++)
        TRY(check_rule(s, i, e));
    for (size_t i = 0; i < c->quotas.n; i++)
        TRY(check_quota(s, i, e));
    return check_policy_asked(s, e);
}

void conf_rules_free(struct conf_rules *rules)
{
    conf_value_free(conf_row_find(STR("policy")), rules);
    *rules = (struct conf_rules){NULL};
}

enum err_code conf_rules_parse(struct str text, struct conf_rules *ret_rules, struct err *e)
{
    struct conf *c = mem_zero(sizeof(*c));
    struct conf_source *s = mem_zero(sizeof(*s));
    enum err_code code;

    s->conf = c;
    code = conf_read_items(s, conf_row_find(STR("policy")), text, e);
    for (size_t i = 0; i < c->policy.n && code == ERR_OK; i++)
        code = check_rule(s, i, e);
    if (code == ERR_OK)
        *ret_rules = c->policy;
    else
        conf_rules_free(&c->policy);
    conf_source_done(s);
    free(s);
    free(c);
    return code;
}
