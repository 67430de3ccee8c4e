#include "base/varint.h"

size_t varint_put(uint64_t v, unsigned char dst[static VARINT_MAX])
{
    size_t n = 0;

    for (; v >= 0x80; v >>= 7)
        dst[n++] = (unsigned char)(v | 0x80);
    dst[n++] = (unsigned char)v;
    return n;
}

size_t varint_get(const unsigned char *p, size_t n, uint64_t *ret_v)
{
    uint64_t v = 0;

    for (size_t i = 0; i < n && i < VARINT_MAX; i++) {
        v |= (uint64_t)(p[i] & 0x7f) << (7 * i);
        if (!(p[i] & 0x80)) {
            *ret_v = v;
            return i + 1;
        }
    }
    return 0;
}
