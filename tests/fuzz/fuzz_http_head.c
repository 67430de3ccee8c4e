/* A request head: any verdict will do, but a good one must hold what the grammar promises, and must
 * not change when more bytes follow. */
#include "http/http.h"

#include <stdlib.h>

static void check(bool ok)
{
    if (!ok)
        abort();
}

static bool inside(struct str s, const uint8_t *data, size_t n)
{
    return s.n == 0 || str_eq(s, STR("/")) ||
           (s.p >= (const char *)data && s.p + s.n <= (const char *)data + n);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct http_limits limits = {
        .max_head_bytes = 2048, .max_url_bytes = 512, .max_headers = 32};
    static struct http_head h, again;
    size_t used = 0, used_again = 0;
    const char *why = NULL;
    char value[64];
    int status = 0;

    switch (http_parse_head((const char *)data, size, &limits, &h, &used, &status, &why)) {
    case HTTP_PARSE_MORE:
        check(size < limits.max_head_bytes);
        break;
    case HTTP_PARSE_BAD:
        check(why && (status == 400 || status == 414 || status == 417 || status == 431 ||
                      status == 501 || status == 505));
        break;
    case HTTP_PARSE_DONE:
        check(used <= size && used <= limits.max_head_bytes);
        check(h.n_fields <= limits.max_headers && h.target.n <= limits.max_url_bytes);
        check(!(h.has_length && h.chunked));
        check(h.minor == 0 || h.host.n > 0);
        check(inside(h.path, data, used) && inside(h.query, data, used));
        for (size_t i = 0; i < h.n_fields; i++) {
            check(h.fields[i].name.n > 0);
            check(inside(h.fields[i].name, data, used) && inside(h.fields[i].value, data, used));
            check(!h.fields[i].value.n || !memchr(h.fields[i].value.p, '\n', h.fields[i].value.n));
        }
        (void)http_query_get(h.query, STR("n"), 0, value, sizeof(value));
        check(http_parse_head((const char *)data, used, &limits, &again, &used_again, &status,
                              &why) == HTTP_PARSE_DONE &&
              used_again == used);
        break;
    }
    return 0;
}
