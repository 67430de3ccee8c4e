#include "net/public_address.h"

#include "conf/cidr.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>

/* IANA's special-purpose registries of IPv4 and IPv6, RFC 6890 and what came after it. */
static const char *const special[] = {
    "0.0.0.0/8",     "10.0.0.0/8",      "100.64.0.0/10",  "127.0.0.0/8",    "169.254.0.0/16",
    "172.16.0.0/12", "192.0.0.0/24",    "192.0.2.0/24",   "192.88.99.0/24", "192.168.0.0/16",
    "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/4",    "240.0.0.0/4",
    "::/128",        "::1/128",         "64:ff9b:1::/48", "100::/64",       "2001::/23",
    "2001:db8::/32", "3fff::/20",       "5f00::/16",      "fc00::/7",       "fe80::/10",
    "fec0::/10",     "ff00::/8"};

static bool is_special(const char *text)
{
    for (size_t i = 0; i < sizeof(special) / sizeof(special[0]); i++) {
        struct conf_cidr c;

        if (conf_cidr_parse(str_of(special[i]), &c) && conf_cidr_contains(&c, text))
            return true;
    }
    return false;
}

static bool is_special_4(const void *bytes)
{
    char text[INET_ADDRSTRLEN];

    return !inet_ntop(AF_INET, bytes, text, sizeof(text)) || is_special(text);
}

/* Where bytes of an IPv4 address are in it: mapped (RFC 4291, 2.5.5), translated (RFC 6052), 6to4
 * (RFC 3056). 0: nowhere. */
static size_t embedded_at(const unsigned char a[16])
{
    static const unsigned char compatible[12] = {0};
    static const unsigned char mapped[12] = {[10] = 0xff, [11] = 0xff};
    static const unsigned char translated[12] = {0x00, 0x64, 0xff, 0x9b};

    if (memcmp(a, compatible, 12) == 0 || memcmp(a, mapped, 12) == 0 ||
        memcmp(a, translated, 12) == 0)
        return 12;
    return a[0] == 0x20 && a[1] == 0x02 ? 2 : 0;
}

bool address_is_public(const struct sockaddr *address)
{
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
    char text[INET6_ADDRSTRLEN];
    size_t at;

    if (address->sa_family == AF_INET) {
        memcpy(&v4, address, sizeof(v4));
        return !is_special_4(&v4.sin_addr);
    }
    if (address->sa_family != AF_INET6)
        return false;
    memcpy(&v6, address, sizeof(v6));
    at = embedded_at(v6.sin6_addr.s6_addr);
    if (at > 0)
        return !is_special_4(v6.sin6_addr.s6_addr + at);
    return inet_ntop(AF_INET6, &v6.sin6_addr, text, sizeof(text)) && !is_special(text);
}
