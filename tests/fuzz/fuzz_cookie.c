/* A Cookie field: what is found lies within it, and is free of what separates cookies. */
#include "api/cookie.h"

#include <assert.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    static struct http_head head;
    struct str value;

    head = (struct http_head){.n_fields = 1};
    head.fields[0] = (struct http_field){STR("Cookie"), {(const char *)data, n}};
    value = cookie_find(&head, STR("sid"));
    assert(value.n <= n);
    assert(value.n == 0 ||
           (value.p >= (const char *)data && value.p + value.n <= (const char *)data + n));
    assert(value.n == 0 || !memchr(value.p, ';', value.n));
    return 0;
}
