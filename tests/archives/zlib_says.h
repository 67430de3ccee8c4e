/* What zlib makes of bytes of gzip, read at once: what unpacking is compared with. */
#pragma once

#include "base/buf.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

enum zlib_verdict {
    ZLIB_TAKES,
    ZLIB_WANTS_MORE,
    ZLIB_REFUSES,
    ZLIB_REFUSES_CODES /* Huffman codes that leave some without a symbol */
};

static inline bool is_of_codes(const char *msg)
{
    return msg && strstr(msg, "set") != NULL && strstr(msg, "invalid") != NULL;
}

/* Members that follow each other, as RFC 1952 has them; what comes out, in full or until it fails,
 * goes to ret. */
static inline enum zlib_verdict zlib_says(const unsigned char *p, size_t n, struct buf *ret)
{
    z_stream z = {.next_in = (unsigned char *)p, .avail_in = (uInt)n};
    enum zlib_verdict verdict = ZLIB_TAKES;
    unsigned char out[1024];
    int code = Z_STREAM_END;

    if (inflateInit2(&z, 15 + 16) != Z_OK)
        abort();
    while (verdict == ZLIB_TAKES && (z.avail_in > 0 || code == Z_OK)) {
        if (code == Z_STREAM_END && (*z.next_in != 0x1f || inflateReset(&z) != Z_OK)) {
            verdict = ZLIB_REFUSES;
            break;
        }
        z.next_out = out;
        z.avail_out = sizeof(out);
        code = inflate(&z, Z_NO_FLUSH);
        buf_add(ret, out, sizeof(out) - z.avail_out);
        if (code == Z_BUF_ERROR)
            verdict = ZLIB_WANTS_MORE;
        else if (code != Z_OK && code != Z_STREAM_END)
            verdict = is_of_codes(z.msg) ? ZLIB_REFUSES_CODES : ZLIB_REFUSES;
    }
    if (verdict == ZLIB_TAKES && code != Z_STREAM_END)
        verdict = ZLIB_WANTS_MORE;
    inflateEnd(&z);
    return verdict;
}
