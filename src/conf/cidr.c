#include "conf/cidr.h"

#include "base/mem.h"

#include <arpa/inet.h>
#include <stdlib.h>

static bool parse_address(const char *text, unsigned char ret[static 16], bool *ret_v4)
{
    static const unsigned char mapped[12] = {[10] = 0xff, [11] = 0xff};

    if (inet_pton(AF_INET6, text, ret) == 1) {
        *ret_v4 = false;
        return true;
    }
    memcpy(ret, mapped, sizeof(mapped));
    *ret_v4 = true;
    return inet_pton(AF_INET, text, ret + 12) == 1;
}

static unsigned bit(const unsigned char *address, unsigned i)
{
    return address[i / 8] >> (7 - i % 8) & 1u;
}

bool conf_cidr_parse(struct str s, struct conf_cidr *ret_cidr)
{
    struct conf_cidr c = {.bits = 128};
    char text[INET6_ADDRSTRLEN];
    struct str address;
    uint64_t bits;
    bool v4, prefix = str_cut(&s, '/', &address);

    if (!str_copy(address, text, sizeof(text)) || !parse_address(text, c.address, &v4))
        return false;
    if (prefix) {
        if (!str_to_u64(s, v4 ? 32 : 128, &bits))
            return false;
        c.bits = (unsigned)bits + (v4 ? 96 : 0);
    }
    for (unsigned i = c.bits; i < 128; i++) {
        if (bit(c.address, i))
            return false;
    }
    *ret_cidr = c;
    return true;
}

bool conf_cidr_contains(const struct conf_cidr *c, const char *address)
{
    unsigned char other[16];
    bool v4;

    if (!parse_address(address, other, &v4))
        return false;
    for (unsigned i = 0; i < c->bits; i++) {
        if (bit(other, i) != bit(c->address, i))
            return false;
    }
    return true;
}

void conf_cidrs_init(char *const *texts, size_t n, struct conf_cidrs *ret_cidrs)
{
    *ret_cidrs = (struct conf_cidrs){.items = mem_alloc(n * sizeof(ret_cidrs->items[0]))};
    for (size_t i = 0; i < n; i++) {
        if (conf_cidr_parse(str_of(texts[i]), &ret_cidrs->items[ret_cidrs->n]))
            ret_cidrs->n++;
    }
}

void conf_cidrs_done(struct conf_cidrs *cidrs)
{
    free(cidrs->items);
}

bool conf_cidrs_contain(const struct conf_cidrs *cidrs, const char *address)
{
    for (size_t i = 0; i < cidrs->n; i++) {
        if (conf_cidr_contains(&cidrs->items[i], address))
            return true;
    }
    return false;
}
