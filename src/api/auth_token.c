/*
 * The token service over HTTP: Docker's GET with Basic credentials, and the POST form of RFC 6749
 * with grant_type password or refresh_token.
 */
#include "auth/tokens/token.h"

#include "api/access.h"
#include "api/access_identity.h"
#include "api/body.h"
#include "api/handlers.h"
#include "api/policy_in_force.h"
#include "api/reply.h"
#include "base/cleanup.h"
#include "base/clock.h"

#include <openssl/crypto.h>
#include <stdlib.h>

#define FORM_MAX_BYTES (64 * 1024)
#define FIELD_MAX      8192
#define SCOPES_MAX     8192

/* A GET has its parameters in the query, a POST in its body. */
struct form {
    struct str text;
};

static enum err_code field(const struct form *f, const char *name, char *dst, size_t cap,
                           struct err *e)
{
    int found = http_query_get(f->text, str_of(name), 0, dst, cap);

    if (found < 0)
        return err_tell(e, ERR_REQUEST_INVALID, "parameter '%s' is malformed or too long", name);
    if (found == 0)
        dst[0] = '\0';
    return ERR_OK;
}

/* scope may stand several times, and each may name several. */
static enum err_code scopes_of(const struct form *f, struct buf *ret, struct err *e)
{
    char one[FIELD_MAX];
    int found;

    for (unsigned i = 0; (found = http_query_get(f->text, STR("scope"), i, one, sizeof(one)));
         i++) {
        if (found < 0)
            return err_tell(e, ERR_REQUEST_INVALID, "parameter 'scope' is malformed or too long");
        if (i == TOKEN_SCOPES_MAX)
            return err_tell(e, ERR_REQUEST_INVALID, "more than %d scopes in one request",
                            TOKEN_SCOPES_MAX);
        if (ret->n)
            buf_add_char(ret, ' ');
        buf_add_text(ret, one);
    }
    if (ret->full)
        return err_tell(e, ERR_REQUEST_INVALID, "too many scopes in one request");
    return ERR_OK;
}

static enum err_code check_service(struct req *q, const struct form *f, struct err *e)
{
    char service[FIELD_MAX];

    TRY(field(f, "service", service, sizeof(service), e));
    if (service[0] && strcmp(service, q->api->conf->auth.token.service) != 0)
        return err_tell(e, ERR_REQUEST_INVALID, "this token service serves '%s'",
                        q->api->conf->auth.token.service);
    return ERR_OK;
}

static void add_answer(const struct token_answer *a, struct buf *body)
{
    char issued[CLOCK_RFC3339_SIZE];

    clock_rfc3339(a->issued_ms, issued);
    buf_addf(body,
             "{\"token\":\"%s\",\"access_token\":\"%s\",\"expires_in\":%llu,"
             "\"issued_at\":\"%s\"",
             a->token, a->token, (unsigned long long)a->lifetime_s, issued);
    if (a->refresh_token)
        buf_addf(body, ",\"refresh_token\":\"%s\"", a->refresh_token);
    buf_add_text(body, "}\n");
}

static enum err_code answer(struct req *q, const struct form *f, bool refresh, struct err *e)
{
    AUTO(token_answer) struct token_answer a = {0};
    AUTO(buf) struct buf scopes = {0}, body = {0};
    struct token_request r = {.who = q->who, .refresh = refresh};
    struct policy *policy;
    enum err_code code;

    buf_init(&scopes, SCOPES_MAX);
    buf_init(&body, 128 * 1024);
    TRY(check_service(q, f, e));
    TRY(scopes_of(f, &scopes, e));
    policy = api_policy(q->api);
    r.policy = policy;
    r.scopes = buf_str(&scopes);
    code = tokens_issue(q->api->guard.tokens, &r, &a, e);
    policy_unref(policy);
    TRY(code);
    add_answer(&a, &body);
    http_header(q->x, "Cache-Control", STR("no-store")); /* RFC 6749, 5.1 */
    reply_json(q, 200, buf_str(&body));
    return ERR_OK;
}

static enum err_code check_on(struct req *q, struct err *e)
{
    if (!q->api->guard.tokens)
        return err_tell(e, ERR_NOT_FOUND, "this registry has no token service");
    return ERR_OK;
}

static void signed_in(struct req *q)
{
    if (q->who->kind == IDENTITY_ANONYMOUS)
        return;
    identity_subject(q->who, q->identity, sizeof(q->identity));
    http_set_identity(q->x, q->identity);
}

enum err_code api_token_get(struct req *q, struct err *e)
{
    struct form f = {.text = q->head->query};
    char offline[16];

    TRY(check_on(q, e));
    TRY(field(&f, "offline_token", offline, sizeof(offline), e));
    access_done(q);
    TRY(access_sign_in(q, STR_NONE, STR_NONE, &q->who, e));
    signed_in(q);
    return answer(q, &f, strcmp(offline, "true") == 0, e);
}

static enum err_code grant_password(struct req *q, const struct form *f, struct err *e)
{
    char user[FIELD_MAX], password[FIELD_MAX];
    enum err_code code;

    TRY(field(f, "username", user, sizeof(user), e));
    TRY(field(f, "password", password, sizeof(password), e));
    code = access_sign_in(q, str_of(user), str_of(password), &q->who, e);
    OPENSSL_cleanse(password, sizeof(password));
    if (code == ERR_OK && q->who->kind == IDENTITY_ANONYMOUS)
        return err_tell(e, ERR_UNAUTHORIZED, "username and password are missing");
    return code;
}

static enum err_code grant_refresh(struct req *q, const struct form *f, struct err *e)
{
    char secret[FIELD_MAX];

    TRY(field(f, "refresh_token", secret, sizeof(secret), e));
    return tokens_refresh(q->api->guard.tokens, str_of(secret), &q->who, e);
}

/* Once the form is there. */
static enum err_code grant(struct req *q, const struct form *f, struct err *e)
{
    char kind[64], access[64];

    TRY(field(f, "grant_type", kind, sizeof(kind), e));
    TRY(field(f, "access_type", access, sizeof(access), e));
    access_done(q);
    if (strcmp(kind, "password") == 0)
        TRY(grant_password(q, f, e));
    else if (strcmp(kind, "refresh_token") == 0)
        TRY(grant_refresh(q, f, e));
    else
        return err_tell(e, ERR_REQUEST_INVALID, "grant_type is 'password' or 'refresh_token'");
    signed_in(q);
    return answer(q, f, strcmp(access, "offline") == 0, e);
}

enum err_code api_token_post(struct req *q, struct err *e)
{
    AUTO(buf) struct buf body = {0};
    struct form f;
    enum err_code code;

    buf_init(&body, FORM_MAX_BYTES);
    TRY(check_on(q, e));
    code = body_read(q, &body, e);
    f.text = buf_str(&body);
    if (code == ERR_OK)
        code = grant(q, &f, e);
    if (body.p)
        OPENSSL_cleanse(body.p, body.n); /* a password may be in it */
    return code;
}

enum err_code api_jwks_get(struct req *q, struct err *e)
{
    AUTO(mem) char *jwks = NULL;

    TRY(check_on(q, e));
    jwks = signer_jwks(q->api->guard.signer);
    reply_json(q, 200, str_of(jwks));
    return ERR_OK;
}
