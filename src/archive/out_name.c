#include "archive/out_name.h"

#include <stdio.h>

/* Docker's rule for what is a host. */
static bool is_host(struct str s)
{
    return str_eq(s, STR("localhost")) ||
           (s.n > 0 && (memchr(s.p, '.', s.n) || memchr(s.p, ':', s.n)));
}

static bool host_valid(struct str s)
{
    for (size_t i = 0; i < s.n; i++) {
        if (!str_is_alphanumeric(s.p[i]) && !strchr(".-:[]", s.p[i]))
            return false;
    }
    return s.n <= 255;
}

/* What engines put before a name without a host. */
static void make_full(struct out_name *n)
{
    struct str rest = str_of(n->given), first;
    bool has_slash = str_cut(&rest, '/', &first);
    const char *front = "docker.io/";

    if (!has_slash)
        front = "docker.io/library/";
    else if (is_host(first))
        front = "";
    snprintf(n->full, sizeof(n->full), "%s%s", front, n->given);
}

static struct str cut_tag(struct str *s)
{
    size_t i = s->n;
    struct str tag;

    while (i > 0 && s->p[i - 1] != ':' && s->p[i - 1] != '/')
        i--;
    if (i == 0 || s->p[i - 1] == '/')
        return STR_NONE;
    tag = str_sub(*s, i, s->n - i);
    s->n = i - 1;
    return tag;
}

enum err_code out_name_parse(struct str s, struct out_name *ret_name, struct err *e)
{
    struct str path = s, tag = cut_tag(&path), rest = path, host = STR_NONE;

    *ret_name = (struct out_name){0};
    if (str_cut(&rest, '/', &host) && is_host(host))
        path = rest;
    else
        host = STR_NONE;
    if (!host_valid(host) || !repo_name_valid(path) || !tag.n ||
        tag_name_parse(tag, &ret_name->tag, ERR_IGNORED) != ERR_OK ||
        !str_copy(s, ret_name->given, OUT_NAME_MAX - sizeof("docker.io/library/")))
        return err_tell(e, ERR_REQUEST_INVALID, "a name is 'app:v1' or 'host/team/app:v1'");
    make_full(ret_name);
    return ERR_OK;
}

void out_name_of(const struct repo_name *repo, const struct tag_name *tag,
                 struct out_name *ret_name)
{
    *ret_name = (struct out_name){0};
    if (!tag)
        return;
    ret_name->tag = *tag;
    snprintf(ret_name->given, sizeof(ret_name->given), "%s:%s", repo->text, tag->text);
    make_full(ret_name);
}
