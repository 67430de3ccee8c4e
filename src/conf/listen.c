#include "conf/listen.h"

#include "base/host.h"

#include <arpa/inet.h>

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

    if (!str_copy(host, ret->host, sizeof(ret->host)))
        return false;
    ret->loopback = host_is_loopback(host);
    return brackets ? inet_pton(AF_INET6, ret->host, &v6) == 1 : host_name_valid(host);
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
