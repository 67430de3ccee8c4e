/* A chunked body: however it is cut into pieces, the verdict, the data and its end are the same.
 * The first byte says how large the pieces are. */
#include "http/chunk.h"

#include <stdlib.h>

static enum http_parse decode(const uint8_t *p, size_t n, size_t step, char *dst, size_t *ret_used,
                              size_t *ret_n)
{
    struct http_chunk d;
    enum http_parse r = HTTP_PARSE_MORE;
    size_t used = 0, out = 0;

    http_chunk_init(&d);
    while (used < n && r == HTTP_PARSE_MORE) {
        size_t piece = n - used < step ? n - used : step, took, got;

        r = http_chunk_decode(&d, (const char *)p + used, piece, dst + out, piece, &took, &got);
        if (took > piece || got > took || (took == 0 && r == HTTP_PARSE_MORE))
            abort();
        used += took;
        out += got;
    }
    *ret_used = used;
    *ret_n = out;
    return r;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    size_t used_whole, used_cut, n_whole, n_cut;
    char *whole, *cut;

    if (size < 2)
        return 0;
    whole = malloc(size);
    cut = malloc(size);
    if (!whole || !cut)
        abort();
    enum http_parse a = decode(data + 1, size - 1, size, whole, &used_whole, &n_whole);
    enum http_parse b = decode(data + 1, size - 1, data[0] + 1u, cut, &used_cut, &n_cut);

    if (a != b || n_whole != n_cut || memcmp(whole, cut, n_cut) != 0 ||
        (a != HTTP_PARSE_BAD && used_whole != used_cut))
        abort();
    free(whole);
    free(cut);
    return 0;
}
