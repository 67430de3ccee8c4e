#include "base/host.h"

#include <arpa/inet.h>

bool host_is_loopback(struct str host)
{
    char text[INET6_ADDRSTRLEN];
    struct in6_addr v6;
    struct in_addr v4;

    if (str_ieq(host, STR("localhost")))
        return true;
    if (!str_copy(host, text, sizeof(text)))
        return false;
    if (inet_pton(AF_INET, text, &v4) == 1)
        return ntohl(v4.s_addr) >> 24 == 127;
    return inet_pton(AF_INET6, text, &v6) == 1 && IN6_IS_ADDR_LOOPBACK(&v6);
}
