#include "base/name.h"

static bool alnum(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

/* Length of a separator of dist-spec <name> at p: one '.', one or two '_', any run of '-'. */
static size_t separator(const char *p, size_t left)
{
    size_t n = 0;

    if (p[0] == '.')
        return 1;
    if (p[0] == '_')
        return left > 1 && p[1] == '_' ? 2 : 1;
    while (n < left && p[n] == '-')
        n++;
    return n;
}

static bool component_valid(struct str s)
{
    size_t i = 0;

    if (s.n == 0)
        return false;
    for (;;) {
        size_t start = i, sep;

        while (i < s.n && alnum(s.p[i]))
            i++;
        if (i == start)
            return false;
        if (i == s.n)
            return true;
        sep = separator(s.p + i, s.n - i);
        if (sep == 0)
            return false;
        i += sep;
    }
}

bool repo_name_valid(struct str s)
{
    struct str part;
    bool more;

    if (s.n == 0 || s.n > REPO_NAME_MAX)
        return false;
    do {
        more = str_cut(&s, '/', &part);
        if (!component_valid(part))
            return false;
    } while (more);
    return true;
}

bool tag_name_valid(struct str s)
{
    if (s.n == 0 || s.n > TAG_NAME_MAX || s.p[0] == '.' || s.p[0] == '-')
        return false;
    for (size_t i = 0; i < s.n; i++) {
        char c = s.p[i];

        if (!alnum(c) && !(c >= 'A' && c <= 'Z') && c != '.' && c != '_' && c != '-')
            return false;
    }
    return true;
}

enum err_code repo_name_parse(struct str s, struct repo_name *ret_name, struct err *e)
{
    if (!repo_name_valid(s))
        return err_tell(e, ERR_NAME_INVALID,
                        "a name is at most %d characters: lower-case letters and digits, "
                        "separated inside by '.', '_', '__' or '-', in components joined by '/'",
                        REPO_NAME_MAX);
    ret_name->n = s.n;
    memcpy(ret_name->text, s.p, s.n);
    ret_name->text[s.n] = '\0';
    return ERR_OK;
}

enum err_code tag_name_parse(struct str s, struct tag_name *ret_tag, struct err *e)
{
    if (!tag_name_valid(s))
        return err_tell(e, ERR_TAG_INVALID,
                        "a tag is at most %d letters, digits, '.', '_' or '-', and starts with "
                        "a letter, a digit or '_'",
                        TAG_NAME_MAX);
    ret_tag->n = s.n;
    memcpy(ret_tag->text, s.p, s.n);
    ret_tag->text[s.n] = '\0';
    return ERR_OK;
}
