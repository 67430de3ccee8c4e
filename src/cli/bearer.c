#include "cli/bearer.h"

#include "base/clock.h"
#include "base/json.h"
#include "net/fetch.h"

#include <openssl/crypto.h>

#define URL_MAX    (8u << 10)
#define FORM_MAX   (16u << 10)
#define TIMEOUT_MS 30000
#define GOOD_S     60 /* where the service does not say: Docker's specification */
#define EARLY_S    10

/* ---- the challenge */

static bool is_token_char(char c)
{
    return str_is_alphanumeric(c) || memchr("!#$%&'*+-.^_`|~", c, 15);
}

static struct str take_word(struct str *s)
{
    struct str word = str_sub(*s, 0, 0);

    while (word.n < s->n && is_token_char(s->p[word.n]))
        word.n++;
    *s = str_sub(*s, word.n, s->n - word.n);
    return word;
}

static void skip(struct str *s, const char *what)
{
    while (s->n > 0 && strchr(what, s->p[0]))
        *s = str_sub(*s, 1, s->n - 1);
}

/* A word, or what stands in quotes, with its escapes undone. False: it has no room. */
static bool take_value(struct str *s, char *dst, size_t cap)
{
    size_t n = 0;

    if (s->n == 0 || s->p[0] != '"') {
        while (n < s->n && !memchr(", \t", s->p[n], 3))
            n++;
        *s = str_sub(*s, n, s->n - n);
        return str_copy((struct str){s->p - n, n}, dst, cap);
    }
    *s = str_sub(*s, 1, s->n - 1);
    while (s->n > 0 && s->p[0] != '"') {
        if (s->p[0] == '\\' && s->n > 1)
            *s = str_sub(*s, 1, s->n - 1);
        if (n + 1 == cap)
            return false;
        dst[n++] = s->p[0];
        *s = str_sub(*s, 1, s->n - 1);
    }
    if (s->n > 0)
        *s = str_sub(*s, 1, s->n - 1);
    dst[n] = '\0';
    return true;
}

static void take_parameter(struct bearer_challenge *c, bool bearer, struct str name, struct str *s)
{
    char value[sizeof(c->realm)];

    if (!take_value(s, value, sizeof(value))) {
        *s = STR_NONE;
        return;
    }
    if (bearer && str_ieq(name, STR("realm")))
        str_copy(str_of(value), c->realm, sizeof(c->realm));
    if (bearer && str_ieq(name, STR("service")))
        str_copy(str_of(value), c->service, sizeof(c->service));
}

void bearer_challenge_add(struct bearer_challenge *c, struct str value)
{
    bool bearer = false;

    for (;;) {
        struct str word;

        skip(&value, " \t,");
        word = take_word(&value);
        if (word.n == 0)
            return;
        if (value.n > 0 && value.p[0] == '=') {
            value = str_sub(value, 1, value.n - 1);
            take_parameter(c, bearer, word, &value);
            continue;
        }
        bearer = str_ieq(word, STR("Bearer"));
        c->bearer = c->bearer || bearer;
        c->basic = c->basic || str_ieq(word, STR("Basic"));
    }
}

/* ---- the token */

static void add_parameter(struct buf *b, const char *name, struct str value)
{
    buf_addf(b, "%s%s=", b->n > 0 && !memchr("?&", b->p[b->n - 1], 2) ? "&" : "", name);
    buf_add_percent(b, value);
}

static void add_scopes(struct buf *b, const char *scopes)
{
    struct str rest = str_of(scopes), scope;
    bool more;

    do {
        more = str_cut(&rest, ' ', &scope);
        add_parameter(b, "scope", scope);
    } while (more);
}

static enum err_code read_token(struct str text, struct buf *ret_token, int64_t *ret_until_ms,
                                struct err *e)
{
    AUTO(json) json_t *root = json_shallow(text) ? json_loadb(text.p, text.n, 0, NULL) : NULL;
    const char *token = json_string_value(json_object_get(root, "token"));
    json_int_t good_s = json_integer_value(json_object_get(root, "expires_in"));

    if (!token)
        token = json_string_value(json_object_get(root, "access_token"));
    if (!token || !*token || strpbrk(token, "\r\n"))
        return err_set(e, ERR_UNAVAILABLE, "the token service gives no token");
    if (good_s <= 0 || good_s > INT32_MAX)
        good_s = GOOD_S;
    buf_clear(ret_token);
    buf_add_text(ret_token, token);
    if (ret_token->full)
        return err_set(e, ERR_UNAVAILABLE, "the token is larger than %zu bytes", ret_token->max);
    *ret_until_ms = clock_mono_ms() + (good_s > 2 * EARLY_S ? good_s - EARLY_S : good_s / 2) * 1000;
    return ERR_OK;
}

static enum err_code ask(const struct fetch *f, struct buf *ret_token, int64_t *ret_until_ms,
                         struct err *e)
{
    AUTO(buf) struct buf body = {0};
    enum err_code code;
    int status;

    buf_init(&body, 2 * BEARER_TOKEN_MAX);
    TRY(fetch_run(f, &status, &body, e));
    if (status == 200)
        code = read_token(buf_str(&body), ret_token, ret_until_ms, e);
    else if (status == 401 || status == 403)
        code = err_set(e, ERR_UNAUTHORIZED, "the token service answers %d: wrong user or password?",
                       status);
    else
        code = err_set(e, ERR_UNAVAILABLE, "the token service answers %d", status);
    if (body.p)
        OPENSSL_cleanse(body.p, body.n);
    return code;
}

/* RFC 6749, 6, as Docker's "OAuth2 Token Authentication" has it. */
static enum err_code by_identity(const struct bearer_challenge *c, const char *scopes,
                                 const struct docker_auth *auth, struct fetch *f,
                                 struct buf *ret_token, int64_t *ret_until_ms, struct err *e)
{
    AUTO(buf) struct buf form = {0};
    enum err_code code;

    buf_init(&form, FORM_MAX);
    add_parameter(&form, "grant_type", STR("refresh_token"));
    add_parameter(&form, "client_id", STR("registry"));
    add_parameter(&form, "service", str_of(c->service));
    add_parameter(&form, "scope", str_of(scopes));
    add_parameter(&form, "refresh_token", buf_str(&auth->identity_token));
    f->post = buf_str(&form);
    code = ask(f, ret_token, ret_until_ms, e);
    OPENSSL_cleanse(form.p, form.n);
    return code;
}

enum err_code bearer_token_get(const struct bearer_challenge *c, const char *scopes,
                               const struct docker_auth *auth, const char *ca_file,
                               struct buf *ret_token, int64_t *ret_until_ms, struct err *e)
{
    char basic[DOCKER_AUTH_MAX + 64];
    const char *headers[] = {NULL, NULL};
    struct fetch f = {
        .url = c->realm, .headers = headers, .ca_file = ca_file, .timeout_ms = TIMEOUT_MS};
    AUTO(buf) struct buf url = {0};
    enum err_code code;

    if (auth->identity_token.n > 0)
        return by_identity(c, scopes, auth, &f, ret_token, ret_until_ms, e);
    if (auth->basic.n > 0) {
        snprintf(basic, sizeof(basic), "Authorization: Basic " STR_FMT,
                 STR_ARG(buf_str(&auth->basic)));
        headers[0] = basic;
    }
    buf_init(&url, URL_MAX);
    buf_addf(&url, "%s%c", c->realm, strchr(c->realm, '?') ? '&' : '?');
    if (c->service[0])
        add_parameter(&url, "service", str_of(c->service));
    add_scopes(&url, scopes);
    f.url = buf_text(&url);
    code = ask(&f, ret_token, ret_until_ms, e);
    OPENSSL_cleanse(basic, sizeof(basic));
    return code;
}
