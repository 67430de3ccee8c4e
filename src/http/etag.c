/* Entity-tags and the conditions made of them. RFC 9110 sections 8.8.3 and 13.1. */
#include "http/http.h"

/* Length of the opaque-tag with its quotes at the start of s; 0: malformed. */
static size_t opaque_tag(struct str s)
{
    const char *end;

    if (!s.p || s.n < 2 || s.p[0] != '"')
        return 0;
    end = memchr(s.p + 1, '"', s.n - 1);
    return end ? (size_t)(end - s.p) + 1 : 0;
}

/* RFC 9110, 5.6.1.2: empty list elements are ignored. */
static struct str skip_empty(struct str s)
{
    s = str_trim(s);
    while (s.n > 0 && s.p[0] == ',')
        s = str_trim(str_sub(s, 1, s.n - 1));
    return s;
}

/* Goes on to the next field of that name. */
static bool next_field(struct http_etags *l)
{
    while (l->field < l->head->n_fields) {
        const struct http_field *f = &l->head->fields[l->field++];

        if (str_ieq(f->name, l->name)) {
            l->left = skip_empty(f->value);
            return true;
        }
    }
    return false;
}

enum http_etag http_etags_next(struct http_etags *l, struct str *ret_tag, bool *ret_weak)
{
    struct str tag;
    bool weak;

    while (l->left.n == 0) {
        if (!next_field(l))
            return HTTP_ETAG_END;
        if (str_eq(l->left, STR("*"))) { /* instead of a list, not in one */
            l->left.n = 0;
            return HTTP_ETAG_ANY;
        }
    }
    weak = str_starts(l->left, STR("W/"));
    tag = weak ? str_sub(l->left, 2, l->left.n - 2) : l->left;
    tag.n = opaque_tag(tag);
    l->left = str_trim(str_sub(l->left, tag.n + 2 * weak, l->left.n - tag.n - 2 * weak));
    if (tag.n == 0 || (l->left.n > 0 && l->left.p[0] != ','))
        return HTTP_ETAG_MALFORMED;
    l->left = skip_empty(l->left);
    *ret_tag = tag;
    *ret_weak = weak;
    return HTTP_ETAG_TAG;
}

bool http_etag_listed(const struct http_head *h, struct str name, struct str etag, bool weak)
{
    struct http_etags list = {.head = h, .name = name};
    enum http_etag what;
    struct str tag;
    bool is_weak;

    while ((what = http_etags_next(&list, &tag, &is_weak)) == HTTP_ETAG_TAG) {
        if ((weak || !is_weak) && str_eq(tag, etag))
            return true;
    }
    return what == HTTP_ETAG_ANY;
}
