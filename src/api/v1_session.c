/*
 * The session of a browser: signing in with a name and a password (and the code of the second
 * factor), who one is, signing out.
 */
#include "api/v1_session.h"

#include "api/access.h"
#include "api/access_identity.h"
#include "api/body.h"
#include "api/cookie.h"
#include "api/handlers.h"
#include "api/policy_in_force.h"
#include "api/reply.h"
#include "auth/core/auth.h"
#include "auth/providers/local.h"
#include "base/cleanup.h"
#include "base/clock.h"

#include <jansson.h>

#define BODY_MAX 16384

static enum err_code check_on(struct req *q, struct err *e)
{
    if (!q->api->guard.sessions)
        return err_tell(e, ERR_NOT_FOUND, "nobody signs in here: authentication is off");
    return ERR_OK;
}

enum err_code session_begin(struct req *q, const struct identity *who,
                            struct session_cookie *ret_cookie, struct err *e)
{
    struct sessions *all = q->api->guard.sessions;
    struct session_cookie made;
    int64_t left_ms;

    TRY(session_end(all, cookie_get(q, COOKIE_SESSION), e));
    TRY(session_start(all, who, conf_u64(&q->api->conf->limits.sessions_per_user), &made, e));
    left_ms = made.until_ms - clock_wall_ms();
    cookie_set(q, COOKIE_SESSION, made.text, COOKIE_STRICT,
               left_ms > 1000 ? (uint64_t)left_ms / 1000 : 1);
    identity_subject(who, q->identity, sizeof(q->identity));
    http_set_identity(q->x, q->identity);
    *ret_cookie = made;
    return ERR_OK;
}

/* The answer. */

static void add_groups(struct buf *body, const struct identity *who)
{
    buf_add_text(body, ",\"groups\":[");
    for (size_t i = 0; i < who->n_groups; i++) {
        if (i)
            buf_add_char(body, ',');
        buf_add_json(body, str_of(who->groups[i]));
    }
    buf_add_char(body, ']');
}

/* cookie empty: signed in otherwise. */
static void add_session(struct req *q, struct buf *body, struct str cookie, int64_t until_ms)
{
    char token[SEAL_MAC_TEXT + 1], until[CLOCK_RFC3339_SIZE];

    if (!cookie.n)
        return;
    session_csrf(q->api->guard.sessions, cookie, token);
    clock_rfc3339(until_ms, until);
    buf_addf(body, ",\"csrf_token\":\"%s\",\"expires_at\":\"%s\",\"idle_timeout_s\":%llu", token,
             until, (unsigned long long)q->api->conf->auth.session.idle_ms / 1000);
}

static void answer(struct req *q, const struct identity *who, struct str cookie, int64_t until_ms)
{
    char subject[160];
    AUTO(buf) struct buf body = {0};
    struct policy *policy = api_policy(q->api);
    bool admin = !auth_enabled(q->api->guard.auth) ||
                 policy_allows(policy, who, ACTION_ADMIN, NULL, NULL, NULL);

    policy_unref(policy);
    buf_init(&body, 512 * 1024);
    identity_subject(who, subject, sizeof(subject));
    buf_add_text(&body, "{\"subject\":");
    buf_add_json(&body, str_of(subject));
    buf_add_text(&body, ",\"name\":");
    buf_add_json(&body, str_of(who->name));
    buf_add_text(&body, ",\"provider\":");
    buf_add_json(&body, str_of(who->provider));
    buf_addf(&body, ",\"admin\":%s", admin ? "true" : "false");
    add_groups(&body, who);
    add_session(q, &body, cookie, until_ms);
    buf_add_text(&body, "}\n");
    http_header(q->x, "Cache-Control", STR("no-store"));
    reply_json(q, 200, buf_str(&body));
}

/* What can be asked for on a page where people sign in. */

static bool has_passwords(struct auth *a)
{
    return auth_has(a, LOCAL_PROVIDER) || auth_has(a, "htpasswd") || auth_has(a, "ldap");
}

/* "https://id.example.org/realm": "id.example.org". */
static struct str host_of(struct str url)
{
    struct str scheme, host;

    str_cut(&url, ':', &scheme);
    while (str_starts(url, STR("/")))
        url = str_sub(url, 1, url.n - 1);
    str_cut(&url, '/', &host);
    return host;
}

static void add_oidc(struct req *q, struct buf *body)
{
    const struct conf_oidc *conf = &q->api->conf->auth.oidc;

    if (!q->api->guard.oidc) {
        buf_add_text(body, ",\"oidc\":null");
        return;
    }
    buf_add_text(body, ",\"oidc\":{\"title\":");
    buf_add_json(body, conf->title[0] ? str_of(conf->title) : host_of(str_of(conf->issuer)));
    buf_addf(body, ",\"start\":\"" STR_FMT "/auth/oidc/login\"}", STR_ARG(reply_prefix(q)));
}

enum err_code api_session_methods_get(struct req *q, struct err *e)
{
    struct auth *a = q->api->guard.auth;
    AUTO(buf) struct buf body = {0};

    (void)e;
    buf_init(&body, 8192);
    buf_addf(&body, "{\"authentication\":%s,\"password\":%s,\"second_factor\":%s",
             auth_enabled(a) ? "true" : "false", has_passwords(a) ? "true" : "false",
             auth_has(a, LOCAL_PROVIDER) ? "true" : "false");
    add_oidc(q, &body);
    buf_add_text(&body, "}\n");
    http_header(q->x, "Cache-Control", STR("no-store"));
    reply_json(q, 200, buf_str(&body));
    return ERR_OK;
}

/* Signing in. */

struct form {
    json_t *json;
    struct str user, password, code;
};

static enum err_code text_of(const json_t *json, const char *key, struct str *ret, struct err *e)
{
    const json_t *value = json_object_get(json, key);

    *ret = json_is_string(value) ? (struct str){json_string_value(value), json_string_length(value)}
                                 : STR_NONE;
    if (value && !json_is_string(value) && !json_is_null(value))
        return err_tell(e, ERR_REQUEST_INVALID, "'%s' is not a text", key);
    return ERR_OK;
}

/* A form of another site can't be sent as JSON without asking first. */
static enum err_code read_form(struct req *q, struct form *ret, struct err *e)
{
    TRY(body_json(q, BODY_MAX, &ret->json, e));
    TRY(text_of(ret->json, "username", &ret->user, e));
    TRY(text_of(ret->json, "password", &ret->password, e));
    TRY(text_of(ret->json, "totp", &ret->code, e));
    if (!ret->user.n || !ret->password.n)
        return err_tell(e, ERR_REQUEST_INVALID, "'username' and 'password' are missing");
    return ERR_OK;
}

static void form_done(struct form *f)
{
    body_wipe(f->json);
}

enum err_code api_session_post(struct req *q, struct err *e)
{
    AUTO(identity) struct identity *who = NULL;
    struct form f = {0};
    struct session_cookie made;
    enum err_code code;

    TRY(check_on(q, e));
    code = read_form(q, &f, e);
    if (code == ERR_OK)
        code = access_sign_in_person(q, f.user, f.password, f.code, &who, e);
    form_done(&f);
    TRY(code);
    TRY(session_begin(q, who, &made, e));
    answer(q, who, str_of(made.text), made.until_ms);
    return ERR_OK;
}

enum err_code api_session_get(struct req *q, struct err *e)
{
    (void)e;
    answer(q, q->who, cookie_session(q), q->who->expires_ms);
    return ERR_OK;
}

enum err_code api_session_delete(struct req *q, struct err *e)
{
    TRY(check_on(q, e));
    if (!q->by_session)
        return err_tell(e, ERR_REQUEST_INVALID, "this request was not made with a session");
    TRY(session_end(q->api->guard.sessions, cookie_session(q), e));
    cookie_set(q, COOKIE_SESSION, "", COOKIE_STRICT, 0);
    reply_empty(q, 204);
    return ERR_OK;
}
