#include "conf/redis_url.h"

#include "base/host.h"
#include "base/percent.h"

#define PORT          6379
#define SENTINEL_PORT 26379

static const struct {
    struct str scheme;
    bool tls, sentinel, cluster;
} schemes[] = {
    {.scheme = STR("redis")},
    {.scheme = STR("rediss"), .tls = true},
    {.scheme = STR("redis+sentinel"), .sentinel = true},
    {.scheme = STR("rediss+sentinel"), .tls = true, .sentinel = true},
    {.scheme = STR("redis+cluster"), .cluster = true},
    {.scheme = STR("rediss+cluster"), .cluster = true},
};

static enum err_code take_scheme(struct str *text, struct conf_redis_url *u, struct err *e)
{
    struct str scheme;

    if (str_cut(text, ':', &scheme) && str_starts(*text, STR("//"))) {
        *text = str_sub(*text, 2, text->n - 2);
        for (size_t i = 0; i < sizeof(schemes) / sizeof(schemes[0]); i++) {
            if (!str_ieq(scheme, schemes[i].scheme))
                continue;
            if (schemes[i].cluster)
                return err_set(e, ERR_CONFIG,
                               "a Redis Cluster is not supported; allowed are one server "
                               "('redis://') and one that Sentinels know ('redis+sentinel://')");
            u->tls = schemes[i].tls;
            u->sentinel = schemes[i].sentinel;
            return ERR_OK;
        }
    }
    return err_set(e, ERR_CONFIG,
                   "allowed is an address that begins with 'redis://' or 'rediss://' (TLS), or, "
                   "with Sentinels, 'redis+sentinel://' or 'rediss+sentinel://'");
}

static bool decode(struct str s, char *dst, size_t size)
{
    size_t n;

    if (!percent_decode(s, dst, size - 1, &n))
        return false;
    dst[n] = '\0';
    return true;
}

/* The last '@' ends it, as a password may hold one that nobody has encoded. */
static enum err_code take_user(struct str *authority, struct conf_redis_url *u, struct err *e)
{
    const char *at = authority->n ? memrchr(authority->p, '@', authority->n) : NULL;
    struct str userinfo, user;

    if (!at)
        return ERR_OK;
    userinfo = str_sub(*authority, 0, (size_t)(at - authority->p));
    *authority = str_sub(*authority, userinfo.n + 1, authority->n - userinfo.n - 1);
    str_cut(&userinfo, ':', &user);
    if (!decode(user, u->user, sizeof(u->user)) ||
        !decode(userinfo, u->password, sizeof(u->password)))
        return err_set(e, ERR_CONFIG,
                       "user and password are too long, or not as they stand in a URL: of what is "
                       "no letter and no digit, write %%XX");
    return ERR_OK;
}

static bool host_valid(struct str host, bool brackets)
{
    for (size_t i = 0; i < host.n; i++) {
        char c = host.p[i];

        if (!str_is_alphanumeric(c) && !strchr("-._", c) && !(brackets && strchr(":%", c)))
            return false;
    }
    return host.n > 0;
}

static bool parse_host(struct str text, uint16_t usual_port, struct conf_redis_host *ret_host)
{
    bool brackets = str_starts(text, STR("[")), ported;
    struct str host;
    uint64_t port = usual_port;

    if (brackets) {
        text = str_sub(text, 1, text.n - 1);
        if (!str_cut(&text, ']', &host) || (text.n && text.p[0] != ':'))
            return false;
        ported = text.n > 0;
        text = str_sub(text, ported, text.n - ported);
    } else {
        ported = str_cut(&text, ':', &host);
    }
    if (ported && (!str_to_u64(text, 65535, &port) || port == 0))
        return false;
    ret_host->port = (uint16_t)port;
    return host_valid(host, brackets) && str_copy(host, ret_host->name, sizeof(ret_host->name));
}

static enum err_code take_hosts(struct str list, struct conf_redis_url *u, struct err *e)
{
    struct str one;
    bool more;

    do {
        more = str_cut(&list, ',', &one);
        if (u->n_hosts == (u->sentinel ? CONF_REDIS_HOSTS_MAX : 1))
            return err_set(e, ERR_CONFIG,
                           u->sentinel ? "allowed are at most 16 Sentinels"
                                       : "several hosts are allowed with 'redis+sentinel://' only");
        if (!parse_host(one, u->sentinel ? SENTINEL_PORT : PORT, &u->hosts[u->n_hosts]))
            return err_set(e, ERR_CONFIG, "the address has no HOST[:PORT] where one must stand");
        u->in_clear |= !u->tls && !host_is_loopback(str_of(u->hosts[u->n_hosts].name));
        u->n_hosts++;
    } while (more);
    return ERR_OK;
}

/* NAME[/DATABASE] of Sentinels, [DATABASE] of a server. */
static enum err_code take_path(struct str path, struct conf_redis_url *u, struct err *e)
{
    struct str name = STR_NONE;

    if (u->sentinel) {
        str_cut(&path, '/', &name);
        if (name.n == 0 || !decode(name, u->name, sizeof(u->name)))
            return err_set(e, ERR_CONFIG,
                           "behind the Sentinels must stand the name by which they know the "
                           "server: 'redis+sentinel://HOST,HOST/NAME'");
    }
    if (path.n > 0 && !str_to_u64(path, CONF_REDIS_DATABASE_MAX, &u->database))
        return err_set(e, ERR_CONFIG,
                       "at its end the address may have the number of a database, and nothing "
                       "else");
    return ERR_OK;
}

/* Cuts the text behind the hosts. A '/' or '@' of a password, which nobody has encoded, does not
 * end them. */
static struct str cut_authority(struct str *text)
{
    const char *at = text->n ? memrchr(text->p, '@', text->n) : NULL;
    size_t n = at ? (size_t)(at - text->p) : 0;
    struct str authority;

    while (n < text->n && text->p[n] != '/')
        n++;
    authority = str_sub(*text, 0, n);
    *text = n < text->n ? str_sub(*text, n + 1, text->n - n - 1) : STR_NONE;
    return authority;
}

enum err_code conf_redis_url_parse(struct str text, struct conf_redis_url *ret_url, struct err *e)
{
    struct conf_redis_url u = {0};
    struct str authority;

    TRY(take_scheme(&text, &u, e));
    authority = cut_authority(&text);
    TRY(take_user(&authority, &u, e));
    TRY(take_hosts(authority, &u, e));
    TRY(take_path(text, &u, e));
    *ret_url = u;
    return ERR_OK;
}
