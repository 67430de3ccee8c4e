#include "base/cleanup.h"
#include "conf/items.h"
#include "conf/listen.h"
#include "conf/load.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <sys/stat.h>

/* The row of a key that is known to be in the table. */
static enum err_code at(const struct conf_source *s, struct str key, struct err *e)
{
    return conf_place(s, CONF_KEY(conf_row_find(key)), e);
}

static bool host_name_valid(struct str host)
{
    for (size_t i = 0; i < host.n; i++) {
        char c = host.p[i];

        if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
              c == '.' || c == '-'))
            return false;
    }
    return true;
}

static bool parse_unix(struct str path, struct conf_listen *ret)
{
    /* sun_path of sockaddr_un has 108 bytes with its NUL */
    if (path.n == 0 || path.n > 107 || !str_copy(path, ret->host, sizeof(ret->host)))
        return false;
    ret->kind = CONF_LISTEN_UNIX;
    ret->loopback = true;
    return true;
}

static bool set_host(struct str host, bool brackets, struct conf_listen *ret)
{
    struct in6_addr v6;
    struct in_addr v4;

    if (!str_copy(host, ret->host, sizeof(ret->host)))
        return false;
    if (brackets) {
        if (inet_pton(AF_INET6, ret->host, &v6) != 1)
            return false;
        ret->loopback = IN6_IS_ADDR_LOOPBACK(&v6);
    } else if (inet_pton(AF_INET, ret->host, &v4) == 1) {
        ret->loopback = ntohl(v4.s_addr) >> 24 == 127;
    } else {
        ret->loopback = str_ieq(host, STR("localhost"));
        return host_name_valid(host);
    }
    return true;
}

bool conf_listen_parse(struct str s, struct conf_listen *ret_listen)
{
    struct conf_listen l = {.kind = CONF_LISTEN_TCP};
    struct str port;
    const char *colon;
    uint64_t number;
    bool brackets;

    if (str_starts(s, STR("unix:"))) {
        if (!parse_unix(str_sub(s, 5, s.n - 5), &l))
            return false;
        *ret_listen = l;
        return true;
    }
    colon = s.n ? memrchr(s.p, ':', s.n) : NULL;
    if (!colon)
        return false;
    port = str_sub(s, (size_t)(colon + 1 - s.p), s.n - (size_t)(colon + 1 - s.p));
    s.n = (size_t)(colon - s.p);
    if (!str_to_u64(port, 65535, &number))
        return false;
    brackets = s.n >= 2 && s.p[0] == '[' && s.p[s.n - 1] == ']';
    if (brackets)
        s = str_sub(s, 1, s.n - 2);
    if (!set_host(s, brackets, &l))
        return false;
    l.port = (unsigned)number;
    *ret_listen = l;
    return true;
}

static enum err_code check_listen(const struct conf_source *s, struct err *e)
{
    const struct conf_strings *list = &s->conf->http.listen;
    struct conf_listen l;

    for (size_t i = 0; i < list->n; i++) {
        if (!conf_listen_parse(str_of(list->items[i]), &l)) {
            err_set(e, ERR_CONFIG,
                    "'%.80s' is not an address; allowed are '127.0.0.1:5000', '[::1]:5000', "
                    "':5000' (all addresses) and 'unix:/path'",
                    list->items[i]);
            return at(s, STR("http.listen"), e);
        }
        /* design.md "Identity and rights" */
        if (!l.loopback && s->conf->auth.mode == CONF_AUTH_LOOPBACK) {
            err_set(e, ERR_CONFIG,
                    "'%.80s' can be reached from other machines, and no authentication is "
                    "configured; configure it ('auth: local' has users and tokens in the "
                    "database), or listen on 127.0.0.1, or let everyone in with the line "
                    "'auth: none' (or REGISTRY_AUTH=none)",
                    list->items[i]);
            return at(s, STR("http.listen"), e);
        }
    }
    return ERR_OK;
}

static enum err_code check_tls(const struct conf_source *s, struct err *e)
{
    const struct conf_tls *tls = &s->conf->http.tls;

    if (*tls->certificate && !*tls->key) {
        err_set(e, ERR_CONFIG, "a certificate needs its private key: set http.tls.key too");
        return at(s, STR("http.tls.certificate"), e);
    }
    if (*tls->key && !*tls->certificate) {
        err_set(e, ERR_CONFIG, "a key needs its certificate: set http.tls.certificate too");
        return at(s, STR("http.tls.key"), e);
    }
    if (*tls->client_ca && !*tls->certificate) {
        err_set(e, ERR_CONFIG,
                "client certificates need TLS: set http.tls.certificate and http.tls.key too");
        return at(s, STR("http.tls.client_ca"), e);
    }
    if (*tls->client_crl && !*tls->client_ca) {
        err_set(e, ERR_CONFIG, "revoked by whom? Set http.tls.client_ca too");
        return at(s, STR("http.tls.client_crl"), e);
    }
    if (tls->client_auth == CONF_CLIENT_AUTH_REQUIRED && !*tls->client_ca) {
        err_set(e, ERR_CONFIG,
                "'required' needs the authorities to check against: set http.tls.client_ca too");
        return at(s, STR("http.tls.client_auth"), e);
    }
    return ERR_OK;
}

enum err_code conf_check(const struct conf_source *s, struct err *e)
{
    conf_settle_auth(s);
    TRY(check_listen(s, e));
    TRY(check_tls(s, e));
    return conf_check_auth(s, e);
}

/* Files. */

static enum err_code check_file(const struct conf_source *s, struct conf_key key, const char *path,
                                struct err *e)
{
    AUTO(fd) int fd = -1;
    struct stat st;

    if (!*path)
        return ERR_OK;
    fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0 || fstat(fd, &st) != 0) {
        err_set(e, ERR_CONFIG, "'%.200s' can't be read: %m", path);
    } else if (S_ISDIR(st.st_mode)) {
        err_set(e, ERR_CONFIG, "'%.200s' is a directory, not a file", path);
    } else {
        return ERR_OK;
    }
    return conf_place(s, key, e);
}

static enum err_code check_item_files(const struct conf_source *s, const struct conf_row *row,
                                      struct err *e)
{
    const struct conf_items *list = conf_field(s->conf, row);

    for (size_t i = 0; i < list->n; i++) {
        for (size_t k = 0; k < row->item->n; k++) {
            const struct conf_row *sub = &row->item->rows[k];
            void *field = conf_item_field(sub, conf_items_at(row, list, i));

            if (sub->flags & CONF_READ)
                TRY(check_file(s, (struct conf_key){row, i, sub}, *(char **)field, e));
        }
    }
    return ERR_OK;
}

enum err_code conf_check_files(const struct conf_source *s, struct err *e)
{
    for (size_t i = 0; i < conf_rows_n; i++) {
        const struct conf_row *row = &conf_rows[i];

        if (row->type == CONF_ITEMS)
            TRY(check_item_files(s, row, e));
        else if (row->flags & CONF_READ)
            TRY(check_file(s, CONF_KEY(row), *(char **)conf_field(s->conf, row), e));
    }
    return ERR_OK;
}
