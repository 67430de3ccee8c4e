#include "api/parameter.h"

bool query_has(struct req *q, const char *name)
{
    char none[1];

    return http_query_get(q->head->query, str_of(name), 0, none, sizeof(none)) != 0;
}

enum err_code query_text(struct req *q, const char *name, char *dst, size_t cap, struct err *e)
{
    int found = http_query_get(q->head->query, str_of(name), 0, dst, cap);

    if (found < 0)
        return err_tell(e, ERR_REQUEST_INVALID, "query parameter '%s' is malformed or too long",
                        name);
    if (found == 0)
        dst[0] = '\0';
    return ERR_OK;
}

enum err_code query_page(struct req *q, size_t unasked, size_t *ret_n, struct err *e)
{
    uint64_t most = conf_u64(&q->registry->limits->page), n;
    char text[64];

    TRY(query_text(q, "n", text, sizeof(text), e));
    *ret_n = unasked < most ? unasked : (size_t)most;
    if (!query_has(q, "n"))
        return ERR_OK;
    if (!str_to_u64_up_to(str_of(text), most, &n))
        return err_tell(e, ERR_REQUEST_INVALID, "query parameter 'n' is not a number from 0 on");
    *ret_n = (size_t)n;
    return ERR_OK;
}

int header_accepts(const struct req *q, const char *const *types)
{
    struct str left = http_field_get(q->head, STR("Accept")), one, type;
    bool more = left.n > 0;

    while (more) {
        more = str_cut(&left, ',', &one);
        str_cut(&one, ';', &type);
        for (int i = 0; types[i]; i++) {
            if (str_ieq(str_trim(type), str_of(types[i])))
                return i;
        }
    }
    return -1;
}

/* q=0, q=0.0 ...: RFC 9110, 12.4.2. */
static bool refused(struct str parameters)
{
    struct str q = str_trim(parameters);

    if (!str_starts(q, STR("q=0")) && !str_starts(q, STR("Q=0")))
        return false;
    for (size_t i = 3; i < q.n; i++) {
        if (q.p[i] != '.' && q.p[i] != '0')
            return false;
    }
    return true;
}

bool header_takes_encoding(const struct req *q, const char *encoding)
{
    struct str left = http_field_get(q->head, STR("Accept-Encoding")), one, name;
    bool more = left.n > 0;

    while (more) {
        more = str_cut(&left, ',', &one);
        str_cut(&one, ';', &name);
        if (str_ieq(str_trim(name), str_of(encoding)))
            return !refused(one);
    }
    return false;
}
