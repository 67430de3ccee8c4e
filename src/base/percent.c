#include "base/percent.h"

#include "base/hex.h"

int percent_next(struct str *s)
{
    int c = (unsigned char)s->p[0];
    size_t used = 1;

    if (c == '%') {
        int high = s->n >= 3 ? hex_value_any(s->p[1]) : -1;
        int low = s->n >= 3 ? hex_value_any(s->p[2]) : -1;

        if (high < 0 || low < 0)
            return -1;
        c = high * 16 + low;
        used = 3;
    }
    *s = str_sub(*s, used, s->n - used);
    return c ? c : -1;
}

bool percent_decode(struct str s, char *dst, size_t cap, size_t *ret_n)
{
    size_t n = 0;

    while (s.n > 0) {
        int c = percent_next(&s);

        if (c < 0 || n >= cap)
            return false;
        dst[n++] = (char)c;
    }
    *ret_n = n;
    return true;
}
