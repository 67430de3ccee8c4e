#include "base/cleanup.h"
#include "base/mem.h"
#include "conf/distribution/take.h"
#include "conf/value.h"

#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

enum err_code take_addr(struct taking *t, const struct distribution_row *row,
                        const struct flat_entry *entry, struct err *e)
{
    const char *net = flat_value(t->flat, "http.net");
    char text[512];

    if (strcmp(net, "unix") == 0)
        snprintf(text, sizeof(text), "unix:%s", entry->value);
    else if (!*net || strcmp(net, "tcp") == 0)
        snprintf(text, sizeof(text), "%s", entry->value);
    else
        return take_refuse(t, flat_find(t->flat, "http.net"),
                           "is no kind of address; allowed are 'tcp' and 'unix'", e);
    return take_set(t, row->to, entry, NULL, str_of(text), e);
}

/* A slash at the end may be missing, and "/" alone is no prefix. */
enum err_code take_prefix(struct taking *t, const struct distribution_row *row,
                          const struct flat_entry *entry, struct err *e)
{
    size_t n = strlen(entry->value);
    AUTO(buf) struct buf text = {0};

    if (strcmp(entry->value, "/") == 0)
        return ERR_OK;
    buf_init(&text, 1 << 12);
    buf_addf(&text, "%s%s", entry->value, entry->value[n - 1] == '/' ? "" : "/");
    return take_set(t, row->to, entry, NULL, buf_str(&text), e);
}

/* Places are told without a host, so only a path of it would be missed. */
enum err_code take_host(struct taking *t, const struct distribution_row *row,
                        const struct flat_entry *entry, struct err *e)
{
    const char *rest = strstr(entry->value, "://");
    const char *path = strchr(rest ? rest + 3 : entry->value, '/');

    (void)row;
    (void)e;
    if (path && path[1] && !*flat_value(t->flat, "http.prefix"))
        take_warn(t, entry,
                  "its path is not told to clients; set http.prefix, and have the proxy "
                  "pass the path on");
    return ERR_OK;
}

enum err_code take_client_auth(struct taking *t, const struct distribution_row *row,
                               const struct flat_entry *entry, struct err *e)
{
    static const struct {
        const char *theirs, *ours, *remark;
    } modes[] = {
        {"require-and-verify-client-cert", "required", NULL},
        {"verify-client-cert-if-given", "optional", NULL},
        {"require-any-client-cert", "required", "certificates are always verified"},
        {"request-client-cert", "optional", "certificates are always verified"},
    };

    if (!flat_has(t->flat, "http.tls.clientcas"))
        return ERR_OK; /* nothing to verify with: they do not ask either */
    for (size_t i = 0; i < sizeof(modes) / sizeof(modes[0]); i++) {
        if (strcmp(entry->value, modes[i].theirs) == 0)
            return take_set(t, row->to, entry, modes[i].remark, str_of(modes[i].ours), e);
    }
    return take_refuse(t, entry,
                       "is no mode; allowed are 'require-and-verify-client-cert', "
                       "'verify-client-cert-if-given', 'require-any-client-cert' and "
                       "'request-client-cert'",
                       e);
}

enum err_code take_min_tls(struct taking *t, const struct distribution_row *row,
                           const struct flat_entry *entry, struct err *e)
{
    static const struct {
        const char *theirs, *ours, *remark;
    } versions[] = {
        {"tls1.3", "1.3", NULL},
        {"tls1.2", "1.2", NULL},
        {"tls1.1", "1.2", "older versions are not spoken"},
        {"tls1.0", "1.2", "older versions are not spoken"},
    };

    for (size_t i = 0; i < sizeof(versions) / sizeof(versions[0]); i++) {
        if (strcmp(entry->value, versions[i].theirs) == 0)
            return take_set(t, row->to, entry, versions[i].remark, str_of(versions[i].ours), e);
    }
    return take_refuse(t, entry, "is no version; allowed are 'tls1.0' to 'tls1.3'", e);
}

/* Go's names are those of IANA; OpenSSL has its own for TLS 1.2. */
static const struct {
    const char *iana, *openssl;
    bool weak;
} suites[] = {
    {"TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384", "ECDHE-ECDSA-AES256-GCM-SHA384", false},
    {"TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384", "ECDHE-RSA-AES256-GCM-SHA384", false},
    {"TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256", "ECDHE-ECDSA-AES128-GCM-SHA256", false},
    {"TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256", "ECDHE-RSA-AES128-GCM-SHA256", false},
    {"TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256", "ECDHE-ECDSA-CHACHA20-POLY1305", false},
    {"TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256", "ECDHE-RSA-CHACHA20-POLY1305", false},
    {"TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA256", "ECDHE-ECDSA-AES128-SHA256", false},
    {"TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA256", "ECDHE-RSA-AES128-SHA256", false},
    {"TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA", "ECDHE-ECDSA-AES128-SHA", false},
    {"TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA", "ECDHE-ECDSA-AES256-SHA", false},
    {"TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA", "ECDHE-RSA-AES128-SHA", false},
    {"TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA", "ECDHE-RSA-AES256-SHA", false},
    {"TLS_RSA_WITH_AES_128_GCM_SHA256", "AES128-GCM-SHA256", false},
    {"TLS_RSA_WITH_AES_256_GCM_SHA384", "AES256-GCM-SHA384", false},
    {"TLS_RSA_WITH_AES_128_CBC_SHA256", "AES128-SHA256", false},
    {"TLS_RSA_WITH_AES_128_CBC_SHA", "AES128-SHA", false},
    {"TLS_RSA_WITH_AES_256_CBC_SHA", "AES256-SHA", false},
    {"TLS_AES_128_GCM_SHA256", NULL, false},
    {"TLS_AES_256_GCM_SHA384", NULL, false},
    {"TLS_CHACHA20_POLY1305_SHA256", NULL, false},
    {"TLS_RSA_WITH_RC4_128_SHA", NULL, true},
    {"TLS_RSA_WITH_3DES_EDE_CBC_SHA", NULL, true},
    {"TLS_ECDHE_ECDSA_WITH_RC4_128_SHA", NULL, true},
    {"TLS_ECDHE_RSA_WITH_RC4_128_SHA", NULL, true},
    {"TLS_ECDHE_RSA_WITH_3DES_EDE_CBC_SHA", NULL, true},
};

/* To the text of that key of ours, which begins with the first of them. */
static enum err_code add_suite(struct taking *t, const char *key, const char *so_far,
                               const char *name, const struct flat_entry *entry, struct err *e)
{
    bool first = !conf_given(t->source, conf_row_find(str_of(key)));
    AUTO(buf) struct buf text = {0};

    buf_init(&text, 64 * 1024);
    buf_addf(&text, "%s%s%s", first ? "" : so_far, first ? "" : ":", name);
    return take_set(t, key, entry, NULL, buf_str(&text), e);
}

enum err_code take_cipher(struct taking *t, const struct distribution_row *row,
                          const struct flat_entry *entry, struct err *e)
{
    const struct conf_tls *tls = &t->source->conf->http.tls;

    (void)row;
    for (size_t i = 0; i < sizeof(suites) / sizeof(suites[0]); i++) {
        if (strcmp(entry->value, suites[i].iana) != 0)
            continue;
        if (suites[i].weak) {
            take_warn(t, entry, "is broken; it is not offered");
            return ERR_OK;
        }
        if (suites[i].openssl)
            return add_suite(t, "http.tls.ciphers", tls->ciphers, suites[i].openssl, entry, e);
        return add_suite(t, "http.tls.ciphersuites", tls->ciphersuites, suites[i].iana, entry, e);
    }
    return take_refuse(t, entry, "is no cipher suite that the reference registry knows", e);
}

/* The name is behind the row's path, and behind it the index of the value. */
static struct str header_name(const struct distribution_row *row, const struct flat_entry *entry)
{
    struct str rest = str_of(take_rest(row, entry));
    const char *dot = rest.n ? memrchr(rest.p, '.', rest.n) : NULL;

    return dot ? str_sub(rest, 0, (size_t)(dot - rest.p)) : rest;
}

/* "HEAD, GET, OPTIONS", or one of them. */
static enum err_code take_methods(struct taking *t, const struct flat_entry *entry, struct err *e)
{
    struct str left = str_of(entry->value), one;
    bool more = true;

    while (more) {
        more = str_cut(&left, ',', &one);
        one = str_trim(one);
        if (str_eq(one, STR("*")))
            return ERR_OK;
        if (one.n && !str_ieq(one, STR("OPTIONS"))) /* of preflights, which are always answered */
            TRY(take_add(t, "http.cors.methods", entry, NULL, one, e));
    }
    return ERR_OK;
}

static enum err_code take_cors(struct taking *t, struct str name, const struct flat_entry *entry,
                               struct err *e)
{
    static const char *const always[] = {"Headers", "Max-Age"};

    if (str_ieq(name, STR("Access-Control-Allow-Origin")))
        return take_add(t, "http.cors.origins", entry, "pages of this origin, and no others",
                        str_of(entry->value), e);
    if (str_ieq(name, STR("Access-Control-Allow-Methods")))
        return take_methods(t, entry, e);
    if (str_ieq(name, STR("Access-Control-Allow-Credentials"))) {
        if (!take_is_true(entry->value))
            return ERR_OK;
        return take_set(t, "http.cors.credentials", entry, NULL, STR("true"), e);
    }
    for (size_t i = 0; i < sizeof(always) / sizeof(always[0]); i++) {
        if (str_ends(name, str_of(always[i])))
            return ERR_OK; /* those that pages need, and an hour */
    }
    take_warn(t, entry, "is not sent");
    return ERR_OK;
}

static enum err_code add_header(struct taking *t, const struct distribution_row *row,
                                const struct flat_entry *entry, struct str name, struct err *e)
{
    const struct conf_row *key = conf_item_find(&conf_item_header, STR("name"));
    const struct conf_row *value = conf_item_find(&conf_item_header, STR("value"));
    struct conf_header *h;
    void *item;
    enum err_code code;

    TRY(take_add_item(t, row->to, entry, NULL, &item, e));
    h = item;
    code = conf_value_set(key, name, &h->name, e);
    if (code == ERR_OK)
        code = conf_value_set(value, str_of(entry->value), &h->value, e);
    if (code == ERR_OK)
        return ERR_OK;
    return conf_place(t->source,
                      (struct conf_key){conf_row_find(str_of(row->to)),
                                        t->source->conf->http.headers.n - 1, NULL},
                      e);
}

enum err_code take_header(struct taking *t, const struct distribution_row *row,
                          const struct flat_entry *entry, struct err *e)
{
    struct str name = header_name(row, entry);

    if (!entry->value || !name.n)
        return ERR_OK;
    if (str_istarts(name, STR("Access-Control-")))
        return take_cors(t, name, entry, e);
    if (str_ieq(name, STR("X-Content-Type-Options")) || str_ieq(name, STR("Vary")))
        return ERR_OK; /* in every answer that needs it */
    return add_header(t, row, entry, name, e);
}

/* No browser takes both. */
void take_settle_cors(struct taking *t)
{
    struct conf_cors *c = &t->source->conf->http.cors;
    const struct conf_row *row = conf_row_find(STR("http.cors.credentials"));

    if (!c->credentials || !conf_strings_have(&c->origins, STR("*")))
        return;
    for (size_t i = 0; i < t->flat->n; i++) {
        const struct flat_entry *entry = &t->flat->items[i];

        if (str_istarts(str_of(entry->path), STR("http.headers.Access-Control-Allow-Credentials")))
            take_warn(t, entry,
                      "no browser takes credentials together with the origin '*'; left out");
    }
    c->credentials = false;
    t->source->of[row - conf_rows] = (struct conf_origin){0};
}
