#include "api/return_to.h"

/* "..", also as "%2e." and so on, which a browser takes for the same (URL Standard, "double-dot URL
 * path segment"); and ".". */
static bool is_dots(struct str segment)
{
    size_t dots = 0;

    while (segment.p && segment.n > 0) {
        bool encoded = segment.n >= 3 && str_ieq(str_sub(segment, 0, 3), STR("%2e"));
        size_t n = encoded ? 3 : 1;

        if (!encoded && segment.p[0] != '.')
            return false;
        segment = str_sub(segment, n, segment.n - n);
        dots++;
    }
    return dots == 1 || dots == 2;
}

/* A browser takes such segments out, and what is left may begin with two slashes, or lead where
 * nobody is sent. */
static bool has_dots(struct str path)
{
    struct str segment;
    bool more;

    do {
        more = str_cut(&path, '/', &segment);
        if (is_dots(segment))
            return true;
    } while (more);
    return false;
}

bool return_to_valid(struct str path, struct str prefix)
{
    size_t n = 0;

    if (!path.p || path.n > RETURN_TO_MAX || !str_starts(path, prefix))
        return false; /* another program of this host, or no place at all */
    path = str_sub(path, prefix.n, path.n - prefix.n);
    if (path.n == 0 || path.p[0] != '/' || (path.n > 1 && path.p[1] == '/') ||
        str_starts(path, STR("/auth/")))
        return false;
    for (size_t i = 0; i < path.n; i++) {
        if (path.p[i] <= ' ' || path.p[i] > '~' || path.p[i] == '\\')
            return false;
    }
    while (n < path.n && path.p[n] != '?' && path.p[n] != '#')
        n++;
    return !has_dots(str_sub(path, 0, n));
}
