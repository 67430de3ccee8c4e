#include "api/access.h"

#include "api/access_identity.h"
#include "api/access_refusal.h"
#include "api/audit_entry.h"
#include "api/csrf.h"
#include "api/policy_in_force.h"
#include "api/proxy.h"
#include "api/routes.h"
#include "auth/core/auth.h"
#include "core/own_repo.h"

/* Scanners may have what waits for them alone. */
static bool is_hidden(const struct identity *who, const struct repo_name *repo)
{
    return own_repo(repo) && !(held_repo(repo) && who->scans);
}

bool access_may_by(struct api *a, const struct identity *who, enum action action,
                   const struct repo_name *repo, const struct tag_name *tag)
{
    struct policy *policy;
    bool allowed;

    if (repo && is_hidden(who, repo))
        return false;
    if (!auth_enabled(a->guard.auth))
        return true;
    policy = api_policy(a);
    allowed = policy_allows(policy, who, action, repo, tag, NULL);
    policy_unref(policy);
    return allowed;
}

bool access_may(const struct req *q, enum action action, const struct repo_name *repo,
                const struct tag_name *tag)
{
    return access_may_by(q->api, q->who, action, repo, tag);
}

bool access_sees(const struct req *q, const struct repo_name *repo)
{
    struct policy *policy;
    bool sees;

    if (own_repo(repo))
        return false;
    if (!auth_enabled(q->api->guard.auth))
        return true;
    policy = api_policy(q->api);
    sees = policy_sees(policy, q->who, repo);
    policy_unref(policy);
    return sees;
}

bool access_pulls_all(const struct req *q, const struct repo_name *repo)
{
    struct policy *policy;
    bool all;

    if (!auth_enabled(q->api->guard.auth))
        return true;
    policy = api_policy(q->api);
    all = policy_allows_all_tags(policy, q->who, ACTION_PULL, repo);
    policy_unref(policy);
    return all;
}

/* Could the caller see more of the catalog by signing in, or by a token that was made for it? */
static bool catalog_whole(const struct req *q)
{
    struct policy *policy;
    bool whole;

    if (q->who->granted)
        return identity_scope_actions(q->who, STR_NONE) != 0;
    if (q->who->by_token)
        return q->who->catalog;
    if (q->who->kind != IDENTITY_ANONYMOUS)
        return true;
    policy = api_policy(q->api);
    whole = policy_shows_all(policy);
    policy_unref(policy);
    return whole;
}

enum err_code access_need_all_tags(struct req *q, struct err *e)
{
    struct policy *policy;
    bool all;

    if (!auth_enabled(q->api->guard.auth) || q->who->kind != IDENTITY_ANONYMOUS ||
        q->who->granted || q->who->by_token)
        return ERR_OK;
    policy = api_policy(q->api);
    all = policy_shows_all_tags(policy, &q->name);
    policy_unref(policy);
    if (all)
        return ERR_OK;
    access_challenge(q, NULL);
    return err_tell(e, ERR_UNAUTHORIZED, "sign in first");
}

/* Tokens speak for less than their owner: none of them hands out what they have. */
static bool speaks_for_account(const struct req *q)
{
    return (q->who->kind == IDENTITY_USER && !q->who->scoped) ||
           access_may(q, ACTION_ADMIN, NULL, NULL);
}

/* Of a repository that is not known yet: is there one? */
static bool may_push_somewhere(const struct req *q)
{
    struct policy *policy = api_policy(q->api);
    bool may = policy_allows_somewhere(policy, q->who, ACTION_PUSH | ACTION_OVERWRITE);

    policy_unref(policy);
    return may;
}

/* The right that the route asks for. What a push does to each tag is for its handler to ask. */
static bool route_allowed(const struct req *q)
{
    bool by_tag = q->ref.tag.n > 0 && !q->ref.is_digest;
    const struct tag_name *tag = by_tag ? &q->ref.tag : NULL;

    switch (q->route->access) {
    case ACCESS_NONE:
        return true;
    case ACCESS_BASE:
        return q->who->kind != IDENTITY_ANONYMOUS || q->who->granted;
    case ACCESS_CATALOG:
        return catalog_whole(q);
    case ACCESS_PULL:
        return access_may(q, ACTION_PULL, &q->name, tag);
    case ACCESS_PUSH:
        if (q->name.n == 0)
            return may_push_somewhere(q);
        return access_may(q, ACTION_PUSH, &q->name, tag) ||
               access_may(q, ACTION_OVERWRITE, &q->name, tag);
    case ACCESS_LOOK:
        return access_may(q, ACTION_PULL, &q->name, tag) ||
               access_may(q, ACTION_PUSH, &q->name, tag) ||
               access_may(q, ACTION_OVERWRITE, &q->name, tag);
    case ACCESS_DELETE:
        return access_may(q, ACTION_DELETE, &q->name, tag);
    case ACCESS_SCAN:
        return access_may(q, ACTION_SCAN, &q->name, tag);
    case ACCESS_ACCOUNT:
        return speaks_for_account(q);
    case ACCESS_ADMIN:
        return access_may(q, ACTION_ADMIN, NULL, NULL);
    }
    return false;
}

/* "push to dev/app": what the caller may not. */
static const char *deed_of(const struct req *q, struct buf *dst)
{
    static const char *const verbs[] = {
        [ACCESS_PULL] = "pull from",
        [ACCESS_PUSH] = "push to",
        [ACCESS_LOOK] = "look at",
        [ACCESS_DELETE] = "delete in",
        [ACCESS_CATALOG] = "list repositories",
        [ACCESS_SCAN] = "scan in",
        [ACCESS_ACCOUNT] = "use accounts",
        [ACCESS_ADMIN] = "administer the registry",
    };
    enum access access = q->route->access;
    const char *verb = access < sizeof(verbs) / sizeof(verbs[0]) ? verbs[access] : NULL;

    buf_init(dst, REPO_NAME_MAX + 64);
    buf_add_text(dst, verb ? verb : "do this");
    if (q->name.n)
        buf_addf(dst, " %s", q->name.text);
    else if (access == ACCESS_PUSH)
        buf_add_text(dst, " any repository");
    return buf_text(dst);
}

enum err_code access_own_name(struct err *e)
{
    return err_tell(e, ERR_NAME_UNKNOWN, "this name is the registry's own");
}

enum err_code access_need_push(struct req *q, struct err *e)
{
    AUTO(buf) struct buf deed = {0};

    if (own_repo(&q->name))
        return access_own_name(e);
    if (!auth_enabled(q->api->guard.auth) || route_allowed(q))
        return ERR_OK;
    if (q->who->kind == IDENTITY_ANONYMOUS && !q->who->granted) {
        access_challenge(q, q->who->by_token ? "insufficient_scope" : NULL);
        return err_tell(e, ERR_UNAUTHORIZED, "sign in first");
    }
    if (q->who->scoped) {
        access_challenge(q, "insufficient_scope");
        return err_tell(e, ERR_UNAUTHORIZED, "the token gives no right to %s", deed_of(q, &deed));
    }
    return err_tell(e, ERR_DENIED, "%s may not %s", q->identity, deed_of(q, &deed));
}

enum err_code access_need_push_to(struct req *q, const struct repo_name *repo, struct err *e)
{
    struct repo_name before = q->name;

    q->name = *repo;
    TRY(access_need_push(q, e));
    q->name = before;
    return ERR_OK;
}

static enum access_verdict deny(struct req *q)
{
    AUTO(buf) struct buf deed = {0};
    char why[REPO_NAME_MAX + 96];
    struct err e = {0};

    if (q->who->kind == IDENTITY_ANONYMOUS && !q->who->granted)
        return access_ask(q, q->who->by_token ? "insufficient_scope" : NULL, "sign in first");
    access_audit_refusal(q, "denied");
    if (q->who->scoped) {
        snprintf(why, sizeof(why), "the token gives no right to %s", deed_of(q, &deed));
        return access_ask(q, "insufficient_scope", why);
    }
    if (q->route->access != ACCESS_PULL && q->route->access != ACCESS_LOOK)
        return access_refuse(
            q, err_tell(&e, ERR_DENIED, "%s may not %s", q->identity, deed_of(q, &deed)), &e);
    if (q->route->hidden) {
        q->route->hidden(q);
        return ACCESS_REFUSED;
    }
    return access_refuse(q, q->route->unknown, &e);
}

/* One request of the bucket of who asks: of their name, or of their address while they have none.
 */
static bool within_rate(struct req *q)
{
    const struct conf_rate *conf = &q->api->conf->limits.rate;
    bool named = q->who->kind != IDENTITY_ANONYMOUS;
    uint64_t per_second = conf_u64(named ? &conf->identity : &conf->address);
    uint64_t burst = conf_u64(named ? &conf->identity_burst : &conf->address_burst);
    struct rate_limit limit = {per_second, 1, burst ? burst : 2 * per_second};
    struct rate_state state;
    bool taken;

    if (per_second == 0)
        return true;
    taken = rate_take(q->api->guard.rate, named ? 'i' : 'a',
                      str_of(named ? q->identity : client_network(q)), &limit, &state);
    access_tell_rate(q, &state);
    if (!taken) {
        http_headerf(q->x, "Retry-After", "%llu", (unsigned long long)state.retry_s);
        q->retry_told = true;
    }
    return taken;
}

static enum access_verdict slow_down(struct req *q)
{
    struct err e = {0};

    return access_refuse(
        q, err_tell(&e, ERR_TOO_MANY_REQUESTS, "too many requests; try again later"), &e);
}

/* Without authentication everyone may everything, but for what would outlast that: accounts and
 * rights that hold once it is on. */
static enum access_verdict settle_unasked(struct req *q)
{
    struct err e = {0};

    if (q->route->access != ACCESS_ACCOUNT && q->route->access != ACCESS_ADMIN)
        return ACCESS_GRANTED;
    return access_refuse(
        q,
        err_tell(&e, ERR_DENIED,
                 "authentication is off, so nobody is an admin here; the command line "
                 "of the registry can do this"),
        &e);
}

/* Caches keep to themselves what has an Authorization header; of cookies they know nothing (RFC
 * 9111, 3.5 and 7.3), and a browser shows again what it kept when its user has signed out. */
static void tell_caches(struct req *q)
{
    if (q->by_session)
        http_header(q->x, "Cache-Control", STR("private, no-cache"));
}

static enum access_verdict forged(struct req *q, const struct err *e)
{
    access_audit_refusal(q, "denied");
    return access_refuse(q, ERR_DENIED, e);
}

/* It was good when the connection began; now a new one could not be made with it. */
static bool certificate_spoiled(struct req *q)
{
    struct str der;

    return http_client_certificate(q->x, &der) == HTTP_CERTIFICATE_BAD;
}

static enum access_verdict refuse_certificate(struct req *q)
{
    struct err e = {0};

    http_close_after(q->x);
    audit_request(q, "sign-in", "failed", "client certificate expired or revoked");
    return access_refuse(
        q, err_tell(&e, ERR_DENIED, "the client certificate has expired or was revoked"), &e);
}

static enum access_verdict find_who(struct req *q)
{
    enum access_verdict verdict = ACCESS_GRANTED;

    if (q->route->access == ACCESS_NONE || !auth_enabled(q->api->guard.auth))
        q->who = identity_anonymous();
    else
        verdict = access_identify(q);
    if (verdict == ACCESS_GRANTED && q->who->kind != IDENTITY_ANONYMOUS) {
        identity_subject(q->who, q->identity, sizeof(q->identity));
        http_set_identity(q->x, q->identity);
    }
    return verdict;
}

static enum access_verdict hide_own(struct req *q)
{
    struct err e = {0};

    return access_refuse(q, access_own_name(&e), &e);
}

static enum access_verdict settle_right(struct req *q)
{
    if (q->route->access == ACCESS_NONE)
        return ACCESS_GRANTED;
    if (is_hidden(q->who, &q->name) || (own_repo(&q->name) && q->route->access != ACCESS_PULL))
        return hide_own(q);
    if (!auth_enabled(q->api->guard.auth))
        return settle_unasked(q);
    return route_allowed(q) ? ACCESS_GRANTED : deny(q);
}

enum access_verdict access_settle(struct req *q)
{
    enum access_verdict verdict;
    struct err e = {0};

    if (certificate_spoiled(q))
        return refuse_certificate(q);
    if (csrf_check_origin(q, &e) != ERR_OK)
        return access_refuse(q, ERR_DENIED, &e);
    verdict = find_who(q);
    if (verdict != ACCESS_GRANTED)
        return verdict;
    tell_caches(q);
    if (!within_rate(q))
        return slow_down(q);
    if (csrf_check_token(q, &e) != ERR_OK)
        return forged(q, &e);
    return settle_right(q);
}

enum access_verdict access_settle_again(struct req *q)
{
    enum access_verdict verdict = ACCESS_GRANTED;

    if (certificate_spoiled(q))
        return refuse_certificate(q);
    if (!q->receiving.go_on) {
        access_done(q);
        verdict = find_who(q);
    }
    return verdict == ACCESS_GRANTED ? settle_right(q) : verdict;
}

void access_done(struct req *q)
{
    identity_unref(q->who);
    q->who = NULL;
}
