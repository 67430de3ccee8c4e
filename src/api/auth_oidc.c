/*
 * Signing in at an OpenID provider: there, and back. What has to be known again when the browser
 * comes back is in a cookie of that browser, which only the registry can read or make: so it needs
 * no memory, any replica goes on, and what one browser began no other can end.
 */
#include "auth/browser/oidc.h"

#include "api/access.h"
#include "api/access_identity.h"
#include "api/audit_entry.h"
#include "api/cookie.h"
#include "api/handlers.h"
#include "api/parameter.h"
#include "api/proxy.h"
#include "api/reply.h"
#include "api/return_to.h"
#include "api/v1_session.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/json.h"
#include "base/log.h"

#include <jansson.h>
#include <openssl/crypto.h>

#define CALLBACK   "/auth/oidc/callback"
#define PURPOSE    "oidc"
#define PENDING_MS (10 * 60 * 1000) /* to type a password, and a code */
#define CODE_MAX   4096
#define ERROR_MAX  64
#define URL_MAX    2048
#define COOKIE_MAX 2048 /* closed: some 4000 bytes, as much as a browser keeps */

static enum err_code check_on(struct req *q, struct err *e)
{
    if (!q->api->guard.oidc)
        return err_tell(e, ERR_NOT_FOUND, "no OpenID provider is configured");
    http_header(q->x, "Cache-Control", STR("no-store"));
    http_header(q->x, "Referrer-Policy", STR("no-referrer"));
    return ERR_OK;
}

/* Of the address that the browser used; what is not registered the provider refuses. */
static void redirect_uri(const struct req *q, char dst[static URL_MAX])
{
    const char *set = q->api->conf->auth.oidc.redirect_uri;

    if (set[0])
        snprintf(dst, URL_MAX, "%s", set);
    else
        snprintf(dst, URL_MAX, "%s://" STR_FMT STR_FMT CALLBACK, client_scheme(q),
                 STR_ARG(q->head->host), STR_ARG(reply_prefix(q)));
}

/* The person reads that the provider is away, the log why. */
static enum err_code told(enum err_code code, struct err *e)
{
    if (code != ERR_UNAVAILABLE || e->public_detail)
        return code;
    log_err(LOG_WARNING, "the sign-in provider can't be asked", e);
    return err_tell(e, ERR_UNAVAILABLE, "the sign-in provider can't be reached; try again later");
}

static enum err_code go(struct req *q, struct str place)
{
    http_header(q->x, "Location", place);
    reply_empty(q, 302);
    return ERR_OK;
}

/* What is kept with the browser. */

struct pending {
    struct oidc_start start;
    char return_to[RETURN_TO_MAX + 1];
};

static enum err_code pending_keep(struct req *q, const struct pending *p, struct err *e)
{
    AUTO(json)
    json_t *json = json_pack("{s:s, s:s, s:s, s:s, s:I}", "state", p->start.state, "nonce",
                             p->start.nonce, "verifier", p->start.verifier, "return_to",
                             p->return_to, "until_ms", (json_int_t)(clock_wall_ms() + PENDING_MS));
    AUTO(mem) char *text = json ? json_dumps(json, JSON_COMPACT) : NULL;
    AUTO(buf) struct buf closed = {0};

    if (!text)
        return err_set(e, ERR_INTERNAL, "a sign-in can't be written");
    buf_init(&closed, 2 * COOKIE_MAX);
    seal_close(q->api->guard.seal, PURPOSE, str_of(text), &closed);
    /* Lax: the provider's page leads back here */
    cookie_set(q, COOKIE_SIGN_IN, buf_text(&closed), COOKIE_LAX, PENDING_MS / 1000);
    return ERR_OK;
}

static bool copy_text(const json_t *json, const char *key, char *dst, size_t cap)
{
    const char *text = json_string_value(json_object_get(json, key));

    return text && str_copy(str_of(text), dst, cap);
}

static bool pending_read(const json_t *json, struct pending *p)
{
    return json_integer_value(json_object_get(json, "until_ms")) > clock_wall_ms() &&
           copy_text(json, "state", p->start.state, sizeof(p->start.state)) &&
           copy_text(json, "nonce", p->start.nonce, sizeof(p->start.nonce)) &&
           copy_text(json, "verifier", p->start.verifier, sizeof(p->start.verifier)) &&
           copy_text(json, "return_to", p->return_to, sizeof(p->return_to));
}

/* The cookie goes: a sign-in is ended once. */
static enum err_code pending_take(struct req *q, struct pending *ret, struct err *e)
{
    struct str cookie = cookie_get(q, COOKIE_SIGN_IN);
    AUTO(json) json_t *json = NULL;
    AUTO(buf) struct buf open = {0};

    buf_init(&open, COOKIE_MAX);
    cookie_set(q, COOKIE_SIGN_IN, "", COOKIE_LAX, 0);
    if (cookie.n && seal_open(q->api->guard.seal, PURPOSE, cookie, &open))
        json = json_loadb(open.p, open.n, 0, NULL);
    if (!pending_read(json, ret))
        return err_tell(e, ERR_REQUEST_INVALID,
                        "this browser did not begin to sign in, or took too long; start again");
    return ERR_OK;
}

/* There. */

enum err_code api_oidc_login(struct req *q, struct err *e)
{
    struct str prefix = reply_prefix(q);
    struct pending p = {0};
    AUTO(buf) struct buf url = {0};
    char uri[URL_MAX];

    TRY(check_on(q, e));
    snprintf(p.return_to, sizeof(p.return_to), STR_FMT "/", STR_ARG(prefix));
    if (query_has(q, "return_to"))
        TRY(query_text(q, "return_to", p.return_to, sizeof(p.return_to), e));
    if (!return_to_valid(str_of(p.return_to), prefix))
        return err_tell(e, ERR_REQUEST_INVALID, "return_to is no path of this registry");
    buf_init(&url, 8192);
    redirect_uri(q, uri);
    TRY(told(oidc_begin(q->api->guard.oidc, uri, &p.start, &url, e), e));
    TRY(pending_keep(q, &p, e));
    return go(q, buf_str(&url));
}

/* And back. */

/* RFC 6749, 4.1.2.1: what the provider answers in the place of a code. Only its own words are
 * repeated, and of them only what can be one. */
static enum err_code check_error(struct req *q, struct err *e)
{
    char error[ERROR_MAX];

    if (!query_has(q, "error"))
        return ERR_OK;
    if (query_text(q, "error", error, sizeof(error), e) != ERR_OK ||
        error[strspn(error, "abcdefghijklmnopqrstuvwxyz_")] != '\0')
        return err_tell(e, ERR_DENIED, "the sign-in provider refused");
    return err_tell(e, ERR_DENIED, "the sign-in provider refused: %s", error);
}

static enum err_code check_state(struct req *q, const struct pending *p, struct err *e)
{
    char state[OIDC_SECRET_TEXT + 1];

    if (query_text(q, "state", state, sizeof(state), e) == ERR_OK &&
        strlen(state) == OIDC_SECRET_TEXT &&
        CRYPTO_memcmp(state, p->start.state, OIDC_SECRET_TEXT) == 0)
        return ERR_OK;
    return err_tell(e, ERR_REQUEST_INVALID,
                    "this is not the sign-in that this browser began last; start again");
}

static enum err_code finish(struct req *q, const struct pending *p, struct identity **ret_identity,
                            struct err *e)
{
    char code[CODE_MAX], issuer[URL_MAX], uri[URL_MAX];
    struct oidc_answer a = {.redirect_uri = uri, .start = &p->start};
    enum err_code result;

    TRY(check_state(q, p, e));
    TRY(check_error(q, e));
    TRY(query_text(q, "code", code, sizeof(code), e));
    TRY(query_text(q, "iss", issuer, sizeof(issuer), e));
    if (!code[0])
        return err_tell(e, ERR_REQUEST_INVALID, "there is no code");
    redirect_uri(q, uri);
    a.code = str_of(code);
    a.issuer = str_of(issuer);
    TRY(access_may_fail(q, e));
    result = told(oidc_finish(q->api->guard.oidc, &a, ret_identity, e), e);
    if (result != ERR_OK && result != ERR_UNAVAILABLE)
        access_has_failed(q);
    return result;
}

enum err_code api_oidc_callback(struct req *q, struct err *e)
{
    AUTO(identity) struct identity *who = NULL;
    struct session_cookie made;
    struct pending p;
    enum err_code code;

    TRY(check_on(q, e));
    TRY(pending_take(q, &p, e));
    code = finish(q, &p, &who, e);
    OPENSSL_cleanse(&p.start, sizeof(p.start));
    if (code != ERR_OK) {
        audit_request(q, "sign-in", "failed", "");
        return code;
    }
    TRY(session_begin(q, who, &made, e));
    audit_sign_in(q, str_of(who->name), "ok");
    return go(q, str_of(p.return_to));
}
