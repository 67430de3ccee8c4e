/* gzip, in pieces of a size that its first byte says: what zlib takes is taken, and gives the same
 * bytes, and what zlib refuses is refused. With an odd second byte the rest is DEFLATE, around
 * which a header and the right trailer are put, for no fuzzer guesses that. */
#include "../archives/zlib_says.h"
#include "archive/unpack.h"
#include "base/cleanup.h"
#include "base/mem.h"

#include <assert.h>
#include <stdint.h>

#define MOST     (64u << 10)
#define OUT_MOST (8u << 20)

static enum err_code collect(void *ctx, const void *p, size_t n, struct err *e)
{
    struct buf *out = ctx;

    buf_add(out, p, n);
    return out->full ? err_tell(e, ERR_IMAGE_TOO_LARGE, "too much") : ERR_OK;
}

/* What raw DEFLATE becomes, as far as it is right; *ret_n is what it took. */
static void inflate_raw(const uint8_t *p, size_t n, struct buf *ret, size_t *ret_n)
{
    z_stream z = {.next_in = (unsigned char *)p, .avail_in = (uInt)n};
    unsigned char out[1024];
    int code;

    assert(inflateInit2(&z, -15) == Z_OK);
    do {
        z.next_out = out;
        z.avail_out = sizeof(out);
        code = inflate(&z, Z_NO_FLUSH);
        buf_add(ret, out, sizeof(out) - z.avail_out);
    } while (code == Z_OK && !ret->full);
    *ret_n = n - z.avail_in;
    inflateEnd(&z);
}

static void add_le32(struct buf *b, uint32_t v)
{
    for (int i = 0; i < 4; i++, v >>= 8)
        buf_add_char(b, (char)(v & 0xff));
}

static void wrap(const uint8_t *p, size_t n, struct buf *ret)
{
    AUTO(buf) struct buf plain = {0};
    size_t taken;

    buf_init(&plain, OUT_MOST);
    inflate_raw(p, n, &plain, &taken);
    buf_add(ret, "\x1f\x8b\x08\0\0\0\0\0\0\xff", 10);
    buf_add(ret, p, taken);
    add_le32(ret, (uint32_t)crc32(0, (const unsigned char *)plain.p, (uInt)plain.n));
    add_le32(ret, (uint32_t)plain.n);
}

static enum err_code take(const struct buf *in, size_t piece, struct buf *ret)
{
    struct refusal f = {0};
    struct err e = {0};
    AUTO(unpack) struct unpack *u = unpack_new(true, collect, ret, &f);

    for (size_t at = 0; at < in->n; at += piece)
        TRY(unpack_feed(u, in->p + at, piece < in->n - at ? piece : in->n - at, &e));
    return unpack_end(u, &e);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    AUTO(buf) struct buf in = {0};
    AUTO(buf) struct buf out = {0};
    AUTO(buf) struct buf wanted = {0};
    enum zlib_verdict says;
    enum err_code code;

    if (n < 4 || n > MOST)
        return 0;
    buf_init(&in, (size_t)2 * MOST);
    buf_init(&out, OUT_MOST);
    buf_init(&wanted, OUT_MOST);
    if (data[1] % 2)
        wrap(data + 2, n - 2, &in);
    else
        buf_add(&in, data + 2, n - 2);
    if (packing_of(in.p, in.n, true) != PACKED_GZIP)
        return 0;
    says = zlib_says((const unsigned char *)in.p, in.n, &wanted);
    code = take(&in, 1 + (size_t)data[0] * 7, &out);
    if (out.full || wanted.full || says == ZLIB_REFUSES_CODES)
        return 0;
    assert((code == ERR_OK) == (says == ZLIB_TAKES));
    if (code == ERR_OK)
        assert(str_eq(buf_str(&out), buf_str(&wanted)));
    return 0;
}
