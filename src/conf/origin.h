/* Origins of pages, as browsers name them in Origin (Fetch, "`Origin` header"). */
#pragma once

#include "base/str.h"

#define CONF_ORIGIN_SIZE 272 /* of the longest: scheme, a name of DNS, port, NUL */

/*
 * SCHEME://HOST[:PORT] with http or https, a name, an IPv4 address or an IPv6 address in brackets,
 * and a port from 1 on; nothing behind, and no user. Without case. ret_text is the one way in which
 * a browser writes it: small letters, the address in its shortest form, no port that the scheme has
 * anyway (URL Standard, "host serializing", "origin").
 */
bool conf_origin_parse(struct str s, char ret_text[static CONF_ORIGIN_SIZE]);
