#include "archive/image_name.h"

#include "base/digest.h"
#include "base/name.h"

/* Where Docker's hub has what is called by one word. */
#define HUB STR("library/")

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

/* As docker reads names: a first component with a dot or port, or localhost, is a host. */
static struct str without_host(struct str path)
{
    struct str rest = path, host;

    if (path.n == 0 || !memchr(path.p, '/', path.n) || !str_cut(&rest, '/', &host) ||
        !is_host(host))
        return path;
    if (!str_eq(host, STR("docker.io")) && !str_eq(host, STR("index.docker.io")))
        return rest;
    return str_starts(rest, HUB) ? str_sub(rest, HUB.n, rest.n - HUB.n) : rest;
}

/* The tag stands behind a colon in the last component. */
static struct str cut_tag(struct str *name)
{
    size_t i = name->n;
    struct str tag = {0};

    while (i > 0 && name->p[i - 1] != ':' && name->p[i - 1] != '/')
        i--;
    if (i == 0 || name->p[i - 1] != ':')
        return tag;
    tag = str_sub(*name, i, name->n - i);
    *name = str_sub(*name, 0, i - 1);
    return tag;
}

bool image_name_split(struct str name, bool tag_alone, struct str *ret_repository,
                      struct str *ret_tag)
{
    struct str rest = name, tag;

    if (tag_alone && tag_name_valid(name)) {
        *ret_repository = STR_NONE;
        *ret_tag = name;
        return true;
    }
    if (name.n > 0 && memchr(name.p, '@', name.n)) {
        str_cut(&rest, '@', &name);
        if (digest_parse(rest, &(struct digest){0}, ERR_IGNORED) != ERR_OK)
            return false;
    }
    tag = cut_tag(&name);
    *ret_repository = without_host(name);
    *ret_tag = tag;
    return repo_name_valid(*ret_repository) && (!tag.p || tag_name_valid(tag));
}
