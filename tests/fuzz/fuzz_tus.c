/* The headers of tus (api/tus.h), a line each: Upload-Metadata, Upload-Checksum, Upload-Offset,
 * X-HTTP-Method-Override. */
#include "api/tus.h"

#include <assert.h>

static enum err_code nothing(struct reader *r, void *buf, size_t cap, size_t *ret_n, struct err *e)
{
    (void)r;
    (void)buf;
    (void)cap;
    (void)e;
    *ret_n = 0;
    return ERR_OK;
}

static const struct reader_ops empty_ops = {.read = nothing};

/* A value that was found stands in its room, with an end; what failed is refused, and nothing else.
 */
static void try_metadata(struct str field)
{
    static const char *const keys[] = {"repository", "tag", "a", ""};
    char dst[32];

    for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
        enum err_code code = tus_metadata(field, keys[i], dst, sizeof(dst), ERR_IGNORED);

        assert(code == ERR_OK || code == ERR_REQUEST_INVALID);
        assert(strnlen(dst, sizeof(dst)) < sizeof(dst));
    }
}

static void try_checksum(const struct req *q)
{
    struct reader from = {&empty_ops}, *r;
    enum err_code code = tus_checksum(q, &from, &r, ERR_IGNORED);
    char byte;
    size_t n;

    assert(code == ERR_OK || code == ERR_REQUEST_INVALID);
    assert(code == ERR_OK || !r);
    if (!r)
        return;
    code = reader_read(r, &byte, 1, &n, ERR_IGNORED);
    assert(code == ERR_OK || code == ERR_CHECKSUM);
    reader_free(r);
}

static void try_offset(const struct req *q)
{
    uint64_t bytes = 1;
    bool found;

    if (tus_bytes(q, "Upload-Offset", &bytes, &found, ERR_IGNORED) == ERR_OK)
        assert(found ? bytes <= INT64_MAX : bytes == 1);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    static const struct str names[] = {{"Upload-Metadata", 15},
                                       {"Upload-Checksum", 15},
                                       {"Upload-Offset", 13},
                                       {"X-HTTP-Method-Override", 22}};
    static struct http_head head;
    struct req q = {.head = &head};
    struct str rest = {(const char *)data, n}, line;
    enum http_method method;

    head = (struct http_head){.method = HTTP_POST};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]) && rest.n > 0; i++) {
        str_cut(&rest, '\n', &line);
        head.fields[head.n_fields++] = (struct http_field){names[i], line};
    }
    try_metadata(http_field_get(&head, names[0]));
    try_checksum(&q);
    try_offset(&q);
    method = tus_method(&head);
    assert(method == HTTP_POST || method == HTTP_PATCH || method == HTTP_DELETE ||
           method == HTTP_HEAD);
    return 0;
}
