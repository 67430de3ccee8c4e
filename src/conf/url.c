#include "conf/url.h"

#include "base/host.h"

static bool host_valid(struct str host, bool brackets)
{
    for (size_t i = 0; i < host.n; i++) {
        char c = host.p[i];

        if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
              c == '.' || c == '-' || (brackets && c == ':')))
            return false;
    }
    return host.n > 0;
}

/* RFC 3986 section 3.2 without userinfo: a password has no place here. */
static bool parse_authority(struct str authority, struct str *ret_host)
{
    struct str rest = authority, host;
    bool brackets = str_starts(authority, STR("["));
    uint64_t port;

    if (brackets) {
        rest = str_sub(authority, 1, authority.n - 1);
        if (!str_cut(&rest, ']', &host) || (rest.n && rest.p[0] != ':'))
            return false;
        if (rest.n && !str_to_u64(str_sub(rest, 1, rest.n - 1), 65535, &port))
            return false;
    } else if (str_cut(&rest, ':', &host) && !str_to_u64(rest, 65535, &port)) {
        return false;
    }
    *ret_host = host;
    return host_valid(host, brackets);
}

bool conf_url_parse(struct str s, struct conf_url *ret_url)
{
    struct conf_url url;
    struct str authority;
    size_t n = 0;

    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] <= 0x20 || s.p[i] >= 0x7f || strchr("#\"<>\\^`{|}", s.p[i]))
            return false;
    }
    if (!str_cut(&s, ':', &url.scheme) || !s.p || !str_starts(s, STR("//")))
        return false;
    s = str_sub(s, 2, s.n - 2);
    while (n < s.n && s.p[n] != '/' && s.p[n] != '?')
        n++;
    authority = str_sub(s, 0, n);
    if (!parse_authority(authority, &url.host))
        return false;
    url.path = str_sub(s, n, s.n - n);
    url.loopback = host_is_loopback(url.host);
    *ret_url = url;
    return true;
}
