#include "base/cleanup.h"
#include "base/mem.h"
#include "conf/distribution/take.h"

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

static enum err_code take_cors(struct taking *t, struct str name, const struct flat_entry *entry,
                               struct err *e)
{
    if (str_ieq(name, STR("Access-Control-Allow-Origin")))
        return take_add(t, "http.cors.origins", entry, "pages of this origin, and no others",
                        str_of(entry->value), e);
    if (!str_ieq(name, STR("Access-Control-Allow-Credentials")) || !take_is_true(entry->value))
        return ERR_OK; /* methods, headers and time: what pages need is always told */
    if (strcmp(flat_value(t->flat, "http.headers.Access-Control-Allow-Origin.0"), "*") == 0) {
        take_warn(t, entry, "no browser takes credentials together with the origin '*'; left out");
        return ERR_OK;
    }
    return take_set(t, "http.cors.credentials", entry, NULL, STR("true"), e);
}

enum err_code take_header(struct taking *t, const struct distribution_row *row,
                          const struct flat_entry *entry, struct err *e)
{
    struct str name = header_name(row, entry);
    struct conf_header *h;
    void *item;

    if (!entry->value || !name.n)
        return ERR_OK;
    if (str_istarts(name, STR("Access-Control-")))
        return take_cors(t, name, entry, e);
    if (str_ieq(name, STR("X-Content-Type-Options")))
        return ERR_OK; /* is in every answer */
    TRY(take_add_item(t, row->to, entry, NULL, &item, e));
    h = item;
    free(h->name);
    free(h->value);
    h->name = str_dup(name);
    h->value = mem_strdup(entry->value);
    return ERR_OK;
}
