/* Which addresses are of everybody's internet. */
#pragma once

#include <stdbool.h>
#include <sys/socket.h>

/* False for loopback, private, link-local (where clouds tell machines their secrets), multicast and
 * reserved ones, for IPv6 addresses that stand for such a one of IPv4, and for what is neither. */
bool address_is_public(const struct sockaddr *address);
