#include "api/csrf.h"

#include "api/cookie.h"
#include "api/cors.h"
#include "api/proxy.h"
#include "auth/browser/session.h"
#include "conf/url.h"

/* Does it change nothing, by its method? (RFC 9110, 9.2.1) */
static bool is_safe(const struct http_head *head)
{
    return head->method == HTTP_GET || head->method == HTTP_HEAD || head->method == HTTP_OPTIONS;
}

/* Cuts off the port that the scheme has anyway. */
static struct str without_default_port(struct str host, bool tls)
{
    struct str port = tls ? STR(":443") : STR(":80");

    return str_ends(host, port) ? str_sub(host, 0, host.n - port.n) : host;
}

/* Behind a proxy that is not in http.trusted_proxies we may be spoken to with TLS and not know. */
bool csrf_same_origin(struct str origin, struct str host, bool tls)
{
    struct str scheme, rest = origin;
    bool https;

    if (!str_cut(&rest, ':', &scheme) || !str_starts(rest, STR("//")))
        return false; /* "null" */
    https = str_eq(scheme, STR("https"));
    if (!https && (tls || !str_eq(scheme, STR("http"))))
        return false;
    rest = str_sub(rest, 2, rest.n - 2);
    return rest.n > 0 &&
           str_ieq(without_default_port(rest, https), without_default_port(host, https));
}

/* A server for this machine alone has no name elsewhere, but any site can let its name point here
 * for a while (DNS rebinding), so that its pages have the same origin. */
static bool rebound(const struct req *q, struct str origin)
{
    struct conf_url url;

    return q->api->conf->auth.mode == CONF_AUTH_LOOPBACK &&
           !(conf_url_parse(origin, &url) && url.loopback);
}

/* Browsers tell where a request comes from, and no page can change that (Fetch Metadata; Fetch,
 * "Origin header"). Other clients tell nothing. */
enum err_code csrf_check_origin(const struct req *q, struct err *e)
{
    struct str site = http_field_get(q->head, STR("Sec-Fetch-Site"));
    struct str origin = http_field_get(q->head, STR("Origin"));
    bool tls = strcmp(client_scheme(q), "https") == 0;

    if (is_safe(q->head) || cors_trusts(q))
        return ERR_OK;
    if (site.n && !str_eq(site, STR("same-origin")) && !str_eq(site, STR("none")))
        return err_tell(e, ERR_DENIED, "the request comes from a page of another site");
    if (origin.n && (!csrf_same_origin(origin, q->head->host, tls) || rebound(q, origin)))
        return err_tell(e, ERR_DENIED, "the request comes from a page of another origin");
    return ERR_OK;
}

enum err_code csrf_check_token(const struct req *q, struct err *e)
{
    struct str token = http_field_get(q->head, STR("X-CSRF-Token"));

    if (is_safe(q->head) || !q->by_session)
        return ERR_OK;
    if (!token.n)
        return err_tell(e, ERR_DENIED,
                        "X-CSRF-Token is missing: send what GET /api/v1/session answers as "
                        "csrf_token");
    if (!session_csrf_matches(q->api->guard.sessions, cookie_session(q), token))
        return err_tell(e, ERR_DENIED, "X-CSRF-Token is not that of this session");
    return ERR_OK;
}
