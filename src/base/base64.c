#include "base/base64.h"

/* -1: none of the alphabet, whose last two characters differ. */
static int sextet(char c, const char last[static 2])
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    if (c == last[0])
        return 62;
    return c == last[1] ? 63 : -1;
}

static bool decode(struct str text, const char last[static 2], unsigned char *dst, size_t *ret_n)
{
    unsigned bits = 0, n_bits = 0; /* of bits, those not yet in dst */
    size_t n = 0;

    if (text.n % 4 == 1)
        return false;
    for (size_t i = 0; i < text.n; i++) {
        int value = sextet(text.p[i], last);

        if (value < 0)
            return false;
        bits = bits << 6 | (unsigned)value;
        n_bits += 6;
        if (n_bits >= 8) {
            n_bits -= 8;
            dst[n++] = (unsigned char)(bits >> n_bits);
        }
    }
    if (bits & ((1u << n_bits) - 1)) /* RFC 4648, 3.5: there is one text for the same bytes */
        return false;
    *ret_n = n;
    return true;
}

bool base64_decode(struct str text, unsigned char *dst, size_t *ret_n)
{
    if (text.n % 4 != 0)
        return false;
    for (int i = 0; i < 2 && text.n > 0 && text.p[text.n - 1] == '='; i++)
        text.n--;
    return decode(text, "+/", dst, ret_n);
}

bool base64url_decode(struct str text, unsigned char *dst, size_t *ret_n)
{
    return decode(text, "-_", dst, ret_n);
}
