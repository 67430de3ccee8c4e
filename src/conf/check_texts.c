#include "conf/check_texts.h"

#include "conf/check_key.h"
#include "conf/expression.h"
#include "conf/listen.h"

#include <strings.h>

/* "/a/b/": no part of it is empty, "." or "..", which clients and proxies would take out. */
static bool prefix_valid(struct str prefix)
{
    struct str part;

    if (prefix.n < 3 || prefix.p[0] != '/' || prefix.p[prefix.n - 1] != '/')
        return false;
    prefix = str_sub(prefix, 1, prefix.n - 1);
    while (str_cut(&prefix, '/', &part)) {
        if (!conf_all_of(part, "-._~") || str_eq(part, STR(".")) || str_eq(part, STR("..")))
            return false;
    }
    return true;
}

static enum err_code check_prefix(const struct conf_source *s, struct err *e)
{
    const char *prefix = s->conf->http.prefix;

    if (!*prefix || prefix_valid(str_of(prefix)))
        return ERR_OK;
    err_set(e, ERR_CONFIG,
            "'%.80s' is no path; allowed is one such as '/registry/', of letters, digits and "
            "-._~ between slashes, with a slash at both ends",
            prefix);
    return conf_place_named(s, "http.prefix", e);
}

static enum err_code check_debug(const struct conf_source *s, struct err *e)
{
    const struct conf_strings *list = &s->conf->http.debug_listen;
    struct conf_listen l;

    for (size_t i = 0; i < list->n; i++) {
        if (conf_listen_parse(str_of(list->items[i]), &l))
            continue;
        err_set(e, ERR_CONFIG, "'%.80s' is not an address; allowed are those of http.listen",
                list->items[i]);
        return conf_place_named(s, "http.debug.listen", e);
    }
    return ERR_OK;
}

/* Of the server itself: with another value clients would misread the answer. Those of CORS have
 * their own keys. */
static bool header_is_ours(const char *name)
{
    static const char *const ours[] = {
        "Accept-Ranges",
        "Allow",
        "Connection",
        "Content-Length",
        "Content-Range",
        "Content-Type",
        "Date",
        "ETag",
        "Docker-Content-Digest",
        "Keep-Alive",
        "Link",
        "Docker-Distribution-API-Version",
        "Location",
        "Range",
        "Docker-Upload-UUID",
        "Set-Cookie",
        "Trailer",
        "Transfer-Encoding",
        "Upgrade",
        "Vary",
        "WWW-Authenticate",
        "X-Request-Id",
        "Content-Encoding",
        "X-Content-Type-Options",
    };

    for (size_t i = 0; i < sizeof(ours) / sizeof(ours[0]); i++) {
        if (strcasecmp(name, ours[i]) == 0)
            return true;
    }
    return false;
}

static enum err_code check_header(const struct conf_source *s, size_t i, struct err *e)
{
    const struct conf_header *h = &s->conf->http.headers.items[i];

    if (!conf_all_of(str_of(h->name), "-"))
        err_set(e, ERR_CONFIG,
                "'%.80s' is no name of a header; allowed are letters, digits and '-'", h->name);
    else if (str_istarts(str_of(h->name), STR("Access-Control-")))
        err_set(e, ERR_CONFIG, "'%.80s' is set by the keys of http.cors", h->name);
    else if (header_is_ours(h->name))
        err_set(e, ERR_CONFIG, "'%.80s' is set by the server itself", h->name);
    else
        return ERR_OK;
    return conf_place(s, conf_item_key_named("http.headers", i, "name"), e);
}

/* Every answer has room for so much of them. */
#define HEADERS_MAX 8192

static enum err_code check_headers(const struct conf_source *s, struct err *e)
{
    const struct conf_headers *list = &s->conf->http.headers;
    size_t bytes = 0;

    for (size_t i = 0; i < list->n; i++) {
        TRY(check_header(s, i, e));
        bytes += strlen(list->items[i].name) + strlen(list->items[i].value) + 4;
    }
    if (bytes <= HEADERS_MAX)
        return ERR_OK;
    err_set(e, ERR_CONFIG, "they have %zu bytes together; allowed are %d", bytes, HEADERS_MAX);
    return conf_place_named(s, "http.headers", e);
}

static enum err_code check_patterns(const struct conf_source *s, const char *key,
                                    const struct conf_strings *list, struct err *e)
{
    for (size_t i = 0; i < list->n; i++) {
        struct conf_expression *p = NULL;

        if (conf_expression_new(list->items[i], &p, e) != ERR_OK)
            return conf_place_named(s, key, e);
        conf_expression_free(p);
    }
    return ERR_OK;
}

/* "name=value"; the names that each record has already are not for others. */
static bool field_valid(struct str field)
{
    struct str name;

    return str_cut(&field, '=', &name) && name.n <= 64 && conf_all_of(name, "-._") &&
           field.n <= 256 && !str_eq(name, STR("time")) && !str_eq(name, STR("level")) &&
           !str_eq(name, STR("message"));
}

static enum err_code check_fields(const struct conf_source *s, struct err *e)
{
    const struct conf_strings *list = &s->conf->log.fields;

    for (size_t i = 0; i < list->n; i++) {
        if (field_valid(str_of(list->items[i])))
            continue;
        err_set(e, ERR_CONFIG,
                "'%.80s' is no field; allowed is 'name=value', a name of up to 64 letters, digits "
                "and -._ that is not 'time', 'level' or 'message', and a value of up to 256 bytes",
                list->items[i]);
        return conf_place_named(s, "log.fields", e);
    }
    return ERR_OK;
}

enum err_code conf_check_texts(const struct conf_source *s, struct err *e)
{
    const struct conf_registry *r = &s->conf->registry;

    TRY(check_prefix(s, e));
    TRY(check_debug(s, e));
    TRY(check_headers(s, e));
    TRY(check_patterns(s, "manifest.urls.allow", &r->url_allow, e));
    TRY(check_patterns(s, "manifest.urls.deny", &r->url_deny, e));
    return check_fields(s, e);
}
