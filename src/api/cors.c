#include "api/cors.h"

#define SENT                                                                                       \
    "Authorization, Content-Type, Accept, Range, If-Match, If-None-Match, Content-Range, "         \
    "X-CSRF-Token, Tus-Resumable, Upload-Length, Upload-Defer-Length, Upload-Offset, "             \
    "Upload-Metadata, Upload-Checksum, X-HTTP-Method-Override"
#define READABLE                                                                                   \
    "Docker-Content-Digest, Link, WWW-Authenticate, Location, Range, Content-Range, ETag, "        \
    "Docker-Upload-UUID, Docker-Distribution-Api-Version, OCI-Subject, OCI-Tag, "                  \
    "OCI-Filters-Applied, Retry-After, X-Request-Id, Tus-Resumable, Tus-Version, Tus-Extension, "  \
    "Tus-Max-Size, Tus-Checksum-Algorithm, Upload-Length, Upload-Defer-Length, Upload-Offset, "    \
    "Upload-Metadata, Upload-Expires, Upload-Id"
#define MAX_AGE_S "3600" /* that a preflight is remembered */

static bool everyone(const struct conf_cors *c)
{
    return conf_strings_have(&c->origins, STR("*"));
}

static bool lists(const struct conf_cors *c, struct str origin)
{
    return origin.n > 0 && !str_eq(origin, STR("*")) && conf_strings_have(&c->origins, origin);
}

static bool is_preflight(const struct http_head *head)
{
    return head->method == HTTP_OPTIONS &&
           http_field_get(head, STR("Access-Control-Request-Method")).p;
}

/* Of a listed page: http.cors.methods. */
static bool allows(const struct conf_cors *c, struct str method)
{
    return c->methods.n == 0 || conf_strings_have(&c->methods, method);
}

/* Reads come first: all that a page which is not listed may do. */
static void tell_methods(struct req *q, bool listed)
{
    static const char *const methods[] = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"};
    const size_t n = listed ? sizeof(methods) / sizeof(methods[0]) : 2;
    AUTO(buf) struct buf text = {0};

    buf_init(&text, 128);
    for (size_t i = 0; i < n; i++) {
        if (!listed || allows(&q->api->conf->http.cors, str_of(methods[i])))
            buf_addf(&text, "%s%s", text.n ? ", " : "", methods[i]);
    }
    http_header(q->x, "Access-Control-Allow-Methods", buf_str(&text));
}

static void answer_preflight(struct req *q, bool listed)
{
    tell_methods(q, listed);
    http_header(q->x, "Access-Control-Allow-Headers", STR(SENT));
    http_header(q->x, "Access-Control-Max-Age", STR(MAX_AGE_S));
    http_send(q->x, 204, STR_NONE);
}

enum page { PAGE_NONE, PAGE_OF_ALL, PAGE_LISTED };

/* Who may read the answer. */
static enum page tell_origin(struct req *q)
{
    const struct conf_cors *c = &q->api->conf->http.cors;
    struct str origin = http_field_get(q->head, STR("Origin"));
    bool listed;

    if (c->origins.n == 0)
        return PAGE_NONE;
    http_header(q->x, "Vary", STR("Origin"));
    listed = lists(c, origin);
    if (!origin.n || (!listed && !everyone(c)))
        return PAGE_NONE;
    http_header(q->x, "Access-Control-Allow-Origin", listed ? origin : STR("*"));
    if (listed && c->credentials)
        http_header(q->x, "Access-Control-Allow-Credentials", STR("true"));
    return listed ? PAGE_LISTED : PAGE_OF_ALL;
}

bool cors_begin(struct req *q)
{
    enum page page = tell_origin(q);

    if (page == PAGE_NONE)
        return false;
    if (is_preflight(q->head)) {
        answer_preflight(q, page == PAGE_LISTED);
        return true;
    }
    http_header(q->x, "Access-Control-Expose-Headers", STR(READABLE));
    return false;
}

void cors_refuse(struct req *q)
{
    if (tell_origin(q) != PAGE_NONE)
        http_header(q->x, "Access-Control-Expose-Headers", STR(READABLE));
}

/* A certificate says who asks where no Authorization does. */
static bool has_certificate(const struct req *q)
{
    struct str der;

    return q->api->conf->auth.certificate.enabled &&
           !http_field_get(q->head, STR("Authorization")).n &&
           http_client_certificate(q->x, &der) != HTTP_CERTIFICATE_NONE;
}

bool cors_trusts(const struct req *q)
{
    const struct conf_cors *c = &q->api->conf->http.cors;
    struct str origin = http_field_get(q->head, STR("Origin"));

    if (!lists(c, origin) || !allows(c, q->head->method_text))
        return false;
    return c->credentials || (!http_field_get(q->head, STR("Cookie")).p && !has_certificate(q));
}
