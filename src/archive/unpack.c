#include "archive/unpack.h"

#include "archive/gunzip.h"
#include "base/cleanup.h"
#include "base/mem.h"

#include <bzlib.h>
#include <lzma.h>
#include <zstd.h>
#include <zstd_errors.h>

#define OUT_BYTES (64u << 10)

/* `xz -9` needs 65 MiB, and so does `zstd --long=26`; --long=27 needs all of it. */
#define MEMORY_BYTES (128ull << 20)

struct unpack {
    unpack_fn emit;
    void *ctx;
    struct refusal *refusal;
    bool few;
    bool inside; /* within a member, frame or stream that has begun */
    bool over;   /* of a format that has no other behind it */
    uint64_t memory_bytes;
    enum packing packing;
    unsigned char head[PACK_HEAD_BYTES];
    size_t n_head;
    union {
        struct gunzip *gzip;
        ZSTD_DStream *zstd;
        lzma_stream xz;
        bz_stream bzip2;
    } of;
    unsigned char *out;
};

struct unpack *unpack_new(bool few, unpack_fn emit, void *ctx, struct refusal *f)
{
    struct unpack *u = NEW(struct unpack);

    u->few = few;
    u->emit = emit;
    u->ctx = ctx;
    u->refusal = f;
    u->memory_bytes = MEMORY_BYTES;
    return u;
}

void unpack_bound(struct unpack *u, uint64_t memory_bytes)
{
    u->memory_bytes = memory_bytes > 0 ? memory_bytes : MEMORY_BYTES;
}

void unpack_free(struct unpack *u)
{
    if (!u)
        return;
    if (u->packing == PACKED_GZIP)
        gunzip_free(u->of.gzip);
    else if (u->packing == PACKED_ZSTD)
        ZSTD_freeDStream(u->of.zstd);
    else if (u->packing == PACKED_XZ)
        lzma_end(&u->of.xz);
    else if (u->packing == PACKED_BZIP2)
        BZ2_bzDecompressEnd(&u->of.bzip2);
    free(u->out);
    free(u);
}

enum packing unpack_packing(const struct unpack *u)
{
    return u->packing;
}

static enum err_code damaged(struct unpack *u, const char *what, struct err *e)
{
    return refuse(u->refusal, REFUSAL_PACKED_WRONG, STR_NONE, e, "damaged bytes of %s", what);
}

static enum err_code needs_memory(struct unpack *u, const char *what, struct err *e)
{
    return refuse(u->refusal, REFUSAL_DECODER_MEMORY, STR_NONE, e,
                  "%s needs more than %llu bytes of memory to unpack", what,
                  (unsigned long long)u->memory_bytes);
}

static enum err_code trailing(struct unpack *u, const char *what, struct err *e)
{
    return refuse(u->refusal, REFUSAL_PACKED_TRAILING, STR_NONE, e,
                  "something stands behind the last of %s", what);
}

static enum err_code feed_gzip(struct unpack *u, const unsigned char *p, size_t n, struct err *e)
{
    while (n > 0) {
        enum gunzip_state state;
        size_t n_out;

        /* RFC 1952, 2.2: members follow each other. */
        if (!u->inside && *p != 0x1f)
            return trailing(u, "the members of gzip", e);
        if (!u->inside)
            gunzip_begin(u->of.gzip);
        u->inside = true;
        do {
            state = gunzip_step(u->of.gzip, &p, &n, u->out, OUT_BYTES, &n_out);
            if (n_out > 0) /* also before damage: what is wrong with it came first */
                TRY(u->emit(u->ctx, u->out, n_out, e));
            if (state == GUNZIP_DAMAGED)
                return damaged(u, "gzip", e);
        } while (state == GUNZIP_MORE && (n > 0 || n_out == OUT_BYTES));
        u->inside = state != GUNZIP_MEMBER;
    }
    return ERR_OK;
}

static enum err_code feed_zstd(struct unpack *u, const unsigned char *p, size_t n, struct err *e)
{
    ZSTD_inBuffer in = {p, n, 0};

    while (in.pos < in.size) {
        ZSTD_outBuffer out;

        do {
            size_t left;

            out = (ZSTD_outBuffer){u->out, OUT_BYTES, 0};
            left = ZSTD_decompressStream(u->of.zstd, &out, &in);
            if (ZSTD_getErrorCode(left) == ZSTD_error_frameParameter_windowTooLarge)
                return needs_memory(u, "its window of zstd", e);
            if (ZSTD_isError(left))
                return damaged(u, "zstd", e);
            u->inside = left > 0;
            if (out.pos > 0)
                TRY(u->emit(u->ctx, u->out, out.pos, e));
        } while (u->inside && out.pos == out.size);
    }
    return ERR_OK;
}

static enum err_code run_xz(struct unpack *u, lzma_action action, struct err *e)
{
    lzma_stream *z = &u->of.xz;
    lzma_ret code;

    do {
        z->next_out = u->out;
        z->avail_out = OUT_BYTES;
        code = lzma_code(z, action);
        if (code == LZMA_BUF_ERROR)
            return ERR_OK; /* it waits for more */
        if (code == LZMA_MEMLIMIT_ERROR)
            return needs_memory(u, "its dictionary of xz", e);
        if (code != LZMA_OK && code != LZMA_STREAM_END)
            return damaged(u, "xz", e);
        if (z->avail_out < OUT_BYTES)
            TRY(u->emit(u->ctx, u->out, OUT_BYTES - z->avail_out, e));
    } while (code == LZMA_OK && (z->avail_in > 0 || z->avail_out == 0));
    u->inside = code != LZMA_STREAM_END;
    return ERR_OK;
}

static enum err_code feed_xz(struct unpack *u, const unsigned char *p, size_t n, struct err *e)
{
    u->of.xz.next_in = p;
    u->of.xz.avail_in = n;
    return run_xz(u, LZMA_RUN, e);
}

static enum err_code feed_bzip2(struct unpack *u, const unsigned char *p, size_t n, struct err *e)
{
    bz_stream *z = &u->of.bzip2;

    z->next_in = (char *)p; /* it only reads it */
    z->avail_in = (unsigned)n;
    while (z->avail_in > 0) {
        int code = BZ_OK;

        if (u->over && *z->next_in != 'B')
            return trailing(u, "the streams of bzip2", e);
        if (u->over) { /* the next stream, as pbzip2 writes them */
            char *next = z->next_in;
            unsigned left = z->avail_in;

            BZ2_bzDecompressEnd(z);
            *z = (bz_stream){0};
            if (BZ2_bzDecompressInit(z, 0, 0) != BZ_OK)
                return err_set(e, ERR_UNAVAILABLE, "no memory for bzip2");
            z->next_in = next;
            z->avail_in = left;
        }
        u->over = false;
        do {
            z->next_out = (char *)u->out;
            z->avail_out = OUT_BYTES;
            code = BZ2_bzDecompress(z);
            if (code != BZ_OK && code != BZ_STREAM_END)
                return damaged(u, "bzip2", e);
            if (z->avail_out < OUT_BYTES)
                TRY(u->emit(u->ctx, u->out, OUT_BYTES - z->avail_out, e));
        } while (code == BZ_OK && z->avail_out == 0);
        u->over = code == BZ_STREAM_END;
        u->inside = !u->over;
    }
    return ERR_OK;
}

/* RFC 1952, 2.3.1; RFC 8878, 3.1.1 and 3.1.2; xz's file format, 2.1.1.1; bzip2. */
enum packing packing_of(const void *bytes, size_t n, bool few)
{
    const unsigned char *p = bytes;

    if (n >= 2 && p[0] == 0x1f && p[1] == 0x8b)
        return PACKED_GZIP;
    if (n >= 4 && memcmp(p, "\x28\xb5\x2f\xfd", 4) == 0)
        return PACKED_ZSTD;
    if (n >= 4 && p[0] >> 4 == 5 && memcmp(p + 1, "\x2a\x4d\x18", 3) == 0)
        return PACKED_ZSTD;
    if (!few && n >= 6 &&
        memcmp(p,
               "\xfd"
               "7zXZ\0",
               6) == 0)
        return PACKED_XZ;
    if (!few && n >= 4 && memcmp(p, "BZh", 3) == 0 && p[3] >= '1' && p[3] <= '9')
        return PACKED_BZIP2;
    return PACKED_NOT;
}

/* The largest power of two within the bound: zstd takes no other. RFC 8878, 3.1.1.1.2: at least
 * 1 KiB; the library: at most 2 GiB. */
static bool begin_zstd(struct unpack *u)
{
    int log = 10;

    while (log < 31 && 2ull << log <= u->memory_bytes)
        log++;
    u->of.zstd = ZSTD_createDStream();
    return u->of.zstd &&
           !ZSTD_isError(ZSTD_DCtx_setParameter(u->of.zstd, ZSTD_d_windowLogMax, log));
}

static bool begin(struct unpack *u)
{
    switch (u->packing) {
    case PACKED_GZIP:
        u->of.gzip = gunzip_new();
        return u->of.gzip != NULL;
    case PACKED_ZSTD:
        return begin_zstd(u);
    case PACKED_XZ:
        u->of.xz = (lzma_stream)LZMA_STREAM_INIT;
        return lzma_stream_decoder(&u->of.xz, u->memory_bytes, LZMA_CONCATENATED) == LZMA_OK;
    case PACKED_BZIP2:
        u->of.bzip2 = (bz_stream){0};
        return BZ2_bzDecompressInit(&u->of.bzip2, 0, 0) == BZ_OK;
    default:
        return true;
    }
}

static enum err_code feed_known(struct unpack *u, const unsigned char *p, size_t n, struct err *e)
{
    switch (u->packing) {
    case PACKED_GZIP:
        return feed_gzip(u, p, n, e);
    case PACKED_ZSTD:
        return feed_zstd(u, p, n, e);
    case PACKED_XZ:
        return feed_xz(u, p, n, e);
    case PACKED_BZIP2:
        return feed_bzip2(u, p, n, e);
    default:
        return n > 0 ? u->emit(u->ctx, p, n, e) : ERR_OK;
    }
}

static enum err_code decide(struct unpack *u, struct err *e)
{
    enum packing packing = packing_of(u->head, u->n_head, u->few);

    u->packing = packing;
    if (packing != PACKED_NOT)
        u->out = mem_alloc(OUT_BYTES);
    if (!begin(u)) {
        u->packing = PACKED_NOT;
        return err_set(e, ERR_UNAVAILABLE, "no memory to unpack with");
    }
    u->inside = packing != PACKED_NOT;
    if (packing == PACKED_GZIP)
        u->inside = false;
    return feed_known(u, u->head, u->n_head, e);
}

enum err_code unpack_feed(struct unpack *u, const void *p, size_t n, struct err *e)
{
    const unsigned char *bytes = p;

    while (u->packing == PACKED_UNKNOWN && n > 0) {
        u->head[u->n_head++] = *bytes++;
        n--;
        if (u->n_head == PACK_HEAD_BYTES)
            TRY(decide(u, e));
    }
    return n > 0 ? feed_known(u, bytes, n, e) : ERR_OK;
}

enum err_code unpack_end(struct unpack *u, struct err *e)
{
    if (u->packing == PACKED_UNKNOWN)
        TRY(decide(u, e));
    if (u->packing == PACKED_XZ)
        TRY(run_xz(u, LZMA_FINISH, e));
    if (u->inside)
        return refuse(u->refusal, REFUSAL_CUT, STR_NONE, e, "the packed bytes end in the middle");
    return ERR_OK;
}
