#include "archive/pack.h"

#include "base/cleanup.h"
#include "base/mem.h"

#include <limits.h>
#include <zlib.h>
#include <zstd.h>

#define OUT_BYTES (64u << 10)

struct pack {
    enum packing as;
    pack_fn emit;
    void *ctx;
    union {
        z_stream gzip;
        ZSTD_CCtx *zstd;
    } of;
    unsigned char out[OUT_BYTES];
};

/* RFC 1952: no name, no time. Of zlib, levels 1 to 9 do not look at the pieces; 0 does. */
static bool begin_gzip(struct pack *k, int level)
{
    k->of.gzip = (z_stream){0};
    return deflateInit2(&k->of.gzip, level ? level : 6, Z_DEFLATED, 15 + 16, 8,
                        Z_DEFAULT_STRATEGY) == Z_OK;
}

static bool begin_zstd(struct pack *k, int level, uint64_t size_bytes)
{
    ZSTD_CCtx *c = k->of.zstd = ZSTD_createCCtx();

    return c &&
           !ZSTD_isError(ZSTD_CCtx_setParameter(c, ZSTD_c_compressionLevel, level ? level : 3)) &&
           (size_bytes == UINT64_MAX || !ZSTD_isError(ZSTD_CCtx_setPledgedSrcSize(c, size_bytes)));
}

enum err_code pack_new(const struct packing_form *form, uint64_t size_bytes, pack_fn emit,
                       void *ctx, struct pack **ret_pack, struct err *e)
{
    AUTO(pack) struct pack *k = NEW(struct pack);
    bool ready;

    k->as = form->as;
    k->emit = emit;
    k->ctx = ctx;
    if (form->as == PACKED_GZIP)
        ready = begin_gzip(k, form->level);
    else
        ready = begin_zstd(k, form->level, size_bytes);
    if (!ready)
        return err_set(e, ERR_UNAVAILABLE, "no memory to pack with");
    *ret_pack = STEAL(k);
    return ERR_OK;
}

void pack_free(struct pack *k)
{
    if (!k)
        return;
    if (k->as == PACKED_GZIP)
        deflateEnd(&k->of.gzip);
    else
        ZSTD_freeCCtx(k->of.zstd);
    free(k);
}

static enum err_code run_gzip(struct pack *k, const void *p, size_t n, int flush, struct err *e)
{
    z_stream *z = &k->of.gzip;
    int code;

    z->next_in = (unsigned char *)p; /* zlib only reads it */
    z->avail_in = (uInt)n;
    do {
        z->next_out = k->out;
        z->avail_out = OUT_BYTES;
        code = deflate(z, flush);
        if (code != Z_OK && code != Z_STREAM_END && code != Z_BUF_ERROR)
            return err_set(e, ERR_INTERNAL, "zlib does not pack: %d", code);
        if (z->avail_out < OUT_BYTES)
            TRY(k->emit(k->ctx, k->out, OUT_BYTES - z->avail_out, e));
    } while (z->avail_out == 0);
    return ERR_OK;
}

static enum err_code run_zstd(struct pack *k, const void *p, size_t n, ZSTD_EndDirective how,
                              struct err *e)
{
    ZSTD_inBuffer in = {p, n, 0};
    size_t left;

    do {
        ZSTD_outBuffer out = {k->out, OUT_BYTES, 0};

        left = ZSTD_compressStream2(k->of.zstd, &out, &in, how);
        if (ZSTD_isError(left))
            return err_set(e, ERR_INTERNAL, "zstd does not pack: %s", ZSTD_getErrorName(left));
        if (out.pos > 0)
            TRY(k->emit(k->ctx, k->out, out.pos, e));
    } while (in.pos < in.size || (how == ZSTD_e_end && left > 0));
    return ERR_OK;
}

enum err_code pack_feed(struct pack *k, const void *p, size_t n, struct err *e)
{
    const char *bytes = p;

    while (n > 0) {
        size_t step = n < INT_MAX ? n : INT_MAX;

        if (k->as == PACKED_GZIP)
            TRY(run_gzip(k, bytes, step, Z_NO_FLUSH, e));
        else
            TRY(run_zstd(k, bytes, step, ZSTD_e_continue, e));
        bytes += step;
        n -= step;
    }
    return ERR_OK;
}

enum err_code pack_end(struct pack *k, struct err *e)
{
    /* zstd packs otherwise what comes with its end in one call: so it never does. */
    return k->as == PACKED_GZIP ? run_gzip(k, "", 0, Z_FINISH, e)
                                : run_zstd(k, "", 0, ZSTD_e_end, e);
}
