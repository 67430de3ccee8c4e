#include "http/range.h"

/* One range-spec (RFC 9110, 14.1.1): positions may be any decimal, however large.
 * 1: *ret is it; 0: unsatisfiable; -1: malformed. */
static int parse_spec(struct str s, uint64_t size_bytes, struct http_range *ret)
{
    struct str first_text;
    uint64_t first, last = UINT64_MAX;

    if (!str_cut(&s, '-', &first_text))
        return -1;
    if (first_text.n == 0) { /* suffix-range: the last n bytes */
        uint64_t n;

        if (!str_to_u64_up_to(s, size_bytes, &n))
            return -1;
        *ret = (struct http_range){size_bytes - n, n};
        return n > 0;
    }
    if (!str_to_u64_up_to(first_text, UINT64_MAX, &first) ||
        (s.n > 0 && !str_to_u64_up_to(s, UINT64_MAX, &last)))
        return -1;
    /* RFC 9110, 14.2, leaves open whether a range that ends before it begins is ignored or refused.
     * Refused: who asks for it has miscounted and should not get the whole blob. */
    if (first >= size_bytes || last < first)
        return 0;
    if (last >= size_bytes)
        last = size_bytes - 1;
    *ret = (struct http_range){first, last - first + 1};
    return 1;
}

/* "bytes=" without case; RFC 9110, 14.1: range units are case-insensitive. */
static bool cut_unit(struct str *value)
{
    struct str unit;

    return str_cut(value, '=', &unit) && str_ieq(unit, STR("bytes"));
}

enum http_range_verdict http_range_parse(struct str value, uint64_t size_bytes,
                                         struct http_range ret[static HTTP_RANGES_MAX],
                                         size_t *ret_n)
{
    size_t n = 0, asked = 0;
    uint64_t sum_bytes = 0;
    struct str item;
    bool more;

    if (!cut_unit(&value))
        return HTTP_RANGE_IGNORE;
    do {
        struct http_range r;
        int verdict;

        more = str_cut(&value, ',', &item);
        item = str_trim(item);
        if (item.n == 0) /* RFC 9110, 5.6.1.2: empty list elements are ignored */
            continue;
        if (asked++ == HTTP_RANGES_MAX)
            return HTTP_RANGE_IGNORE;
        verdict = parse_spec(item, size_bytes, &r);
        if (verdict < 0)
            return HTTP_RANGE_IGNORE;
        /* A suffix of empty content is satisfiable (14.1.2) but no Content-Range can say it. */
        if (verdict == 0 && size_bytes == 0 && item.p[0] == '-' && !str_eq(item, STR("-0")))
            return HTTP_RANGE_IGNORE;
        if (verdict > 0) {
            ret[n++] = r;
            sum_bytes += r.n_bytes;
        }
    } while (more);
    if (asked == 0)
        return HTTP_RANGE_IGNORE;
    /* Overlapping ranges that add up to more than the content are an attack or a mistake (17.15) */
    if (n > 1 && sum_bytes > size_bytes)
        return HTTP_RANGE_IGNORE;
    *ret_n = n;
    return n > 0 ? HTTP_RANGE_OK : HTTP_RANGE_UNSATISFIABLE;
}
