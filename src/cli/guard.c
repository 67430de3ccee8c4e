#include "cli/guard.h"

#include "auth/browser/oidc.h"
#include "auth/browser/seal.h"
#include "auth/browser/session.h"
#include "auth/core/accounts.h"
#include "auth/core/audit.h"
#include "auth/core/auth.h"
#include "auth/core/rate.h"
#include "auth/core/shared_rates.h"
#include "auth/policy/policy.h"
#include "auth/policy/rules.h"
#include "auth/providers/aws.h"
#include "auth/providers/certificate.h"
#include "auth/providers/external.h"
#include "auth/providers/foreign.h"
#include "auth/providers/htpasswd.h"
#include "auth/providers/ldap.h"
#include "auth/providers/local.h"
#include "auth/tokens/access_token_provider.h"
#include "auth/tokens/signer.h"
#include "auth/tokens/token.h"
#include "base/mem.h"
#include "conf/conf.h"

#define PROVIDERS_MAX 16

/* Kept in memory: an entry is some 100 bytes and an identity. */
#define CACHE_ENTRIES 8192

static enum err_code open_tokens(struct api_guard *g, const struct conf_token *c, struct meta *m,
                                 struct err *e)
{
    struct signer_options signer = {
        .algorithm = c->algorithm == CONF_TOKEN_RS256 ? "RS256" : "ES256",
        .rotate_ms = c->rotate_ms,
        .lifetime_ms = c->lifetime_ms,
    };
    struct token_options tokens = {
        .issuer = c->issuer,
        .service = c->service,
        .lifetime_ms = c->lifetime_ms,
        .refresh_lifetime_ms = c->refresh_lifetime_ms,
    };

    TRY(signer_new(m, &signer, &g->signer, e));
    g->tokens = tokens_new(g->signer, m, &tokens);
    return ERR_OK;
}

static enum err_code open_sessions(struct api_guard *g, const struct conf_session *c,
                                   struct provider **providers, size_t *n, struct err *e)
{
    struct session_options o = {.lifetime_ms = c->lifetime_ms, .idle_ms = c->idle_ms};
    struct meta *m = accounts_meta(g->accounts);

    TRY(seal_new(m, &g->seal, e));
    g->sessions = sessions_new(m, g->seal, &o);
    providers[(*n)++] = sessions_provider(g->sessions);
    return ERR_OK;
}

/* The providers that read a file at once, and fail when it can't be read. */
static enum err_code open_files(const struct conf_auth *c, struct provider **providers, size_t *n,
                                struct err *e)
{
    struct provider *p;

    if (c->htpasswd_file[0]) {
        TRY(htpasswd_new(c->htpasswd_file, &p, e));
        providers[(*n)++] = p;
    }
    if (conf_token_foreign(&c->token)) {
        TRY(foreign_new(&c->token, &p, e));
        providers[(*n)++] = p;
    }
    return ERR_OK;
}

/* On an error *n counts those that were opened. */
static enum err_code open_providers(struct api_guard *g, const struct conf_auth *c,
                                    const struct room_options *at_once, struct provider **providers,
                                    size_t *n, struct err *e)
{
    providers[(*n)++] = access_token_provider(g->accounts);
    providers[(*n)++] = local_provider(g->accounts);
    TRY(open_sessions(g, &c->session, providers, n, e));
    if (c->oidc.issuer[0]) {
        g->oidc = oidc_new(&c->oidc, g->accounts, at_once);
        providers[(*n)++] = oidc_provider(g->oidc);
    }
    TRY(open_files(c, providers, n, e));
    if (g->tokens)
        providers[(*n)++] = tokens_provider(g->tokens);
    if (c->external.n > 0)
        providers[(*n)++] = external_new(&c->external);
    if (c->ldap.urls.n > 0)
        providers[(*n)++] = ldap_new(&c->ldap);
    if (c->aws.audience[0])
        providers[(*n)++] = aws_new(&c->aws);
    if (c->certificate.enabled)
        providers[(*n)++] = certificate_new(&c->certificate);
    return ERR_OK;
}

/* The place of a provider in auth.order; SIZE_MAX: it is not to be asked. */
static size_t place_of(const struct provider *p, const struct conf_strings *order)
{
    static const char *const usual[] = {"htpasswd", "local",       "token", "external",
                                        "ldap",     "certificate", "aws"};
    static const char *const always[] = {"access-token", "session", "oidc"};
    size_t n = order->n ? order->n : sizeof(usual) / sizeof(usual[0]);

    for (size_t i = 0; i < n; i++) {
        if (strcmp(p->driver->name, order->n ? order->items[i] : usual[i]) == 0)
            return i + 1;
    }
    /* Tokens of the database come first: they are known by their looks, and a provider that knows
     * the user would take one for a wrong password. */
    for (size_t i = 0; i < sizeof(always) / sizeof(always[0]); i++) {
        if (strcmp(p->driver->name, always[i]) == 0)
            return 0;
    }
    return SIZE_MAX;
}

/* Sorts the providers; frees those that are not in the order. Returns how many are left. */
static size_t arrange(struct provider **providers, size_t n, const struct conf_strings *order)
{
    size_t kept = 0, at;

    for (size_t i = 0; i < n; i++) {
        struct provider *p = providers[i];
        size_t place = place_of(p, order);

        if (place == SIZE_MAX) {
            p->driver->free(p);
            continue;
        }
        for (at = kept++; at > 0 && place_of(providers[at - 1], order) > place; at--)
            providers[at] = providers[at - 1];
        providers[at] = p;
    }
    return kept;
}

enum err_code cli_guard_init(struct api_guard *g, const struct conf *c, struct meta *m,
                             struct err *e)
{
    struct auth_options options = {
        .cache_ms = c->auth.cache_ms,
        .cache_entries = CACHE_ENTRIES,
        .lock_after = c->auth.lock_after,
        .lock_ms = c->auth.lock_ms,
        .at_once = {&c->limits.sign_ins, c->http.workers > 1 ? c->http.workers / 2 : 1},
    };
    struct audit_options audit = {
        .file = c->audit.file, .retention_ms = &c->audit.retention_ms, .wait_ms = c->audit.wait_ms};
    struct provider *providers[PROVIDERS_MAX];
    enum err_code code = ERR_OK;
    size_t n = 0;

    g->accounts = accounts_new(m);
    accounts_set_issuer(g->accounts, c->auth.oidc.issuer);
    g->rate = rate_new();
    g->rules = rules_new(m);
    TRY(audit_new(m, &audit, &g->audit, e));
    if (conf_token_own(&c->auth))
        TRY(open_tokens(g, &c->auth.token, m, e));
    if (conf_auth_on(&c->auth))
        code = open_providers(g, &c->auth, &options.at_once, providers, &n, e);
    n = arrange(providers, n, &c->auth.order);
    /* without a provider everyone would be let in */
    if (code == ERR_OK && conf_auth_on(&c->auth) && n == 0)
        code = err_set(e, ERR_CONFIG, "authentication is on, but there is nobody to ask");
    g->auth = auth_new(&options, providers, n); /* frees what was opened */
    if (g->tokens)
        tokens_renew_by(g->tokens, auth_renew, g->auth);
    if (g->sessions)
        sessions_renew_by(g->sessions, auth_renew, g->auth);
    return code;
}

enum err_code cli_guard_share(struct api_guard *g, const struct conf *c, struct redis *redis,
                              struct err *e)
{
    const char *prefix = c->storage.cache.redis_prefix;

    auth_share_failures(g->auth, redis, prefix);
    g->shared_rates = shared_rates_new(g->rate, redis, prefix);
    return shared_rates_start(g->shared_rates, e);
}

void cli_guard_done(struct api_guard *g)
{
    shared_rates_free(g->shared_rates);
    auth_free(g->auth);
    tokens_free(g->tokens);
    sessions_free(g->sessions);
    oidc_free(g->oidc);
    seal_free(g->seal);
    signer_free(g->signer);
    audit_free(g->audit);
    rate_free(g->rate);
    rules_free(g->rules);
    accounts_free(g->accounts);
}

/* Copies; *ret_n is how many. */
static char **copy_list(const struct conf_strings *list, size_t *ret_n)
{
    char **copy = mem_alloc(list->n * sizeof(char *));

    for (size_t i = 0; i < list->n; i++)
        copy[i] = mem_strdup(list->items[i]);
    *ret_n = list->n;
    return copy;
}

struct policy *cli_auth_policy(const struct conf *c)
{
    struct policy_rule *rules = mem_alloc(c->policy.n * sizeof(*rules));
    struct policy *policy;
    char **admins;
    size_t n;

    for (size_t i = 0; i < c->policy.n; i++)
        rules[i] = rules_from_conf(&c->policy.items[i]);
    policy = policy_new(rules, c->policy.n, c->policy.n == 0);
    admins = copy_list(&c->auth.admins, &n);
    policy_set_admins(policy, admins, n);
    return policy;
}
