#include "cli/visible.h"

/* Control characters of C1 and those that change the direction of text: in UTF-8 two bytes from C2
 * 80 on, and three from E2 80 8E on. */
static bool unseen(struct str step)
{
    unsigned char a = (unsigned char)step.p[0];
    unsigned char b = step.n > 1 ? (unsigned char)step.p[1] : 0;
    unsigned char c = step.n > 2 ? (unsigned char)step.p[2] : 0;

    if (step.n == 1)
        return a < 0x20 || a == 0x7f;
    if (a == 0xc2)
        return b < 0xa0;
    return a == 0xe2 && ((b == 0x80 && (c == 0x8e || c == 0x8f || (c >= 0xa8 && c <= 0xae))) ||
                         (b == 0x81 && c >= 0xa6 && c <= 0xa9));
}

void cli_add_visible(struct buf *line, const char *text)
{
    struct str s = str_of(text);

    while (s.n > 0) {
        size_t step = str_utf8_step(s);
        struct str one = str_sub(s, 0, step ? step : 1);

        if (step && !unseen(one))
            buf_add_str(line, one);
        for (size_t i = 0; i < one.n && (!step || unseen(one)); i++)
            buf_addf(line, "\\x%02x", (unsigned char)one.p[i]);
        s = str_sub(s, one.n, s.n - one.n);
    }
}
