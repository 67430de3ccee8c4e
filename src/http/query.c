/* Parameters of a query, as HTML forms write them (application/x-www-form-urlencoded). */
#include "base/percent.h"
#include "http/http.h"

/* The next decoded character of *s, or -1 when it is malformed or NUL; *s is not empty. */
static int next_char(struct str *s)
{
    if (s->p[0] != '+')
        return percent_next(s);
    *s = str_sub(*s, 1, s->n - 1);
    return ' ';
}

static bool name_is(struct str encoded, struct str name)
{
    size_t i = 0;

    while (encoded.n > 0) {
        int c = next_char(&encoded);

        if (c < 0 || i == name.n || (unsigned char)name.p[i] != c)
            return false;
        i++;
    }
    return i == name.n;
}

static int decode(struct str s, char *dst, size_t cap)
{
    size_t n = 0;

    while (s.n > 0) {
        int c = next_char(&s);

        if (c < 0 || n + 1 >= cap)
            return -1;
        dst[n++] = (char)c;
    }
    if (cap == 0)
        return -1;
    dst[n] = '\0';
    return 1;
}

int http_query_get(struct str query, struct str name, unsigned index, char *dst, size_t cap)
{
    while (query.n > 0) {
        struct str value, key;

        str_cut(&query, '&', &value);
        str_cut(&value, '=', &key);
        if (name_is(key, name) && index-- == 0)
            return decode(value, dst, cap);
    }
    return 0;
}
