#include "conf/origin.h"

#include "base/buf.h"

#include <arpa/inet.h>

#define NAME_MAX_BYTES  253 /* RFC 1035, 2.3.4, as text */
#define LABEL_MAX_BYTES 63
#define PIECES          8 /* of 16 bits in an IPv6 address */

static bool is_digits(struct str s)
{
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] < '0' || s.p[i] > '9')
            return false;
    }
    return s.n > 0;
}

/* Browsers take underscores, as DNS does (RFC 2181, 11); other letters than these come as
 * "xn--". */
static bool label_valid(struct str label)
{
    for (size_t i = 0; i < label.n; i++) {
        char c = label.p[i];

        if (!(c >= 'a' && c <= 'z') && !(c >= '0' && c <= '9') && c != '-' && c != '_')
            return false;
    }
    return label.n > 0 && label.n <= LABEL_MAX_BYTES;
}

static bool labels_valid(struct str name, struct str *ret_last)
{
    bool more;

    do {
        more = str_cut(&name, '.', ret_last);
        if (!label_valid(*ret_last))
            return false;
    } while (more);
    return true;
}

/* A name that ends in a number is an address (URL Standard, "ends in a number checker"). Of those,
 * only what a browser would not write otherwise is let in: four numbers. */
static bool add_name(struct buf *b, struct str host)
{
    struct str name = str_ends(host, STR(".")) ? str_sub(host, 0, host.n - 1) : host, last;
    char text[INET_ADDRSTRLEN];
    struct in_addr v4;

    if (name.n > NAME_MAX_BYTES || !labels_valid(name, &last))
        return false;
    if ((is_digits(last) || str_starts(last, STR("0x"))) &&
        !(str_copy(host, text, sizeof(text)) && inet_pton(AF_INET, text, &v4) == 1))
        return false;
    buf_add_str(b, host);
    return true;
}

/* The first of the longest runs of zeros, of two at least; its length. */
static size_t longest_zeros(const uint16_t piece[static PIECES], size_t *ret_at)
{
    size_t longest = 1, run = 0;

    *ret_at = PIECES;
    for (size_t i = 0; i < PIECES; i++) {
        run = piece[i] == 0 ? run + 1 : 0;
        if (run > longest) {
            longest = run;
            *ret_at = i + 1 - run;
        }
    }
    return longest;
}

/* URL Standard, "IPv6 serializer". Unlike inet_ntop() it knows no dots, as in ::ffff:1.2.3.4. */
static bool add_v6(struct buf *b, struct str address)
{
    char text[INET6_ADDRSTRLEN];
    uint16_t piece[PIECES];
    struct in6_addr v6;
    size_t n, at;

    if (!str_copy(address, text, sizeof(text)) || inet_pton(AF_INET6, text, &v6) != 1)
        return false;
    for (size_t i = 0; i < PIECES; i++)
        piece[i] = (uint16_t)(v6.s6_addr[2 * i] << 8 | v6.s6_addr[2 * i + 1]);
    n = longest_zeros(piece, &at);
    buf_add_char(b, '[');
    for (size_t i = 0; i < PIECES; i++) {
        if (i == at) {
            buf_add_text(b, i == 0 ? "::" : ":");
            i += n - 1;
        } else {
            buf_addf(b, "%x%s", (unsigned)piece[i], i + 1 < PIECES ? ":" : "");
        }
    }
    buf_add_char(b, ']');
    return true;
}

static bool add_host(struct buf *b, struct str *rest)
{
    struct str host;

    if (str_starts(*rest, STR("["))) {
        *rest = str_sub(*rest, 1, rest->n - 1);
        return str_cut(rest, ']', &host) && add_v6(b, host);
    }
    host = *rest;
    for (size_t i = 0; i < rest->n && host.n == rest->n; i++) {
        if (rest->p[i] == ':')
            host.n = i;
    }
    *rest = str_sub(*rest, host.n, rest->n - host.n);
    return add_name(b, host);
}

/* ":PORT", or nothing. */
static bool add_port(struct buf *b, struct str rest, uint64_t usual)
{
    uint64_t port;

    if (rest.n == 0)
        return true;
    if (rest.p[0] != ':' || !str_to_u64(str_sub(rest, 1, rest.n - 1), 65535, &port) || port == 0)
        return false;
    if (port != usual)
        buf_addf(b, ":%u", (unsigned)port);
    return true;
}

static bool add_origin(struct buf *b, struct str s)
{
    static const struct {
        struct str scheme;
        uint64_t port;
    } schemes[] = {{STR("http://"), 80}, {STR("https://"), 443}};

    for (size_t i = 0; i < sizeof(schemes) / sizeof(schemes[0]); i++) {
        struct str scheme = schemes[i].scheme;

        if (!str_starts(s, scheme))
            continue;
        s = str_sub(s, scheme.n, s.n - scheme.n);
        buf_add_str(b, scheme);
        return add_host(b, &s) && add_port(b, s, schemes[i].port);
    }
    return false;
}

bool conf_origin_parse(struct str s, char ret_text[static CONF_ORIGIN_SIZE])
{
    AUTO(buf) struct buf text = {0};
    char small[CONF_ORIGIN_SIZE];

    if (!str_copy(s, small, sizeof(small)))
        return false;
    for (char *c = small; *c; c++)
        *c = str_lower(*c);
    buf_init(&text, CONF_ORIGIN_SIZE - 1);
    return add_origin(&text, str_of(small)) && !text.full &&
           str_copy(buf_str(&text), ret_text, CONF_ORIGIN_SIZE);
}
