#include "cli/remote_registry.h"

#include "base/clock.h"

#include <openssl/crypto.h>

#define FIRST_PAUSE_MS 250u
#define PAUSE_MOST_MS  30000u
#define AFTER_MOST_S   600u /* longer, nobody waits */
#define AUTHORIZED_MAX (BEARER_TOKEN_MAX + 64)

/* One request, while its answer comes. */
struct asking {
    const struct remote_registry *r;
    struct remote_answer *answer;
    struct bearer_challenge challenge;
};

void remote_registry_init(struct remote_registry *r, struct remote_server *server,
                          const char *scopes)
{
    *r = (struct remote_registry){.server = server, .scopes = scopes};
    pthread_mutex_init(&r->lock, NULL);
    buf_init(&r->authorization, AUTHORIZED_MAX);
}

void remote_registry_done(struct remote_registry *r)
{
    if (!r->server)
        return;
    pthread_mutex_destroy(&r->lock);
    if (r->authorization.p)
        OPENSSL_cleanse(r->authorization.p, r->authorization.cap);
    buf_done(&r->authorization);
}

void remote_answer_done(struct remote_answer *a)
{
    buf_done(&a->body);
}

/* ---- what an answer says */

/* "https://host:port" of a URL. */
static struct str origin_of(struct str url)
{
    const char *host = memmem(url.p, url.n, "://", 3);
    size_t at = host ? (size_t)(host - url.p) + 3 : 0;

    while (at < url.n && !strchr("/?#", url.p[at]))
        at++;
    return str_sub(url, 0, at);
}

/* A path is one of this server. */
static void note_location(const struct asking *k, struct str value)
{
    struct str origin = origin_of(buf_str(&k->r->server->url));
    struct remote_answer *a = k->answer;

    if (!str_starts(value, STR("/")) || str_starts(value, STR("//")))
        origin = STR("");
    if (origin.n + value.n >= sizeof(a->location))
        return;
    snprintf(a->location, sizeof(a->location), STR_FMT STR_FMT, STR_ARG(origin), STR_ARG(value));
}

static void on_header(void *ctx, struct str name, struct str value)
{
    struct asking *k = ctx;
    struct remote_answer *a = k->answer;
    uint64_t s;

    if (str_ieq(name, STR("Location")))
        note_location(k, value);
    else if (str_ieq(name, STR("Range")))
        str_copy(value, a->range, sizeof(a->range));
    else if (str_ieq(name, STR("Docker-Content-Digest")))
        str_copy(value, a->digest, sizeof(a->digest));
    else if (str_ieq(name, STR("OCI-Tag")))
        str_copy(value, a->tag, sizeof(a->tag));
    else if (str_ieq(name, STR("Retry-After")) && str_to_u64_up_to(value, AFTER_MOST_S, &s))
        a->retry_after_ms = s * 1000;
    else if (str_ieq(name, STR("WWW-Authenticate")))
        bearer_challenge_add(&k->challenge, value);
}

/* ---- who asks */

/* Lock held. */
static enum err_code renew(struct remote_registry *r, struct err *e)
{
    AUTO(buf) struct buf token = {0};
    enum err_code code;

    buf_init(&token, BEARER_TOKEN_MAX);
    code = bearer_token_get(&r->challenge, r->scopes, &r->server->auth, r->server->ca_file, &token,
                            &r->until_ms, e);
    if (code == ERR_OK) {
        buf_clear(&r->authorization);
        buf_addf(&r->authorization, "Authorization: Bearer " STR_FMT, STR_ARG(buf_str(&token)));
        r->turn++;
    }
    if (token.p)
        OPENSSL_cleanse(token.p, token.n);
    return code;
}

/* What to send; the caller's. */
static enum err_code authorization(struct remote_registry *r, struct buf *ret, uint64_t *ret_turn,
                                   struct err *e)
{
    enum err_code code = ERR_OK;

    pthread_mutex_lock(&r->lock);
    if (r->until_ms > 0 && clock_mono_ms() >= r->until_ms)
        code = renew(r, e);
    if (code == ERR_OK)
        buf_add_str(ret, buf_str(&r->authorization));
    *ret_turn = r->turn;
    pthread_mutex_unlock(&r->lock);
    return code;
}

/* After a 401: *ret_again when there is something else to send than in that turn. */
static enum err_code answer_challenge(struct remote_registry *r, const struct bearer_challenge *c,
                                      uint64_t turn, bool *ret_again, struct err *e)
{
    enum err_code code = ERR_OK;

    pthread_mutex_lock(&r->lock);
    *ret_again = r->turn != turn;
    if (!*ret_again && c->bearer && c->realm[0]) {
        r->challenge = *c;
        code = renew(r, e);
        *ret_again = code == ERR_OK;
    } else if (!*ret_again && r->turn == 0 && r->server->authorization.n > 0) {
        buf_add_str(&r->authorization, buf_str(&r->server->authorization));
        r->turn++;
        *ret_again = true;
    }
    pthread_mutex_unlock(&r->lock);
    return code;
}

/* ---- requests */

static bool is_of_server(const struct remote_registry *r, const char *url)
{
    return str_ieq(origin_of(str_of(url)), origin_of(buf_str(&r->server->url)));
}

/* What was said in confidence is not to be sent on in the clear. */
static enum err_code check_url(const struct remote_registry *r, const char *url, struct err *e)
{
    if (!str_istarts(str_of(url), STR("https://")) && !is_of_server(r, url) &&
        str_istarts(buf_str(&r->server->url), STR("https://")))
        return err_set(e, ERR_UNSUPPORTED, "the server sends on to '%.200s', which is not https",
                       url);
    return ERR_OK;
}

static enum err_code ask_once(struct remote_registry *r, const struct remote_request *q,
                              struct asking *k, uint64_t *ret_turn, struct err *e)
{
    const char *headers[3] = {NULL};
    struct client_request request = {.method = q->method,
                                     .url = q->url,
                                     .headers = headers,
                                     .body = q->body,
                                     .file = q->file,
                                     .content_type = q->content_type};
    AUTO(buf) struct buf signing = {0};
    enum err_code code;
    size_t n = 0;

    remote_answer_done(k->answer);
    *k->answer = (struct remote_answer){0};
    k->challenge = (struct bearer_challenge){0};
    buf_init(&k->answer->body, REMOTE_BODY_MAX);
    buf_init(&signing, AUTHORIZED_MAX);
    TRY(authorization(r, &signing, ret_turn, e));
    if (signing.n > 0 && is_of_server(r, q->url))
        headers[n++] = buf_text(&signing);
    if (q->header)
        headers[n++] = q->header;
    code = client_run(r->server->client, &request, on_header, k, &k->answer->status,
                      &k->answer->body, e);
    if (signing.p)
        OPENSSL_cleanse(signing.p, signing.n);
    return code;
}

static enum err_code ask(struct remote_registry *r, const struct remote_request *q,
                         struct remote_answer *a, struct err *e)
{
    struct asking k = {.r = r, .answer = a};
    bool again = false;
    uint64_t turn;

    TRY(ask_once(r, q, &k, &turn, e));
    if (a->status == 401 && is_of_server(r, q->url))
        TRY(answer_challenge(r, &k.challenge, turn, &again, e));
    return again ? ask_once(r, q, &k, &turn, e) : ERR_OK;
}

enum err_code remote_registry_refused(const struct remote_registry *r,
                                      const struct remote_answer *a, struct err *e)
{
    const struct docker_auth *auth = &r->server->auth;

    if (a->status != 401 || auth->basic.n + auth->identity_token.n == 0)
        return remote_server_refused(a->status, buf_str(&a->body), e);
    return err_set(e, ERR_UNAUTHORIZED,
                   "the server answers 401: the password is wrong, or this user may not do that");
}

static bool asks_for_patience(int status)
{
    return status == 429 || status == 500 || (status >= 502 && status <= 504);
}

bool remote_registry_pause(struct remote_registry *r, unsigned n, uint64_t retry_after_ms)
{
    uint64_t ms = n < 8 ? FIRST_PAUSE_MS << (n - 1) : PAUSE_MOST_MS;

    if (ms > PAUSE_MOST_MS)
        ms = PAUSE_MOST_MS;
    return client_pause(r->server->client, retry_after_ms > ms ? retry_after_ms : ms);
}

enum err_code remote_registry_run(struct remote_registry *r, const struct remote_request *q,
                                  struct remote_answer *a, struct err *e)
{
    TRY(check_url(r, q->url, e));
    for (unsigned n = 1;; n++) {
        enum err_code code = ask(r, q, a, e);

        if (code == ERR_OK && asks_for_patience(a->status))
            code = remote_registry_refused(r, a, e);
        if (code != ERR_UNAVAILABLE || n >= q->tries ||
            !remote_registry_pause(r, n, a->retry_after_ms))
            return code;
    }
}
