/* Addresses and networks of a list such as http.trusted_proxies. */
#pragma once

#include "base/str.h"

struct conf_cidr {
    unsigned char address[16]; /* IPv4 as ::ffff:a.b.c.d (RFC 4291 section 2.5.5.2) */
    unsigned bits;             /* of the 128 */
};

/* "10.1.2.3", "10.0.0.0/8", "::1", "fd00::/8". False for anything else, and when bits behind the
 * prefix are set: "10.0.0.1/8" may have meant one address or a network. */
bool conf_cidr_parse(struct str s, struct conf_cidr *ret_cidr);

/* Is the address (numeric, IPv4 or IPv6, without port) in it? */
bool conf_cidr_contains(const struct conf_cidr *c, const char *address);

/* A list of them. */
struct conf_cidrs {
    struct conf_cidr *items;
    size_t n;
};

/* Of a list that was checked: each of them parses. To be released with conf_cidrs_done(). */
void conf_cidrs_init(char *const *texts, size_t n, struct conf_cidrs *ret_cidrs);
void conf_cidrs_done(struct conf_cidrs *cidrs);

/* Is the address in one of them? */
bool conf_cidrs_contain(const struct conf_cidrs *cidrs, const char *address);
