/* Range and entity-tag headers; the first eight bytes are the size of the content. */
#include "http/http.h"
#include "http/range.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct http_range r[HTTP_RANGES_MAX];
    uint64_t content_bytes;
    struct http_head h = {.n_fields = 1};
    size_t n = 0;
    struct str text;

    if (size < sizeof(content_bytes))
        return 0;
    memcpy(&content_bytes, data, sizeof(content_bytes));
    text = (struct str){(const char *)data + sizeof(content_bytes), size - sizeof(content_bytes)};
    if (http_range_parse(text, content_bytes, r, &n) == HTTP_RANGE_OK) {
        if (n == 0 || n > HTTP_RANGES_MAX)
            abort();
        for (size_t i = 0; i < n; i++) {
            if (r[i].n_bytes == 0 || r[i].first_bytes >= content_bytes ||
                r[i].n_bytes > content_bytes - r[i].first_bytes)
                abort();
        }
    }
    h.fields[0] = (struct http_field){STR("If-Match"), text};
    (void)http_etag_listed(&h, h.fields[0].name, STR("\"a\""), content_bytes & 1);
    return 0;
}
