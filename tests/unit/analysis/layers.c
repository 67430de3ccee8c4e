#include "unit/analysis/layers.h"

#include <string.h>
#include <zlib.h>
#include <zstd.h>

#define BLOCK 512

static void put_octal(char *dst, size_t n, uint64_t v)
{
    dst[n - 1] = '\0';
    for (size_t i = n - 1; i-- > 0; v /= 8)
        dst[i] = (char)('0' + v % 8);
}

/* A long path goes into the prefix, cut at a '/'. */
static void put_path(char *header, const char *path)
{
    size_t n = strlen(path);
    const char *cut = n > 100 ? strchr(path + n - 100, '/') : NULL;

    if (!cut) {
        memcpy(header, path, n > 100 ? 100 : n);
        return;
    }
    memcpy(header, cut + 1, strlen(cut + 1));
    memcpy(header + 345, path, (size_t)(cut - path));
}

void layer_member(struct buf *tar, char type, const char *path, const char *link,
                  struct str contents)
{
    static const char zeros[BLOCK] = {0};
    char header[BLOCK] = {0};
    unsigned sum = 0;

    put_path(header, path);
    put_octal(header + 100, 8, type == '5' ? 0755 : 0644);
    put_octal(header + 108, 8, 7);
    put_octal(header + 116, 8, 8);
    put_octal(header + 124, 12, contents.n);
    put_octal(header + 136, 12, 1700000000);
    memset(header + 148, ' ', 8);
    header[156] = type;
    if (link)
        memcpy(header + 157, link, strnlen(link, 100));
    memcpy(header + 257,
           "ustar\0"
           "00",
           8);
    for (size_t i = 0; i < BLOCK; i++)
        sum += (unsigned char)header[i];
    put_octal(header + 148, 7, sum);
    buf_add(tar, header, BLOCK);
    buf_add_str(tar, contents);
    buf_add(tar, zeros, (BLOCK - contents.n % BLOCK) % BLOCK);
}

void layer_file(struct buf *tar, const char *path, const char *contents)
{
    layer_member(tar, '0', path, NULL, str_of(contents));
}

void layer_folder(struct buf *tar, const char *path)
{
    layer_member(tar, '5', path, NULL, STR_NONE);
}

void layer_end(struct buf *tar)
{
    static const char zeros[2 * BLOCK] = {0};

    buf_add(tar, zeros, sizeof(zeros));
}

void layer_gzip(struct str bytes, struct buf *ret_bytes)
{
    z_stream z = {0};
    size_t room = bytes.n + bytes.n / 100 + 1000;
    char *dst = buf_reserve(ret_bytes, room);

    assert_int_equal(deflateInit2(&z, 6, Z_DEFLATED, 15 + 16, 8, 0), Z_OK);
    z.next_in = (unsigned char *)bytes.p;
    z.avail_in = (unsigned)bytes.n;
    z.next_out = (unsigned char *)dst;
    z.avail_out = (unsigned)room;
    assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
    ret_bytes->n += z.total_out;
    deflateEnd(&z);
}

void layer_zstd(struct str bytes, struct buf *ret_bytes)
{
    size_t room = ZSTD_compressBound(bytes.n);
    char *dst = buf_reserve(ret_bytes, room);
    size_t n = ZSTD_compress(dst, room, bytes.p, bytes.n, 3);

    assert_false(ZSTD_isError(n));
    ret_bytes->n += n;
}

enum err_code layer_take(struct str bytes, size_t piece_bytes, const struct layer_limits *limits,
                         struct layer_files **ret_files, struct err *e)
{
    AUTO(layer_reader) struct layer_reader *r = layer_reader_new(limits, false);

    for (size_t at = 0; at < bytes.n; at += piece_bytes) {
        size_t n = bytes.n - at < piece_bytes ? bytes.n - at : piece_bytes;

        TRY(layer_reader_feed(r, bytes.p + at, n, e));
    }
    return layer_reader_end(r, 0, ret_files, e);
}
