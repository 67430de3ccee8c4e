#include "api/access_refusal.h"

#include "api/audit_entry.h"
#include "api/proxy.h"
#include "api/reply.h"
#include "api/routes.h"

static const char *scope_actions(const struct req *q)
{
    static const char *const texts[] = {
        [ACCESS_PULL] = "pull", [ACCESS_PUSH] = "pull,push", [ACCESS_DELETE] = "delete"};

    return q->route->access < sizeof(texts) / sizeof(texts[0]) ? texts[q->route->access] : NULL;
}

/* What a mount pulls from: the token has to be for both repositories. */
static void add_source(struct req *q, struct buf *text)
{
    struct repo_name from;
    char name[REPO_NAME_MAX + 1];

    if (q->head->method != HTTP_POST ||
        http_query_get(q->head->query, STR("mount"), 0, name, sizeof(name)) == 0 ||
        http_query_get(q->head->query, STR("from"), 0, name, sizeof(name)) != 1 ||
        repo_name_parse(str_of(name), &from, ERR_IGNORED) != ERR_OK)
        return;
    buf_addf(text, " repository:%s:pull", from.text);
}

/* Where tokens are got; auth.token.realm. */
static void add_realm(const struct req *q, struct buf *text)
{
    const char *realm = q->api->conf->auth.token.realm;

    if (realm[0] && realm[0] != '/') {
        buf_add_text(text, realm);
        return;
    }
    buf_addf(text, "%s://" STR_FMT, client_scheme(q), STR_ARG(q->head->host));
    if (realm[0])
        buf_add_text(text, realm);
    else
        buf_addf(text, STR_FMT "/auth/token", STR_ARG(reply_prefix(q)));
}

/* name="text": RFC 9110, 5.6.4. */
static void add_parameter(struct buf *b, const char *name, const char *text)
{
    buf_addf(b, "%s=\"", name);
    for (; *text; text++) {
        if (*text == '"' || *text == '\\')
            buf_add_char(b, '\\');
        buf_add_char(b, *text);
    }
    buf_add_char(b, '"');
}

/* The Docker token protocol's challenge, or RFC 7617's where there is no token service. */
void access_challenge(struct req *q, const char *error)
{
    const struct conf_auth *conf = &q->api->conf->auth;
    AUTO(buf) struct buf text = {0};

    buf_init(&text, 2048);
    if (q->by_session || str_starts(req_path(q), STR("/api/"))) {
        /* Basic would make a browser ask by itself, over the page that asks already. */
        buf_add_text(&text, "Bearer ");
        add_parameter(&text, "realm", conf->realm);
    } else if (!q->api->guard.tokens && !conf_token_foreign(&conf->token)) {
        buf_add_text(&text, "Basic ");
        add_parameter(&text, "realm", conf->realm);
    } else {
        buf_add_text(&text, "Bearer realm=\"");
        add_realm(q, &text);
        buf_add_text(&text, "\",");
        add_parameter(&text, "service", conf->token.service);
        if (q->name.n && scope_actions(q)) {
            buf_addf(&text, ",scope=\"repository:%s:%s", q->name.text, scope_actions(q));
            add_source(q, &text);
            buf_add_char(&text, '"');
        } else if (q->route->access == ACCESS_CATALOG)
            buf_add_text(&text, ",scope=\"registry:catalog:*\"");
        if (error)
            buf_addf(&text, ",error=\"%s\"", error);
    }
    http_header(q->x, "WWW-Authenticate", buf_str(&text));
}

enum access_verdict access_refuse(struct req *q, enum err_code code, const struct err *e)
{
    reply_error(q, code, e);
    return ACCESS_REFUSED;
}

void access_audit_refusal(struct req *q, const char *result)
{
    bool reads = q->head->method == HTTP_GET || q->head->method == HTTP_HEAD;

    if (q->who && q->who->kind == IDENTITY_ANONYMOUS)
        return;
    audit_request(q, q->route->audit ? q->route->audit : reads ? "read" : "write", result, "");
}

enum access_verdict access_ask(struct req *q, const char *error, const char *why)
{
    struct err e = {0};

    access_challenge(q, error);
    return access_refuse(q, err_tell(&e, ERR_UNAUTHORIZED, "%s", why), &e);
}

void access_tell_rate(struct req *q, const struct rate_state *state)
{
    http_headerf(q->x, "RateLimit-Limit", "%llu", (unsigned long long)state->limit);
    http_headerf(q->x, "RateLimit-Remaining", "%llu", (unsigned long long)state->remaining);
    http_headerf(q->x, "RateLimit-Reset", "%llu", (unsigned long long)state->reset_s);
}
