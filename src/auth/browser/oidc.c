#include "auth/browser/oidc.h"

#include "auth/people/oidc_person.h"
#include "auth/people/user.h"
#include "auth/tokens/issuer.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/hex.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/uuid.h"
#include "net/fetch.h"

#include <fcntl.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>

#define ANSWER_MAX     (256u << 10)
#define SECRET_MAX     4096
#define HEADER_MAX     (16u << 10)
#define CODE_BYTES_MAX 8192

struct oidc {
    const struct conf_oidc *conf;
    struct accounts *accounts;
    struct issuer *issuer;
    struct room room; /* a provider that hangs must not take the workers that pulls need */
};

struct oidc *oidc_new(const struct conf_oidc *c, struct accounts *a,
                      const struct room_options *at_once)
{
    struct oidc *o = NEW(struct oidc);
    struct issuer_options options = {.url = c->issuer, .jwks_uri = "", .ca_file = c->ca_file};

    o->conf = c;
    o->accounts = a;
    o->room.options = *at_once;
    o->issuer = issuer_new(&options);
    return o;
}

void oidc_free(struct oidc *o)
{
    if (!o)
        return;
    issuer_free(o->issuer);
    free(o);
}

/* Beginning. */

static void make_secret(char dst[static OIDC_SECRET_TEXT + 1])
{
    unsigned char bytes[OIDC_SECRET_TEXT / 2];

    random_bytes(bytes, sizeof(bytes));
    hex_encode(bytes, sizeof(bytes), dst);
}

void oidc_challenge(const char *verifier, char ret_challenge[static OIDC_CHALLENGE_TEXT + 1])
{
    unsigned char hash[32], text[48];
    unsigned n;

    if (!EVP_Digest(verifier, strlen(verifier), hash, &n, EVP_sha256(), NULL))
        abort(); /* fails only without memory */
    EVP_EncodeBlock(text, hash, sizeof(hash));
    for (size_t i = 0; i < OIDC_CHALLENGE_TEXT; i++)
        ret_challenge[i] = text[i] == '+' ? '-' : text[i] == '/' ? '_' : (char)text[i];
    ret_challenge[OIDC_CHALLENGE_TEXT] = '\0';
}

static void add_parameter(struct buf *url, const char *name, struct str value)
{
    if (url->n > 0 && url->p[url->n - 1] != '?')
        buf_add_char(url, '&');
    buf_add_text(url, name);
    buf_add_char(url, '=');
    buf_add_percent(url, value);
}

static void add_scopes(const struct oidc *o, struct buf *url)
{
    AUTO(buf) struct buf scopes = {0};

    buf_init(&scopes, 4096);
    for (size_t i = 0; i < o->conf->scopes.n; i++) {
        if (i)
            buf_add_char(&scopes, ' ');
        buf_add_text(&scopes, o->conf->scopes.items[i]);
    }
    add_parameter(url, "scope", buf_str(&scopes));
}

static enum err_code no_room(struct err *e)
{
    return err_tell(e, ERR_UNAVAILABLE, "too many sign-ins at once; try again in a moment");
}

static enum err_code begin(struct oidc *o, const char *redirect_uri, struct oidc_start *ret_start,
                           struct buf *ret_url, struct err *e)
{
    struct issuer_endpoints ep;
    char challenge[OIDC_CHALLENGE_TEXT + 1];

    TRY(issuer_endpoints(o->issuer, &ep, e));
    if (!ep.authorization[0])
        return err_set(e, ERR_UNAVAILABLE, "'%.200s' names no authorization_endpoint",
                       o->conf->issuer);
    make_secret(ret_start->state);
    make_secret(ret_start->nonce);
    make_secret(ret_start->verifier);
    oidc_challenge(ret_start->verifier, challenge);
    buf_add_text(ret_url, ep.authorization);
    if (!strchr(ep.authorization, '?'))
        buf_add_char(ret_url, '?');
    add_parameter(ret_url, "response_type", STR("code"));
    add_parameter(ret_url, "client_id", str_of(o->conf->client_id));
    add_parameter(ret_url, "redirect_uri", str_of(redirect_uri));
    add_scopes(o, ret_url);
    add_parameter(ret_url, "state", str_of(ret_start->state));
    add_parameter(ret_url, "nonce", str_of(ret_start->nonce));
    add_parameter(ret_url, "code_challenge", str_of(challenge));
    add_parameter(ret_url, "code_challenge_method", STR("S256"));
    return ERR_OK;
}

enum err_code oidc_begin(struct oidc *o, const char *redirect_uri, struct oidc_start *ret_start,
                         struct buf *ret_url, struct err *e)
{
    enum err_code code;

    if (!room_enter(&o->room))
        return no_room(e);
    code = begin(o, redirect_uri, ret_start, ret_url, e);
    room_leave(&o->room);
    return code;
}

/* The code for tokens (OpenID Connect Core, 3.1.3). */

/* The secret as it is in the file now; empty for a public client. */
static enum err_code read_secret(const struct oidc *o, struct buf *ret, struct err *e)
{
    if (!o->conf->client_secret_file[0])
        return ERR_OK;
    TRY(file_read_at(AT_FDCWD, o->conf->client_secret_file, ret, e));
    while (ret->n > 0 && strchr("\r\n", ret->p[ret->n - 1]))
        ret->n--;
    if (ret->n == 0)
        return err_set(e, ERR_CONFIG, "auth.oidc.client_secret_file is empty");
    return ERR_OK;
}

/* RFC 6749, 2.3.1: each encoded as in a form before they are one text. */
static void add_basic(struct buf *header, const char *id, struct str secret)
{
    AUTO(buf) struct buf pair = {0};
    char *at;

    buf_init(&pair, 3 * SECRET_MAX);
    buf_add_percent(&pair, str_of(id));
    buf_add_char(&pair, ':');
    buf_add_percent(&pair, secret);
    buf_add_text(header, "Authorization: Basic ");
    at = buf_reserve(header, pair.n / 3 * 4 + 5);
    if (at)
        header->n += (size_t)EVP_EncodeBlock((unsigned char *)at,
                                             (const unsigned char *)buf_str(&pair).p, (int)pair.n);
    OPENSSL_cleanse(pair.p, pair.n);
}

struct exchange {
    struct buf form, header; /* hold secrets */
};

static void exchange_done(struct exchange *x)
{
    if (x->form.n)
        OPENSSL_cleanse(x->form.p, x->form.n);
    if (x->header.n)
        OPENSSL_cleanse(x->header.p, x->header.n);
    buf_done(&x->form);
    buf_done(&x->header);
}

static enum err_code prepare(const struct oidc *o, const struct issuer_endpoints *ep,
                             const struct oidc_answer *a, struct exchange *x, struct err *e)
{
    AUTO(buf) struct buf secret = {0};
    enum err_code code;

    buf_init(&secret, SECRET_MAX);
    code = read_secret(o, &secret, e);
    add_parameter(&x->form, "grant_type", STR("authorization_code"));
    add_parameter(&x->form, "code", a->code);
    add_parameter(&x->form, "redirect_uri", str_of(a->redirect_uri));
    add_parameter(&x->form, "code_verifier", str_of(a->start->verifier));
    if (secret.n == 0 || !ep->secret_in_header)
        add_parameter(&x->form, "client_id", str_of(o->conf->client_id));
    if (secret.n > 0 && ep->secret_in_header)
        add_basic(&x->header, o->conf->client_id, buf_str(&secret));
    else if (secret.n > 0 && ep->secret_in_form)
        add_parameter(&x->form, "client_secret", buf_str(&secret));
    else if (secret.n > 0 && code == ERR_OK)
        code = err_set(e, ERR_UNAVAILABLE, "'%.200s' takes a client's secret in no way known here",
                       o->conf->issuer);
    if (secret.n)
        OPENSSL_cleanse(secret.p, secret.n);
    return code;
}

/* What the provider says of a code that it does not take (RFC 6749, 5.2). */
static enum err_code refused(const struct oidc *o, int status, const json_t *answer, struct err *e)
{
    const char *error = json_string_value(json_object_get(answer, "error"));

    if (error && strcmp(error, "invalid_grant") == 0)
        return err_tell(e, ERR_REQUEST_INVALID,
                        "the sign-in provider does not take the code: it was used before, or took "
                        "too long; start again");
    return err_set(e, ERR_UNAVAILABLE, "'%.200s' answered %d (%.64s) to a code", o->conf->issuer,
                   status, error ? error : "no error");
}

static enum err_code fetch_json(const struct oidc *o, const char *url, const char *header,
                                struct str form, int *ret_status, json_t **ret_json, struct err *e)
{
    const char *headers[] = {"Accept: application/json", header, NULL};
    struct fetch f = {.url = url, .headers = headers, .post = form, .ca_file = o->conf->ca_file};
    AUTO(buf) struct buf answer = {0};

    buf_init(&answer, ANSWER_MAX);
    TRY(fetch_run(&f, ret_status, &answer, e));
    if (json_shallow(buf_str(&answer)))
        *ret_json = json_loadb(answer.p, answer.n, JSON_REJECT_DUPLICATES, NULL);
    if (answer.n)
        OPENSSL_cleanse(answer.p, answer.n);
    return ERR_OK;
}

static enum err_code exchange(const struct oidc *o, const struct issuer_endpoints *ep,
                              const struct oidc_answer *a, json_t **ret_tokens, struct err *e)
{
    struct exchange x;
    enum err_code code;
    int status = 0;

    if (!ep->token[0])
        return err_set(e, ERR_UNAVAILABLE, "'%.200s' names no token_endpoint", o->conf->issuer);
    buf_init(&x.form, 4 * CODE_BYTES_MAX);
    buf_init(&x.header, HEADER_MAX);
    code = prepare(o, ep, a, &x, e);
    if (code == ERR_OK)
        code = fetch_json(o, ep->token, x.header.n ? buf_text(&x.header) : NULL, buf_str(&x.form),
                          &status, ret_tokens, e);
    if (code == ERR_OK && status != 200)
        code = refused(o, status, *ret_tokens, e);
    exchange_done(&x);
    return code;
}

/* Who it is. */

static const char *text_of(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));

    return text ? text : "";
}

static bool same(const char *a, const char *b)
{
    size_t n = strlen(a);

    return n == strlen(b) && CRYPTO_memcmp(a, b, n) == 0;
}

enum err_code oidc_check_claims(const json_t *claims, const char *issuer, const char *client_id,
                                const char *nonce, int64_t now_s, struct err *e)
{
    const json_t *azp = json_object_get(claims, "azp");

    TRY(jwt_check_claims(claims, issuer, client_id, now_s, e));
    if (json_array_size(json_object_get(claims, "aud")) > 1 && !azp)
        return err_set(e, ERR_UNAUTHORIZED, "the token is for several, and does not say whom of");
    if (azp && strcmp(text_of(claims, "azp"), client_id) != 0)
        return err_set(e, ERR_UNAUTHORIZED, "the token was given to another client");
    if (!json_is_number(json_object_get(claims, "iat")))
        return err_set(e, ERR_UNAUTHORIZED, "the token does not say when it was made");
    if (!text_of(claims, "sub")[0])
        return err_set(e, ERR_UNAUTHORIZED, "the token does not say whose it is");
    if (!same(text_of(claims, "nonce"), nonce))
        return err_set(e, ERR_UNAUTHORIZED, "the token is not of this sign-in");
    return ERR_OK;
}

static enum err_code check_id_token(const struct oidc *o, const struct oidc_answer *a,
                                    const char *token, json_t **ret_claims, struct err *e)
{
    /* Not chosen by the provider's document or the token: all that is asymmetric (RFC 8725). */
    static const char *const algorithms[] = {"RS256", "RS384", "RS512", "PS256", "PS384",
                                             "PS512", "ES256", "ES384", "ES512", NULL};

    TRY(issuer_verify(o->issuer, str_of(token), algorithms, ret_claims, e));
    return oidc_check_claims(*ret_claims, o->conf->issuer, o->conf->client_id, a->start->nonce,
                             clock_wall_ms() / 1000, e);
}

/* b64token of RFC 6750, 2.1. */
static bool bearer_valid(const char *text)
{
    for (const char *p = text; *p; p++) {
        if (*p <= ' ' || *p > '~')
            return false;
    }
    return *text && strlen(text) < HEADER_MAX - 64;
}

static bool lacks(const json_t *claims, const char *claim)
{
    return claim[0] && !json_object_get(claims, claim);
}

/* Many providers tell name and groups at their userinfo endpoint only (Core, 5.3 and 5.4). */
static enum err_code add_userinfo(const struct oidc *o, const struct issuer_endpoints *ep,
                                  const json_t *tokens, json_t *claims, struct err *e)
{
    const char *bearer = text_of(tokens, "access_token");
    AUTO(json) json_t *more = NULL;
    AUTO(mem) char *header = NULL;
    int status;

    if ((!lacks(claims, o->conf->username_claim) && !lacks(claims, o->conf->groups_claim)) ||
        !ep->userinfo[0] || !bearer_valid(bearer))
        return ERR_OK;
    if (asprintf(&header, "Authorization: Bearer %s", bearer) < 0)
        abort();
    TRY(fetch_json(o, ep->userinfo, header, STR_NONE, &status, &more, e));
    OPENSSL_cleanse(header, strlen(header));
    if (status != 200 || !json_is_object(more))
        return err_set(e, ERR_UNAVAILABLE, "'%.200s' answered %d, or no JSON", ep->userinfo,
                       status);
    if (!same(text_of(more, "sub"),
              text_of(claims, "sub"))) /* Core, 5.3.2: else a token was swapped */
        return err_set(e, ERR_UNAUTHORIZED, "the userinfo is of somebody else");
    json_object_update_missing(claims, more);
    return ERR_OK;
}

static enum err_code person_of(const struct oidc *o, const json_t *claims,
                               struct identity **ret_identity, struct err *e)
{
    const char *claim = o->conf->username_claim, *name = text_of(claims, claim);
    AUTO(user) struct user local = {0};
    enum err_code code;

    if (!identity_name_valid(str_of(name)))
        return err_tell(e, ERR_DENIED,
                        "the provider's claim '%.64s' is no name for a user: 1 to %d of A-Z a-z "
                        "0-9 . _ @ + -, not starting with '-' or '.'",
                        claim, IDENTITY_NAME_MAX);
    /* An address that anybody may enter is nobody's name (Core, 5.7). */
    if (strcmp(claim, "email") == 0 && !json_is_true(json_object_get(claims, "email_verified")))
        return err_tell(e, ERR_DENIED, "the provider has not verified the address");
    code = user_get(o->accounts, str_of(name), &local, e);
    if (code == ERR_OK)
        return err_tell(e, ERR_DENIED,
                        "there is a user of that name here, who signs in with a "
                        "password");
    if (code != ERR_NOT_FOUND)
        return code;
    *e = (struct err){0};
    return oidc_person_put(o->accounts, o->conf, claims, ret_identity, e);
}

/* Whatever of the provider's can't be believed: the person reads why, and that it is over. */
static enum err_code told(enum err_code code, struct err *e)
{
    struct err why = *e;

    if (code != ERR_UNAUTHORIZED)
        return code;
    return err_tell(e, ERR_DENIED, "the sign-in provider's answer is refused: %s", why.detail);
}

static enum err_code finish(struct oidc *o, const struct oidc_answer *a,
                            struct identity **ret_identity, struct err *e)
{
    AUTO(json) json_t *tokens = NULL;
    AUTO(json) json_t *claims = NULL;
    struct issuer_endpoints ep;
    enum err_code code;

    TRY(issuer_endpoints(o->issuer, &ep, e));
    /* RFC 9207, 2.4: mix-up of two providers */
    if (a->issuer.n ? !str_eq(a->issuer, str_of(o->conf->issuer)) : ep.names_itself)
        return err_tell(e, ERR_DENIED, "the answer is of another sign-in provider");
    TRY(exchange(o, &ep, a, &tokens, e));
    code = check_id_token(o, a, text_of(tokens, "id_token"), &claims, e);
    if (code == ERR_OK)
        code = add_userinfo(o, &ep, tokens, claims, e);
    if (code == ERR_OK)
        code = person_of(o, claims, ret_identity, e);
    return told(code, e);
}

enum err_code oidc_finish(struct oidc *o, const struct oidc_answer *a,
                          struct identity **ret_identity, struct err *e)
{
    enum err_code code;

    if (!room_enter(&o->room))
        return no_room(e);
    code = finish(o, a, ret_identity, e);
    room_leave(&o->room);
    return code;
}

/* The provider. */

struct oidc_provider {
    struct provider provider;
    struct oidc *oidc;
};

static enum verdict oidc_renew(struct provider *p, struct identity **id, struct err *e)
{
    return oidc_person_renew(((struct oidc_provider *)p)->oidc->accounts, id, e);
}

static void oidc_provider_free(struct provider *p)
{
    free(p);
}

static const struct provider_driver oidc_driver = {
    .name = OIDC_PROVIDER,
    .renew = oidc_renew,
    .free = oidc_provider_free,
};

struct provider *oidc_provider(struct oidc *o)
{
    struct oidc_provider *p = NEW(struct oidc_provider);

    p->provider.driver = &oidc_driver;
    p->oidc = o;
    return &p->provider;
}
