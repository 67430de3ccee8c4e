#include "api/access.h"

#include "api/audit.h"
#include "api/cookie.h"
#include "api/csrf.h"
#include "api/proxy.h"
#include "auth/credential.h"

#include <openssl/crypto.h>
#include <stdatomic.h>

/* Kinds of buckets (auth/rate.h), so that late tokens keep no password out. */
#define FAILED_PASSWORD    'p'
#define FAILED_TOKEN       't'
#define FAILED_AT_PROVIDER 'o'

/* What an Authorization header holds, with the memory for its decoded parts. */
struct credentials {
    struct credential c;
    bool given;
    char basic[CREDENTIAL_BASIC_ROOM];
};

/* False: there is an Authorization header that is not understood. */
static bool credentials_of(struct req *q, struct credentials *ret)
{
    struct str value = http_field_get(q->head, STR("Authorization"));

    ret->c = (struct credential){.address = client_network(q)};
    ret->given = value.n > 0;
    return !ret->given || credential_parse(value, &ret->c, ret->basic);
}

static const char not_understood[] = "the Authorization header is neither 'Basic' and "
                                     "NAME:PASSWORD in base64, nor 'Bearer' and a token";

/* Most requests bring a bearer, or nothing: there is nothing to wipe then. */
static void credentials_done(struct credentials *given)
{
    if (given->given && given->c.kind == CREDENTIAL_BASIC)
        OPENSSL_cleanse(given->basic, sizeof(given->basic));
}

/* A browser brings no header but its session. */
static void take_session(struct req *q, struct credentials *given)
{
    struct str cookie = q->api->guard.sessions ? cookie_get(q, COOKIE_SESSION) : STR_NONE;

    if (given->given || cookie.n == 0)
        return;
    given->given = true;
    given->c.kind = CREDENTIAL_SESSION;
    given->c.secret = q->session = cookie;
}

/* Who says nothing else is who his certificate says. Not to the token service: what it makes would
 * outlive a revocation. */
static void certificate_of(struct req *q, struct credentials *c)
{
    struct str der;

    if (c->given || !q->api->conf->auth.certificate.enabled ||
        http_client_certificate(q->x, &der) != HTTP_CERTIFICATE_GOOD)
        return;
    c->given = true;
    c->c.kind = CREDENTIAL_CERTIFICATE;
    c->c.certificate = der;
}

static const char *scope_actions(const struct req *q)
{
    static const char *const texts[] = {
        [ACCESS_PULL] = "pull", [ACCESS_PUSH] = "pull,push", [ACCESS_DELETE] = "delete"};

    return q->route->access < sizeof(texts) / sizeof(texts[0]) ? texts[q->route->access] : NULL;
}

/* The Docker token protocol's challenge, or RFC 7617's where there is no token service. */
static void challenge(struct req *q, const char *error)
{
    const struct conf_auth *conf = &q->api->conf->auth;
    AUTO(buf) struct buf text = {0};

    buf_init(&text, 2048);
    if (q->session.n || str_starts(q->head->path, STR("/api/"))) {
        /* Basic would make a browser ask by itself, over the page that asks already. */
        buf_addf(&text, "Bearer realm=\"%s\"", conf->realm);
    } else if (!q->api->guard.tokens && !conf_token_foreign(&conf->token)) {
        buf_addf(&text, "Basic realm=\"%s\"", conf->realm);
    } else {
        buf_add_text(&text, "Bearer realm=\"");
        if (conf->token.realm[0])
            buf_add_text(&text, conf->token.realm);
        else
            buf_addf(&text, "%s://" STR_FMT "/auth/token", client_scheme(q),
                     STR_ARG(q->head->host));
        buf_addf(&text, "\",service=\"%s\"", conf->token.service);
        if (q->name.n && scope_actions(q))
            buf_addf(&text, ",scope=\"repository:%s:%s\"", q->name.text, scope_actions(q));
        else if (q->route->access == ACCESS_CATALOG)
            buf_add_text(&text, ",scope=\"registry:catalog:*\"");
        if (error)
            buf_addf(&text, ",error=\"%s\"", error);
    }
    http_header(q->x, "WWW-Authenticate", buf_str(&text));
}

static enum access_verdict refuse(struct req *q, enum err_code code, const struct err *e)
{
    reply_error(q, code, e);
    return ACCESS_REFUSED;
}

/* Someone with a name was denied, or gave wrong credentials: that is for the trail. */
static void audit_refusal(struct req *q, const char *result)
{
    bool reads = q->head->method == HTTP_GET || q->head->method == HTTP_HEAD;

    if (q->who && q->who->kind == IDENTITY_ANONYMOUS)
        return;
    audit_request(q, q->route->audit ? q->route->audit : reads ? "read" : "write", result, "");
}

static enum access_verdict ask_to_sign_in(struct req *q, const char *error, const char *why)
{
    struct err e = {0};

    challenge(q, error);
    return refuse(q, err_tell(&e, ERR_UNAUTHORIZED, "%s", why), &e);
}

/* What the chain says, as an error; AUTH_LATER never comes here. */
static enum err_code result_error(struct req *q, enum auth_result r, unsigned retry_s,
                                  struct err *e)
{
    switch (r) {
    case AUTH_LOCKED:
        http_headerf(q->x, "Retry-After", "%u", retry_s);
        q->retry_told = true;
        return ERR_TOO_MANY_REQUESTS;
    case AUTH_FAILED:
        return ERR_UNAVAILABLE;
    case AUTH_REFUSED:
    case AUTH_PAST:
        if (!e->public_detail)
            err_tell(e, ERR_UNAUTHORIZED, "the credentials are wrong or have expired");
        return ERR_UNAUTHORIZED;
    case AUTH_CODE:
        return ERR_TOTP_REQUIRED;
    default:
        return ERR_OK;
    }
}

static void tell_rate(struct req *q, const struct rate_state *state)
{
    http_headerf(q->x, "RateLimit-Limit", "%llu", (unsigned long long)state->limit);
    http_headerf(q->x, "RateLimit-Remaining", "%llu", (unsigned long long)state->remaining);
    http_headerf(q->x, "RateLimit-Reset", "%llu", (unsigned long long)state->reset_s);
}

/* Have not too many sign-ins from there failed? Those of a kind are counted for themselves. */
static bool may_fail(struct req *q, char kind, unsigned *ret_retry_s, struct err *e)
{
    uint64_t failures = conf_u64(&q->api->conf->limits.rate.failures);
    struct rate_limit limit = {failures, 60, failures};
    struct rate_state state;

    if (failures == 0 ||
        rate_peek(q->api->guard.rate, kind, str_of(client_network(q)), &limit, &state))
        return true;
    tell_rate(q, &state);
    *ret_retry_s = (unsigned)state.retry_s;
    err_tell(e, ERR_TOO_MANY_REQUESTS, "too many wrong credentials; try again in %u s",
             *ret_retry_s);
    return false;
}

static void has_failed(struct req *q, char kind)
{
    uint64_t failures = conf_u64(&q->api->conf->limits.rate.failures);
    struct rate_limit limit = {failures, 60, failures};
    struct rate_state state;

    if (failures > 0)
        rate_take(q->api->guard.rate, kind, str_of(client_network(q)), &limit, &state);
}

enum err_code access_may_fail(struct req *q, struct err *e)
{
    unsigned retry_s = 1;

    return may_fail(q, FAILED_AT_PROVIDER, &retry_s, e) ? ERR_OK
                                                        : result_error(q, AUTH_LOCKED, retry_s, e);
}

void access_has_failed(struct req *q)
{
    has_failed(q, FAILED_AT_PROVIDER);
}

/* Asks the providers, unless so many sign-ins of this address failed that nobody new is let in from
 * it. Who is in the cache of answers was let in before and is not asked for. */
static enum auth_result check(struct req *q, const struct credential *c,
                              struct identity **ret_identity, unsigned *ret_retry_s, struct err *e)
{
    char kind = c->kind == CREDENTIAL_BASIC ? FAILED_PASSWORD : FAILED_TOKEN;
    bool guessed = c->kind != CREDENTIAL_SESSION; /* nobody guesses those: a session only ends */
    enum auth_result r;

    if (guessed && !may_fail(q, kind, ret_retry_s, e))
        return AUTH_LOCKED;
    r = auth_check(q->api->guard.auth, c, ret_identity, ret_retry_s, e);
    if (guessed && r == AUTH_REFUSED)
        has_failed(q, kind);
    return r;
}

static enum access_verdict identify(struct req *q)
{
    enum access_verdict verdict = ACCESS_GRANTED;
    struct credentials given;
    struct err e = {0};
    unsigned retry_s = 1;
    enum auth_result r;
    enum err_code code;

    if (!credentials_of(q, &given))
        return ask_to_sign_in(q, NULL, not_understood);
    take_session(q, &given);
    certificate_of(q, &given);
    r = auth_quick(q->api->guard.auth, given.given ? &given.c : NULL, &q->who);
    q->asked = r == AUTH_LATER;
    if (r == AUTH_LATER && http_on_worker(q->x))
        r = check(q, &given.c, &q->who, &retry_s, &e);
    if (r == AUTH_LATER)
        return ACCESS_LATER;
    code = result_error(q, r, retry_s, &e);
    if ((code == ERR_UNAUTHORIZED || code == ERR_TOO_MANY_REQUESTS) && !q->session.n)
        audit_sign_in(q, given.c.user, code == ERR_UNAUTHORIZED ? "failed" : "locked");
    if (code == ERR_UNAUTHORIZED)
        verdict = ask_to_sign_in(q, "invalid_token", e.detail);
    else if (code != ERR_OK)
        verdict = refuse(q, code, &e);
    credentials_done(&given);
    return verdict;
}

/* c NULL: no credential. */
static enum err_code sign_in(struct req *q, const struct credential *c,
                             struct identity **ret_identity, struct err *e)
{
    unsigned retry_s = 1;
    enum auth_result r = auth_quick(q->api->guard.auth, c, ret_identity);

    if (c && r == AUTH_LATER)
        r = check(q, c, ret_identity, &retry_s, e);
    if (c && r != AUTH_FAILED && r != AUTH_CODE)
        audit_sign_in(q, c->user, r == AUTH_OK ? "ok" : r == AUTH_LOCKED ? "locked" : "failed");
    return result_error(q, r, retry_s, e);
}

enum err_code access_sign_in(struct req *q, struct str user, struct str secret,
                             struct identity **ret_identity, struct err *e)
{
    struct credentials given;
    enum err_code code;

    if (user.n || secret.n) {
        given.given = true;
        given.c = (struct credential){
            .kind = CREDENTIAL_BASIC, .user = user, .secret = secret, .address = client_network(q)};
    } else if (!credentials_of(q, &given)) {
        return err_tell(e, ERR_UNAUTHORIZED, "%s", not_understood);
    }
    code = sign_in(q, given.given ? &given.c : NULL, ret_identity, e);
    credentials_done(&given);
    return code;
}

enum err_code access_sign_in_person(struct req *q, struct str user, struct str password,
                                    struct str code, struct identity **ret_identity, struct err *e)
{
    struct credential c = {.kind = CREDENTIAL_BASIC,
                           .user = user,
                           .secret = password,
                           .address = client_network(q),
                           .person = true,
                           .code = code};

    return sign_in(q, &c, ret_identity, e);
}

bool access_may(const struct req *q, enum action action, const struct repo_name *repo,
                const struct tag_name *tag)
{
    struct policy *policy;
    bool allowed;

    if (!auth_enabled(q->api->guard.auth))
        return true;
    policy = api_policy(q->api);
    allowed = policy_allows(policy, q->who, action, repo, tag, NULL);
    policy_unref(policy);
    return allowed;
}

bool access_sees(const struct req *q, const struct repo_name *repo)
{
    struct policy *policy;
    bool sees;

    if (!auth_enabled(q->api->guard.auth))
        return true;
    policy = api_policy(q->api);
    sees = policy_sees(policy, q->who, repo);
    policy_unref(policy);
    return sees;
}

static bool anonymous_sees_anything(const struct req *q)
{
    struct policy *policy = api_policy(q->api);
    bool any = policy_names_anonymous(policy);

    policy_unref(policy);
    return any;
}

/* Tokens speak for less than their owner: none of them hands out what he has. */
static bool speaks_for_account(const struct req *q)
{
    return (q->who->kind == IDENTITY_USER && !q->who->scoped) ||
           access_may(q, ACTION_ADMIN, NULL, NULL);
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
        if (q->who->granted)
            return identity_scope_actions(q->who, STR_NONE) != 0;
        return q->who->kind != IDENTITY_ANONYMOUS || anonymous_sees_anything(q);
    case ACCESS_PULL:
        return access_may(q, ACTION_PULL, &q->name, tag);
    case ACCESS_PUSH:
        return access_may(q, ACTION_PUSH, &q->name, tag) ||
               access_may(q, ACTION_OVERWRITE, &q->name, tag);
    case ACCESS_DELETE:
        return access_may(q, ACTION_DELETE, &q->name, tag);
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
        [ACCESS_PULL] = "pull from",       [ACCESS_PUSH] = "push to",
        [ACCESS_DELETE] = "delete in",     [ACCESS_CATALOG] = "list repositories",
        [ACCESS_ACCOUNT] = "use accounts", [ACCESS_ADMIN] = "administer the registry",
    };
    enum access access = q->route->access;
    const char *verb = access < sizeof(verbs) / sizeof(verbs[0]) ? verbs[access] : NULL;

    buf_init(dst, REPO_NAME_MAX + 64);
    buf_add_text(dst, verb ? verb : "do this");
    if (q->name.n)
        buf_addf(dst, " %s", q->name.text);
    return buf_text(dst);
}

static enum access_verdict deny(struct req *q)
{
    AUTO(buf) struct buf deed = {0};
    char why[REPO_NAME_MAX + 96];
    struct err e = {0};

    if (q->who->kind == IDENTITY_ANONYMOUS && !q->who->granted)
        return ask_to_sign_in(q, NULL, "sign in first");
    audit_refusal(q, "denied");
    if (q->who->scoped) {
        snprintf(why, sizeof(why), "the token gives no right to %s", deed_of(q, &deed));
        return ask_to_sign_in(q, "insufficient_scope", why);
    }
    if (q->route->access != ACCESS_PULL)
        return refuse(q, err_tell(&e, ERR_DENIED, "%s may not %s", q->identity, deed_of(q, &deed)),
                      &e);
    if (q->route->hidden) {
        q->route->hidden(q);
        return ACCESS_REFUSED;
    }
    return refuse(q, q->route->unknown, &e);
}

/* One request of the bucket of who asks: of his name, or of his address while he has none. */
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
    tell_rate(q, &state);
    if (!taken) {
        http_headerf(q->x, "Retry-After", "%llu", (unsigned long long)state.retry_s);
        q->retry_told = true;
    }
    return taken;
}

static enum access_verdict slow_down(struct req *q)
{
    struct err e = {0};

    return refuse(q, err_tell(&e, ERR_TOO_MANY_REQUESTS, "too many requests; try again later"), &e);
}

/* Without authentication everyone may everything, but for what would outlast that: accounts and
 * rights that hold once it is on. */
static enum access_verdict settle_unasked(struct req *q)
{
    struct err e = {0};

    if (q->route->access != ACCESS_ACCOUNT && q->route->access != ACCESS_ADMIN)
        return ACCESS_GRANTED;
    return refuse(q,
                  err_tell(&e, ERR_DENIED,
                           "authentication is off, so nobody is an admin here; the command line "
                           "of the registry can do this"),
                  &e);
}

/* Caches keep to themselves what has an Authorization header; of cookies they know nothing (RFC
 * 9111, 3.5 and 7.3), and a browser shows again what it kept when its user has signed out. */
static void tell_caches(struct req *q)
{
    if (q->session.n)
        http_header(q->x, "Cache-Control", STR("private, no-cache"));
}

static enum access_verdict forged(struct req *q, const struct err *e)
{
    audit_refusal(q, "denied");
    return refuse(q, ERR_DENIED, e);
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
    return refuse(q, err_tell(&e, ERR_DENIED, "the client certificate has expired or was revoked"),
                  &e);
}

enum access_verdict access_settle(struct req *q)
{
    enum access_verdict verdict = ACCESS_GRANTED;
    struct err e = {0};

    if (certificate_spoiled(q))
        return refuse_certificate(q);
    if (csrf_check_origin(q, &e) != ERR_OK)
        return refuse(q, ERR_DENIED, &e);
    if (q->route->access == ACCESS_NONE || !auth_enabled(q->api->guard.auth))
        q->who = identity_anonymous();
    else
        verdict = identify(q);
    if (verdict != ACCESS_GRANTED)
        return verdict;
    tell_caches(q);
    if (q->who->kind != IDENTITY_ANONYMOUS) {
        identity_subject(q->who, q->identity, sizeof(q->identity));
        http_set_identity(q->x, q->identity);
    }
    /* Once a request: quick() comes first, unless only a worker could settle who it is. */
    if ((!http_on_worker(q->x) || q->asked) && !within_rate(q))
        return slow_down(q);
    if (csrf_check_token(q, &e) != ERR_OK)
        return forged(q, &e);
    if (q->route->access == ACCESS_NONE)
        return ACCESS_GRANTED;
    if (!auth_enabled(q->api->guard.auth))
        return settle_unasked(q);
    return route_allowed(q) ? ACCESS_GRANTED : deny(q);
}

void access_done(struct req *q)
{
    identity_unref(q->who);
    q->who = NULL;
}
