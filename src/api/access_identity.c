#include "api/access_identity.h"

#include "api/access_refusal.h"
#include "api/audit_entry.h"
#include "api/cookie.h"
#include "api/proxy.h"
#include "auth/core/auth.h"
#include "auth/core/credential.h"

#include <openssl/crypto.h>

/* Kinds of buckets (auth/core/rate.h), so that late tokens keep no password out. */
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
    given->c.secret = cookie;
    q->by_session = true;
}

/* Who says nothing else is who their certificate says. Not to the token service: what it makes
 * would outlive a revocation. */
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

/* What the chain says, as an error (auth_check() has told why); AUTH_LATER never comes here. */
static enum err_code result_error(struct req *q, enum auth_result r, unsigned retry_s)
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
        return ERR_UNAUTHORIZED;
    case AUTH_CODE:
        return ERR_TOTP_REQUIRED;
    default:
        return ERR_OK;
    }
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
    access_tell_rate(q, &state);
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
                                                        : result_error(q, AUTH_LOCKED, retry_s);
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
    bool guessed = credential_guessed(c);
    enum auth_result r;

    if (guessed && !may_fail(q, kind, ret_retry_s, e))
        return AUTH_LOCKED;
    r = auth_check(q->api->guard.auth, c, ret_identity, ret_retry_s, e);
    if (guessed && r == AUTH_REFUSED)
        has_failed(q, kind);
    return r;
}

enum access_verdict access_identify(struct req *q)
{
    enum access_verdict verdict = ACCESS_GRANTED;
    struct credentials given;
    struct err e = {0};
    unsigned retry_s = 1;
    enum auth_result r;
    enum err_code code;

    if (!credentials_of(q, &given))
        return access_ask(q, NULL, not_understood);
    take_session(q, &given);
    certificate_of(q, &given);
    r = auth_quick(q->api->guard.auth, given.given ? &given.c : NULL, &q->who);
    if (r == AUTH_LATER && http_on_worker(q->x))
        r = check(q, &given.c, &q->who, &retry_s, &e);
    if (r == AUTH_LATER)
        return ACCESS_LATER;
    code = result_error(q, r, retry_s);
    if ((code == ERR_UNAUTHORIZED || code == ERR_TOO_MANY_REQUESTS) && !q->by_session)
        audit_sign_in(q, given.c.user, code == ERR_UNAUTHORIZED ? "failed" : "locked");
    if (code == ERR_UNAUTHORIZED)
        verdict = access_ask(q, "invalid_token", e.detail);
    else if (code != ERR_OK)
        verdict = access_refuse(q, code, &e);
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
    return result_error(q, r, retry_s);
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
