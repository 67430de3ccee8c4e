#include "archive/image_name.h"

#include "base/name.h"

static bool is_host(struct str s)
{
    struct str name;

    if (s.n == 0 || s.n > REPO_NAME_MAX)
        return false;
    for (size_t i = 0; i < s.n; i++) {
        if (!str_is_alphanumeric(s.p[i]) && !memchr(".-:[]", s.p[i], 5))
            return false;
    }
    name = s;
    return str_eq(s, STR("localhost")) || memchr(s.p, '.', s.n) || str_cut(&name, ':', &s);
}

bool image_name_split(struct str name, bool tag_alone, struct str *ret_repository,
                      struct str *ret_tag)
{
    struct str path = name, host = {0}, rest = name;
    size_t colon = name.n;

    if (tag_alone && tag_name_valid(name)) {
        *ret_repository = STR_NONE;
        *ret_tag = name;
        return true;
    }
    while (colon > 0 && name.p[colon - 1] != ':' && name.p[colon - 1] != '/')
        colon--;
    if (colon == 0 || name.p[colon - 1] != ':')
        return false;
    *ret_tag = str_sub(name, colon, name.n - colon);
    path = str_sub(name, 0, colon - 1);
    rest = path;
    /* As docker reads names: a first component with a dot or port, or localhost, is a host. */
    if (memchr(path.p, '/', path.n) && str_cut(&rest, '/', &host) && is_host(host))
        path = rest;
    *ret_repository = path;
    return repo_name_valid(path) && tag_name_valid(*ret_tag);
}
