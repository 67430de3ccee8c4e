/* Answers of S3 servers. */
#include "net/xml.h"

#include <stdint.h>
#include <stdlib.h>

static void look(void *ctx, struct str path, struct str text)
{
    size_t *n = ctx;

    if (path.n == 0 || path.n > XML_PATH_MAX || path.p[0] == '/' || path.p[path.n - 1] == '/')
        abort();
    for (size_t i = 0; i < text.n; i++)
        if (text.p[i] == '\0')
            abort();
    ++*n;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    size_t n = 0;

    if (xml_each((struct str){(const char *)data, size}, look, &n, ERR_IGNORED) == ERR_OK && n == 0)
        abort();
    return 0;
}
